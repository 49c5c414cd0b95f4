"""Normal form of a text, before it becomes immutable: canonical characters, one kind of newline and space, no
invisible characters, and runs such as ㅋㅋㅋㅋㅋㅋ or !!!!!!! cut to a length. Each step is optional and counted.

Kept as they are: indents (code lives by them), compatibility jamo (ㅋㅋ, ㄱ자), codas that laugh (먹었엌ㅋㅋ),
hanja with their reading 漢字(한자). NFC replaces CJK compatibility ideographs by the unified ones (樂 U+F914 by
U+6A02): Unicode holds them to be the same characters. Code, tables, formulas and rules are not folded or cut.

All steps are searches by compiled patterns over the whole text, and a text that has nothing to change is only
searched. The result does not change when it is normalised again.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from hanji.curation.recipe import Normalisation
from hanji.curation.text.jamo import compose_compatibility, lone_to_compatibility, widen
from hanji.curation.text.protected import substitute_outside

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
_INDENT = re.compile("^[ \t]+", re.MULTILINE)
_TABBED_INDENT = re.compile("^ *\t[ \t]*", re.MULTILINE)
# Two spaces after something that is neither a space nor the start of a line, and all that follow.
_SPACE_RUN = re.compile("  (?<=[^ \n]  ) *")
# Spaces at the end of a line: from the first of them on, so that a long run is read once.
_TRAILING = re.compile(" (?<!  ) *(?=\n|\\Z)")
_BLANK_LINES = re.compile("\n{3,}")
# Signs that stand for dollar, backtick, bar and tilde would become markup when folded.
_FULLWIDTH = re.compile("[！-～](?<![＄｀｜～])")
_HALF_WIDTH = re.compile("[\uffa0-\uffdc]")
_CONJOINING = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")
# All of these but a tab in one class.
_UNUSUAL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u1100-\u11ff\u1680\u2000-\u200c\u200e\u200f\u2028-\u202f\u205f\u2060\u3000"
    "\ua960-\ua97f\ud7b0-\ud7ff\ud800-\udfff\ufeff\uff01-\uff5e\uffa0-\uffdc]"
)
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
    # One search finds the characters that any of most steps deals with; there are few of them, or none.
    unusual = "".join(set(_UNUSUAL.findall(text)))
    if unusual:
        text = _plain_characters(text, unusual, settings, counts)
    if settings.nfc:
        text, counts["composed"] = _nfc(text)
    if settings.jamo and _CONJOINING.search(unusual):
        text, count = lone_to_compatibility(text)
        counts["jamo"] = counts.get("jamo", 0) + count
    if settings.compose_jamo:
        text, count = compose_compatibility(text)
        counts["jamo"] = counts.get("jamo", 0) + count
    if settings.spaces:
        text, counts["spaces"] = _spaces(text, settings.indent, _OTHER_SPACE_RUN.search(unusual) is not None)
    if settings.blank_lines and ("\n\n\n" in text or text[:1] == "\n" or text[-1:] == "\n"):
        text, counts["blank_lines"] = _blank_lines(text)
    if settings.fullwidth and _FULLWIDTH.search(unusual):
        text, counts["fullwidth"] = substitute_outside(
            text, _FULLWIDTH, lambda m: chr(ord(m.group()) - 0xFEE0)
        )
        if counts["fullwidth"] and settings.nfc:
            text = unicodedata.normalize("NFC", text)
    if settings.letter_runs and not text.isascii():
        text, counts["letter_runs"] = _cut_runs(text, _LETTERS, settings.letter_runs)
    if settings.mark_runs:
        text, counts["mark_runs"] = _cut_runs(text, _MARKS, settings.mark_runs)
    return Normalised(text, NormaliseCounts(**counts) if any(counts.values()) else _NOTHING)


def _plain_characters(text: str, unusual: str, settings: Normalisation, counts: dict[str, int]) -> str:
    """Surrogates, newlines, invisible characters and half-width jamo, where the text has any."""
    if _SURROGATES.search(unusual):
        text, counts["surrogates"] = _SURROGATES.subn("\ufffd", text)
    if settings.newlines and _NEWLINES.search(unusual):
        text, counts["newlines"] = _NEWLINES.subn("\n", text)
    if settings.invisible and _INVISIBLE.search(unusual):
        text, counts["invisible"] = _INVISIBLE.subn("", text)
    if settings.jamo and _HALF_WIDTH.search(unusual):
        text, counts["jamo"] = widen(text)
    return text


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


def _spaces(text: str, indent: bool, others: bool) -> tuple[str, int]:
    """Runs of spaces within a line to one space, none at its end; an indent's tabs to columns of four."""
    total = 0
    if not indent:
        text, total = _INDENT.subn("", text)
    elif "\t" in text:
        text, total = _TABBED_INDENT.subn(lambda found: found.group().expandtabs(4), text)
    if others:
        text, count = _OTHER_SPACE_RUN.subn(" ", text)
        total += count
    if "\t" in text:
        total += text.count("\t")
        text = text.replace("\t", " ")
    text, runs = _SPACE_RUN.subn(" ", text)
    ends = 0
    if " \n" in text or text[-1:] == " ":
        text, ends = _TRAILING.subn("", text)
    return text, total + runs + ends


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
