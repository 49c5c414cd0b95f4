"""Bytes to characters in the WHATWG order: BOM, transport, meta prescan, detection.

Labels mean what browsers take them to mean (``charset_labels``) and are decoded as browsers do
(``charset_codecs``), with three differences, all for pages as they are found in archives:

- A label that the bytes contradict is wrong and is overruled: Korean servers send ``iso-8859-1`` for everything.
- A page in two charsets is read in both (``charset_mixed``); ISO-2022-KR, HZ and Johab are read where certain.
- Decoding is tolerant: a broken byte costs one character, not the page, and how many were lost is a signal.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from resiliparse.parse.encoding import detect_encoding

from hanji.curation.text.charset_codecs import REPLACEMENT, decode_tolerantly
from hanji.curation.text.charset_judges import (
    JUDGED_BYTES,
    USUAL,
    foreign_count,
    has_frequent,
    is_certainly_korean,
    judged_part,
    looks_japanese,
    looks_korean,
    looks_utf8,
    looks_western,
    misfit_share,
)
from hanji.curation.text.charset_labels import codec_for
from hanji.curation.text.charset_mixed import (
    has_utf8_hangul,
    is_mixed,
    read_in_step,
    read_mixed,
    with_western_marks,
)
from hanji.curation.text.prescan import prescan, stated_codec

VERSION = 2

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_KOREAN = ("utf-8", "cp949")
_UTF16 = ("utf-16-le", "utf-16-be")
# More broken characters than this share, and the page is something else: no repair is tried.
_REPAIRED_SHARE = 0.2


@dataclass(frozen=True)
class Decoded:
    """Characters and how they were found.

    ``charset``: the decoder (a Python codec's name, see ``charset_labels``). ``source``: "bom", "http", "meta",
    "detected", "given" (the characters came as such), or "mislabelled-bom", "-http", "-meta" where that label was
    overruled. ``replaced``: U+FFFD in the text. ``declared``: the label as first stated, whatever came of it.
    ``mixed``: characters read in the page's other charset (CP949 in UTF-8 or the reverse, or marks of windows-1252
    in UTF-8), without ASCII.
    """

    text: str
    charset: str
    source: str
    replaced: int
    declared: str | None = None
    mixed: int = 0


def decode(data: bytes, http_charset: str | None = None, *, markup: bool = True) -> Decoded:
    """Decode a page (or with ``markup`` False plain text). Never raises; linear in the bytes."""
    declared: str | None = None
    overruled = ""
    body, found = data, ""
    for mark, name in _BOMS:
        if data.startswith(mark):
            body, found = data[len(mark) :], name
            break
    judged: bytes | None = None
    for source, label, codec in _labels(body, found, http_charset, markup):
        declared = declared or label
        if codec is None:
            continue
        if codec == "utf-8" and (text := _strict_utf8(body)) is not None and not _has_escapes(body):
            return Decoded(text, codec, overruled or source, text.count(REPLACEMENT), declared)
        judged = judged_part(body) if judged is None else judged
        actual = _actual_codec(codec, body, judged)
        if actual is not None:
            return _decoded(body, actual, overruled or source, declared)
        overruled = overruled or f"mislabelled-{source}"
    judged = judged_part(body) if judged is None else judged
    return _decoded(body, _detected(body, judged), overruled or "detected", declared)


def _labels(
    data: bytes, bom: str, http_charset: str | None, markup: bool
) -> Iterator[tuple[str, str | None, str | None]]:
    """(source, label as stated, decoder) in the standard's order; the page is looked at only when it is asked."""
    if bom:
        yield "bom", bom, bom
    if http_charset:
        yield "http", http_charset, codec_for(http_charset)
    if markup:
        label = prescan(data)
        yield "meta", label, stated_codec(label)


def _strict_utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _has_escapes(data: bytes) -> bool:
    """Whether ASCII bytes may be ISO 2022, where escape sequences announce characters of two bytes."""
    # One byte is searched for many times as fast as two.
    return b"\x1b" in data and b"\x1b$" in data and data.isascii()


def _actual_codec(codec: str, data: bytes, judged: bytes) -> str | None:
    """The decoder for a page with this label; None if the bytes contradict it."""
    if codec == "replacement":
        # A browser shows nothing of such a page, for safety's sake. Nobody clicks here.
        return _seven_bit(data)
    if codec in _UTF16:
        return codec if _may_be_utf16(data) else None
    if _has_escapes(data) and (actual := _seven_bit(data)):
        return actual
    if codec.startswith("iso2022"):
        return None if judged else codec
    if not _is_contradicted(judged, codec) or (codec in _KOREAN and is_mixed(judged, codec)):
        return codec
    return None


def _is_contradicted(judged: bytes, codec: str) -> bool:
    """Whether bytes above ASCII show that they are not in the declared charset."""
    if not judged:
        return False
    text = decode_tolerantly(judged, codec)
    replaced = text.count(REPLACEMENT)
    sound = foreign_count(text) - replaced
    if codec != "utf-8":
        if looks_utf8(judged) and (replaced or sound >= 4 or _is_unlikely(text)):
            return True
        if codec == "cp949":
            if looks_western(judged):
                return True
        # Korean servers of old send iso-8859-1 for everything, and some pages in EUC-KR say gb2312.
        elif (
            looks_korean(judged)
            if codec == "cp1252"
            else is_certainly_korean(decode_tolerantly(judged, "cp949"))
        ):
            return not (codec == "johab" and is_certainly_korean(text))
    # One character cut off where the data ends is no contradiction.
    return replaced > max(sound, 0) and not (replaced == 1 and text.endswith(REPLACEMENT))


def _is_unlikely(text: str) -> bool:
    """Whether a few characters that are valid UTF-8 as well make no sense in the declared charset.

    A no-break space in UTF-8, read as CP949, is 혻, and a copyright sign 짤.
    """
    foreign = [char for char in text if char > "\x7f"]
    return any("가" <= char <= "힣" and char not in USUAL for char in foreign) or (
        len(foreign) > 1 and not has_frequent(text)
    )


def _detected(data: bytes, judged: bytes) -> str:
    if utf16 := _without_bom(data):
        return utf16
    if not judged:
        return (_seven_bit(data) if _has_escapes(data) else None) or "utf-8"
    if looks_utf8(judged):
        return "utf-8"
    if looks_korean(judged):
        return "cp949"
    if is_mixed(judged, "utf-8"):
        return "utf-8"
    if is_certainly_korean(decode_tolerantly(judged, "johab")):
        return "johab"
    guess = codec_for(detect_encoding(judged, max_len=JUDGED_BYTES))
    # Kana in EUC-JP are Hangul letters in CP949, and it is not Korean, so it may be that.
    japanese = ("euc_jp", "cp932") if guess in (None, "cp949") else ()
    for codec in (*(codec for codec in japanese if looks_japanese(judged, codec)), guess, "cp949", "cp1252"):
        # The detector's last resort is a single-byte guess; control characters and private use betray it.
        if codec is not None and misfit_share(decode_tolerantly(judged, codec)) <= 0.01:
            return codec
    return "utf-8"


def _seven_bit(data: bytes) -> str | None:
    """The ISO 2022 charset or HZ that ASCII bytes are certainly in."""
    if not data.isascii():
        return None
    for sign, codec in ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp"), (b"~{", "hz")):
        if sign in data:
            text = decode_tolerantly(data, codec)
            if not text.isascii() and text.count(REPLACEMENT) <= 0.02 * foreign_count(text):
                return codec
    return None


def _may_be_utf16(data: bytes) -> bool:
    """Whether a page said to be UTF-16 can be: it has zero bytes, for its ASCII, or is nothing else."""
    head = data[:JUDGED_BYTES]
    return b"\x00" in head or not (looks_utf8(head) or looks_korean(head))


def _without_bom(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: the upper bytes of its ASCII are zero, and hardly any lower ones are."""
    head = data[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    # Some Hangul have a lower byte of zero: every 256th, and 저 is one of them.
    if max(even, odd) < 0.1 * len(head) or min(even, odd) > 0.2 * max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _decoded(data: bytes, codec: str, source: str, declared: str | None) -> Decoded:
    text = decode_tolerantly(data, codec)
    replaced = text.count(REPLACEMENT)
    mixed = 0
    if (codec == "utf-8" and replaced) or (codec == "cp949" and has_utf8_hangul(data)):
        text, mixed = read_mixed(data, codec)
        if codec == "utf-8" and not mixed:
            data, mixed = with_western_marks(data)
            text = decode_tolerantly(data, codec) if mixed else text
    elif codec == "cp949" and 0 < replaced <= _REPAIRED_SHARE * foreign_count(text) + 1:
        text = read_in_step(data)
    return Decoded(text, codec, source, text.count(REPLACEMENT), declared, mixed)
