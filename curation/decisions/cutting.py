"""Finding the cuts of tiers over a whole run: exact shares, buckets and quotas from merged histograms.

Whoever holds the documents counts them (:class:`Counting`): a run in tasks, ``hanji whatif`` in memory. What is
asked of them is the same, and so are the answers, however the documents are cut into parts:

1. the histogram of each model's scores by language, for the buckets of ensembles;
2. that of scores and perplexities by group, for shares;
3. for each quota, in the recipe's order: tokens by merit of what reaches that tier, and then, of the merit at
   which the quota is reached, the document that reaches it, in the order of ids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import run_bounds
from hanji.curation.decisions.ensembles import bucket_edges, score_column
from hanji.curation.decisions.tiers import (
    MISSING,
    Candidates,
    QuotaCut,
    TierCuts,
    in_scope,
    merits,
    quantise,
)
from hanji.curation.records import TEXT
from hanji.curation.tier_recipe import Ensemble, Tier

HISTOGRAMS = pa.schema(
    [
        ("ask", TEXT),
        ("group", TEXT),
        ("merit", pa.int64()),
        ("documents", pa.int64()),
        ("tokens", pa.int64()),
    ]
)
"""Documents and their tokens by merit, for each group of what was asked; sorted, each merit once."""


@dataclass(frozen=True)
class Ask:
    """What to count. ``of``: model (then ``model`` names it, for a language), score, perplexity or quota.

    ``place``: of the tier whose scope and groups are meant; those that differ in neither are asked once.
    """

    name: str
    of: str
    place: int = -1
    language: str = ""
    model: str = ""


@dataclass(frozen=True)
class Histogram:
    """Merits of one group in ascending order, with documents and tokens of each; int64."""

    merit: np.ndarray
    documents: np.ndarray
    tokens: np.ndarray


Histograms = Mapping[tuple[str, str], Histogram]
"""By name of what was asked, and group."""


class Counting(Protocol):
    """Whoever holds the kept documents of a run."""

    def histograms(self, cuts: TierCuts, asks: Sequence[Ask]) -> Histograms:
        """Documents and tokens by merit; ``cuts`` are those known so far."""
        ...

    def boundaries(
        self, cuts: TierCuts, ask: Ask, points: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, tuple[str, int, int]]:
        """By group, for (merit, tokens that are missing to the quota): (last id, tokens, documents) taken of it."""
        ...


def find_cuts(
    tiers: Sequence[Tier],
    models: Mapping[str, Sequence[str]],
    ensembles: Mapping[str, Ensemble],
    counting: Counting,
) -> TierCuts:
    """Settle the tiers of a recipe. ``models``: names by language that has several."""
    cuts = TierCuts(
        tuple(tiers), {language: ensembles.get(language, Ensemble()) for language in sorted(models)}
    )
    if models:
        cuts = dataclasses.replace(cuts, edges=_edges(cuts, models, counting))
    cuts = dataclasses.replace(cuts, shares=_shares(cuts, counting))
    for place, tier in enumerate(tiers[:-1]):
        if tier.tokens is not None:
            quota = _quota(cuts, place, tier, counting)
            cuts = dataclasses.replace(cuts, quotas={**cuts.quotas, place: quota})
    return cuts


def needs_tokens(tiers: Iterable[Tier]) -> bool:
    """Whether a tier asks for tokens."""
    return any(tier.tokens is not None for tier in tiers)


def _edges(
    cuts: TierCuts, models: Mapping[str, Sequence[str]], counting: Counting
) -> dict[str, dict[str, list[int]]]:
    asks = [
        Ask(f"model {language} {name}", "model", language=language, model=name)
        for language in sorted(models)
        for name in sorted(models[language])
    ]
    counted = counting.histograms(cuts, asks)
    found: dict[str, dict[str, list[int]]] = {}
    for ask in asks:
        histogram = counted.get((ask.name, ask.language))
        there = np.zeros((2, 0), np.int64)
        if histogram is not None:
            there = np.array([histogram.merit, histogram.documents])
        buckets = cuts.ensembles[ask.language].buckets
        edges = bucket_edges(there[0], there[1], buckets)
        found.setdefault(ask.language, {})[ask.model] = edges.tolist()
    return found


def _shares(cuts: TierCuts, counting: Counting) -> dict[int, dict[str, dict[str, int]]]:
    wanted: list[tuple[int, str, float, Ask]] = []
    for place, tier in enumerate(cuts.tiers[:-1]):
        for kind, share in (("score", tier.top_share), ("perplexity", tier.best_perplexity_share)):
            if share is not None:
                wanted.append((place, kind, share, Ask(f"{kind} {tier.per} {tier.scope()}", kind, place)))
    asks = list({ask.name: ask for *_, ask in reversed(wanted)}.values())
    counted = counting.histograms(cuts, asks) if asks else {}
    shares: dict[int, dict[str, dict[str, int]]] = {}
    for place, kind, share, ask in wanted:
        shares.setdefault(place, {})[kind] = {
            group: share_cut(histogram, share)
            for (name, group), histogram in sorted(counted.items())
            if name == ask.name
        }
    return shares


def share_cut(histogram: Histogram, share: float) -> int:
    """The smallest merit within the best ⌊share · n⌋ of n documents, but at least one of them.

    Those of equal merit to the last one are in. A share never reaches those that have no merit; where none has,
    it is out of reach.
    """
    there = histogram.merit != MISSING
    merit, documents = histogram.merit[there][::-1], histogram.documents[there][::-1]
    if not len(merit):
        return -MISSING
    # By the share as it is written: in floating point 0.29 of 100 documents are 28.999….
    wanted = max(1, int(Fraction(repr(float(share))) * int(histogram.documents.sum())))
    place = int(np.searchsorted(np.cumsum(documents), wanted))
    return int(merit[min(place, len(merit) - 1)])


def _quota(cuts: TierCuts, place: int, tier: Tier, counting: Counting) -> dict[str, QuotaCut]:
    assert tier.tokens is not None
    ask = Ask(f"quota {place}", "quota", place)
    found: dict[str, QuotaCut] = {}
    points: dict[str, tuple[int, int]] = {}
    for (_, group), histogram in sorted(counting.histograms(cuts, [ask]).items()):
        there = histogram.merit != MISSING
        if not there.any():
            continue
        merit, documents, tokens = (
            column[there][::-1] for column in (histogram.merit, histogram.documents, histogram.tokens)
        )
        upto = np.cumsum(tokens)
        last = int(np.searchsorted(upto, tier.tokens))
        if last == len(merit):
            found[group] = QuotaCut(tier.tokens, int(merit[-1]), None, int(upto[-1]), int(documents.sum()))
            continue
        before = slice(0, last)
        found[group] = QuotaCut(
            tier.tokens, int(merit[last]), None, int(tokens[before].sum()), int(documents[before].sum())
        )
        points[group] = (int(merit[last]), tier.tokens - found[group].tokens)
    if points:
        for group, (identity, tokens_taken, documents_taken) in counting.boundaries(
            cuts, ask, points
        ).items():
            cut = found[group]
            found[group] = dataclasses.replace(
                cut,
                last=identity,
                tokens=cut.tokens + tokens_taken,
                documents=cut.documents + documents_taken,
            )
    return found


# -- counting of documents that are at hand ----------------------------------------------------------------


def count(rows: Candidates, cuts: TierCuts, asks: Sequence[Ask]) -> pa.Table:
    """HISTOGRAMS of these documents."""
    tables = [HISTOGRAMS.empty_table()]
    ranked = rows.ensemble(cuts.edges, cuts.ensembles)
    for ask in asks:
        if ask.of == "model":
            mine = rows.of_language(ask.language)
            groups: pa.Array = rows.language
            merit = (
                quantise(rows.models[score_column(ask.model)])
                if mine.any()
                else np.zeros(len(rows), np.int64)
            )
        else:
            mine, groups, merit = _asked(ranked, cuts, ask)
        tables.append(_counted(ask.name, groups.filter(pa.array(mine)), merit[mine], rows.tokens[mine]))
    return pa.concat_tables(tables)


def _counted(ask: str, groups: pa.Array, merit: np.ndarray, tokens: np.ndarray) -> pa.Table:
    """HISTOGRAMS of one ask; by one sort of whole numbers, which costs a tenth of grouping by text."""
    encoded = groups.dictionary_encode()
    names = encoded.dictionary
    rank = np.empty(len(names), np.int64)
    rank[pc.sort_indices(names).to_numpy()] = np.arange(len(names))
    codes = rank[encoded.indices.to_numpy()]
    order = np.lexsort((merit, codes))
    codes, merit = codes[order], merit[order]
    starts, lengths = run_bounds(codes, merit)
    sums = np.add.reduceat(tokens[order], starts) if len(starts) else np.zeros(0, np.int64)
    return pa.table(
        {
            "ask": pa.repeat(pa.scalar(ask, TEXT), len(starts)),
            "group": names.take(pc.sort_indices(names)).take(pa.array(codes[starts])),
            "merit": merit[starts],
            "documents": lengths,
            "tokens": sums,
        },
        schema=HISTOGRAMS,
    )


def _asked(ranked: Candidates, cuts: TierCuts, ask: Ask) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """Which documents are meant, the group of each, and its merit."""
    tier = cuts.tiers[ask.place]
    if ask.of == "quota":
        mine = cuts.meets(ask.place, ranked) & (cuts.places(ranked, upto=ask.place) == ask.place)
        return mine, ranked.groups(tier.per), merits(tier.best_by, ranked)
    return in_scope(tier, ranked), ranked.groups(tier.per), merits(ask.of, ranked)


def added(histograms: pa.Table) -> pa.Table:
    """HISTOGRAMS with each merit of a group once, sorted."""
    keys = ["ask", "group", "merit"]
    sums = histograms.group_by(keys).aggregate([("documents", "sum"), ("tokens", "sum")])
    sums = sums.rename_columns({"documents_sum": "documents", "tokens_sum": "tokens"})
    return sums.select(HISTOGRAMS.names).cast(HISTOGRAMS).sort_by([(key, "ascending") for key in keys])


def read_histograms(table: pa.Table) -> Histograms:
    """By ask and group, of a table of HISTOGRAMS as :func:`added` makes it."""
    found: dict[tuple[str, str], Histogram] = {}
    if not len(table):
        return found
    named = pc.binary_join_element_wise(table["ask"], table["group"], pa.scalar("\t", TEXT)).combine_chunks()
    runs = pc.run_end_encode(named)
    ends = runs.run_ends.to_pylist()
    merit, documents, tokens = (table[name].to_numpy() for name in ("merit", "documents", "tokens"))
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        ask, _, group = named[start].as_py().partition("\t")
        found[ask, group] = Histogram(merit[start:end], documents[start:end], tokens[start:end])
    return found


def tied_at(
    rows: Candidates, cuts: TierCuts, ask: Ask, points: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """By group, (tokens, documents) of those that have just the merit of its point."""
    mine, groups, merit = _asked(rows.ensemble(cuts.edges, cuts.ensembles), cuts, ask)
    found = {}
    for group, point in points.items():
        tied = mine & (merit == point) & np.asarray(pc.equal(groups, group), bool)
        if tied.any():
            found[group] = (int(rows.tokens[tied].sum()), int(np.count_nonzero(tied)))
    return found


def last_of(
    rows: Candidates, cuts: TierCuts, ask: Ask, points: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[str, int, int]]:
    """By group, for (merit, tokens missing): the id that reaches them, and (tokens, documents) up to it."""
    mine, groups, merit = _asked(rows.ensemble(cuts.edges, cuts.ensembles), cuts, ask)
    found = {}
    for group, (point, missing) in points.items():
        tied = np.flatnonzero(mine & (merit == point) & np.asarray(pc.equal(groups, group), bool))
        upto = np.cumsum(rows.tokens[tied])
        last = int(np.searchsorted(upto, missing))
        found[group] = (str(rows.ids[int(tied[last])].as_py()), int(upto[last]), last + 1)
    return found


Tied = Mapping[str, tuple[int, int]]
"""By group, (tokens, documents) of just the merit of its point."""


def crossings(
    tied: Sequence[Tied],
    points: Mapping[str, tuple[int, int]],
    last: Callable[[Mapping[int, Mapping[str, tuple[int, int]]]], Mapping[str, tuple[str, int, int]]],
) -> dict[str, tuple[str, int, int]]:
    """:meth:`Counting.boundaries` of a run in parts. ``tied`` by part, in the order of ids.

    ``last`` is asked, by part in which groups reach their quotas, for (merit, tokens missing there) by group; its
    answer is :func:`last_of` of those parts.
    """
    wanted: dict[int, dict[str, tuple[int, int]]] = {}
    before: dict[str, tuple[int, int]] = {}
    for group, (merit, missing) in points.items():
        tokens = documents = 0
        for number, part in enumerate(tied):
            more_tokens, more_documents = part.get(group, (0, 0))
            if tokens + more_tokens >= missing:
                wanted.setdefault(number, {})[group] = (merit, missing - tokens)
                before[group] = (tokens, documents)
                break
            tokens, documents = tokens + more_tokens, documents + more_documents
    return {
        group: (identity, before[group][0] + tokens, before[group][1] + documents)
        for group, (identity, tokens, documents) in last(wanted).items()
    }


class InMemory:
    """Counting of documents that are all at hand (:class:`Counting`)."""

    def __init__(self, rows: Candidates) -> None:
        self.rows = rows

    def histograms(self, cuts: TierCuts, asks: Sequence[Ask]) -> Histograms:
        return read_histograms(count(self.rows, cuts, asks))

    def boundaries(
        self, cuts: TierCuts, ask: Ask, points: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, tuple[str, int, int]]:
        return last_of(self.rows, cuts, ask, points)
