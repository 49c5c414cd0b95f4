"""Bytes to characters in the WHATWG order: BOM, HTTP header, meta prescan, detection.

Labels mean what browsers take them to mean (Encoding Standard): ``euc-kr`` is CP949, ``iso-8859-1`` is
windows-1252. A declared charset that the bytes contradict, while UTF-8 or CP949 decodes them, is a wrong
label and is overruled. Decoding is tolerant: a broken byte costs one character, not the page, and how many
were replaced is a signal.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

VERSION = 1
PRESCAN_BYTES = 4096

_META_CHARSET = re.compile(rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([A-Za-z0-9_:.\-]+)""", re.IGNORECASE)
_XML_DECLARATION = re.compile(
    rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9_:.\-]+)["']""", re.IGNORECASE
)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Labels that the Encoding Standard maps to EUC-KR, whose decoder covers all of CP949 (uhc).
_KOREAN = {
    "cseuckr",
    "csksc56011987",
    "euc-kr",
    "euckr",
    "iso-ir-149",
    "korean",
    "ks_c_5601-1987",
    "ks_c_5601-1989",
    "ksc5601",
    "ksc_5601",
    "windows-949",
    "cp949",
    "ms949",
    "uhc",
    "x-windows-949",
}
# How the rest of the standard's encodings are called in Python where the names differ.
_PYTHON_NAMES = {
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
_HANGUL = re.compile("[가-힣]")
_RARE = re.compile("[\u0080-\u009f\ue000-\uf8ff]")


@dataclass(frozen=True)
class Decoded:
    """Characters, the Python codec used, how it was found, and how many characters were replaced.

    ``source`` is "bom", "http", "meta", "detected", "given", or "mislabelled-http" and "mislabelled-meta"
    where the label was overruled.
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
    """The charset label in a page's XML declaration or first meta elements, if there is one."""
    head = _COMMENT.sub(b"", data[:PRESCAN_BYTES])
    match = _XML_DECLARATION.search(head) or _META_CHARSET.search(head)
    return match.group(1).decode("ascii", "replace") if match else None


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
    for source, codec in declared:
        if codec is None:
            continue
        if _strict(data, codec) is not None and not _contradicted(data, codec):
            return _decoded(data, codec, source)
        better = _certain(data)
        if better is None or better == codec:
            return _decoded(data, codec, source)
        overruled = overruled or f"mislabelled-{source}"
    codec = _certain(data) or _detected(data)
    return _decoded(data, codec, overruled or "detected")


def _contradicted(data: bytes, codec: str) -> bool:
    """Whether bytes that this codec accepts are surely UTF-8: a single-byte or CP949 label on UTF-8 pages."""
    return codec != "utf-8" and not data.isascii() and _strict(data, "utf-8") is not None


def _certain(data: bytes) -> str | None:
    """UTF-8 or CP949 if the bytes can hardly be anything else."""
    if _strict(data, "utf-8") is not None:
        return "utf-8"
    if _nearly_utf8(data):
        return "utf-8"
    text = data.decode("cp949", "replace")
    hangul = _HANGUL.findall(text)
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    # Korean in CP949: nearly all that is not ASCII becomes Hangul, mostly the 2,350 syllables of KS X 1001.
    # (Chinese read so gives about 60 % Hangul, for its common characters lie partly in the same rows.)
    if foreign and len(hangul) >= 0.8 * foreign and text.count("\ufffd") <= 0.02 * foreign + 1:
        common = len("".join(hangul).encode("euc_kr", "ignore")) / 2
        if common >= 0.5 * len(hangul):
            return "cp949"
    return None


def _nearly_utf8(data: bytes) -> bool:
    """UTF-8 with a few broken bytes: far more valid multi-byte sequences than errors."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    multibyte = len(text) - len(text.encode("ascii", "ignore")) - broken
    return multibyte >= 20 * broken > 0


def _detected(data: bytes) -> str:
    if data.isascii():
        return "utf-8"
    name = codec_for(detect_encoding(data, max_len=131_072)) or "utf-8"
    text = data.decode(name, "replace")
    # The detector's last resort is a single-byte guess; control characters and private use betray it.
    if len(_RARE.findall(text)) > 0.01 * len(text):
        return "utf-8"
    return name


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _decoded(data: bytes, codec: str, source: str) -> Decoded:
    text = _strict(data, codec)
    if text is not None:
        return Decoded(text, codec, source, text.count("\ufffd"))
    text = _decode_cp949(data) if codec == "cp949" else data.decode(codec, "replace")
    return Decoded(text, codec, source, text.count("\ufffd"))


def _decode_cp949(data: bytes) -> str:
    """CP949 where one broken byte costs one character, as the standard's decoder does it.

    A lead byte followed by ASCII is one error and the ASCII stays: it may be the < of a tag.
    """
    pieces: list[str] = []
    position = 0
    while position < len(data):
        try:
            pieces.append(data[position:].decode("cp949"))
            break
        except UnicodeDecodeError as error:
            pieces.append(data[position : position + error.start].decode("cp949"))
            pieces.append("\ufffd")
            bad = position + error.start
            pair = data[bad : bad + 2]
            position = bad + (2 if len(pair) == 2 and pair[1] >= 0x80 else 1)
    return "".join(pieces)
