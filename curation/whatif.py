"""What if: other thresholds on a finished run, decided document by document without measuring again.

Exactly what a new ``hanji curate`` with these rules and tiers decides, from the signals, scores and verified
likenesses that the run keeps. docs/whatif.md says what it shows and what it cannot see.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hanji.curation.decisions.rules import load_rules
from hanji.curation.decisions.tiers import SCALE, QuotaCut, TierCuts
from hanji.curation.redecide.again import decide_again, tier_cuts
from hanji.curation.redecide.changes import Loaded, RuleChange, as_overrides, changed, rule_changes
from hanji.curation.redecide.decided import Documents, open_run, read_documents
from hanji.curation.redecide.differences import Differences, differences
from hanji.curation.redecide.samples import with_samples
from hanji.curation.redecide.tokens import tokens
from hanji.curation.signals.text import SIGNALS

SAMPLES = 3
JUDGED_BY = ("signal", "op", "threshold")


@dataclass(frozen=True)
class QuotaChange:
    """A quota of a tier for a group: (tokens asked for, tokens to train on that it takes) before and after."""

    tier: str
    group: str
    before: tuple[int, int] | None
    after: tuple[int, int] | None


@dataclass(frozen=True)
class WhatIf:
    """The answer. ``overrides`` is what ``hanji curate`` takes to do it; ``notes`` what was not looked at.
    ``drifted`` are rules of the run's recipe that have changed in the project since the run, which is part of the
    figures.

    ``tier_thresholds``: by language and tier, the smallest score before and after (None: no such tier).
    ``quotas``: tokens that were asked for, and that there are, by side. ``rest``: the tier that takes the rest.
    """

    run: str
    name: str
    changes: list[str]
    overrides: list[str]
    rules: list[RuleChange]
    drifted: list[str]
    tier_thresholds: dict[str, dict[str, tuple[float | None, float | None]]]
    quotas: list[QuotaChange]
    rest: str
    differences: Differences
    notes: list[str]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For programs: the same in mappings, lists, numbers and strings."""
        return dataclasses.asdict(self)


def what_if(run: str, changes: Sequence[str], samples: int = SAMPLES, exact: bool = False) -> WhatIf:
    """Decide a finished run again with these changes (``hanji_ko.min_words=40``: see changes.py).

    ``samples``: documents to show of those gained and lost by each rule. ``exact``: count the tokens of gained
    documents with the run's tokenizer. Nothing is written. Raises InputError if the run is none, or has not
    finished, and RecipeError for changes that no recipe may make, or for a rule over a signal that the run did
    not measure.
    """
    started = time.perf_counter()
    storage, facts, recipe = open_run(run)
    other = changed(recipe, changes)
    before, after = load_rules(recipe.rules), load_rules(other.rules)
    documents = read_documents(storage, facts, recipe)
    decisions = decide_again(documents, other, after, exact=exact)
    counted, estimated = tokens(documents, decisions, exact)
    cuts = (
        tier_cuts(documents, recipe, documents.decided),
        tier_cuts(documents, other, decisions, exact=exact),
    )
    found = differences(documents, decisions, counted, estimated)
    if samples:
        found = with_samples(documents, decisions, found, (before, after), samples)
    return WhatIf(
        run=run,
        name=recipe.name,
        changes=list(changes),
        overrides=as_overrides(recipe, other, changes),
        rules=rule_changes(before, after),
        tier_thresholds=_thresholds(documents, *cuts),
        quotas=_quotas(*cuts),
        rest=other.tiers[-1].name,
        differences=found,
        drifted=_drifted(documents, before),
        notes=[*_notes(documents), *_of_quotas(cuts[1], estimated)],
        seconds=time.perf_counter() - started,
    )


def _thresholds(
    documents: Documents, before: TierCuts, after: TierCuts
) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    languages = sorted(documents.recipe.floor.languages)
    sides = [side.score_thresholds(languages) for side in (before, after)]
    return {
        language: {
            tier: (_score(sides[0].get(language, {}).get(tier)), _score(sides[1].get(language, {}).get(tier)))
            for tier in dict.fromkeys([*sides[1].get(language, {}), *sides[0].get(language, {})])
        }
        for language in languages
        if sides[0].get(language) or sides[1].get(language)
    }


def _quotas(before: TierCuts, after: TierCuts) -> list[QuotaChange]:
    found: dict[tuple[str, str], list[QuotaCut | None]] = {}
    for side, cuts in enumerate((before, after)):
        for place, groups in cuts.quotas.items():
            for group, cut in groups.items():
                found.setdefault((cuts.tiers[place].name, group), [None, None])[side] = cut
    return [
        QuotaChange(tier, group, *(None if cut is None else (cut.wanted, cut.tokens) for cut in sides))
        for (tier, group), sides in sorted(found.items())
    ]


def _of_quotas(cuts: TierCuts, estimated: int) -> list[str]:
    if not cuts.quotas or not estimated:
        return []
    return [
        f"quotas were filled with estimated tokens of {estimated:,} documents that the run did not keep; --exact "
        "counts them"
    ]


def _score(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / SCALE


def _notes(documents: Documents) -> list[str]:
    """What the figures do not know of."""
    above = len(documents) - int(documents.judged.sum())
    notes = [
        f"{above:,} of {len(documents):,} documents fell before any rule (floors, personal data, blocks, "
        "failures): no threshold of a rule brings them back",
        "texts are as the run edited them; the shards are not written again",
    ]
    if documents.recipe.shards.tokenizer.file is None:
        notes.append("tokens are the run's tokenizer's; `hanji curate` would train another on what it keeps")
    absent = [name for name in SIGNALS if name not in documents.columns]
    if absent:
        notes.append(
            f"an earlier version measured the run ({len(absent)} signals of this one are not in it): "
            "`hanji curate` would measure again, and may decide otherwise"
        )
    return notes


def _drifted(documents: Documents, rules: Loaded) -> list[str]:
    """Rules of the run's recipe that were others when it was made: the project's presets have changed since."""
    path = "report/metrics.json"
    if not documents.run.exists(path):
        return []
    applied = json.loads(documents.run.read_bytes(path)).get("rules_applied", {})
    then = {(language, rule["name"]): rule for language, some in applied.items() for rule in some}
    now = {(language, rule.name): rule for language, some in rules.items() for rule in some}
    # Reports from before rules were told whole know the threshold alone.
    others = [
        key
        for key in then.keys() & now.keys()
        if any(then[key].get(part, getattr(now[key], part)) != getattr(now[key], part) for part in JUDGED_BY)
    ]
    return sorted({name for _, name in (then.keys() ^ now.keys()) | set(others)})
