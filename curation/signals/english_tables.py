"""spaCy's lists for English words as arrays for kernels: special cases, the parts that make them, and units.

The lists are data (``english.tsv``), taken from spaCy 3.8 (MIT): where spaCy is installed, ``python -m
hanji.curation.signals.english_tables`` writes the file again. A case ("don't") has the pieces that it becomes
("do", "n't"). Where an affix rule would cut a case (":-)"), spaCy looks for its parts (":", "-)") among the
finished tokens too and puts them together again; the file has the parts of those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hanji.curation.signals.compiled import kernel

LONGEST = 12
"""Characters of the longest case, part or unit."""
MOST_PARTS = 11
"""Parts of the case that has most of them."""
_FILE = "english.tsv"
_SLOTS = 8192


class EnglishTables(NamedTuple):
    """All strings of the lists, found by hash; strings are numbered in the order of ``offsets``.

    ``points``: int32, the strings end to end; ``offsets``: int32[strings + 1]; ``slots``: int32[8192], a string's
    number or -1, linear probing. ``piece_offsets``: int32[strings + 1] into ``pieces``: int32, lengths of the
    pieces of a case, none for other strings. ``units``: uint8[strings], 1 for what may follow a number. ``parts``:
    int32[strings], a number among the parts or -1. ``case_lengths``, ``part_lengths``: int64[2, 129], bit n is set
    where a case (part) of n characters begins (row 0) or ends (row 1) with this character; 128 is any beyond ASCII.
    ``steps``: int16[nodes, parts], a trie of the cases by their parts, 0 where nothing follows, 0 is the root too;
    ``found``: int32[nodes], the string that is complete at a node, or -1.
    """

    points: np.ndarray
    offsets: np.ndarray
    slots: np.ndarray
    piece_offsets: np.ndarray
    pieces: np.ndarray
    units: np.ndarray
    parts: np.ndarray
    case_lengths: np.ndarray
    part_lengths: np.ndarray
    steps: np.ndarray
    found: np.ndarray


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
    pieces = [[len(piece) for piece in cases.get(string, ())] for string in strings]
    steps, found = _trie(cut, part_numbers, numbers)
    return EnglishTables(
        points=np.array([ord(c) for string in strings for c in string], np.int32),
        offsets=_offsets([len(string) for string in strings]),
        slots=_slots(strings),
        piece_offsets=_offsets([len(lengths) for lengths in pieces]),
        pieces=np.array([length for lengths in pieces for length in lengths], np.int32),
        units=np.array([string in units for string in strings], np.uint8),
        parts=np.array([part_numbers.get(string, -1) for string in strings], np.int32),
        case_lengths=_lengths(cases),
        part_lengths=_lengths(part_numbers),
        steps=steps,
        found=found,
    )


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


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


def _lengths(strings: Mapping[str, object]) -> np.ndarray:
    lengths = np.zeros((2, 129), np.int64)
    for string in strings:
        lengths[0, min(ord(string[0]), 128)] |= 1 << len(string)
        lengths[1, min(ord(string[-1]), 128)] |= 1 << len(string)
    return lengths


def _trie(
    cut: Mapping[str, tuple[str, ...]], part_numbers: Mapping[str, int], numbers: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    nodes: dict[tuple[str, ...], int] = {(): 0}
    for parts in cut.values():
        for n in range(1, len(parts) + 1):
            nodes.setdefault(parts[:n], len(nodes))
    steps = np.zeros((len(nodes), len(part_numbers)), np.int16)
    for path, node in nodes.items():
        if path:
            steps[nodes[path[:-1]], part_numbers[path[-1]]] = node
    found = np.full(len(nodes), -1, np.int32)
    for case, parts in cut.items():
        found[nodes[parts]] = numbers[case]
    return steps, found


@kernel
def find_string(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """The number of the string points[start:end), or -1."""
    value = 0
    for i in range(start, end):
        value = (value * 0x01000193 ^ points[i]) & 0xFFFFFFFF
    slot = (value ^ value >> 13) & (_SLOTS - 1)
    while tables.slots[slot] >= 0:
        number = tables.slots[slot]
        first = tables.offsets[number]
        if tables.offsets[number + 1] - first == end - start:
            i = start
            while i < end and points[i] == tables.points[first + i - start]:
                i += 1
            if i == end:
                return number
        slot = (slot + 1) & (_SLOTS - 1)
    return -1


@kernel
def may_be(points: np.ndarray, start: int, end: int, lengths: np.ndarray) -> bool:
    """Whether a case (part) with these ends and this length exists at all; start < end."""
    if end - start > LONGEST:
        return False
    return (
        lengths[0, min(points[start], 128)] & lengths[1, min(points[end - 1], 128)] & (1 << (end - start))
        != 0
    )


@kernel
def find_case(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """The number of the special case points[start:end), or -1; start < end."""
    if not may_be(points, start, end, tables.case_lengths):
        return -1
    number = find_string(points, start, end, tables)
    return number if number >= 0 and tables.piece_offsets[number + 1] > tables.piece_offsets[number] else -1


@kernel
def find_part(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """The number among the parts of the token points[start:end), or -1; start < end."""
    if not may_be(points, start, end, tables.part_lengths):
        return -1
    number = find_string(points, start, end, tables)
    return tables.parts[number] if number >= 0 else -1


def spacy_lists() -> EnglishLists:
    """The lists as the installed spaCy has them."""
    from spacy.lang import char_classes
    from spacy.lang.en import English
    from spacy.symbols import ORTH

    rules = English().tokenizer
    cases = {
        case: tuple(piece[ORTH] for piece in pieces)
        for case, pieces in sorted(rules.rules.items())
        if not case.isspace()
    }
    plain = English().tokenizer
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
