"""Decoders as the Encoding Standard means them, tolerant: a broken byte costs one character.

Built on Python's codecs, which are compiled, with what they lack: the C1 controls of windows-125x, newer
HKSCS and GB 18030 characters, the NEC and IBM rows of EUC-JP, and above all the standard's rule for a pair
that means nothing. Python gives up its lead byte alone and reads the trail byte as the next lead, so that
all that follows is out of step; the standard gives up both, unless the second is ASCII (it may be the < of a
tag). All tables were compared with an implementation of the standard, byte pair by byte pair; left over are three
signs for which Python has one character in two places (Big5 A241, A242, JIS X 0212 A2B7).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import cache

REPLACEMENT = "\ufffd"

_MULTI_BYTE = frozenset(("cp949", "gb18030", "big5hkscs", "euc_jp", "cp932"))
# Decoders for which bytes below 80 may be something else than ASCII.
_NOT_ASCII = ("iso2022", "hz", "johab", "replacement")
# Single bytes for which Python has another character, or none.
_SINGLE_BYTE = {
    "koi8-u": {0xAE: "\u045e", 0xBE: "\u040e"},
    "cp1255": {0xCA: "\u05ba"},
}
# Pairs of Big5 that Python's HKSCS-2004 lacks: the first pair of a run in hexadecimal, then its characters.
_BIG5_RUNS = (
    "877a㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆 "
    "87be㓦珄𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋 8e69箸 8e6f簆 8e7e糎 8eab緒 8eb4縝 "
    "8ecd者 8ed0耨 8f57菁 8f69蒨 8f6e萏 8fcb覦覩 8ffe起 906d都 907a銹 90dc靜 90f1響 "
    "91bf鼖 9244蔃 92af兙兛兝兞 92c8鍮 92d1瑹 9447浧 94ca禛 95d9邗 9644靝 96ed瀞 96fc嬨 "
    "9b76爁 9b78矗 9b7b纇 9bc6駖 9bde釔 9bec惞 9bf6澶 9c42輶 9c53侻 9c62營 9c68鄄 "
    "9c6b鷰 9c77菏 9cbc尐秣 9cd0婧 9d57輋 9d5a筑 9dc4拐 9ea9恢 9eef痹 9efd汊 9f60鬮 "
    "9f66鼗 9fcb僭 9fd8弌 a063蠏 a077拎 a0d5瑨 a0df煢 a0e4牐 "
    "a3c0␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡€ c6cf廴 c6d3无 c6d5癶 c6d7隶 c6de〃仝 "
    "fa5f倩 fa66偽 fabd包 fac5卄 fad5卿 fb48嘅 fbb8婷 fbf3幵 fbf9廐 fc4f彘 fc6c悤 "
    "fcb9撐 fce2晴 fcf1杞 fdb7沜渝 fdbb港 fdf1煮 fe52猪 fe6f瑜 feaa瓩 fedd砉"
)
# Characters for which Python's tables have another one: Big5 signs, Microsoft's choice for JIS signs, and
# GB 18030-2022 for private use.
_OTHERWISE = {
    "big5hkscs": dict(zip("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡", strict=True)),
    "euc_jp": dict(zip("〜‖−¢£¬", "～∥－￠￡￢", strict=True)),
    "cp932": dict.fromkeys("\uf8f0\uf8f1\uf8f2\uf8f3", REPLACEMENT),
    "gb18030": dict(
        zip(
            "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
            "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
            "\u3000︐︒︑︓︔︕︖︗︘︙ḿ龴龵龶龷龸龹龺龻",
            strict=True,
        )
    ),
}


def decode_tolerantly(data: bytes, codec: str) -> str:
    """Characters of all bytes by a decoder that ``codec_for`` names; U+FFFD for what is broken.

    "replacement" gives one U+FFFD for a page that is not empty, as the standard has it. Never raises.
    """
    if codec in ("utf-8", "utf-16-le", "utf-16-be"):
        return data.decode(codec, "replace")
    if data.isascii() and not codec.startswith(_NOT_ASCII):
        return data.decode("ascii")
    if codec in _MULTI_BYTE:
        return _other_characters(data.decode(codec, _STANDARD + codec), codec)
    if codec == "replacement":
        return REPLACEMENT if data else ""
    if codec in ("iso2022_jp", "iso2022_kr", "hz", "johab"):
        # The standard's iso-2022-jp reads half-width katakana too, which Python calls an extension.
        return data.decode("iso2022_jp_ext" if codec == "iso2022_jp" else codec, "replace")
    return codecs.charmap_decode(data, "strict", _single_byte_table(codec))[0]


@cache
def _single_byte_table(codec: str) -> str:
    """The 256 characters of a single-byte encoding; U+FFFD for bytes that mean nothing."""
    if codec == "x-user-defined":
        return "".join(map(chr, range(0x80))) + "".join(map(chr, range(0xF780, 0xF800)))
    table = list(bytes(range(256)).decode(codec, "replace"))
    if codec.startswith("cp125") or codec == "cp874":
        for byte in range(0x80, 0xA0):
            table[byte] = chr(byte) if table[byte] == REPLACEMENT else table[byte]
    for byte, character in _SINGLE_BYTE.get(codec, {}).items():
        table[byte] = character
    return "".join(table)


@cache
def _big5_pairs() -> dict[bytes, str]:
    pairs = {}
    for run in _BIG5_RUNS.split(" "):
        lead, trail = bytes.fromhex(run[:4])
        for character in run[4:]:
            pairs[bytes((lead, trail))] = character
            trail = 0xA1 if trail == 0x7E else trail + 1
    return pairs


def _other_characters(text: str, codec: str) -> str:
    table = _OTHERWISE.get(codec)
    if table is None or text.isascii():
        return text
    return re.sub(f"[{''.join(table)}]", lambda found: table[found.group()], text)


# Each rule gets what follows from the byte that Python could not read, and gives a character and how many
# bytes it stands for.
_Rule = Callable[[bytes], tuple[str, int]]


def _pair(first: int, last: int, rest: bytes) -> tuple[str, int]:
    """A lead byte in the range takes the next byte with it, unless that is ASCII."""
    return REPLACEMENT, 2 if first <= rest[0] <= last and rest[1:2] >= b"\x80" else 1


def _cp949(rest: bytes) -> tuple[str, int]:
    return _pair(0x81, 0xFE, rest)


def _cp932(rest: bytes) -> tuple[str, int]:
    return (REPLACEMENT, 1) if rest[0] in (0x80, 0xA0) else _pair(0x81, 0xFC, rest)


def _big5(rest: bytes) -> tuple[str, int]:
    known = _big5_pairs().get(rest[:2])
    return (known, 2) if known else _pair(0x81, 0xFE, rest)


def _gb18030(rest: bytes) -> tuple[str, int]:
    if rest[0] == 0x80:
        return "€", 1
    if rest[0] != 0xFF and b"0" <= rest[1:2] <= b"9":
        # Four bytes; if they are no character, or the end cuts them off, all of them are one error.
        if len(rest) == 2 or (0x81 <= rest[2] <= 0xFE and (len(rest) == 3 or 0x30 <= rest[3] <= 0x39)):
            return REPLACEMENT, len(rest)
        return REPLACEMENT, 1
    return _pair(0x81, 0xFE, rest)


def _euc_jp(rest: bytes) -> tuple[str, int]:
    lead = rest[0]
    if lead == 0x8F and len(rest) > 1 and 0xA1 <= rest[1] <= 0xFE:
        return REPLACEMENT, 3 if rest[2:3] >= b"\x80" else 2
    if 0xA1 <= lead <= 0xFE and len(rest) > 1 and 0xA1 <= rest[1] <= 0xFE:
        # The rows that NEC and IBM added stand in the same place of JIS as in windows-31j.
        row, cell = lead - 0xA1, rest[1] - 0xA1
        first = (row >> 1) + (0x81 if row < 62 else 0xC1)
        second = cell + 0x9F if row % 2 else cell + 0x40 + (cell >= 0x3F)
        return bytes((first, second)).decode("cp932", "replace")[0], 2
    return (REPLACEMENT, 1) if 0x8F < lead < 0xA1 or lead < 0x8E else _pair(0x8E, 0xFE, rest)


_RULES: dict[str, _Rule] = {
    "cp949": _cp949,
    "cp932": _cp932,
    "big5hkscs": _big5,
    "gb18030": _gb18030,
    "euc_jp": _euc_jp,
}
_STANDARD = "hanji-standard-"


def _handler(rule: _Rule) -> Callable[[UnicodeError], tuple[str, int]]:
    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        character, width = rule(error.object[error.start : error.start + 4])
        return character, min(error.start + width, len(error.object))

    return handle


for _codec, _rule in _RULES.items():
    codecs.register_error(_STANDARD + _codec, _handler(_rule))
