"""What a table of rules is: phrases that make up whole lines, sentences, and stretches of a paragraph.

A *phrase* line is nothing but known phrases, counts and separators. How much a phrase proves is its kind:

- certain: boilerplate on its own, whatever mark stands before it;
- alone: boilerplate alone on an unmarked line, a word like others in a list;
- counted: boilerplate with a number (``댓글 3``, ``5 comments``), else like a row word;
- row: two on a line;
- menu: three on a line.

A phrase line that does not prove enough still goes if it stands next to one that does, with nothing but blank
lines between: so a menu with one item a line is found, and a list of words that are also headings is not.
A *sentence* is a pattern for a whole line, a *stretch* one for a part of a paragraph; both are tried only on
lines that hold one of their triggers. All text is lower-case.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KINDS = ("certain", "alone", "counted", "row", "menu")

MAIL = r"[\w.+-]{1,40}+@[\w-]{1,40}(?:\.[\w-]{1,24}){1,4}"
_MONTH_EN = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
DATE_EN = (
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}[,.]? ?+)?"
    rf"(?:{_MONTH_EN} \d{{1,2}}(?:st|nd|rd|th)?,? ?\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH_EN},? ?\d{{4}}"
    r"|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{4}[/.-]\d{1,2}[/.-]\d{1,2})"
)
DATE_KO = (
    r"\d{4} ?+[./년-] ?+\d{1,2} ?+[./월-] ?+\d{1,2}(?: ?+일|\.)?+(?: ?+\(?[월화수목금토일]\)?(?![가-힣]))?+"
    r"(?: ?+(?:오전|오후|am|pm)?+ ?+\d{1,2}[:시] ?+\d{2}(?:[:분](?: ?+\d{2}초?+)?+)?+)?+"
)


@dataclass(frozen=True)
class Sentence:
    """A pattern for whole lines of at most ``longest`` characters, tried where one of the triggers stands."""

    rule: str
    triggers: tuple[str, ...]
    pattern: str
    longest: int = 160


@dataclass(frozen=True)
class Stretch:
    """A pattern for a part of a paragraph, tried where one of the triggers stands.

    ``where``: "head" and "tail" are taken from its ends, one after another; "within" is looked for near its
    beginning; "behind" is a tail only if another tail follows it.
    """

    where: Literal["head", "within", "tail", "behind"]
    rule: str
    triggers: tuple[str, ...]
    pattern: str


@dataclass(frozen=True)
class RuleTable:
    """The rules of one language. ``phrases`` is a file of ``phrases/``."""

    phrases: str
    sentences: tuple[Sentence, ...]
    stretches: tuple[Stretch, ...]


def read_phrases(name: str) -> dict[str, tuple[str, str]]:
    """phrase → (rule, kind), from a file of ``phrases/``: sections ``[kind rule]``, phrases between bars."""
    found: dict[str, tuple[str, str]] = {}
    rule = kind = ""
    for line in (Path(__file__).parent / "phrases" / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind, _, rule = line.strip("[]").partition(" ")
        elif line and not line.startswith("#"):
            for phrase in line.split("|"):
                found[" ".join(phrase.split())] = (rule, kind)
    return found
