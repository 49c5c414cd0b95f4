"""The tables of rules, compiled: one finder for phrase lines, and triggers that lead to the larger patterns.

Compiled at first use and kept for the process: some hundred milliseconds for each set of tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ahocorasick_rs import AhoCorasick

from hanji.curation.text.lines import english, korean
from hanji.curation.text.lines.patterns import GAP, MARKS, key, trie
from hanji.curation.text.lines.rules import read_phrases


@dataclass(frozen=True)
class Pattern:
    """A compiled rule. ``longest`` characters may a line have that a sentence is."""

    rule: str
    pattern: re.Pattern[str]
    longest: int = 0


@dataclass(frozen=True)
class Triggered:
    """The patterns that a trigger leads to, by what they are looked for."""

    sentences: tuple[Pattern, ...]
    head: tuple[Pattern, ...]
    within: tuple[Pattern, ...]
    tail: tuple[Pattern, ...]
    behind: tuple[Pattern, ...]


@dataclass(frozen=True)
class Rules:
    """All that :mod:`finding` needs, for one set of tables. ``kinds``: phrase without blanks → (rule, kind)."""

    line: re.Pattern[str]
    item: re.Pattern[str]
    kinds: dict[str, tuple[str, str]]
    finder: AhoCorasick
    """Finds the triggers of :attr:`triggered`, all in one pass over a text."""
    triggered: tuple[Triggered, ...]


@cache
def rules_for(korean_too: bool) -> Rules:
    """English rules, or Korean and English ones."""
    tables = [korean.TABLE, english.TABLE] if korean_too else [english.TABLE]
    listed: dict[str, tuple[str, str]] = {}
    for table in tables:
        listed = {**read_phrases(table.phrases), **listed}
    phrase = trie(listed)
    places: dict[str, dict[str, list[Pattern]]] = {}
    for table in tables:
        for sentence in table.sentences:
            compiled = Pattern(sentence.rule, re.compile(f"(?:{sentence.pattern})"), sentence.longest)
            for trigger in sentence.triggers:
                places.setdefault(trigger, {}).setdefault("sentences", []).append(compiled)
        for stretch in table.stretches:
            tail = stretch.where in ("tail", "behind")
            whole = rf"[\t ]*+(?:{stretch.pattern})[\t ]*\Z" if tail else rf"(?:{stretch.pattern})[\t ]*"
            compiled = Pattern(stretch.rule, re.compile(whole))
            for trigger in stretch.triggers:
                places.setdefault(trigger, {}).setdefault(stretch.where, []).append(compiled)
    return Rules(
        line=re.compile(rf"\n{MARKS}{GAP}*+(?>{phrase}{GAP}*+)++(?=\n|\Z)"),
        item=re.compile(phrase),
        kinds={key(one): what for one, what in listed.items()},
        finder=AhoCorasick(list(places)),
        triggered=tuple(
            Triggered(*(tuple(found.get(k, ())) for k in ("sentences", "head", "within", "tail", "behind")))
            for found in places.values()
        ),
    )
