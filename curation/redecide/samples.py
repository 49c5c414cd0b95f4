"""Samples of what is gained and lost: some documents of each rule, with their values and how the text begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from hanji.curation.decisions.rules import Rule
from hanji.curation.redecide.changes import Loaded
from hanji.curation.redecide.decided import Decisions, Documents
from hanji.curation.redecide.differences import Differences, Sample

EXCERPT = 160


def with_samples(
    documents: Documents, after: Decisions, found: Differences, rules: tuple[Loaded, Loaded], each: int
) -> Differences:
    """The differences with up to ``each`` documents gained and lost by each rule.

    They go from the one closest to the threshold to the farthest, evenly; so the first tells where the line is
    drawn, and the last what the rule is about.
    """
    before = documents.decided
    was, now = before.kept(), after.kept()
    chosen = {
        "gained": _chosen(before, now & ~was, each),
        "lost": _chosen(after, was & ~now, each),
    }
    rows = np.array(
        sorted(row for side in chosen.values() for some in side.values() for row in some), np.int64
    )
    excerpts = _excerpts(documents, rows)
    urls = dict(zip(rows.tolist(), documents.column("url", rows), strict=True))
    samples: dict[str, dict[str, list[Sample]]] = {}
    for name, decisions, loaded in (("gained", before, rules[0]), ("lost", after, rules[1])):
        other = _by_name(rules[1]) if name == "gained" else {}
        samples[name] = {
            documents.reasons.names[code]: [
                _sample(documents, decisions, row, _by_name(loaded), other, urls[row], excerpts.get(row, ""))
                for row in some
            ]
            for code, some in chosen[name].items()
        }
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return Differences(**(values | samples))


def _chosen(decisions: Decisions, rows: np.ndarray, each: int) -> dict[int, list[int]]:
    """Up to ``each`` rows by reason, the reasons with most documents first."""
    places = np.flatnonzero(rows)
    if not each or not len(places):
        return {}
    codes, counts = np.unique(decisions.reason[places], return_counts=True)
    chosen: dict[int, list[int]] = {}
    for code in codes[np.argsort(-counts, kind="stable")].tolist():
        mine = places[decisions.reason[places] == code]
        distance = np.nan_to_num(np.abs(decisions.value[mine] - decisions.threshold[mine]))
        mine = mine[np.argsort(distance, kind="stable")]
        steps = np.linspace(0, len(mine) - 1, min(each, len(mine))).round().astype(np.int64)
        chosen[code] = mine[np.unique(steps)].tolist()
    return chosen


def _excerpts(documents: Documents, rows: np.ndarray) -> dict[int, str]:
    """The beginning of each text on one line."""
    return {
        row: excerpt(text)
        for found, texts in documents.texts(rows)
        for row, text in zip(found.tolist(), texts, strict=True)
    }


def excerpt(text: str) -> str:
    """The first EXCERPT characters on one line, without control characters; … where there is more."""
    line = " ".join(text[: 4 * EXCERPT].split())
    line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    whole = len(line) <= EXCERPT and len(text) <= 4 * EXCERPT
    return line if whole else line[: EXCERPT - 1].rstrip() + "…"


def _by_name(loaded: Loaded) -> dict[tuple[str, str], Rule]:
    return {(language, rule.name): rule for language, some in loaded.items() for rule in some}


def _sample(
    documents: Documents,
    decisions: Decisions,
    row: int,
    rules: dict[tuple[str, str], Rule],
    other: dict[tuple[str, str], Rule],
    url: Any,
    text: str,
) -> Sample:
    language = documents.languages.names[documents.language[row]]
    name = documents.reasons.names[decisions.reason[row]]
    rule, now = rules.get((language, name)), other.get((language, name))
    original = int(decisions.original[row])
    return Sample(
        id=documents.identity(row),
        source=documents.sources.names[documents.source[row]],
        language=language,
        url=url,
        rule=name,
        compared=rule.signal if rule else "likeness" if original >= 0 else None,
        value=_number(decisions.value[row]),
        op=rule.op if rule else "<" if original >= 0 else None,
        threshold=_number(decisions.threshold[row]),
        threshold_after=now.threshold if now and rule and now.signal == rule.signal else None,
        duplicate_of=documents.identity(original) if original >= 0 else None,
        excerpt=text,
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
