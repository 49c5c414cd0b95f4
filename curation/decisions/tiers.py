"""Tiers: which one each kept document is in, by cuts that were settled over the whole run.

Scores are compared in millionths, and perplexities to within one part in 65,536: whole numbers, called *merits*
here, of which the higher is the better. Histograms of them, merged from all partitions in any order, give exact
shares and quotas (:mod:`hanji.curation.decisions.cutting` finds the cuts). All documents of equal merit share a
tier, but at a quota: there they are taken in the order of their ids, which are hashes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.decisions.ensembles import bucket_of, combined, in_buckets, mean_score, score_column
from hanji.curation.tier_recipe import Ensemble, Tier

SCALE = 1_000_000
MISSING = -(2**62)
"""The merit of a document that has no score, or no perplexity: worse than any."""
_LEVEL_BITS = 36
"""Bits of a float64 that its level leaves out: 16 of its mantissa stay."""
_GROUP_COLUMNS = {
    "language": ("language",),
    "domain": ("language", "domain"),
    "source": ("language", "source"),
}


def quantise(scores: np.ndarray) -> np.ndarray:
    """Scores in millionths (int64); −1 where a score is missing."""
    return np.where(np.isnan(scores), -1, np.rint(np.nan_to_num(scores) * SCALE)).astype(np.int64)


def score_merits(scores: np.ndarray) -> np.ndarray:
    """Scores in millionths (int64); MISSING where there is none."""
    return np.where(np.isnan(scores), MISSING, quantise(scores))


def perplexity_merits(perplexities: np.ndarray) -> np.ndarray:
    """Merits of perplexities above 0, int64, MISSING where there is none; the lower the perplexity, the higher.

    The bits of a float64 without the last 36 grow with the number, on every machine in the same way.
    """
    levels = np.ascontiguousarray(perplexities, np.float64).view(np.int64) >> _LEVEL_BITS
    there = perplexities > 0  # not for NaN
    return np.where(there, -levels, MISSING)


def largest_perplexity(merit: int) -> float:
    """The largest perplexity of a merit."""
    bits = ((-merit + 1) << _LEVEL_BITS) - 1
    return float(np.array([bits], np.int64).view(np.float64)[0])


@dataclass(frozen=True)
class Candidates:
    """What tiers look at, of some kept documents in the order of their ids.

    ``ids``, ``language``, ``domain`` and ``source`` large_string; ``score`` float64, NaN without one; ``models``
    float64 by name of a language's several models; ``bucket`` int64 of the ensemble, −1 without one;
    ``perplexity`` float64, NaN without one; ``cluster_size``, ``occurrences`` (of the cluster) and ``tokens``
    int64. Tokens are those to train on: 0 for what is held out.
    """

    ids: pa.Array
    language: pa.Array
    domain: pa.Array
    source: pa.Array
    score: np.ndarray
    models: dict[str, np.ndarray]
    bucket: np.ndarray
    perplexity: np.ndarray
    cluster_size: np.ndarray
    occurrences: np.ndarray
    tokens: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, chosen: np.ndarray) -> Candidates:
        """Those that a mask (bool) names."""
        mask = pa.array(chosen)
        names = [field.name for field in dataclasses.fields(self) if field.name != "models"]
        taken = {name: getattr(self, name) for name in names}
        return Candidates(
            models={name: values[chosen] for name, values in self.models.items()},
            **{
                name: column.filter(mask) if isinstance(column, pa.Array) else column[chosen]
                for name, column in taken.items()
            },
        )

    def of_language(self, language: str) -> np.ndarray:
        """Which ones are of a language; bool."""
        return np.asarray(pc.equal(self.language, language), bool)

    def ensemble(
        self, edges: Mapping[str, Mapping[str, Sequence[int]]], settings: Mapping[str, Ensemble]
    ) -> Candidates:
        """With the scores and buckets of ensembles, where their edges are known: by language and model."""
        score, bucket = self.score.copy(), self.bucket.copy()
        for language, of_models in sorted(edges.items()):
            mine = self.of_language(language)
            buckets = {
                name: in_buckets(quantise(self.models[score_column(name)][mine]), np.array(some, np.int64))
                for name, some in of_models.items()
            }
            score[mine] = combined(buckets, settings[language])
            bucket[mine] = bucket_of(score[mine], settings[language].buckets)
        return dataclasses.replace(self, score=score, bucket=bucket)

    def groups(self, per: str) -> pa.Array:
        """The name of each one's group: its language, or language/domain, or language/source; large_string."""
        columns = [getattr(self, name) for name in _GROUP_COLUMNS[per]]
        return (
            columns[0]
            if len(columns) == 1
            else pc.binary_join_element_wise(*columns, pa.scalar("/", pa.large_string()))
        )


def candidates(table: pa.Table, tokens: np.ndarray | None = None) -> Candidates:
    """Of ledger rows (kept ones alone); ``tokens`` int64, without them none are known."""
    names = set(table.column_names)
    models = {name: _floats(table, name) for name in names if name.startswith("score_")}
    return Candidates(
        ids=flat(table["id"]),
        language=pc.fill_null(flat(table["language"]), ""),
        domain=flat(table["domain"]),
        source=flat(table["source"]),
        score=_floats(table, "score"),
        models=models,
        bucket=np.full(len(table), -1, np.int64),
        perplexity=_floats(table, "perplexity") if "perplexity" in names else np.full(len(table), np.nan),
        cluster_size=pc.fill_null(table["cluster_size"], 1).to_numpy(),
        occurrences=pc.fill_null(table["cluster_occurrences"], 1).to_numpy(),
        tokens=np.zeros(len(table), np.int64) if tokens is None else tokens,
    )


def _floats(table: pa.Table, name: str) -> np.ndarray:
    return np.array(pc.fill_null(table[name], np.nan).to_numpy(), np.float64)


def raw_score(score: np.ndarray, models: Mapping[str, np.ndarray]) -> np.ndarray:
    """The score that ranked the members of clusters, float64: the mean of several models where there are some."""
    if not models:
        return score
    found = score.copy()
    # A language has all of its models or none; another language's are missing.
    there = {name: ~np.isnan(values) for name, values in models.items()}
    patterns = np.zeros(len(score), np.int64)
    for bit, name in enumerate(sorted(models)):
        patterns += there[name].astype(np.int64) << bit
    for pattern in np.unique(patterns).tolist():
        names = [name for bit, name in enumerate(sorted(models)) if pattern >> bit & 1]
        if names:
            rows = patterns == pattern
            found[rows] = mean_score({name: models[name][rows] for name in names})
    return found


@dataclass(frozen=True)
class QuotaCut:
    """Where a quota of tokens ends in one group.

    Taken is what has a merit above ``merit``, and of that merit the ids up to ``last`` (None: all). ``tokens`` (to
    train on) and ``documents`` are what it took; ``wanted`` tokens were asked for. The document ``last`` is the one
    that reaches the quota.
    """

    wanted: int
    merit: int
    last: str | None
    tokens: int
    documents: int

    @property
    def met(self) -> bool:
        return self.tokens >= self.wanted


@dataclass(frozen=True)
class TierCuts:
    """The recipe's tiers with what was settled over the run.

    ``edges``: those of the buckets, by language and model (:func:`ensembles.bucket_edges`). ``shares``: by place of
    the tier in the recipe, kind (score, perplexity) and group, the smallest merit that is within the share.
    ``quotas``: by place and group.
    """

    tiers: tuple[Tier, ...]
    ensembles: dict[str, Ensemble] = dataclasses.field(default_factory=dict)
    edges: dict[str, dict[str, list[int]]] = dataclasses.field(default_factory=dict)
    shares: dict[int, dict[str, dict[str, int]]] = dataclasses.field(default_factory=dict)
    quotas: dict[int, dict[str, QuotaCut]] = dataclasses.field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The name of the tier at each place."""
        return [tier.name for tier in self.tiers]

    def places(self, rows: Candidates, upto: int | None = None) -> np.ndarray:
        """Place in the recipe of the tier of each document, int64; of those before ``upto``, itself for none."""
        upto = len(self.tiers) - 1 if upto is None else upto
        places = np.full(len(rows), upto, np.int64)
        for place in reversed(range(upto)):
            places[self.takes(place, rows)] = place
        return places

    def takes(self, place: int, rows: Candidates) -> np.ndarray:
        """Which documents meet all conditions of a tier, whatever the tiers before it take; bool.

        A tier whose quota is not settled yet takes what meets its other conditions.
        """
        met = self.meets(place, rows)
        quota = self.quotas.get(place)
        if quota is not None:
            met &= self._within(place, quota, rows)
        return met

    def meets(self, place: int, rows: Candidates) -> np.ndarray:
        """Which documents meet its conditions but for the quota; bool."""
        tier = self.tiers[place]
        met = in_scope(tier, rows)
        if tier.min_score is not None:
            met &= quantise(rows.score) >= round(tier.min_score * SCALE)
        if tier.min_bucket is not None:
            met &= rows.bucket >= tier.min_bucket
        if tier.max_perplexity is not None:
            met &= rows.perplexity <= tier.max_perplexity
        if tier.min_cluster_size is not None:
            met &= rows.cluster_size >= tier.min_cluster_size
        if tier.max_cluster_size is not None:
            met &= rows.cluster_size <= tier.max_cluster_size
        if tier.min_occurrences is not None:
            met &= rows.occurrences >= tier.min_occurrences
        for kind, cuts in self.shares.get(place, {}).items():
            met &= merits(kind, rows) >= _by_group(rows.groups(tier.per), cuts, -MISSING)
        return met

    def _within(self, place: int, quota: Mapping[str, QuotaCut], rows: Candidates) -> np.ndarray:
        tier = self.tiers[place]
        merit = merits(tier.best_by, rows)
        groups = rows.groups(tier.per)
        last = _by_group(groups, {group: cut.merit for group, cut in quota.items()}, -MISSING)
        within: np.ndarray = merit > last
        tied = (merit == last) & (merit != MISSING)
        for group, cut in quota.items() if tied.any() else ():
            mine = tied & np.asarray(pc.equal(groups, group), bool)
            upto = True if cut.last is None else np.asarray(pc.less_equal(rows.ids, cut.last), bool)
            within |= mine & upto
        return within

    def facts(self) -> dict[str, Any]:
        """As JSON, for keys, metrics and reports."""
        return {
            "edges": self.edges,
            "shares": {str(place): cuts for place, cuts in self.shares.items()},
            "quotas": {
                str(place): {group: dataclasses.asdict(cut) for group, cut in cuts.items()}
                for place, cuts in self.quotas.items()
            },
        }

    def score_thresholds(self, languages: Sequence[str]) -> dict[str, dict[str, int]]:
        """The smallest score in millionths by language and tier, of tiers without a scope that ask for one."""
        found: dict[str, dict[str, int]] = {}
        for language in languages:
            of_language = found.setdefault(language, {})
            for place, tier in enumerate(self.tiers[:-1]):
                if tier.scope() or tier.per != "language":
                    continue
                asked = [] if tier.min_score is None else [round(tier.min_score * SCALE)]
                asked += [
                    cut
                    for cut in [self.shares.get(place, {}).get("score", {}).get(language)]
                    if cut is not None
                ]
                if asked:
                    # Out of reach is told as more than any score.
                    of_language[tier.name] = min(max(asked), SCALE + 1)
        return found


def cuts_of(tiers: Sequence[Tier], ensembles: Mapping[str, Ensemble], facts: Mapping[str, Any]) -> TierCuts:
    """The cuts that :meth:`TierCuts.facts` told of."""
    return TierCuts(
        tuple(tiers),
        dict(ensembles),
        {language: dict(models) for language, models in facts["edges"].items()},
        {int(place): cuts for place, cuts in facts["shares"].items()},
        {
            int(place): {group: QuotaCut(**cut) for group, cut in cuts.items()}
            for place, cuts in facts["quotas"].items()
        },
    )


def merits(kind: str, rows: Candidates) -> np.ndarray:
    """Merits by score or perplexity, int64."""
    return score_merits(rows.score) if kind == "score" else perplexity_merits(rows.perplexity)


def in_scope(tier: Tier, rows: Candidates) -> np.ndarray:
    """Which documents are of the languages, domains and sources of a tier; bool."""
    mine = np.ones(len(rows), bool)
    for column, names in tier.scope().items():
        mine &= np.asarray(pc.is_in(getattr(rows, column), pa.array(names, pa.large_string())), bool)
    return mine


def _by_group(groups: pa.Array, values: Mapping[str, int], without: int) -> np.ndarray:
    """The value of each one's group, int64; ``without`` for groups that have none."""
    names = pa.array(list(values), pa.large_string())
    numbers = np.array([*values.values(), without], np.int64)
    place = pc.fill_null(pc.index_in(groups, value_set=names), len(names)).to_numpy(zero_copy_only=False)
    found: np.ndarray = numbers[place]
    return found
