"""What stands before and behind a paragraph without being of it: bylines, notices, credits of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hanji.curation.text.lines.compiled import Pattern, Triggered

HEAD_WINDOW, TAIL_WINDOW = 240, 300
_BLANK = " \t\u00a0"
_FINISHED = re.compile(r"[.!?…\"”’'」』)\]>】〉]")
# What opens with one of these is set apart, whatever stands before it; an address in brackets may be of the text.
_SET_APART = re.compile(r"[\t ]*(?:[※☞▶◎ⓒ©]|[\[(<【〈/] ?(?![\w.+-]{1,40}@)|저작권|copyright|\(c\))")


def stretches(low: str, begin: int, end: int, triggered: Sequence[Triggered]) -> list[tuple[int, int, str]]:
    """(start, end, rule) of what goes from the paragraph ``low[begin:end]``, in order, none overlapping.

    Something of the paragraph is always left.
    """
    start, found = _heads(low, begin, end, triggered)
    return found + _tails(low, start, end, triggered)


def _heads(
    low: str, begin: int, end: int, triggered: Sequence[Triggered]
) -> tuple[int, list[tuple[int, int, str]]]:
    """What is taken from the beginning, and where the rest begins."""
    found: list[tuple[int, int, str]] = []
    patterns = unique(one.head for one in triggered)
    start = begin
    taken = bool(patterns)
    while taken:
        taken = False
        for head in patterns:
            match = head.pattern.match(low, start, min(end, start + HEAD_WINDOW))
            if match is not None and start < match.end() < end:
                found.append((start, match.end(), head.rule))
                start = match.end()
                taken = True
                break
    if start == begin:
        for within in unique(one.within for one in triggered):
            match = within.pattern.search(low, begin, min(end, begin + HEAD_WINDOW))
            if match is not None and begin < match.start() and match.end() < end:
                return match.end(), [(match.start(), match.end(), within.rule)]
    return start, found


def _tails(low: str, begin: int, end: int, triggered: Sequence[Triggered]) -> list[tuple[int, int, str]]:
    tails, behind = unique(one.tail for one in triggered), unique(one.behind for one in triggered)
    found: list[tuple[int, int, str]] = []
    finish = end
    taken = bool(tails)
    while taken:
        taken = False
        for tail in tails + behind if found else tails:
            match = tail.pattern.search(low, max(begin + 1, finish - TAIL_WINDOW), finish)
            if match is not None and (tail in behind or _may_begin(low, match.start(), match)):
                found.append((match.start(), finish, tail.rule))
                finish = match.start()
                taken = True
                break
    return found[::-1]


def unique(groups: Iterable[tuple[Pattern, ...]]) -> list[Pattern]:
    """The patterns of several triggers, each once."""
    return list({id(one): one for group in groups for one in group}.values())


def _may_begin(low: str, at: int, match: re.Match[str]) -> bool:
    """Whether a tail may begin here: it is set apart by a mark, or what stands before it is a finished sentence."""
    if _SET_APART.match(low, match.start(), match.end()) is not None:
        return True
    while at > 0 and low[at - 1] in _BLANK:
        at -= 1
    return at > 0 and _FINISHED.match(low, at - 1, at) is not None
