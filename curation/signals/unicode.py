"""Properties of characters, as a table for kernels: each code point is looked up once a document.

The table is data (``unicode.tsv``: one range a line), made once from Unicode 14.0 and lists of peers, so that a
text has the same numbers under every version of Python. ``python -m hanji.curation.signals.unicode`` writes the
file again (under Python 3.11, with datatrove and spaCy installed).
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hanji.curation.signals import characters
from hanji.curation.signals.characters import character_class
from hanji.curation.signals.compiled import pure_kernel

CLASS_MASK = 15
ALPHA = 1 << 4
WHITE = 1 << 5
BREAK = 1 << 6
PEER_PUNCTUATION = 1 << 7
TERMINAL = 1 << 8
ALNUM = 1 << 9
NUMERIC = 1 << 10
P = 1 << 11
UPPER = 1 << 12
LOWER = 1 << 13
DECIMAL = 1 << 14
ANCHOR = 1 << 15
# What spaCy's rules for English words ask about characters: english.py.
SPACY_PREFIX = 1 << 20
SPACY_SUFFIX = 1 << 21
SPACY_ICON = 1 << 22
SPACY_ALPHA = 1 << 23
SPACY_LOWER = 1 << 24
SPACY_UPPER = 1 << 25
SPACY_QUOTE = 1 << 26
SPACY_BEFORE_FULL_STOP = 1 << 27
SPACY_MARK = 1 << 28
SPACY_SENTENCE_END = 1 << 29
PROPERTIES: dict[str, tuple[int, str]] = {
    "alpha": (ALPHA, "str.isalpha"),
    "white": (WHITE, "str.isspace"),
    "break": (BREAK, "where str.splitlines cuts"),
    "peer_punctuation": (PEER_PUNCTUATION, "datatrove's PUNCTUATION_SET (Apache-2.0)"),
    "terminal": (TERMINAL, "datatrove's TERMINAL_PUNCTUATION (Apache-2.0)"),
    "alnum": (ALNUM, "str.isalnum"),
    "numeric": (NUMERIC, "str.isdigit"),
    "p": (P, "general category P*"),
    "upper": (UPPER, "str.isupper"),
    "lower": (LOWER, "str.islower"),
    "decimal": (DECIMAL, "str.isdecimal: what \\d matches"),
    "anchor": (ANCHOR, "{ [ and the letters j k v m, at which lines.py looks for phrases"),
    "spacy_prefix": (SPACY_PREFIX, "spaCy (MIT) cuts it off the beginning of a word"),
    "spacy_suffix": (SPACY_SUFFIX, "spaCy cuts it off the end of a word"),
    "spacy_icon": (SPACY_ICON, "spaCy's ICONS: symbols that are words of their own"),
    "spacy_alpha": (SPACY_ALPHA, "spaCy's ALPHA"),
    "spacy_lower": (SPACY_LOWER, "spaCy's ALPHA_LOWER"),
    "spacy_upper": (SPACY_UPPER, "spaCy's ALPHA_UPPER"),
    "spacy_quote": (SPACY_QUOTE, "spaCy's CONCAT_QUOTES"),
    "spacy_before_full_stop": (SPACY_BEFORE_FULL_STOP, "after it spaCy cuts a full stop off the end"),
    "spacy_mark": (SPACY_MARK, "some rule cuts at it; a word without any is whole or a special case"),
    "spacy_sentence_end": (SPACY_SENTENCE_END, "spaCy's Sentencizer.default_punct_chars"),
}
POINTS = 0x110000
PAGE = 256
_FILE = "unicode.tsv"


class PropertyTable(NamedTuple):
    """``pages``: uint16[4352], the row in ``rows`` of each 256 code points; ``rows``: uint32[n, 256]."""

    pages: np.ndarray
    rows: np.ndarray


@cache
def table() -> PropertyTable:
    """The table of all code points: class of characters.py in the low four bits, PROPERTIES above them."""
    full = np.zeros(POINTS, np.uint32)
    text = resources.files("hanji.curation.signals").joinpath(_FILE).read_text("ascii")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, first, last = line.split("\t")
        full[int(first, 16) : int(last, 16) + 1] |= np.uint32(_value(name))
    rows: dict[bytes, int] = {}
    pages = np.empty(POINTS // PAGE, np.uint16)
    for page, block in enumerate(full.reshape(-1, PAGE)):
        pages[page] = rows.setdefault(block.tobytes(), len(rows))
    return PropertyTable(pages, np.frombuffer(b"".join(rows), np.uint32).reshape(-1, PAGE).copy())


def _value(name: str) -> int:
    if name.startswith("class_"):
        return int(getattr(characters, name.removeprefix("class_").upper()))
    return PROPERTIES[name][0]


@pure_kernel
def look_up(points: np.ndarray, count: int, table: PropertyTable, properties: np.ndarray) -> None:
    """Write the properties (uint32) of ``points[:count]`` (int32)."""
    for i in range(count):
        point = points[i]
        properties[i] = table.rows[table.pages[point >> 8], point & 255]


def _tests() -> dict[str, Callable[[str], bool]]:
    from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION

    return {
        "alpha": str.isalpha,
        "white": str.isspace,
        "break": lambda c: len(f"a{c}b".splitlines()) == 2,
        "peer_punctuation": PUNCTUATION_SET.__contains__,
        "terminal": TERMINAL_PUNCTUATION.__contains__,
        "alnum": str.isalnum,
        "numeric": str.isdigit,
        "p": lambda c: unicodedata.category(c)[0] == "P",
        "upper": str.isupper,
        "lower": str.islower,
        "decimal": str.isdecimal,
        "anchor": "{[jkvmJKVM\u212a".__contains__,
        **_spacy_tests(),
    }


def _spacy_tests() -> dict[str, Callable[[str], bool]]:
    from spacy.lang import char_classes as spacy_classes
    from spacy.lang.en import English
    from spacy.pipeline import Sentencizer

    rules: Any = English().tokenizer
    icon = re.compile(f"[{spacy_classes.ICONS}]").match

    def cut(c: str) -> bool:
        return c == "+" or bool(rules.prefix_search(c) or rules.suffix_search(c) or icon(c))

    return {
        # Whether a plus sign goes depends on what follows it.
        "spacy_prefix": lambda c: c != "+" and rules.prefix_search(c) is not None,
        "spacy_suffix": lambda c: rules.suffix_search(c) is not None,
        "spacy_icon": lambda c: icon(c) is not None,
        "spacy_alpha": _in_class(spacy_classes.ALPHA),
        "spacy_lower": _in_class(spacy_classes.ALPHA_LOWER),
        "spacy_upper": _in_class(spacy_classes.ALPHA_UPPER),
        "spacy_quote": _in_class(spacy_classes.CONCAT_QUOTES),
        "spacy_before_full_stop": lambda c: rules.find_suffix(f"{c}.") == 1,
        # Units follow digits.
        "spacy_mark": lambda c: c in "0123456789.-*^~/" or cut(c),
        "spacy_sentence_end": set(Sentencizer.default_punct_chars).__contains__,
    }


def _in_class(characters_of_class: str) -> Callable[[str], bool]:
    matches = re.compile(f"[{characters_of_class}]").match
    return lambda c: matches(c) is not None


def _ranges(test: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    first = -1
    for point in range(POINTS + 1):
        inside = point < POINTS and test(point)
        if inside and first < 0:
            first = point
        elif not inside and first >= 0:
            yield first, point - 1
            first = -1


def _write(path: Path) -> None:
    classes = ("space", "digit", "latin", "hangul", "jamo", "han", "kana", "letter")
    lines = [f"# Unicode {unicodedata.unidata_version}; property, first and last code point"]
    for name in classes:
        lines += _lines(f"class_{name}", _has_class(getattr(characters, name.upper())))
    for name, test in _tests().items():
        lines += _lines(name, _has_property(test))
    path.write_text("\n".join(lines) + "\n", "ascii")


def _has_class(wanted: int) -> Callable[[int], bool]:
    return lambda point: character_class(point) == wanted


def _has_property(test: Callable[[str], bool]) -> Callable[[int], bool]:
    return lambda point: test(chr(point))


def _lines(name: str, test: Callable[[int], bool]) -> list[str]:
    return [f"{name}\t{first:X}\t{last:X}" for first, last in _ranges(test)]


if __name__ == "__main__":
    _write(Path(__file__).with_name(_FILE))
    sys.stdout.write(f"{len(table().rows)} pages\n")
