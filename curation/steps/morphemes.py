"""Morphemes: what is counted of Kiwi's words, for the Korean documents of a split, where a rule asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.decisions.rules import Rule
from hanji.curation.records import TEXT
from hanji.curation.signals import morphemes
from hanji.curation.signals.morphemes import COLUMNS, PREFIX
from hanji.curation.steps.texts import SplitWork, groups
from hanji.curation.work import Attempt, Outcome
from hanji.errors import RecipeError

VERSION = 1
MORPHEME_ROWS = pa.schema([("id", TEXT), *((name, pa.int64()) for name in COLUMNS)])


def morpheme_split(attempt: Attempt, work: SplitWork) -> Outcome:
    """Write signals/morphemes: id and one integer column a count, null for documents that are not Korean."""
    documents, korean, unread = 0, 0, 0
    with attempt.table_writer("morphemes", "signals/morphemes", MORPHEME_ROWS) as writer:
        for group in groups(attempt.run, work):
            rows = np.flatnonzero(pc.equal(group.languages, "ko").to_numpy(zero_copy_only=False))
            counts = morphemes.measure(group.texts.take(pa.array(rows)))
            place = np.full(len(group), -1)
            place[rows] = np.arange(len(rows))
            of_all = counts.take(pa.array(place, mask=place < 0))
            writer.write(of_all.add_column(0, "id", group.ids).cast(MORPHEME_ROWS))
            documents, korean = documents + len(group), korean + len(rows)
            unread += int(pc.sum(counts["kiwi_unread"]).as_py() or 0)
    return Outcome(info={"documents": documents, "korean": korean, "unread": unread})


def are_needed(rules: Mapping[Any, Sequence[Rule]]) -> bool:
    """Whether a rule judges morphemes.

    Raises RecipeError if one does and Kiwi is not installed, or if it is a rule of another language than Korean.
    """
    asking = [
        (language, rule)
        for language, some in sorted(rules.items())
        for rule in some
        if rule.signal.startswith(PREFIX)
    ]
    for language, rule in asking:
        name = f"rules: {rule.name} (for {language}) judges {rule.signal}"
        if language != "ko":
            raise RecipeError(f"{name}, which only Korean documents have: rules.presets.ko or rules.own.ko")
        if not morphemes.installed():
            raise RecipeError(f"{name}, which needs Kiwi: pip install 'hanji[korean]'")
    return bool(asking)
