"""Boilerplate of a text, as edits: whole lines, and what news puts before and after a paragraph.

Two cheap passes find candidates: one compiled pattern for lines that are nothing but known phrases, and the
positions of a few trigger words. Only lines with a trigger see the larger patterns, and these see at most a
line's first or last few hundred characters, so the time is linear in the text whatever it holds.
"""

from __future__ import annotations

import re

from hanji.curation.records import Edit, apply_edits
from hanji.curation.text.lines.compiled import Rules, Triggered, rules_for
from hanji.curation.text.lines.context import (
    Line,
    code_spans,
    inside,
    is_wrapped,
    listed_after,
    with_blank_lines,
)
from hanji.curation.text.lines.paragraph import stretches, unique
from hanji.curation.text.lines.patterns import MARKS, lowered

_ROUNDS = 8
_MARKS = re.compile(MARKS)
_HANGUL = re.compile("[가-힣]")
_SHORT_WORD = re.compile(r"[a-z]{1,3}")
_DIGIT = re.compile(r"\d")
# Rules that say what they are even in a heading; a heading "Log in" or "Cookies" is a chapter.
_IN_HEADINGS = {"related", "newsletter", "comments", "share", "ads", "tips"}
# What a list of a text may well be made of.
_NOT_IN_LISTS = {"tags", "dateline", "posted"}
_LICENCE = re.compile(
    r"permission is hereby|redistribution and use|free software|without warrant|is subject to"
    r"|licen[sc]ed under|general public licen[sc]e|apache licen[sc]e|spdx|라이선스|라이센스"
)


def boilerplate_edits(text: str, language: str | None) -> list[Edit]:
    """Edits that remove boilerplate, in order of position, none overlapping. Reasons: ``lines.<rule>``.

    A whole line goes with its newline, and with the blank line that it would leave doubled. English rules
    apply to every text, Korean ones where the language is "ko" or the text has Hangul. Fenced and indented
    code is never touched. In the text that the edits leave, nothing more is found.
    """
    rules = rules_for(language == "ko" or (not text.isascii() and _HANGUL.search(text) is not None))
    edits: list[Edit] = []
    current = text
    # What goes may bring a heading next to its list or one tail behind another: so the text is looked at
    # again, which only texts with edits pay for.
    for _ in range(_ROUNDS):
        found = _find(current, rules)
        if not found:
            break
        edits = _merged(edits, found) if edits else found
        current = apply_edits(text, edits)
    return edits


def _find(text: str, rules: Rules) -> list[Edit]:
    low = "\n" + lowered(text)  # positions here are one more than in the text
    if "ⓑ" in low:
        low = low.replace("ⓒ", "ⓑ")  # the third of a list, nobody's copyright
    lines: dict[int, Line] = {}
    for match in rules.line.finditer(low):
        if (line := _phrase_line(match, text, rules)) is not None:
            lines[line.start] = line
    parts: list[tuple[int, int, str]] = []
    for start, (end, triggered) in _with_triggers(low, rules).items():
        if start in lines and lines[start].sure:
            continue
        marks = _MARKS.match(low, start, end)
        if marks is None or _is_indented(marks):
            continue
        if (rule := _sentence(low, text, marks, end, triggered)) is not None:
            lines[start] = Line(start, end, rule, True)
        elif not marks.group("heading") and start not in lines and not low.startswith("|", marks.end()):
            parts += stretches(low, marks.end(), end, triggered)
    if not lines and not parts:
        return []
    if code := code_spans(low):
        lines = {start: line for start, line in lines.items() if not inside(start, code)}
        parts = [part for part in parts if not inside(part[0], code)]
    chosen = _chosen(low, [lines[start] for start in sorted(lines)])
    whole = with_blank_lines(low, chosen)
    return [Edit("lines", s - 1, e - 1, "", f"lines.{rule}") for s, e, rule in sorted(whole + parts)]


def _is_indented(marks: re.Match[str]) -> bool:
    """Whether a line is indented like code."""
    indent = marks.group("indent")
    return "\t" in indent or len(indent) >= 4


def _phrase_line(match: re.Match[str], text: str, rules: Rules) -> Line | None:
    """A line of phrases, and whether they are enough."""
    if _is_indented(match):
        return None
    low, heading, listed = match.string, match.group("heading"), match.group("list")
    start, end = match.start() + 1, match.end()
    begin = match.end("list") if listed else match.end("heading") if heading else match.end("quote")
    items = list(rules.item.finditer(low, begin, end))
    found: dict[str, tuple[str, str]] = {}
    for item in items:
        phrase = item.group()
        if _SHORT_WORD.fullmatch(phrase) and (
            low[item.start() - 1].isalpha() or low[item.end() : item.end() + 1].isalpha()
        ):
            return None  # "ad" of another word
        bare = "".join(phrase.split())
        found[bare] = rules.kinds[bare]
    if is_wrapped(low, text, start, begin, end):
        return None
    kinds = [kind for _, kind in found.values()]
    certain = [rule for rule, kind in found.values() if kind == "certain"]
    stops = [begin, *(item.end() for item in items)]
    starts = [*(item.start() for item in items), end]
    numbered = [_DIGIT.search(low, stop, at) is not None for stop, at in zip(stops, starts, strict=True)]
    for index, item in enumerate(items):
        rule, kind = found["".join(item.group().split())]
        # A number stands behind a Korean word (댓글 3) and before or behind an English one (5 comments).
        if kind == "counted" and (numbered[index + 1] or (item.group().isascii() and numbered[index])):
            certain.append(rule)
    if heading:
        certain = [rule for rule in certain if rule in _IN_HEADINGS]
        return Line(start, end, certain[0], True) if certain and len(found) <= 2 else None
    if not listed and not match.group("quote") and not any(numbered):
        certain += [rule for rule, kind in found.values() if kind == "alone"]
    if certain:
        return Line(start, end, certain[0], True, bool(listed))
    # Words between commas are an enumeration of a text as often as a menu.
    row = len(kinds) - kinds.count("menu")
    enough = "," not in low[start:end] and (row >= 2 or len(kinds) >= 3)
    return Line(
        start, end, next(iter(found.values()))[0], enough, bool(listed), 2 * row + kinds.count("menu")
    )


def _with_triggers(low: str, rules: Rules) -> dict[int, tuple[int, list[Triggered]]]:
    """Start of each line with a trigger → its end and what its triggers lead to."""
    lines: dict[int, tuple[int, list[Triggered]]] = {}
    end = -1
    seen: set[int] = set()
    for index, at, stop in rules.finder.find_matches_as_indexes(low, overlapping=True):
        if low[at] == "@" and not low[at - 1].isalnum():
            continue  # no address: @decorator, @click, @somebody
        if at >= end:  # on another line than the one before; a trigger may begin with its line's newline
            start = low.rfind("\n", 0, stop) + 1
            end = low.find("\n", stop)
            end = len(low) if end < 0 else end
            seen = set()
            triggered = lines.setdefault(start, (end, []))[1]
        if index not in seen:
            seen.add(index)
            triggered.append(rules.triggered[index])
    return lines


def _sentence(low: str, text: str, marks: re.Match[str], end: int, triggered: list[Triggered]) -> str | None:
    """The rule whose pattern the whole line matches."""
    begin = marks.end()
    while end > begin and low[end - 1] in " \t|\u00a0":
        end -= 1
    while begin < end and low[begin] in "| \t":
        begin += 1
    for sentence in unique(one.sentences for one in triggered):
        if end - begin > sentence.longest:
            continue
        if marks.group("heading") and sentence.rule not in _IN_HEADINGS:
            continue
        if marks.group("list") and sentence.rule in _NOT_IN_LISTS:
            continue
        if sentence.pattern.fullmatch(low, begin, end) is None:
            continue
        if sentence.rule == "copyright" and _is_licence(low, marks, end):
            continue
        return None if is_wrapped(low, text, marks.start(), marks.end(), end) else sentence.rule
    return None


def _is_licence(low: str, marks: re.Match[str], end: int) -> bool:
    """Whether a copyright line belongs to the licence that follows it, or to a comment of a program."""
    return marks.group("list") == "*" or _LICENCE.search(low, marks.start(), end + 600) is not None


def _chosen(low: str, lines: list[Line]) -> list[Line]:
    """The lines that go: sure ones, their neighbours of the same make, and the links under a heading."""
    blocks: list[list[Line]] = []
    for line in lines:
        if blocks and not low[blocks[-1][-1].end : line.start].strip():
            blocks[-1].append(line)
        else:
            blocks.append([line])
    chosen: dict[int, Line] = {}
    for block in blocks:
        loose = [line.weight for line in block if not line.listed]
        if any(line.sure for line in block) or (len(loose) >= 3 and sum(loose) >= 6):
            chosen.update((line.start, line) for line in block)
    for line in list(chosen.values()):
        if line.rule == "related":
            links = listed_after(low, line.end)
            if links is None:
                del chosen[line.start]  # what follows is a list with sentences: a section of the text
                continue
            for start, end in links:
                chosen.setdefault(start, Line(start, end, "related_list", True))
    return [chosen[start] for start in sorted(chosen)]


def _merged(earlier: list[Edit], later: list[Edit]) -> list[Edit]:
    """Edits of the edited text, moved to the places in the text before and joined with the earlier ones."""
    result = list(earlier)
    shift = index = 0
    for edit in later:
        start = edit.start
        while start < edit.end:
            while index < len(earlier) and earlier[index].start <= start + shift:
                shift += earlier[index].end - earlier[index].start
                index += 1
            # Up to the next earlier edit, which lies within this one, or to the end.
            stop = edit.end
            if index < len(earlier):
                stop = min(stop, earlier[index].start - shift)
            result.append(Edit(edit.step, start + shift, stop + shift, "", edit.reason))
            start = stop
    return sorted(result, key=lambda edit: edit.start)
