"""Whether bytes are what a charset says they are: evidence for and against UTF-8, Korean, and western text.

UTF-8 proves itself: other charsets do not give its sequences by chance. CP949 does not, since almost any pair of
upper bytes is a character in it, as in GBK, Big5 and EUC-JP. What proves it is Korean: nearly all syllables are
among the 2,350 of KS X 1001, of which a hundred make up half of any text.
"""

from __future__ import annotations

import re

from hanji.curation.text.charset_codecs import REPLACEMENT, decode_tolerantly

JUDGED_BYTES = 65_536
_FIRST_BYTES = 4_096
_JUDGED_CHARACTERS = 8_000

# The 2,350 syllables of KS X 1001: CP949's others are hardly ever written.
USUAL = frozenset(
    bytes((lead, trail)).decode("cp949") for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF)
)
# Syllables that make up more than half of any running Korean text.
FREQUENT = frozenset(
    "이다는의에을가하고은로지기사한도를으나시리어인자그서아해대있수정일보들게만부여주라전원성구제화상국과"
    "면동연오관요조장안비니음우공경물및적유신소용미분스위모중생발명거선방실업문회등입금습년세내했까것"
)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_ASCII_RUN, _HANGUL_RUN = re.compile("[\x00-\x7f]+"), re.compile("[가-힣]+")
_USUAL_RUN = re.compile(f"[{''.join(sorted(USUAL))}]+")
_FREQUENT_RUN = re.compile(f"[{''.join(sorted(FREQUENT))}]+")
_KANA = re.compile("[\u3041-\u30ff]")
# Control characters, private use and what could not be read: text has none of them.
_MISFITS = re.compile("[\u0080-\u009f\ue000-\uf8ff\ufffd]")
# Typographic marks of windows-1252 and letters of western Europe, next to ASCII, as English text has them.
_WESTERN = re.compile(
    rb"[\x00-\x7f][\x85\x91-\x97\x99\xa0\xa3\xa9\xab\xae\xb0\xb4\xb7\xbb\xc0-\xff]{1,2}[\x00-\x7f]"
)


def judged_part(data: bytes) -> bytes:
    """The part that charsets are judged by: from the first byte that is not ASCII, wherever that is, on."""
    first = _NOT_ASCII.search(data)
    return data[first.start() : first.start() + JUDGED_BYTES] if first else b""


def foreign_count(text: str) -> int:
    """Characters that are not ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def usual_count(text: str) -> int:
    """Usual Korean syllables of a text."""
    return len(text) - len(_USUAL_RUN.sub("", text))


def has_frequent(text: str) -> bool:
    """Whether a text has a syllable that Korean texts are full of."""
    return _FREQUENT_RUN.search(text) is not None


def misfit_share(text: str) -> float:
    """Share of characters that no text has: C1 controls, private use, U+FFFD."""
    return len(_MISFITS.findall(text)) / max(len(text), 1)


def looks_utf8(data: bytes) -> bool:
    """Valid UTF-8, or with a few broken bytes: no other charset gives valid sequences by chance so often."""
    for part in (data[:_FIRST_BYTES], data):  # what is not shows at once
        text = part.decode("utf-8", "replace")
        broken = text.count(REPLACEMENT)
        # One character may be cut off where the part ends.
        if broken > 1 and foreign_count(text) - broken < 4 * broken:
            return False
    return broken == 0 or foreign_count(text) - broken >= 4 * broken


def looks_korean(data: bytes, codec: str = "cp949") -> bool:
    """Whether bytes, read in CP949 (or Johab), are mostly Hangul, of the usual syllables."""
    return is_korean(decode_tolerantly(data, codec))


def is_korean(text: str) -> bool:
    """Whether what is not ASCII in a text is mostly Hangul, of the usual syllables; False if there is none."""
    foreign = _ASCII_RUN.sub("", text[: 4 * _JUDGED_CHARACTERS])[:_JUDGED_CHARACTERS]
    total = len(foreign)
    syllables = total - len(_HANGUL_RUN.sub("", foreign))
    if syllables == 0 or foreign.count(REPLACEMENT) > 0.02 * total + 1:
        return False
    if usual_count(foreign) < 0.8 * syllables:
        return False
    if syllables < 8:  # too few to count frequencies
        return syllables >= 0.8 * total
    frequent = total - len(_FREQUENT_RUN.sub("", foreign))
    return syllables >= 0.5 * total and frequent >= 0.25 * syllables


def is_certainly_korean(text: str) -> bool:
    """``is_korean`` with enough syllables to count their frequencies, so that a label may be overruled."""
    return usual_count(text[:_JUDGED_CHARACTERS]) >= 7 and is_korean(text)


def looks_japanese(data: bytes, codec: str) -> bool:
    """Whether bytes, read in a Japanese charset, are for a third kana, and nothing that no text has."""
    text = decode_tolerantly(data, codec)
    return misfit_share(text) <= 0.01 and len(_KANA.findall(text)) >= 0.33 * foreign_count(text)


def looks_western(data: bytes) -> bool:
    """Whether bytes that were said to be Korean are English with windows-1252's quotation marks and letters.

    Read as CP949, a mark and the letter after it are one of the syllables that nobody writes.
    """
    for part in (data[:_FIRST_BYTES], data):
        if _USUAL_RUN.search(decode_tolerantly(part, "cp949")):
            return False
    # The page as it is, but for what stands around its upper bytes: each must be a lone mark or letter.
    return len(_WESTERN.findall(b" " + data + b" ")) >= 0.8 * len(re.findall(rb"[\x80-\xff]+", data)) > 0
