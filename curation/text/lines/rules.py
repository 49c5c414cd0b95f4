"""What a table of rules is: phrases that make up whole lines, patterns of whole lines, heads and tails.

A *phrase* line is nothing but known phrases, counts and separators. How much a phrase proves is its kind:

- certain: boilerplate on its own, whatever mark stands before it;
- alone: boilerplate alone on an unmarked line, a word like others in a list (``- 로그인`` may be a feature);
- counted: boilerplate with a number (``댓글 3``), else like a row word;
- row: two on a line;
- menu: three on a line.

A phrase line that does not prove enough still goes if it stands next to one that does, with nothing but blank
lines between: so a menu with one item a line is found, and a list of the words that are also headings is not.
A *sentence* is a pattern for a whole line, tried only on lines that hold one of its triggers. A *head* is
taken from the beginning of a paragraph, a *tail* from its end. All text is lower-case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAIL = r"[\w.+-]{1,40}+@[\w-]{1,40}(?:\.[\w-]{1,24}){1,4}"
_MONTH_EN = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
DATE_EN = (
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}[,.]? ?+)?"
    rf"(?:{_MONTH_EN} \d{{1,2}}(?:st|nd|rd|th)?,? ?\d{{4}}|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH_EN},? ?\d{{4}}"
    r"|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}|\d{4}[/.-]\d{1,2}[/.-]\d{1,2})"
)
DATE_KO = (
    r"\d{4} ?+[./년-] ?+\d{1,2} ?+[./월-] ?+\d{1,2}(?: ?+일|\.)?(?:\s?+\(?[월화수목금토일]\)?(?![가-힣]))?"
    r"(?: ?+(?:오전|오후|am|pm)?+ ?+\d{1,2}[:시] ?+\d{2}(?:[:분](?: ?+\d{2}초?)?)?)?"
)


@dataclass(frozen=True)
class Sentence:
    """A pattern for whole lines of at most ``longest`` characters, tried where one of the triggers stands."""

    rule: str
    triggers: tuple[str, ...]
    pattern: str
    longest: int = 160


# (rule, triggers, pattern): a stretch at the head or the tail of a paragraph.
Stretch = tuple[str, tuple[str, ...], str]


@dataclass(frozen=True)
class RuleTable:
    """The rules of one language. Phrases by rule, separated by ``|`` or newlines; a space means blanks or none."""

    certain: Mapping[str, str]
    alone: Mapping[str, str]
    counted: Mapping[str, str]
    rows: Mapping[str, str]
    menu: Mapping[str, str]
    sentences: tuple[Sentence, ...]
    heads: tuple[Stretch, ...]
    tails: tuple[Stretch, ...]
