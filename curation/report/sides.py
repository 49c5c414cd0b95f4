"""Two texts side by side: aligned by lines, then by words, with shared stretches folded.

For one pair that a person looks at, not for a corpus: long texts are cut (and said to be), so that Python's
difflib serves.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from rich.cells import cell_len, chop_cells

MOST_CHARACTERS, MOST_LINES = 20_000, 600
"""Of each text: what is beyond is not compared."""
CONTEXT = 1
"""Equal lines that are shown before and after a difference."""
CONTEXT_WORDS = 12
MOST_ROWS = 60

Piece = tuple[bool, str]
"""Whether it differs from the other side, and the words."""


@dataclass(frozen=True)
class Row:
    """Stretches of both texts that stand next to each other, or ``folded`` lines that are equal."""

    left: tuple[Piece, ...]
    right: tuple[Piece, ...]
    folded: int = 0

    @property
    def differs(self) -> bool:
        return any(changed for changed, _ in (*self.left, *self.right))


@dataclass(frozen=True)
class Alignment:
    """Rows in order; ``left_out`` rows more are not shown; ``cut``: characters of either text not compared."""

    rows: tuple[Row, ...]
    left_out: int
    cut: tuple[int, int]


def align(left: str, right: str, most_rows: int = MOST_ROWS) -> Alignment:
    """Align two texts. Lines are the same if their words are, whatever their case and the space between them."""
    one, two = _lines(left), _lines(right)
    matcher = SequenceMatcher(
        None, [_key(line) for line in one], [_key(line) for line in two], autojunk=False
    )
    rows: list[Row] = []
    opcodes = matcher.get_opcodes()
    for place, (kind, a, b, c, d) in enumerate(opcodes):
        if kind == "equal":
            rows += _equal(one[a:b], two[c:d], place > 0, place < len(opcodes) - 1)
        else:
            rows.append(_changed("\n".join(one[a:b]), "\n".join(two[c:d])))
    cut = (max(0, len(left) - MOST_CHARACTERS), max(0, len(right) - MOST_CHARACTERS))
    return Alignment(tuple(rows[:most_rows]), max(0, len(rows) - most_rows), cut)


def _lines(text: str) -> list[str]:
    lines = [line for line in map(clean, text[:MOST_CHARACTERS].split("\n")) if line]
    return lines[:MOST_LINES]


def clean(text: str) -> str:
    """Without what would steer a terminal or turn writing around; white space of any kind made one space."""
    shown = "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return " ".join(shown.split())


def _key(line: str) -> str:
    return unicodedata.normalize("NFKC", line).casefold()


def _equal(one: Sequence[str], two: Sequence[str], before: bool, after: bool) -> Iterator[Row]:
    """Equal lines: those next to a difference, and how many there are between."""
    head = CONTEXT if before else 0
    tail = CONTEXT if after else 0
    if not before and not after:  # the texts are the same
        head, tail = 2, 2
    middle = len(one) - head - tail
    folded = middle > 1
    for place, (a, b) in enumerate(zip(one, two, strict=True)):
        if folded and head <= place < len(one) - tail:
            if place == head:
                yield Row((), (), folded=middle)
            continue
        yield Row(((False, _shortened(a.split())),), ((False, _shortened(b.split())),))


def _changed(left: str, right: str) -> Row:
    """A stretch that differs, word by word."""
    one, two = left.split(), right.split()
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    matcher = SequenceMatcher(None, [_key(w) for w in one], [_key(w) for w in two], autojunk=len(one) > 600)
    for kind, a, b, c, d in matcher.get_opcodes():
        for side, words in zip(sides, (one[a:b], two[c:d]), strict=True):
            if words:
                side.append((kind != "equal", " ".join(words) if kind != "equal" else _shortened(words)))
    return Row(tuple(sides[0]), tuple(sides[1]))


def _shortened(words: Sequence[str]) -> str:
    """Equal words, the middle of many folded."""
    rest = len(words) - 2 * CONTEXT_WORDS
    if rest <= CONTEXT_WORDS:
        return " ".join(words)
    return " ".join([*words[:CONTEXT_WORDS], f"… {rest} equal words …", *words[-CONTEXT_WORDS:]])


# -- for a terminal ----------------------------------------------------------------------------------------

_RED, _GREEN, _DIM, _END = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


def columns(alignment: Alignment, width: int, colour: bool, heads: tuple[str, str]) -> list[str]:
    """Both texts in two columns of a terminal. Wide characters, as Hangul has, take two cells.

    Without colour, words that differ stand in [-…-] on the left and {+…+} on the right.
    """
    side = max(12, (width - 3) // 2)
    lines = [_line(heads[0], heads[1], side, " "), f"{'─' * side}─┬─{'─' * side}"]
    for row in alignment.rows:
        if row.folded:
            said = f"… {row.folded:,} equal lines …"
            said = said.center(2 * side + 3).rstrip()
            lines.append(f"{_DIM}{said}{_END}" if colour else said)
            continue
        left = _wrapped(row.left, side, colour, (_RED, _END) if colour else ("[-", "-]"))
        right = _wrapped(row.right, side, colour, (_GREEN, _END) if colour else ("{+", "+}"))
        empty = ("", 0)
        for place in range(max(len(left), len(right))):
            one = left[place] if place < len(left) else empty
            two = right[place] if place < len(right) else empty
            lines.append(f"{one[0]}{' ' * (side - one[1])} │ {two[0]}".rstrip())
    if alignment.left_out:
        lines.append(f"… {alignment.left_out:,} more stretches …")
    for which, cut in zip(("left", "right"), alignment.cut, strict=True):
        if cut:
            lines.append(f"… the last {cut:,} characters of the {which} text were not compared …")
    return lines


def _line(left: str, right: str, side: int, between: str) -> str:
    one, two = (chop_cells(clean(text), side)[0] if text else "" for text in (left, right))
    return f"{one}{' ' * (side - cell_len(one))} │{between}{two}"


def _wrapped(
    pieces: Sequence[Piece], side: int, colour: bool, marks: tuple[str, str]
) -> list[tuple[str, int]]:
    """(text, cells) of each line, none wider than ``side``; marks are put around what differs, line by line."""
    extra = 0 if colour else len(marks[0]) + len(marks[1])
    lines: list[list[tuple[bool, list[str]]]] = [[]]
    cells = [0]
    for changed, words in pieces:
        begun = False
        for word in _words(words, side - extra):
            needed = cell_len(word) + (0 if begun or not changed else extra)
            if lines[-1] and cells[-1] + 1 + needed > side:
                lines.append([])
                cells.append(0)
                begun = False
                needed = cell_len(word) + (extra if changed else 0)
            if not begun:
                lines[-1].append((changed, []))
            cells[-1] += needed + (1 if cells[-1] else 0)
            lines[-1][-1][1].append(word)
            begun = True
    shown = [
        " ".join(f"{marks[0]}{text}{marks[1]}" if changed else text for changed, text in stretches)
        for stretches in ([(changed, " ".join(words)) for changed, words in line] for line in lines)
    ]
    return [(text, size) for text, size in zip(shown, cells, strict=True) if size]


def _words(text: str, side: int) -> Iterator[str]:
    """Words, those that no line can hold cut."""
    for word in text.split():
        if cell_len(word) <= side:
            yield word
        else:
            yield from chop_cells(word, side)
