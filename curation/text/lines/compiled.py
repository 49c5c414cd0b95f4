"""The tables of rules, compiled: one finder for phrase lines, and triggers that lead to the larger patterns.

Compiled at first use and kept for the process: a few hundred milliseconds for each set of tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from hanji.curation.text.lines import english, korean
from hanji.curation.text.lines.patterns import GAP, MARKS, key, trie
from hanji.curation.text.lines.rules import RuleTable

CERTAIN, ALONE, COUNTED, ROW, MENU = "certain", "alone", "counted", "row", "menu"


@dataclass(frozen=True)
class Whole:
    """A compiled sentence rule."""

    rule: str
    pattern: re.Pattern[str]
    longest: int


@dataclass(frozen=True)
class Part:
    """A compiled head or tail."""

    rule: str
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Rules:
    """All that :mod:`finding` needs, for one set of tables."""

    line: re.Pattern[str]
    item: re.Pattern[str]
    kinds: dict[str, tuple[str, str]]
    """phrase without blanks → (rule, kind)"""
    sentences: dict[str, tuple[Whole, ...]]
    """trigger → patterns to try on its line"""
    heads: dict[str, tuple[Part, ...]]
    tails: dict[str, tuple[Part, ...]]

    @property
    def triggers(self) -> list[str]:
        return list({**self.sentences, **self.heads, **self.tails})


def phrases(table: RuleTable) -> dict[str, tuple[str, str]]:
    """Every phrase of a table with its rule and its kind, as written."""
    found: dict[str, tuple[str, str]] = {}
    for kind, rules in (
        (CERTAIN, table.certain),
        (ALONE, table.alone),
        (COUNTED, table.counted),
        (ROW, table.rows),
        (MENU, table.menu),
    ):
        for rule, listing in rules.items():
            for phrase in listing.replace("\n", "|").split("|"):
                if phrase := " ".join(phrase.split()):
                    found.setdefault(phrase, (rule, kind))
    return found


@cache
def rules_for(korean_too: bool) -> Rules:
    """English rules, or Korean and English ones."""
    tables = [korean.TABLE, english.TABLE] if korean_too else [english.TABLE]
    listed: dict[str, tuple[str, str]] = {}
    for table in tables:
        listed = {**phrases(table), **listed}
    kinds = {key(phrase): what for phrase, what in listed.items()}
    any_phrase = trie(listed)
    sentences: dict[str, list[Whole]] = {}
    heads: dict[str, list[Part]] = {}
    tails: dict[str, list[Part]] = {}
    for table in tables:
        for sentence in table.sentences:
            whole = Whole(sentence.rule, re.compile(rf"(?:{sentence.pattern})"), sentence.longest)
            for trigger in sentence.triggers:
                sentences.setdefault(trigger, []).append(whole)
        for rule, triggers, pattern in table.heads:
            head = Part(rule, re.compile(rf"(?:{pattern})[\t ]*"))
            for trigger in triggers:
                heads.setdefault(trigger, []).append(head)
        for rule, triggers, pattern in table.tails:
            tail = Part(rule, re.compile(rf"[\t ]*(?:{pattern})[\t ]*\Z"))
            for trigger in triggers:
                tails.setdefault(trigger, []).append(tail)
    return Rules(
        line=re.compile(rf"\n{MARKS}{GAP}*+(?>{any_phrase}{GAP}*+)++(?=\n|\Z)"),
        item=re.compile(any_phrase),
        kinds=kinds,
        sentences={t: tuple(s) for t, s in sentences.items()},
        heads={t: tuple(s) for t, s in heads.items()},
        tails={t: tuple(s) for t, s in tails.items()},
    )
