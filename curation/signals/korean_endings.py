"""How a Korean word ends a sentence: by a mark, or by an ending that is followed by none.

Web Korean often goes without full stops (…했다, …해요ㅋㅋ), and nouns end in the same syllables (바다, 필요),
so an ending is told by the syllables before it. The lists are this project's own and meant for counting, not
parsing: they look at three syllables and know no grammar.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import HANGUL, JAMO, OTHER
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.unicode import CLASS_MASK

NO_ENDING, MARKED, FORMAL, POLITE, NOUN, CASUAL, HEADLINE = range(7)
ENDS_WITHIN_LINE = 8
"""Added to an ending that ends a sentence wherever it stands, not only at the end of a line."""

_DA, _KKA, _YO, _JYO = ord("다"), ord("까"), ord("요"), ord("죠")
_EUM, _HAM, _IM, _DOEM = ord("음"), ord("함"), ord("임"), ord("됨")
_EO, _JI, _NE, _NYA, _YA, _GUN = ord("어"), ord("지"), ord("네"), ord("냐"), ord("야"), ord("군")
_NI, _IT, _GEO, _I = ord("니"), ord("있"), ord("거"), ord("이")
# What stands before 다, 요, 임 and 네 in nouns and particles: 바다 마다, 필요 중요 수요, 게임 책임, 동네 너네.
_BEFORE_DA = (ord("바"), ord("마"))
_BEFORE_YO = tuple(map(ord, "필중주수소개동강긴민"))
_BEFORE_IM = tuple(map(ord, "게책모담선"))
_BEFORE_NE = tuple(map(ord, "동너그우"))
_RIEUL, _BIEUP, _BIEUP_SIOS, _SSANG_SIOS = 8, 17, 18, 20


@pure_kernel
def ending(points: np.ndarray, properties: np.ndarray, first: int, last: int) -> int:
    """How the word points[first..last] ends a sentence: one of the names above.

    Closing marks, ~, ^, lone jamo and emoji after the last syllable are passed over, but only if an ending stands
    before them do they make one (했어요~ ends a sentence, 감사^^ does not).
    """
    k = last
    marks, dots, soft = 0, 0, False
    while properties[k] & CLASS_MASK != HANGUL:
        point = points[k]
        if is_terminal(point):
            marks += 1
            dots += point == 46
        elif _is_soft(point, properties[k] & CLASS_MASK):
            soft = True
        elif not _closes(point):
            return NO_ENDING
        k -= 1
        if k < first:
            return NO_ENDING
    if marks > 0:
        # "가." and "나." number lists and paragraphs.
        numbering = marks == 1 and dots == 1 and k == first
        return NO_ENDING if numbering else MARKED + ENDS_WITHIN_LINE
    before = _syllable(points, properties, k - 1, first)
    group = _group(points[k], before, _syllable(points, properties, k - 2, first))
    if group == NO_ENDING:
        return NO_ENDING if soft else HEADLINE
    if soft or _is_certain(group, points[k], before):
        return group + ENDS_WITHIN_LINE
    return group


@pure_kernel
def may_end(point: int) -> bool:
    """Whether a syllable may end a sentence that has no mark."""
    return point in (_DA, _YO, _KKA, _JYO, _EUM, _HAM, _IM, _DOEM, _EO, _JI, _NE, _NYA, _YA, _GUN)


@pure_kernel
def _group(point: int, before: int, second: int) -> int:
    """The kind of ending of a syllable, given the two before it (0 where there is none)."""
    if before == 0:
        return NO_ENDING
    coda = _coda(before)
    if point == _DA:
        return NO_ENDING if before in _BEFORE_DA else FORMAL
    if point == _KKA:  # 할까, 합니까; not 하니까
        polite = before == _NI and second > 0 and _coda(second) == _BIEUP
        return FORMAL if coda == _RIEUL or polite else NO_ENDING
    if point == _YO:
        return NO_ENDING if before in _BEFORE_YO else POLITE
    if point == _JYO:
        return POLITE
    if point == _EUM:  # 있음, 같음; not 처음, 마음
        return NOUN if coda > 0 else NO_ENDING
    if point in (_HAM, _DOEM) or (point == _IM and before not in _BEFORE_IM):
        return NOUN
    past = coda in (_SSANG_SIOS, _BIEUP_SIOS)
    if point == _NE:
        return NO_ENDING if before in _BEFORE_NE else CASUAL
    if point == _NYA or (past and point in (_EO, _JI, _GUN)):
        return CASUAL
    return CASUAL if point == _YA and before in (_GEO, _I) else NO_ENDING


@pure_kernel
def _is_certain(group: int, point: int, before: int) -> bool:
    """Whether an ending also ends a sentence where a space follows: 합니다, 했다, 했음; not 하다 or 있어."""
    past = _coda(before) == _SSANG_SIOS and before != _IT
    if group == FORMAL:
        return before == _NI or past
    if group == POLITE:
        return True
    return past and point != _JI


@pure_kernel
def _syllable(points: np.ndarray, properties: np.ndarray, place: int, first: int) -> int:
    """The Hangul syllable at a place, 0 if there is none or the word begins after it."""
    if place < first or properties[place] & CLASS_MASK != HANGUL:
        return 0
    return int(points[place])


@pure_kernel
def _coda(syllable: int) -> int:
    """Number of a syllable's final consonant, 0 without one (the Unicode Standard, section 3.12)."""
    return (syllable - 0xAC00) % 28


@pure_kernel
def is_terminal(point: int) -> bool:
    """Marks that end sentences: . ! ? … and the ideographic and fullwidth ones."""
    return point in (46, 33, 63, 0x2026, 0x3002, 0xFF01, 0xFF0E, 0xFF1F)


@pure_kernel
def _closes(point: int) -> bool:
    """Quotation marks and brackets that close, and marks of emphasis."""
    return point in (34, 39, 41, 42, 93, 95, 0x2019, 0x201D, 0x300B, 0x300D, 0x300F, 0x3009, 0xFF09)


@pure_kernel
def _is_soft(point: int, kind: int) -> bool:
    """What writers put in a full stop's place: ~ ^, lone jamo, hearts and emoji."""
    if kind == JAMO:
        return True
    return kind == OTHER and (point in (126, 94, 0xFF5E, 0xFE0F, 0x200D) or is_emoji(point))


@pure_kernel
def is_emoji(point: int) -> bool:
    """Emoji, hearts, stars: the blocks 2600–27BF and 1F300–1FAFF, and regional letters of flags."""
    return 0x2600 <= point <= 0x27BF or 0x1F1E6 <= point <= 0x1F1FF or 0x1F300 <= point <= 0x1FAFF
