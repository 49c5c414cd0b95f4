"""Bytes to characters in the WHATWG order: BOM, HTTP header, meta prescan, detection.

Labels mean what browsers take them to mean (Encoding Standard): ``euc-kr`` is CP949, ``iso-8859-1`` is
windows-1252. A declared charset that the bytes contradict is a wrong label and is overruled, which browsers
do not do. Decoding is tolerant: a broken byte costs one character, not the page, and how many were replaced
is a signal.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

VERSION = 1
PRESCAN_BYTES = 4096
_JUDGED_BYTES = 131_072
_JUDGED_CHARACTERS = 20_000

_META = re.compile(rb"<meta[\s/][^>]*>?", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>;]+))""", re.IGNORECASE)
_CHARSET_IN_CONTENT = re.compile(rb"""charset\s*=\s*["']?\s*([^\s"';]+)""", re.IGNORECASE)
_XML_DECLARATION = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"'>]+)["']""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Labels that the Encoding Standard maps to EUC-KR, whose decoder covers all of CP949, and what else CP949
# is called outside the standard.
_KOREAN = {
    *("cseuckr", "csksc56011987", "euc-kr", "iso-ir-149", "korean", "ks_c_5601-1987", "ks_c_5601-1989"),
    *("ksc5601", "ksc_5601", "windows-949", "euckr", "cp949", "ms949", "uhc", "x-windows-949"),
}
# Where the standard's encodings have other names in Python, or Python's are narrower.
_PYTHON_NAMES = {
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
}
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_FOREIGN = re.compile("[^\x00-\x7f]+")
_FIRST_SYLLABLE, _LAST_SYLLABLE = "가", "힣"
# The 2,350 syllables of KS X 1001: CP949's others are hardly ever written.
_USUAL = frozenset(
    bytes((lead, trail)).decode("cp949") for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF)
)
# Syllables that make up more than half of any running Korean text.
_FREQUENT = frozenset(
    "이다는의에을가하고은로지기사한도를으나시리어인자그서아해대있수정일보들게만부여주라전원성구제화상국과"
    "면동연오관요조장안비니음우공경물및적유신소용미분스위모중생발명거선방실업문회등입금습년세내했까것"
)
_MISFITS = re.compile("[\u0080-\u009f\ue000-\uf8ff\ufffd]")


@dataclass(frozen=True)
class Decoded:
    """Characters, the Python codec used, how it was found, and how many characters were replaced.

    ``source`` is "bom", "http", "meta", "detected", "given" (the characters came as such), or
    "mislabelled-http" and "mislabelled-meta" where that label was overruled.
    """

    text: str
    charset: str
    source: str
    replaced: int


def codec_for(label: str | None) -> str | None:
    """The Python codec that a charset label means on the web; None for a label that means nothing."""
    if not label:
        return None
    name = label.strip().strip("\"'").lower()
    if name in _KOREAN:
        return "cp949"
    mapped = map_encoding_to_html5(name, fallback_utf8=False)
    if mapped is None:
        return None
    mapped = _PYTHON_NAMES.get(mapped.lower(), mapped.lower())
    try:
        return codecs.lookup(mapped).name
    except LookupError:
        return None


def prescan(data: bytes) -> str | None:
    """The charset label in a page's XML declaration or first meta elements; one of a known charset if any.

    After the standard's prescan: ``<meta charset>``, or ``content`` of a ``<meta http-equiv=content-type>``.
    """
    head = _COMMENT.sub(b"", data[:PRESCAN_BYTES])
    declaration = _XML_DECLARATION.search(head)
    labels = [declaration.group(1)] if declaration else []
    for meta in _META.findall(head):
        values: dict[bytes, bytes] = {}
        for name, *forms in _ATTRIBUTE.findall(meta):
            values.setdefault(name.lower(), b"".join(forms))
        in_content = _CHARSET_IN_CONTENT.search(values.get(b"content", b""))
        if b"charset" in values:
            labels.append(values[b"charset"])
        elif in_content and values.get(b"http-equiv", b"").strip().lower() == b"content-type":
            labels.append(in_content.group(1))
    texts = [label.decode("ascii", "replace").strip() for label in labels]
    return next((text for text in texts if codec_for(text)), texts[0] if texts else None)


def decode(data: bytes, http_charset: str | None = None, *, markup: bool = True) -> Decoded:
    """Decode a page (or with ``markup`` False plain text). Never raises."""
    for bom, name in _BOMS:
        if data.startswith(bom):
            return _decoded(data[len(bom) :], name, "bom")
    declared = [("http", codec_for(http_charset))]
    if markup:
        label = codec_for(prescan(data))
        # A page that says so in ASCII cannot be UTF-16: the standard reads UTF-8 instead.
        declared.append(("meta", "utf-8" if label in ("utf-16", "utf-16-le", "utf-16-be") else label))
    overruled = ""
    judged = _judged_part(data)
    for source, codec in declared:
        if codec is None:
            continue
        if not _is_contradicted(judged, codec):
            return _decoded(data, codec, overruled or source)
        overruled = overruled or f"mislabelled-{source}"
    return _decoded(data, _detected(judged), overruled or "detected")


def _judged_part(data: bytes) -> bytes:
    """The part that charsets are judged by: from the first byte that is not ASCII, wherever that is, on."""
    first = _NOT_ASCII.search(data)
    return data[first.start() : first.start() + _JUDGED_BYTES] if first else b""


def _is_contradicted(data: bytes, codec: str) -> bool:
    """Whether the bytes show that they are not in the declared codec."""
    # What is not a superset of ASCII cannot be judged by its bytes above ASCII.
    if not data or codec.startswith(("utf-16", "iso2022")):
        return False
    text = _tolerant(data, codec)
    replaced = text.count("\ufffd")
    sound = _foreign_count(text) - replaced
    if codec != "utf-8":
        if _looks_utf8(data) and not (replaced == 0 and sound < 4):
            return True
        # Korean servers of old send iso-8859-1 for everything.
        if codec == "cp1252" and _looks_korean(data):
            return True
    # One character cut off where the data ends is no contradiction.
    return replaced > max(sound, 0) and not (replaced == 1 and text.endswith("\ufffd"))


def _detected(data: bytes) -> str:
    if _looks_utf8(data):
        return "utf-8"
    if _looks_korean(data):
        return "cp949"
    guess = codec_for(detect_encoding(data, max_len=_JUDGED_BYTES))
    # The detector's last resort is a single-byte guess; control characters and private use betray it.
    for codec in (guess, "cp949", "cp1252"):
        if codec is not None:
            text = _tolerant(data, codec)
            if len(_MISFITS.findall(text)) <= 0.01 * len(text):
                return codec
    return "utf-8"


def _looks_utf8(data: bytes) -> bool:
    """Valid UTF-8, or with a few broken bytes: no other charset gives valid sequences by chance so often."""
    text = _tolerant(data, "utf-8")
    broken = text.count("\ufffd")
    return broken == 0 or _foreign_count(text) - broken >= 4 * broken


def _looks_korean(data: bytes) -> bool:
    """Whether the bytes are Korean in CP949: read so, most of them are Hangul, and of the usual syllables."""
    text = _tolerant(data, "cp949")
    foreign = Counter("".join(_FOREIGN.findall(text))[:_JUDGED_CHARACTERS])
    total = foreign.total()
    hangul = {char: n for char, n in foreign.items() if _FIRST_SYLLABLE <= char <= _LAST_SYLLABLE}
    syllables = sum(hangul.values())
    if syllables == 0 or foreign["\ufffd"] > 0.02 * total + 1:
        return False
    if sum(n for char, n in hangul.items() if char in _USUAL) < 0.8 * syllables:
        return False
    if syllables < 8:  # too few to count frequencies
        return syllables >= 0.8 * total
    frequent = sum(n for char, n in hangul.items() if char in _FREQUENT)
    return syllables >= 0.5 * total and frequent >= 0.25 * syllables


def _foreign_count(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _decoded(data: bytes, codec: str, source: str) -> Decoded:
    text = _tolerant(data, codec)
    return Decoded(text, codec, source, text.count("\ufffd"))


def _tolerant(data: bytes, codec: str) -> str:
    return data.decode(codec, _ONE_CHARACTER if codec == "cp949" else "replace")


_ONE_CHARACTER = "hanji-one-character"


def _replace_one_character(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler for CP949: what the standard's decoder does with a pair that means nothing.

    Python gives up the lead byte alone and reads the trail byte as the next lead, so that all that follows
    is out of step. But where the second byte is ASCII it stays: it may be the < of a tag.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    lead, trail = error.object[error.start], error.object[error.start + 1 : error.start + 2]
    whole_pair = 0x81 <= lead <= 0xFE and trail >= b"\x80"
    return "\ufffd", error.start + (2 if whole_pair else 1)


codecs.register_error(_ONE_CHARACTER, _replace_one_character)
