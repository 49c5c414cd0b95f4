"""One pass over the bytes of a page that counts what its text is made of, before anything is parsed.

A page is walked tag by tag; script and style elements, comments and tags are passed over. Text is counted in
two columns: running text, and the text of links, code and form controls, which is mostly navigation and in
any language. Bytes beyond ASCII are read as UTF-8 and, where they are none, as pairs of a legacy East Asian
charset and as single bytes; which it was is for the caller to judge from the counts.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel

# What is counted: letters by script; of bytes that are no UTF-8 the runs, the runs of one byte, the bytes,
# the pairs, the pairs in KS X 1001's rows of Hangul, the pairs of frequent syllables, Shift_JIS's leads of
# kana, and the bytes below A0; the words, and the sum of the levels of the trigrams, of which there are as many
# as letters and words.
ASCII, ACCENTED, HANGUL, KANA, HAN, CYRILLIC, GREEK, ARABIC, HEBREW, THAI, OTHER = range(11)
RUNS, SINGLES, BYTES, PAIRS, HANGUL_PAIRS, FREQUENT_PAIRS, SHIFT_JIS, LOW = range(11, 19)
WORDS, LEVELS = range(19, 21)
COUNTS = 21
TEXT, ASIDE = 0, 1
WORD_BYTES = 8
# Kinds of bytes: 1 to 26 the letters, 0 what is between words.
TAG, REFERENCE, BEYOND = 27, 28, 29


def tag_code(name: str) -> int:
    """A tag's name as a number: five bits a letter, the last nine letters."""
    code = 0
    for letter in name.encode():
        code = ((code << 5) | (letter & 31)) & _NAME
    return code


def byte_kinds() -> np.ndarray:
    """uint8[256]: the kinds of bytes."""
    kinds = np.zeros(256, np.uint8)
    kinds[0x41:0x5B] = kinds[0x61:0x7B] = np.arange(1, 27)
    kinds[0x3C], kinds[0x26], kinds[0x80:] = TAG, REFERENCE, BEYOND
    return kinds


_ONES, _SEVENS = np.uint64(0x0101010101010101), np.uint64(0x7F7F7F7F7F7F7F7F)
_FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
_NAME = (1 << 45) - 1
_A, _SCRIPT, _STYLE = tag_code("a"), tag_code("script"), tag_code("style")
_CODE, _PRE, _OPTION, _BUTTON, _AREA = map(tag_code, ("code", "pre", "option", "button", "textarea"))


@kernel
def script_of(point: int) -> int:
    """Row of the counts that a code point beyond ASCII belongs to; −1 for what is no letter."""
    kind = -1
    if point < 0x0370:
        if 0xC0 <= point <= 0x2AF and point != 0xD7 and point != 0xF7:
            kind = ACCENTED
    elif 0xAC00 <= point < 0xD7FC or 0x1100 <= point < 0x1200 or 0x3131 <= point < 0x3190:
        kind = HANGUL
    elif 0x3400 <= point < 0xA000 or 0xF900 <= point < 0xFB00 or point >= 0x20000:
        kind = HAN
    elif 0x3041 <= point < 0x3100 or 0xFF66 <= point < 0xFFA0:
        kind = KANA
    elif 0x0400 <= point < 0x0530:
        kind = CYRILLIC
    elif point < 0x0400 or 0x1F00 <= point < 0x2000:
        kind = GREEK
    elif 0x0600 <= point < 0x0780 or 0xFB50 <= point < 0xFE00 or 0xFE70 <= point < 0xFEFF:
        kind = ARABIC
    elif 0x0590 <= point < 0x0600 or 0xFB1D <= point < 0xFB50:
        kind = HEBREW
    elif 0x0E00 <= point < 0x0E80:
        kind = THAI
    elif 0x1E00 <= point < 0x1F00:
        kind = ACCENTED
    elif point < 0x1E00 or 0x2C00 <= point < 0x2E00 or 0xA000 <= point < 0xAC00:
        kind = OTHER
    return kind


@kernel
def character(data: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """Code point and width of the UTF-8 character at a place; width 0 where there is none."""
    byte = data[at]
    if 0xC2 <= byte <= 0xDF and at + 1 < end and (data[at + 1] & 0xC0) == 0x80:
        return ((byte & 0x1F) << 6) | (data[at + 1] & 0x3F), 2
    if 0xE0 <= byte <= 0xEF and at + 2 < end:
        if (data[at + 1] & 0xC0) == 0x80 and (data[at + 2] & 0xC0) == 0x80:
            point = ((byte & 0x0F) << 12) | ((data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F)
            if point >= 0x800:
                return point, 3
    elif 0xF0 <= byte <= 0xF4 and at + 3 < end:
        # Of the planes beyond the first only that of Han matters; the one before has mostly emoji.
        han = byte == 0xF0 and data[at + 1] >= 0xA0
        if (data[at + 1] & data[at + 2] & data[at + 3] & 0xC0) == 0x80:
            return 0x20000 if han else 0x2200, 4
    return 0, 0


@kernel
def legacy_run(
    data: np.ndarray, at: int, end: int, frequent: np.ndarray, counts: np.ndarray, column: int
) -> int:
    """Count the bytes beyond ASCII around a place, which are no UTF-8; returns where they end."""
    begin = at
    while begin > 0 and data[begin - 1] >= 0x80:
        begin -= 1
    while at < end and data[at] >= 0x80:
        at += 1
    counts[column, RUNS] += 1
    counts[column, BYTES] += at - begin
    counts[column, SINGLES] += at - begin == 1
    for place in range(begin, at, 2):
        lead = data[place]
        counts[column, SHIFT_JIS] += lead == 0x82 or lead == 0x83
        counts[column, LOW] += lead < 0xA0
        if place + 1 == at:
            break
        trail = data[place + 1]
        counts[column, LOW] += trail < 0xA0
        counts[column, PAIRS] += 1
        if trail >= 0xA1 and 0xB0 <= lead <= 0xC8:
            counts[column, HANGUL_PAIRS] += 1
            counts[column, FREQUENT_PAIRS] += frequent[(lead - 0xB0) * 94 + trail - 0xA1]
    return at


@kernel
def reference(data: np.ndarray, at: int, end: int, counts: np.ndarray, column: int) -> int:
    """Count the character reference at an ampersand, if there is one; returns where it ends."""
    place = at + 1
    last = min(end, at + 10)
    if place < last and data[place] == 0x23:
        place += 1
        point = 0
        base = 10
        if place < last and (data[place] | 0x20) == 0x78:
            base = 16
            place += 1
        while place < last:
            digit = data[place] - 48
            if base == 16 and 49 <= digit | 0x20 <= 54:
                digit = (digit | 0x20) - 39
            if not 0 <= digit < base:
                break
            point = point * base + digit
            place += 1
        if point >= 0x80:
            kind = script_of(point)
            if kind >= 0:
                counts[column, kind] += 1
    else:
        while place < last and 97 <= (data[place] | 0x20) <= 122:
            place += 1
        # The names of accented letters: letter and acute, grave, circ, tilde, uml, cedil, ring, slash, lig.
        # Other names (nbsp, amp, quot, middot, …) do not end like these.
        if place - at >= 5 and place < end and data[place] == 0x3B:
            tail = (data[place - 2] | 0x20) * 256 + (data[place - 1] | 0x20)
            if (
                tail == 0x7465  # te
                or tail == 0x7665  # ve
                or tail == 0x7263  # rc
                or tail == 0x6465  # de
                or tail == 0x6D6C  # ml
                or tail == 0x696C  # il
                or tail == 0x6E67  # ng
                or tail == 0x7368  # sh
                or tail == 0x6967  # ig
            ):
                counts[column, ACCENTED] += 1
    return place + 1 if place < end and data[place] == 0x3B else place


@kernel
def find(data: np.ndarray, eights: np.ndarray, at: int, end: int, byte: int) -> int:
    """The first place from ``at`` that holds a byte, or ``end``: eight bytes at a time.

    eights: the same bytes as uint64, little-endian. A byte of ``rest`` is zero where the byte stands; its top
    bit is then alone set in ``hits`` (exact form of the test in S. E. Anderson's Bit Twiddling Hacks).
    """
    pattern = _ONES * np.uint64(byte)
    eight = at >> 3
    last = min(end >> 3, len(eights))
    before = np.uint64((at & 7) << 3)
    keep = (_FULL >> before) << before
    while eight < last:
        rest = eights[np.uintp(eight)] ^ pattern
        hits = ~(((rest & _SEVENS) + _SEVENS) | rest | _SEVENS) & keep
        if hits:
            # The lowest bits of the bytes up to the first hit, added up in the highest byte.
            below = (hits & (~hits + np.uint64(1))) - np.uint64(1)
            return (eight << 3) + int(np.int64(((below & _ONES) * _ONES) >> np.uint64(56))) - 1
        keep = _FULL
        eight += 1
    at = max(at, eight << 3)
    while at < end and data[at] != byte:
        at += 1
    return at


@kernel
def pass_tag(data: np.ndarray, eights: np.ndarray, at: int, end: int, state: np.ndarray) -> int:
    """The place after the tag, comment or script that starts at ``<``.

    state: whether a link is open, how many code elements are, and how many bytes of scripts were passed. A
    ``>`` within a quoted value ends a tag here: rare, and worth no state.
    """
    at += 1
    if at + 2 >= end:
        return end
    closing = data[at] == 0x2F
    at += closing
    if data[at] == 0x21 and data[at + 1] == 0x2D and data[at + 2 - closing] == 0x2D:
        at = find(data, eights, at + 2, end, 0x3E)
        while at < end and not (data[at - 1] == 0x2D and data[at - 2] == 0x2D):
            at = find(data, eights, at + 1, end, 0x3E)
        return at + 1
    name = 0
    letter = data[at] | 0x20
    if not 97 <= letter <= 122:
        return find(data, eights, at, end, 0x3E) + 1 if data[at] == 0x21 or data[at] == 0x3F else at
    while 97 <= letter <= 122:
        name = ((name << 5) | (letter & 31)) & _NAME
        at += 1
        if at >= end:
            return end
        letter = data[at] | 0x20
    at = find(data, eights, at, end, 0x3E) + 1
    if name == _A:
        state[0] = not closing
    elif name in (_CODE, _PRE, _OPTION, _BUTTON, _AREA):
        state[1] = max(state[1] - 1, 0) if closing else state[1] + 1
    elif name in (_SCRIPT, _STYLE) and not closing:
        second = 0x63 if name == _SCRIPT else 0x74
        state[2] -= at
        at = find(data, eights, at, end, 0x3C)
        while at + 3 < end and not (
            data[at + 1] == 0x2F and (data[at + 2] | 0x20) == 0x73 and (data[at + 3] | 0x20) == second
        ):
            at = find(data, eights, at + 1, end, 0x3C)
        state[2] += at
    return at


@kernel
def count_page(
    data: np.ndarray,
    eights: np.ndarray,
    budget: int,
    most: int,
    kinds: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    levels: np.ndarray,
    frequent: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Count a page's text, until ``most`` letters of running text or ``budget`` bytes beside scripts are read.

    data: uint8[bytes]; eights: the same as uint64. kinds: uint8[256], ``byte_kinds``. keys: uint64[2^n],
    function words of at most eight bytes packed into integers, in a hash table as ``slot_of`` has it; values:
    uint8[2^n], columns of counts after COUNTS. levels: uint8[27³], how improbable English trigrams are.
    frequent: bool[25 × 94], syllables of KS X 1001 that are frequent. counts: int64[2, COUNTS + kinds of
    words], of running and of other text; added to. Of other text, too, no more letters are counted.
    """
    state = np.zeros(3, np.int64)
    letters = np.zeros(2, np.int64)
    end = len(data)
    at = 0
    column = TEXT
    pack = np.uint64(0)
    size = 0
    marks = 0
    level = 0
    first = 0
    second = 0
    while at < end:
        kind = kinds[data[np.uintp(at)]]
        # Letters from a to z: the rest of the word, or its part up to an accented letter.
        begin = at
        while 0 < kind <= 26:
            pack = (pack << np.uint64(8)) | np.uint64(kind + 96)
            level += levels[np.uintp(first * 729 + second * 27 + kind)]
            first = second
            second = kind + 0
            at += 1
            kind = kinds[data[np.uintp(at)]] if at < end else np.uint8(0)
        size += at - begin
        point = 0
        width = 1
        if kind == BEYOND:
            point, width = character(data, at, end)
            script = script_of(point) if width else -1
            while script >= 0:
                counts[column, script] += 1
                letters[column] += width
                following = at + width
                if script == ACCENTED or following >= end or data[following] < 0x80:
                    break
                at = following
                point, width = character(data, at, end)
                script = script_of(point) if width else -1
            if width == 0:
                width = legacy_run(data, at, end, frequent, counts, column) - at
                letters[column] += width
                script = ACCENTED if width <= 2 else -1
            if script == ACCENTED:
                for offset in range(width):
                    pack = (pack << np.uint64(8)) | np.uint64(data[at + offset])
                size += width
                marks += width
                first = second
                second = 0
                at += width
                continue
        if size:
            counts[column, WORDS] += 1
            counts[column, ASCII] += size - marks
            letters[column] += size - marks
            if size <= WORD_BYTES:
                slot = slot_of(pack, len(keys))
                while keys[slot] != 0 and keys[slot] != pack:
                    slot = (slot + 1) & (len(keys) - 1)
                if keys[slot] != 0:
                    counts[column, COUNTS + values[slot]] += 1
            if second:
                level += levels[first * 729 + second * 27]
            counts[column, LEVELS] += level
            if letters[TEXT] > most:
                break
            pack = np.uint64(0)
            size = marks = level = 0
            first = second
            second = 0
        if kind == TAG:
            at = pass_tag(data, eights, at, end, state)
            if at - state[2] > budget:
                break
            column = ASIDE if state[0] or state[1] else TEXT
            if letters[column] > most:
                at = find(data, eights, at, end, 0x3C)
        elif kind == REFERENCE:
            at = reference(data, at, end, counts, column)
        elif kind == BEYOND:
            at += width
        else:
            at += 1
            while at < end and kinds[data[np.uintp(at)]] == 0:
                at += 1


@kernel
def slot_of(pack: np.uint64, size: int) -> int:
    """Where a packed word is looked up first in a table of so many places, a power of two."""
    return int(np.int64((np.uint64(pack) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40))) & (size - 1)
