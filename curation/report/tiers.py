"""What the report and `hanji why` tell of tiers: what each asks, where it was cut, whether quotas were met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.amounts import shown_amount
from hanji.curation.columns import flat
from hanji.curation.decisions.ensembles import in_buckets, score_column
from hanji.curation.decisions.tiers import (
    MISSING,
    SCALE,
    Candidates,
    QuotaCut,
    TierCuts,
    candidates,
    cuts_of,
    in_scope,
    largest_perplexity,
    quantise,
)
from hanji.curation.records import LEDGER, TEXT
from hanji.curation.tier_recipe import Ensemble, Tier
from hanji.page import Markup, number, percent, table
from hanji.stages import Stage, Upsampling, pattern_of

ID_DIGITS = 8
Components = Mapping[str, Sequence[int]]
"""[documents, bytes, tokens] by language/domain/tier/split."""


def read_cuts(recipe: Mapping[str, Any], facts: Mapping[str, Any]) -> TierCuts:
    """The cuts of a run, of its recipe (as JSON) and what its metrics tell of them."""
    tiers = [Tier.model_validate(tier) for tier in recipe["tiers"]]
    given = {language: Ensemble.model_validate(one) for language, one in recipe["ensembles"].items()}
    ensembles = {language: given.get(language, Ensemble()) for language in facts["edges"]}
    return cuts_of(tiers, ensembles, facts)


def asked(tier: Tier) -> list[str]:
    """Its conditions as a person says them: "the best 20 % by score", "perplexity at most 340"."""
    of_each = "" if tier.per == "language" else f" of each {tier.per}"
    found = []
    if tier.min_score is not None:
        found.append(f"score at least {tier.min_score:g}")
    if tier.min_bucket is not None:
        found.append(f"bucket {tier.min_bucket} or above")
    if tier.top_share is not None:
        found.append(f"the best {percent(tier.top_share)}{of_each} by score")
    if tier.max_perplexity is not None:
        found.append(f"perplexity at most {tier.max_perplexity:g}")
    if tier.best_perplexity_share is not None:
        found.append(f"the {percent(tier.best_perplexity_share)}{of_each} of the lowest perplexity")
    if tier.min_cluster_size is not None:
        found.append(f"a cluster of at least {tier.min_cluster_size} documents")
    if tier.max_cluster_size is not None:
        found.append(f"a cluster of at most {tier.max_cluster_size} documents")
    if tier.min_occurrences is not None:
        found.append(f"found at least {tier.min_occurrences} times")
    if tier.tokens is not None:
        found.append(f"the best {shown_amount(tier.tokens)} tokens{of_each} by {tier.best_by}")
    found += [f"{column} {' or '.join(names)}" for column, names in tier.scope().items()]
    return found


def shown_merit(cuts: TierCuts, group: str, kind: str, merit: int) -> str:
    """A merit as the number that it stands for, in a group; where scores are of an ensemble, as its bucket."""
    if merit == -MISSING:
        return "out of reach: nothing has one"
    settings = cuts.ensembles.get(group.partition("/")[0])
    if kind == "score" and settings is not None:
        return f"bucket {merit / SCALE * (settings.buckets - 1):.4g}"
    if kind == "score":
        return f"score {merit / SCALE:.6f}"
    return f"perplexity {largest_perplexity(merit):.2f}"


# -- the report --------------------------------------------------------------------------------------------


def tier_tables(metrics: Mapping[str, Any]) -> list[Markup]:
    """Tables of how tiers were cut, and of stages; for runs that have them."""
    if "tier_cuts" not in metrics:
        return []
    cuts = read_cuts(metrics["recipe"], metrics["tier_cuts"])
    if len(cuts.tiers) == 1:
        return []
    rows = [row for place in range(len(cuts.tiers) - 1) for row in _cut_rows(cuts, place)]
    head = ["tier", "asks for", "of", "cut at", "tokens to train on", "quota"]
    found = [
        table("How the tiers were cut, in the order in which they are tried", head, rows, text_columns=4)
    ]
    stages = metrics["recipe"].get("stages")
    if stages:
        found.append(_stages([Stage.model_validate(stage) for stage in stages], metrics))
    return found


def _cut_rows(cuts: TierCuts, place: int) -> list[list[str]]:
    tier = cuts.tiers[place]
    shares, quotas = cuts.shares.get(place, {}), cuts.quotas.get(place, {})
    groups = sorted({group for of_kind in shares.values() for group in of_kind} | set(quotas)) or ["all"]
    rows = []
    for group in groups:
        at = [
            shown_merit(cuts, group, kind, of_kind[group])
            for kind, of_kind in shares.items()
            if group in of_kind
        ]
        held, quota = "", ""
        if group in quotas:
            cut = quotas[group]
            at.append(shown_merit(cuts, group, tier.best_by, cut.merit) + _tie(cut))
            held = number(cut.tokens)
            quota = f"{shown_amount(cut.wanted)}: " + (
                "met" if cut.met else f"not met, {percent(cut.tokens / cut.wanted)} of it"
            )
        rows.append(
            [tier.name, ", ".join(asked(tier)), group, "; ".join(at) or "–", held or "–", quota or "–"]
        )
    return rows


def _tie(cut: QuotaCut) -> str:
    return "" if cut.last is None else f", of which ids up to {cut.last[:ID_DIGITS]}…"


def _stages(stages: Sequence[Stage], metrics: Mapping[str, Any]) -> Markup:
    """What each stage takes of which components, as far as the recipe says it, and how many epochs that is."""
    once = _train_tokens(metrics["components"])
    rows = []
    so_far: dict[str, float] = dict.fromkeys(once, 0.0)
    for stage in stages:
        of_pattern: dict[str, list[str]] = {pattern: [] for pattern in stage.blend}
        for component in once:
            pattern = pattern_of(component, stage.blend)
            if pattern is not None:
                of_pattern[pattern].append(component)
        weights = sum(entry.weight or 0.0 for entry in stage.blend.values())
        for pattern, entry in stage.blend.items():
            mine = of_pattern[pattern]
            epoch = epoch_tokens(mine, once, entry.upsample, metrics)
            takes = entry.tokens
            if takes is None and stage.tokens is not None and entry.weight is not None:
                takes = round(stage.tokens * entry.weight / weights)
            epochs = takes / epoch if takes is not None and epoch else None
            if epochs is not None:
                for component in mine:
                    so_far[component] += epochs
            reached = max((so_far[component] for component in mine), default=0.0)
            cap = "–" if entry.max_epochs is None else f"{entry.max_epochs:g}"
            if entry.max_epochs is not None and epochs is not None and reached > entry.max_epochs:
                cap += ", reached"
            rows.append(
                [
                    stage.name,
                    pattern,
                    "–" if entry.upsample is None else shown_upsampling(entry.upsample),
                    "nothing matches" if not mine else number(sum(once[component] for component in mine)),
                    "–" if not mine else number(epoch),
                    f"weight {entry.weight:g}" if takes is None else number(takes),
                    "–" if epochs is None else f"{epochs:.2f}",
                    "–" if epochs is None else f"{reached:.2f}",
                    cap,
                ]
            )
    head = ["stage", "components", "up-sampling", "tokens there", "tokens in an epoch", "takes"]
    head += ["epochs", "so far", "at most"]
    return table("Stages of training: shards/stages.json", head, rows, text_columns=3)


def _train_tokens(components: Components) -> dict[str, int]:
    return {
        name.rpartition("/")[0]: cell[2]
        for name, cell in sorted(components.items())
        if name.endswith("/train")
    }


def epoch_tokens(
    mine: Sequence[str], once: Mapping[str, int], upsample: Upsampling | None, metrics: Mapping[str, Any]
) -> int:
    """Tokens of an epoch of components, with documents as often as they stand in it."""
    if upsample is None:
        return sum(once[component] for component in mine)
    counted = metrics.get("epochs", {}).get(upsample_name(upsample), {})
    return sum(int(counted.get(component, 0)) for component in mine)


def upsamplings_of(stages: Sequence[Stage]) -> list[Upsampling]:
    """The up-samplings of stages, each once."""
    found = {
        upsample_name(entry.upsample): entry.upsample
        for stage in stages
        for entry in stage.blend.values()
        if entry.upsample is not None
    }
    return [found[name] for name in sorted(found)]


def count_epochs(
    ledger: pa.Table, tokens: pa.Table, upsamplings: Sequence[Upsampling]
) -> dict[str, dict[str, int]]:
    """Tokens to train on of an epoch, by up-sampling (:func:`upsample_name`) and component.

    ``tokens`` has id and tokens of the kept documents of these rows of the ledger.
    """
    rows = ledger.filter(pc.and_(pc.equal(ledger["verdict"], "kept"), pc.equal(ledger["split"], "train")))
    place = pc.index_in(flat(rows["id"]), value_set=flat(tokens["id"]))
    counted = tokens["tokens"].take(place).to_numpy()
    columns = [flat(rows[name]) for name in ("language", "domain", "tier")]
    components = pc.binary_join_element_wise(*columns, pa.scalar("/", TEXT))
    found: dict[str, dict[str, int]] = {}
    for upsample in upsamplings:
        repeats = upsample.repeats(rows[upsample.by].to_numpy())
        sums = pa.table({"component": components, "tokens": counted * repeats}).group_by("component")
        table = sums.aggregate([("tokens", "sum")])
        found[upsample_name(upsample)] = dict(
            zip(table["component"].to_pylist(), table["tokens_sum"].to_pylist(), strict=True)
        )
    return found


def upsample_name(upsample: Upsampling) -> str:
    """Equal for equal settings."""
    return upsample.model_dump_json(exclude_none=True)


def shown_upsampling(upsample: Upsampling) -> str:
    """ "by cluster_occurrences: 1 → 1, 2 → 2, 5 → 3"."""
    if upsample.table is not None:
        return f"by {upsample.by}: " + ", ".join(
            f"{start} → {times}" for start, times in upsample.table.items()
        )
    return f"by {upsample.growth} of {upsample.by}, at most {upsample.cap}"


# -- one document ------------------------------------------------------------------------------------------


def tier_lines(cuts: TierCuts, ledger: Mapping[str, Any]) -> list[str]:
    """Why a document is in its tier: each one tried, with what it asked and what the document has.

    ``ledger`` is its row of the ledger, of a document that has a tier.
    """
    kinds = {field.name: field.type for field in LEDGER}
    columns = {
        name: pa.array([value], kinds.get(name, pa.float64()))
        for name, value in ledger.items()
        if name in kinds or name == "perplexity" or name.startswith("score_")
    }
    row = candidates(pa.table(columns)).ensemble(cuts.edges, cuts.ensembles)
    lines = []
    has = _has(cuts, row)
    for place, tier in enumerate(cuts.tiers):
        last = place == len(cuts.tiers) - 1
        if not last and not in_scope(tier, row)[0]:
            continue
        took = last or bool(cuts.takes(place, row)[0])
        said = "takes the rest" if last else "; ".join([", ".join(asked(tier)), *_cuts_at(cuts, place, row)])
        lines.append(f"  {'  ' if took else '✗ '}{tier.name:<12} {said}")
        if took:
            break
    return [f"tier       {ledger['tier']}" + (f": {', '.join(has)}" if has else ""), *lines]


def _has(cuts: TierCuts, row: Candidates) -> list[str]:
    """What tiers look at of a document, as far as it is there."""
    found = []
    language = row.language[0].as_py()
    if language in cuts.edges:
        buckets = {
            name: int(in_buckets(quantise(row.models[score_column(name)]), np.array(edges, np.int64))[0])
            for name, edges in cuts.edges[language].items()
        }
        each = ", ".join(f"{name} {bucket}" for name, bucket in sorted(buckets.items()))
        found.append(f"bucket {int(row.bucket[0])} ({each})")
    if not np.isnan(row.score[0]):
        found.append(f"score {row.score[0]:.6f}")
    if not np.isnan(row.perplexity[0]):
        found.append(f"perplexity {row.perplexity[0]:.2f}")
    if row.cluster_size[0] > 1 or row.occurrences[0] > 1:
        found.append(f"a cluster of {row.cluster_size[0]}, found {row.occurrences[0]} times")
    return found


def _cuts_at(cuts: TierCuts, place: int, row: Candidates) -> list[str]:
    """Where a tier was cut in the document's group."""
    tier = cuts.tiers[place]
    group = row.groups(tier.per)[0].as_py()
    found = [
        f"cut at {shown_merit(cuts, group, kind, of_group[group])}"
        for kind, of_group in cuts.shares.get(place, {}).items()
        if group in of_group
    ]
    quota = cuts.quotas.get(place, {}).get(group)
    if quota is not None:
        found.append(f"filled at {shown_merit(cuts, group, tier.best_by, quota.merit)}{_tie(quota)}")
    return found
