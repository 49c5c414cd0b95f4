"""spaCy's lists for English words as arrays for kernels: special cases, the parts that make them, and units.

The lists are data (``english.tsv``), taken from spaCy 3.8 (MIT): where spaCy is installed, ``python -m
hanji.curation.signals.english_tables`` writes the file again. A case ("don't") has the pieces that it becomes
("do", "n't"). Where an affix rule would cut a case (":-)"), spaCy looks for its parts (":", "-)") among the
finished tokens too and puts them together again; the file has the parts of those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hanji.curation.signals.compiled import pure_kernel

LONGEST = 12
"""Characters of the longest case, part or unit."""
MOST_PIECES = 4
MOST_PARTS = 11
"""Parts of the case that has most of them."""
LENGTH, UNIT, PART, PIECES, FIRST_PIECE, FIRST_POINT = range(6)
_RECORD = FIRST_POINT + LONGEST
_FILE = "english.tsv"
_SLOTS = 8192


class EnglishTables(NamedTuple):
    """Few arrays, as each costs time in every call of a kernel that takes it.

    ``lengths``: int32[129, 129], by first and last character (128 is any beyond ASCII): bit n is set if there is a
    case of n characters with these, bit n + 16 if there is a part. ``strings``: int32[strings, 17], all strings of
    the lists: length, whether it is a unit, its number among the parts or -1, number of pieces (0 if it is no
    case), lengths of the pieces, four bits each, and the code points. ``slots``: int32[8192], the strings by hash,
    linear probing, -1 is free. ``steps``: int32[nodes, parts + 1], a trie of the cases by their parts: the next
    node, 0 where nothing follows (0 is the root), and in the last column the string that is complete, or -1.
    """

    lengths: np.ndarray
    strings: np.ndarray
    slots: np.ndarray
    steps: np.ndarray


class EnglishLists(NamedTuple):
    """``cases``: case → its pieces; ``cut``: cases that rules would cut → their parts; ``units``."""

    cases: dict[str, tuple[str, ...]]
    cut: dict[str, tuple[str, ...]]
    units: tuple[str, ...]


def lists() -> EnglishLists:
    """The lists as the package has them."""
    cases, cut, units = {}, {}, []
    text = resources.files("hanji.curation.signals").joinpath(_FILE).read_text("utf-8")
    for line in text.rstrip("\n").split("\n"):
        if line.startswith("#"):
            continue
        kind, first, *rest = line.split("\t")
        if kind == "unit":
            units.append(first)
        else:
            pieces = tuple(first.split(" "))
            cases["".join(pieces)] = pieces
            if rest:
                cut["".join(pieces)] = tuple(rest[0].split(" "))
    return EnglishLists(cases, cut, tuple(units))


@cache
def tables() -> EnglishTables:
    """The lists as arrays; built once a process, in milliseconds."""
    cases, cut, units = lists()
    part_numbers = {
        part: number for number, part in enumerate(sorted({p for ps in cut.values() for p in ps}))
    }
    strings = list(dict.fromkeys([*cases, *part_numbers, *units]))
    numbers = {string: number for number, string in enumerate(strings)}
    records = np.zeros((len(strings), _RECORD), np.int32)
    for record, string in zip(records, strings, strict=True):
        pieces = cases.get(string, ())
        record[:PIECES] = len(string), string in units, part_numbers.get(string, -1)
        record[PIECES] = len(pieces)
        record[FIRST_PIECE] = sum(len(piece) << 4 * place for place, piece in enumerate(pieces))
        record[FIRST_POINT : FIRST_POINT + len(string)] = [ord(c) for c in string]
    return EnglishTables(
        lengths=_lengths(cases) | _lengths(part_numbers) << 16,
        strings=records,
        slots=_slots(strings),
        steps=_trie(cut, part_numbers, numbers),
    )


def _slots(strings: list[str]) -> np.ndarray:
    slots = np.full(_SLOTS, -1, np.int32)
    for number, string in enumerate(strings):
        value = 0
        for c in string:
            value = (value * 0x01000193 ^ ord(c)) & 0xFFFFFFFF
        slot = (value ^ value >> 13) & (_SLOTS - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (_SLOTS - 1)
        slots[slot] = number
    return slots


def _lengths(strings: Iterable[str]) -> np.ndarray:
    lengths = np.zeros((129, 129), np.int32)
    for string in strings:
        lengths[min(ord(string[0]), 128), min(ord(string[-1]), 128)] |= 1 << len(string)
    return lengths


def _trie(
    cut: Mapping[str, tuple[str, ...]], part_numbers: Mapping[str, int], numbers: Mapping[str, int]
) -> np.ndarray:
    nodes: dict[tuple[str, ...], int] = {(): 0}
    for parts in cut.values():
        for n in range(1, len(parts) + 1):
            nodes.setdefault(parts[:n], len(nodes))
    steps = np.zeros((len(nodes), len(part_numbers) + 1), np.int32)
    steps[:, -1] = -1
    for path, node in nodes.items():
        if path:
            steps[nodes[path[:-1]], part_numbers[path[-1]]] = node
    for case, parts in cut.items():
        steps[nodes[parts], -1] = numbers[case]
    return steps


@pure_kernel
def find_string(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """The number of the string points[start:end), or -1."""
    slots, strings = tables.slots, tables.strings
    value = 0
    for i in range(start, end):
        value = (value * 0x01000193 ^ points[i]) & 0xFFFFFFFF
    slot = (value ^ value >> 13) & (_SLOTS - 1)
    while slots[slot] >= 0:
        number: int = slots[slot]
        if strings[number, LENGTH] == end - start:
            i = start
            while i < end and points[i] == strings[number, FIRST_POINT + i - start]:
                i += 1
            if i == end:
                return number
        slot = (slot + 1) & (_SLOTS - 1)
    return -1


@pure_kernel
def may_be_case(points: np.ndarray, start: int, end: int, lengths: np.ndarray) -> bool:
    """Whether there is a case with these ends and this length at all; start < end."""
    length = end - start
    return (
        length <= LONGEST and lengths[min(points[start], 128), min(points[end - 1], 128)] >> length & 1 != 0
    )


@pure_kernel
def may_be_part(points: np.ndarray, start: int, end: int, lengths: np.ndarray) -> bool:
    """Whether there is a part with these ends and this length at all; start < end."""
    length = end - start
    return (
        length <= LONGEST
        and lengths[min(points[start], 128), min(points[end - 1], 128)] >> length + 16 & 1 != 0
    )


@pure_kernel
def find_case(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """The number of the special case points[start:end), or -1."""
    number = find_string(points, start, end, tables)
    return number if number >= 0 and tables.strings[number, PIECES] > 0 else -1


@pure_kernel
def find_part(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """The number among the parts of the token points[start:end), or -1."""
    strings = tables.strings
    number = find_string(points, start, end, tables)
    part: int = strings[number, PART] if number >= 0 else -1
    return part


def spacy_lists() -> EnglishLists:
    """The lists as the installed spaCy has them."""
    from spacy.lang import char_classes
    from spacy.lang.en import English

    rules: Any = English().tokenizer
    orth = rules.vocab.strings["ORTH"]
    cases = {
        case: tuple(piece[orth] for piece in pieces)
        for case, pieces in sorted(rules.rules.items())
        if not case.isspace()
    }
    plain: Any = English().tokenizer
    plain.rules = {}
    cut = {}
    for case in cases:
        if rules.find_prefix(case) or rules.find_infix(case) or rules.find_suffix(case):
            parts = tuple(token.text for token in plain(case))
            # A case of one part is looked for too, but is put in its own place.
            if len(parts) > 1:
                cut[case] = parts
            elif cases[case] != parts:
                raise ValueError(f"{case!r} is one token and would have to be cut again")
    units = "|".join([char_classes.CURRENCY, char_classes.UNITS]).replace("\\", "").split("|")
    return EnglishLists(cases, cut, tuple(sorted(set(units))))


def _lines(source: EnglishLists) -> Iterator[str]:
    yield "# case, its pieces, the parts rules would make of it; or unit, what is cut off after a number"
    for case, pieces in source.cases.items():
        parts = [" ".join(source.cut[case])] if case in source.cut else []
        yield "\t".join(["case", " ".join(pieces), *parts])
    for unit in source.units:
        yield f"unit\t{unit}"


if __name__ == "__main__":
    path = Path(__file__).with_name(_FILE)
    path.write_text("\n".join(_lines(spacy_lists())) + "\n", "utf-8")
    sys.stdout.write(f"{path.name}: {len(lists().cases)} cases\n")
