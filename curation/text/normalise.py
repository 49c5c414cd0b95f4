"""Normal form of a text, before it becomes immutable: canonical characters, one kind of newline and space, no
invisible characters, and runs such as ㅋㅋㅋㅋㅋㅋ or !!!!!!! cut to a length. Each step is optional and counted.

Kept as they are: indents (code lives by them), compatibility jamo (ㅋㅋ, ㄱ자), codas that laugh (먹었엌ㅋㅋ),
hanja with their reading 漢字(한자). NFC replaces CJK compatibility ideographs by the unified ones (樂 U+F914 by
U+6A02): Unicode holds them to be the same characters. Code, tables, formulas and rules are not folded or cut.

A compiled scan finds which steps a text needs; those that it does not need cost nothing, and the others are
substitutions by compiled patterns over the whole text. Normalised again, a text stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np

from hanji.curation.recipe import Normalisation
from hanji.curation.text.jamo import compose_compatibility, lone_to_compatibility, widen
from hanji.curation.text.protected import substitute_outside
from hanji.curation.text.scan.needs import (
    BLANK_LINES,
    LETTER,
    LETTER_RUN,
    MARK,
    MARK_RUN,
    SPACE_RUN,
    TRAILING,
    code_units,
    needs,
)

VERSION = 2
DEFAULT = Normalisation()

_SURROGATES = re.compile("[\ud800-\udfff]")
_NEWLINES = re.compile("\r\n?|\u2028|\u2029|\u0085|\v|\f")
# Control characters, zero-width characters, soft hyphens, bidirectional marks, byte order marks. The joiner
# U+200D stays: it holds emoji together.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060\ufeff]"
)
_OTHER_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
# Each run of spaces that begins with another space than U+0020; what goes before it is dealt with afterwards.
_OTHER_SPACE_RUN = re.compile(f"[{_OTHER_SPACES}][ \t{_OTHER_SPACES}]*")
_INDENT = re.compile("^ +", re.MULTILINE)
_TABBED_INDENT = re.compile("^ *\t[ \t]*", re.MULTILINE)
# Two spaces after something that is neither a space nor the start of a line, and all that follow.
_SPACE_RUN = re.compile("  (?<=[^ \n]  ) *")
# Spaces at the end of a line: from the first of them on, so that a long run is read once.
_TRAILING = re.compile(" (?<!  ) *(?=\n|\\Z)")
_BLANK_LINES = re.compile("\n\n\n\n*")
# Signs that stand for dollar, backtick, bar and tilde would become markup when folded.
_FULLWIDTH = re.compile("[！-～](?<![＄｀｜～])")
# Bits of the classes that the scan finds, besides those that it knows itself.
_SURROGATE, _NEWLINE, _UNSEEN, _SPACED, _HALF, _CONJOINING, _FULL = (1 << place for place in range(7))
_CHARACTERS = _SURROGATE | _NEWLINE | _UNSEEN
_ANY = 1 << 30
_LETTERS, _MARKS = "ㅋㅎㅠㅜㅡㅇㄷㄱ", "!?.~;,…"


@dataclass(frozen=True)
class NormaliseCounts:
    """What each step changed.

    Places: ``newlines``, ``spaces`` (runs of them, tabs in indents, spaces at ends of lines), ``blank_lines``
    (runs of them). Characters: ``surrogates`` replaced by U+FFFD, ``invisible`` removed, ``composed`` (by NFC,
    into others or by their equivalents), ``jamo`` (half-width, lone conjoining, composed), ``fullwidth``,
    and ``letter_runs`` and ``mark_runs``, those beyond the longest run allowed.
    """

    surrogates: int = 0
    newlines: int = 0
    invisible: int = 0
    composed: int = 0
    jamo: int = 0
    fullwidth: int = 0
    spaces: int = 0
    blank_lines: int = 0
    letter_runs: int = 0
    mark_runs: int = 0


_NOTHING = NormaliseCounts()


@dataclass(frozen=True)
class Normalised:
    """A text in its normal form, and what was changed."""

    text: str
    counts: NormaliseCounts


def normalise(text: str, settings: Normalisation = DEFAULT) -> Normalised:
    """The normal form of a text. Lone surrogates, which no file could hold, become U+FFFD in any case."""
    counts: dict[str, int] = {}
    letters, marks = settings.letter_runs or _ANY, settings.mark_runs or _ANY
    found = needs(code_units(text), _classes(), letters, marks)
    if found & _CHARACTERS or not text.isascii():
        before = text
        text = _characters(text, found, settings, counts)
        if text is not before:
            # What was removed or replaced may have left new runs behind.
            found |= needs(code_units(text), _classes(), letters, marks)
    if settings.spaces and found & (_SPACED | TRAILING | SPACE_RUN):
        text, counts["spaces"] = _spaces(text, settings.indent, found)
        found |= BLANK_LINES
    elif settings.spaces and not settings.indent:
        text, counts["spaces"] = _spaces(text, False, found)
    if settings.blank_lines and (found & BLANK_LINES or text[:1] == "\n" or text[-1:] == "\n"):
        text, counts["blank_lines"] = _blank_lines(text)
    if settings.fullwidth and found & _FULL:
        text, counts["fullwidth"] = substitute_outside(
            text, _FULLWIDTH, lambda m: chr(ord(m.group()) - 0xFEE0)
        )
        if counts["fullwidth"]:
            found |= MARK_RUN
            if settings.nfc:
                text = unicodedata.normalize("NFC", text)
    if found & LETTER_RUN:
        text, counts["letter_runs"] = _cut_runs(text, _LETTERS, letters)
    if found & MARK_RUN:
        text, counts["mark_runs"] = _cut_runs(text, _MARKS, marks)
    return Normalised(text, NormaliseCounts(**counts) if any(counts.values()) else _NOTHING)


def _characters(text: str, found: int, settings: Normalisation, counts: dict[str, int]) -> str:
    """Steps that look at characters without their neighbours, and NFC; the same object if nothing changed."""
    if found & _SURROGATE:  # or a character beyond the basic plane
        text, counts["surrogates"] = _SURROGATES.subn("\ufffd", text)
    if settings.newlines and found & _NEWLINE:
        text, counts["newlines"] = _NEWLINES.subn("\n", text)
    if settings.invisible and found & _UNSEEN:
        text, counts["invisible"] = _INVISIBLE.subn("", text)
    jamo = 0
    if settings.jamo and found & _HALF:
        text, jamo = widen(text)
    if settings.nfc and not text.isascii():
        text, counts["composed"] = _nfc(text)
    if settings.jamo and found & _CONJOINING:
        text, count = lone_to_compatibility(text)
        jamo += count
    if settings.compose_jamo:
        text, count = compose_compatibility(text)
        jamo += count
    counts["jamo"] = jamo
    return text


@cache
def _classes() -> np.ndarray:
    """The class bits of each UTF-16 code unit, as uint16."""
    table = np.zeros(1 << 16, dtype=np.uint16)
    units = "".join(map(chr, range(1 << 16)))
    for pattern, bit in (
        ("[\ud800-\udfff]", _SURROGATE),
        ("[\r\v\f\u0085\u2028\u2029]", _NEWLINE),
        (_INVISIBLE.pattern, _UNSEEN),
        (f"[\t{_OTHER_SPACES}]", _SPACED),
        ("[\uffa0-\uffdc]", _HALF),
        ("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]", _CONJOINING),
        ("[！-～]", _FULL),
        (f"[{_LETTERS}]", LETTER),
        (f"[{_MARKS}]", MARK),
    ):
        table[[place.start() for place in re.finditer(pattern, units)]] |= bit
    return table


def _nfc(text: str) -> tuple[str, int]:
    """(NFC, characters that were composed with one before them or replaced by an equivalent)."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text, 0
    normal = unicodedata.normalize("NFC", text)
    replaced = expanded = 0
    for character in set(text):
        equivalent = unicodedata.normalize("NFC", character)
        if equivalent != character:
            number = text.count(character)
            replaced += number
            expanded += number * (len(equivalent) - 1)
    return normal, max(len(text) + expanded - len(normal), 0) + replaced


def _spaces(text: str, indent: bool, found: int) -> tuple[str, int]:
    """Runs of spaces within a line to one space, none at its end; an indent's tabs to columns of four."""
    total = 0
    if found & _SPACED:
        if "\t" in text:
            text, count = _TABBED_INDENT.subn(lambda tabs: tabs.group().expandtabs(4), text)
            total += count
        text, count = _OTHER_SPACE_RUN.subn(" ", text)
        total += count + text.count("\t")
        text = text.replace("\t", " ")
    if found & (_SPACED | SPACE_RUN):
        text, count = _SPACE_RUN.subn(" ", text)
        total += count
    if not indent:
        text, count = _INDENT.subn("", text)
        total += count
    text, count = _TRAILING.subn("", text)
    return text, total + count


def _blank_lines(text: str) -> tuple[str, int]:
    """At most one blank line in a row, none at the start and the end."""
    text, count = _BLANK_LINES.subn("\n\n", text)
    stripped = text.strip("\n")
    return stripped, count + (stripped != text)


def _cut_runs(text: str, characters: str, longest: int) -> tuple[str, int]:
    """(text with runs of one of the characters cut to the longest allowed, characters cut)."""
    found = [character for character in characters if character * (longest + 1) in text]
    if not found:
        return text, 0
    before = len(text)
    for character in found:
        # ;;;; and ,,,, trail off only after a word; elsewhere they are signs of some notation.
        after = r"(?<=[^\W_])" if character in ";," else ""
        pattern = re.compile(f"{after}{re.escape(character)}{{{longest + 1},}}")
        text, _ = substitute_outside(text, pattern, lambda run: run.group()[:longest])
    return text, before - len(text)
