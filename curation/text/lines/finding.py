"""Boilerplate of a text, as edits: whole lines, and what news puts before and after a paragraph.

Two cheap passes find candidates: one compiled pattern for lines that are nothing but known phrases, and the
positions of a few trigger words. Only lines with a trigger see the larger patterns, and these see at most a
line's first or last few hundred characters, so the time is linear in the text whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hanji.curation.records import Edit, apply_edits
from hanji.curation.text.lines import compiled
from hanji.curation.text.lines.compiled import Rules, rules_for
from hanji.curation.text.lines.context import code_spans, inside, listed_after, with_blank_lines
from hanji.curation.text.lines.patterns import MARKS, lowered

HEAD_WINDOW, TAIL_WINDOW = 200, 300
_MARKS = re.compile(MARKS)
_HANGUL = re.compile("[가-힣]")
_ROUNDS = 4
# Rules that say what they are even in a heading; a heading "Log in" or "Cookies" is a chapter.
_IN_HEADINGS = {"related", "newsletter", "comments", "share", "ads", "tips"}
_LICENCE = re.compile(
    r"permission is hereby|redistribution and use|free software|without warrant|is subject to"
    r"|licen[sc]ed under|general public licen[sc]e|apache licen[sc]e|spdx|라이선스|라이센스"
)
_SENTENCE_END = re.compile(r"[.!?…\"”’'」』)\]>】〉]|(?<=[가-힣])다")
_SHORT_WORD = re.compile(r"[a-z]{1,3}")


@dataclass
class _Line:
    """A line that is to go, or would go next to one that does. ``end`` is before its newline."""

    start: int
    end: int
    rule: str
    sure: bool


def boilerplate_edits(text: str, language: str | None) -> list[Edit]:
    """Edits that remove boilerplate, in order of position, none overlapping. Reasons: ``lines.<rule>``.

    A whole line goes with its newline, and with the blank line that it would leave doubled. English rules
    apply to every text, Korean ones where the language is "ko" or the text has Hangul. Fenced and indented
    code is never touched. Making the edits leaves a text in which nothing more is found.
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
    lines: dict[int, _Line] = {}
    for match in rules.line.finditer(low):
        if (line := _phrase_line(match, rules)) is not None:
            lines[line.start] = line
    parts: list[Edit] = []
    for start, (end, triggers) in _triggered(low, rules).items():
        if start in lines and lines[start].sure:
            continue
        marks = _MARKS.match(low, start, end)
        if marks is None or _is_indented(marks):
            continue
        whole = _sentence(low, marks, end, triggers, rules)
        if whole is not None:
            lines[start] = _Line(start, end, whole, True)
        elif not marks.group("heading") and start not in lines:
            parts += _parts(low, marks.end(), end, triggers, rules)
    if not lines and not parts:
        return []
    code = code_spans(low)
    if code:
        lines = {start: line for start, line in lines.items() if not inside(start, code)}
        parts = [edit for edit in parts if not inside(edit.start + 1, code)]
    chosen = _chosen(low, [lines[start] for start in sorted(lines)])
    edits = [Edit("lines", s - 1, e - 1, "", f"lines.{rule}") for s, e, rule in with_blank_lines(low, chosen)]
    return sorted(edits + parts, key=lambda edit: edit.start)


def _is_indented(marks: re.Match[str]) -> bool:
    """Whether a line is indented like code."""
    indent = marks.group("indent")
    return "\t" in indent or len(indent) >= 4


def _phrase_line(match: re.Match[str], rules: Rules) -> _Line | None:
    """A line of phrases, and whether they are enough."""
    if _is_indented(match):
        return None
    low, heading, listed = match.string, match.group("heading"), match.group("list")
    start, end = match.start() + 1, match.end()
    begin = match.end("list") if listed else match.end("heading") if heading else match.end("quote")
    found: dict[str, tuple[str, str]] = {}
    number = False
    place = begin
    for item in rules.item.finditer(low, begin, end):
        phrase = item.group()
        if _SHORT_WORD.fullmatch(phrase) and (
            low[item.start() - 1].isalpha() or low[item.end() : item.end() + 1].isalpha()
        ):
            return None
        number = number or any(c.isdigit() for c in low[place : item.start()])
        place = item.end()
        bare = "".join(phrase.split())
        found[bare] = rules.kinds[bare]
    number = number or any(c.isdigit() for c in low[place:end])
    kinds = [kind for _, kind in found.values()]
    certain = [rule for rule, kind in found.values() if kind == compiled.CERTAIN]
    if number:
        certain += [rule for rule, kind in found.values() if kind == compiled.COUNTED]
    if heading:
        certain = [rule for rule in certain if rule in _IN_HEADINGS]
        return _Line(start, end, certain[0], True) if certain and len(found) <= 2 else None
    if not listed and match.group("quote") == "":
        certain += [rule for rule, kind in found.values() if kind == compiled.ALONE]
    if certain:
        return _Line(start, end, certain[0], True)
    first = next(iter(found.values()))[0]
    # Words between commas are an enumeration of a text as often as a menu.
    row = kinds.count(compiled.ROW) + kinds.count(compiled.COUNTED) + kinds.count(compiled.ALONE)
    return _Line(start, end, first, "," not in low[start:end] and (row >= 2 or len(kinds) >= 3))


def _triggered(low: str, rules: Rules) -> dict[int, tuple[int, list[str]]]:
    """Start of each line with a trigger → its end and its triggers."""
    lines: dict[int, tuple[int, list[str]]] = {}
    for trigger in rules.triggers:
        at = low.find(trigger)
        while at >= 0:
            start = low.rfind("\n", 0, at) + 1
            end = lines[start][0] if start in lines else low.find("\n", at)
            end = len(low) if end < 0 else end
            lines.setdefault(start, (end, []))[1].append(trigger)
            at = low.find(trigger, end)
    return lines


def _sentence(low: str, marks: re.Match[str], end: int, triggers: list[str], rules: Rules) -> str | None:
    """The rule whose pattern the whole line matches."""
    begin = marks.end()
    while end > begin and low[end - 1] in " \t|\u00a0":
        end -= 1
    if low.startswith("|", begin):
        begin += len(low[begin:end]) - len(low[begin:end].lstrip("| \t"))
    tried: set[int] = set()
    for trigger in triggers:
        for whole in rules.sentences.get(trigger, ()):
            if id(whole) in tried or end - begin > whole.longest:
                continue
            tried.add(id(whole))
            if marks.group("heading") and whole.rule not in _IN_HEADINGS:
                continue
            if whole.pattern.fullmatch(low, begin, end) is None:
                continue
            if whole.rule == "copyright" and _is_licence(low, marks, end):
                continue
            return whole.rule
    return None


def _is_licence(low: str, marks: re.Match[str], end: int) -> bool:
    """Whether a copyright line belongs to the licence that follows it, or to a comment of a program."""
    return marks.group("list") in ("*", "#") or _LICENCE.search(low, marks.start(), end + 600) is not None


def _parts(low: str, begin: int, end: int, triggers: list[str], rules: Rules) -> list[Edit]:
    """Heads and tails of a paragraph, as edits of the text."""
    if low.startswith("|", begin):
        return []
    edits: list[Edit] = []
    heads = _of(triggers, rules.heads)
    start = begin
    window = min(end, begin + HEAD_WINDOW)
    while heads:
        for head in heads:
            match = head.pattern.match(low, start, window)
            if match is not None and match.end() > start and match.end() < end:
                edits.append(Edit("lines", start - 1, match.end() - 1, "", f"lines.{head.rule}"))
                start = match.end()
                break
        else:
            break
    tails = _of(triggers, rules.tails)
    finish = end
    taken: list[Edit] = []
    while tails:
        for tail in tails:
            match = tail.pattern.search(low, max(start + 1, finish - TAIL_WINDOW), finish)
            if (
                match is not None
                and match.start() > start
                and _ends_sentence(low, match.start(), bool(taken))
            ):
                taken.append(Edit("lines", match.start() - 1, finish - 1, "", f"lines.{tail.rule}"))
                finish = match.start()
                break
        else:
            break
    return edits + taken[::-1]


def _of(triggers: list[str], table: dict[str, tuple[compiled.Part, ...]]) -> list[compiled.Part]:
    found: dict[int, compiled.Part] = {}
    for trigger in triggers:
        for part in table.get(trigger, ()):
            found[id(part)] = part
    return list(found.values())


def _ends_sentence(low: str, at: int, _follows_tail: bool) -> bool:
    """Whether what stands before a tail is a finished sentence."""
    while at > 0 and low[at - 1] in " \t\u00a0":
        at -= 1
    return at > 0 and _SENTENCE_END.match(low, at - 1, at) is not None


def _chosen(low: str, lines: list[_Line]) -> list[_Line]:
    """The lines that go: sure ones, their neighbours of the same make, and the links under a heading."""
    chosen: list[_Line] = []
    block: list[_Line] = []
    for line in [*lines, None]:
        if block and (line is None or low[block[-1].end : line.start].strip()):
            if any(member.sure for member in block):
                chosen += block
            block = []
        if line is not None:
            block.append(line)
    taken = {line.start for line in chosen}
    result: list[_Line] = []
    for line in chosen:
        links = listed_after(low, line.end) if line.rule == "related" else []
        if links is None:
            continue  # what follows is a list with sentences in it: a section of the text
        result.append(line)
        result += [_Line(s, e, "related_list", True) for s, e in links if s not in taken]
    result.sort(key=lambda line: line.start)
    unique = {line.start: line for line in result}
    return list(unique.values())


def _merged(earlier: list[Edit], later: list[Edit]) -> list[Edit]:
    """Edits of the edited text, moved to the places in the text before and joined with the earlier ones."""
    result = list(earlier)
    for edit in later:
        shift = 0
        start, end = edit.start, edit.end
        for before in earlier:
            if before.start <= start + shift:
                shift += before.end - before.start
            elif before.start < end + shift:
                result.append(Edit(edit.step, start + shift, before.start, "", edit.reason))
                start = before.start - shift
                shift += before.end - before.start
            else:
                break
        if start < end:
            result.append(Edit(edit.step, start + shift, end + shift, "", edit.reason))
    return sorted((edit for edit in result if edit.end > edit.start), key=lambda edit: edit.start)
