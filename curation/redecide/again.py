"""Deciding a finished run again under another recipe: rules, then clusters, then tiers.

The same functions decide as in a run (:mod:`hanji.curation.steps.decide` says in which order); only what can
come out differently is decided. Rules judge the signals that the run measured. A cluster is walked again if a
member passes the rules now that did not before, or the other way round; its verified edges are the run's, and
texts are read only for pairs that no run ever compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.decisions.rules import Rule, judge
from hanji.curation.decisions.survivors import Fall, Likeness, Member, Texts, pair_key, walk
from hanji.curation.decisions.tiers import TierThresholds, histogram, merge_histograms, thresholds
from hanji.curation.recipe import CurationRecipe, Tier
from hanji.curation.redecide.changes import Loaded
from hanji.curation.redecide.decided import Decisions, Documents, Partition, by_partition
from hanji.curation.signals import ratios
from hanji.errors import InputError, RecipeError

TEXT_BYTES = 256_000_000
"""Texts of clusters that are held at a time."""
Edges = dict[tuple[str, str], Likeness]


def decide_again(documents: Documents, recipe: CurationRecipe, rules: Loaded) -> Decisions:
    """What a run with these rules and the tiers of ``recipe`` decides, for every document.

    Raises RecipeError for a rule over a signal that the run did not measure.
    """
    columns = _columns(documents, rules)
    after = documents.decided.copy()
    passed = after.kept() | documents.duplicate
    # Of what reaches the rules, all passes that breaks none: a language may have no rules now.
    passes = documents.judged.copy()

    def work(part: Partition) -> list[tuple[np.ndarray, list[Rule], Any]]:
        return list(_judged(documents, part, rules, columns))

    for verdicts in by_partition(documents, work):
        for rows, language_rules, found in verdicts:
            codes = np.array([documents.reasons.code(rule.name) for rule in language_rules], np.int64)
            broken = found.first >= 0
            rows = rows[broken]
            passes[rows] = False
            after.reason[rows] = codes[found.first[broken]]
            after.value[rows], after.threshold[rows] = found.value[broken], found.threshold[broken]
    lonely = documents.judged & passes & ~passed & (documents.cluster < 0)
    _keep(after, lonely)
    after.original[~passes] = -1
    after.jaccard[~passes] = after.containment[~passes] = np.nan
    moved = documents.cluster[(passes != passed) & (documents.cluster >= 0)]
    _walk_clusters(documents, recipe, after, passes, np.unique(moved))
    _assign_tiers(documents, recipe, after)
    return after


def _keep(after: Decisions, rows: np.ndarray) -> None:
    after.reason[rows] = 0
    after.value[rows] = after.threshold[rows] = after.jaccard[rows] = after.containment[rows] = np.nan
    after.original[rows] = -1


# -- rules -------------------------------------------------------------------------------------------------


def _columns(documents: Documents, rules: Loaded) -> list[str]:
    """The columns of facts that these rules look at. Raises RecipeError where the run has not got one."""
    needed: set[str] = set()
    for language_rules in rules.values():
        for rule in language_rules:
            columns = signal_columns(rule.signal)
            if not columns <= documents.columns:
                raise _not_measured(documents, rule, sorted(columns - documents.columns))
            needed |= columns
    return sorted(needed)


def _not_measured(documents: Documents, rule: Rule, absent: Sequence[str]) -> RecipeError:
    of = "" if list(absent) == [rule.signal] else f" (of {', '.join(absent)})"
    return RecipeError(
        f"{rule.name}: {rule.signal}{of} was not measured by {documents.run.describe()}, "
        "which did not ask for it or is of an earlier version; `hanji curate` with this rule measures it"
    )


def signal_columns(name: str) -> set[str]:
    """The columns that the number of this name is formed of. Raises KeyError for an unknown name."""
    seen = _Recorder()
    ratios.value(name, seen)
    return seen.names


class _Recorder:
    """Stands where a table would, has no rows, and notes which columns are asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        self.names.add(name)
        return pa.chunked_array([pa.array([], pa.float64())])

    def __len__(self) -> int:
        return 0


def _judged(
    documents: Documents, part: Partition, rules: Loaded, columns: list[str]
) -> Iterator[tuple[np.ndarray, list[Rule], Any]]:
    """(rows, rules, their verdicts) of each language in one partition."""
    path = part.gathered.files["facts"].path
    facts = documents.run.read_table(path, ["id", *columns])
    if not flat(facts["id"]).equals(documents.ids.slice(part.start, part.stop - part.start)):
        raise InputError(
            f"{documents.run.describe(path)}: does not line up with the ledger; `hanji curate` mends the run"
        )
    judged = documents.judged[part.start : part.stop]
    language = documents.language[part.start : part.stop]
    for name, language_rules in sorted(rules.items()):
        rows = np.flatnonzero(judged & (language == documents.languages.find(name)))
        if len(rows) and language_rules:
            table = facts.take(pa.array(rows))
            _check_measured(documents, language_rules, table)
            yield rows + part.start, language_rules, judge(language_rules, table)


def _check_measured(documents: Documents, rules: list[Rule], table: pa.Table) -> None:
    """Raises RecipeError where a signal is empty: a column for what is measured only when it is asked for."""
    signals = set(table.column_names) - set(ratios.DOCUMENT_COLUMNS)
    empty = {name for name in signals if table[name].null_count == len(table)}
    for rule in rules if empty else ():
        absent = sorted(signal_columns(rule.signal) & empty)
        if absent:
            raise _not_measured(documents, rule, absent)


# -- clusters ----------------------------------------------------------------------------------------------


class _TextsNeeded(Exception):
    """A walk compares a pair: it is repeated when the texts are there."""


def _ask_later(identities: Sequence[str]) -> Sequence[str]:
    raise _TextsNeeded


def _walk_clusters(
    documents: Documents, recipe: CurationRecipe, after: Decisions, passes: np.ndarray, moved: np.ndarray
) -> None:
    """Walk the clusters again that have other members standing; enter who is kept and who falls to whom."""
    if not len(moved):
        return
    rows = np.flatnonzero(passes & np.isin(documents.cluster, moved))
    rows = rows[np.argsort(documents.cluster[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(documents.cluster[rows], prepend=-1))
    clusters = [some for some in np.split(rows, starts) if len(some)]
    edges = _edges(documents, rows)
    settings = recipe.dedup.minhash
    later = []
    for some in clusters:
        try:
            falls = walk(
                _members(documents, some), edges.get(_label(documents, some), {}), settings, _ask_later
            )
        except _TextsNeeded:
            later.append(some)
            continue
        _enter(documents, recipe, after, some, falls)
    for batch in _batches(documents, later):
        ask = _texts_of(documents, np.sort(np.concatenate(batch)))
        for some in batch:
            falls = walk(_members(documents, some), edges.get(_label(documents, some), {}), settings, ask)
            _enter(documents, recipe, after, some, falls)


def _texts_of(documents: Documents, rows: np.ndarray) -> Texts:
    texts = {
        documents.identity(row): text
        for found, some in documents.texts(rows)
        for row, text in zip(found.tolist(), some, strict=True)
    }
    return lambda identities: [texts[identity] for identity in identities]


def _label(documents: Documents, rows: np.ndarray) -> int:
    return int(documents.cluster[rows[0]])


def _members(documents: Documents, rows: np.ndarray) -> list[Member]:
    places = pa.array(rows)
    scores = documents.score[rows]
    return [
        Member(identity, language, None if np.isnan(score) else score, size, date)
        for identity, language, score, size, date in zip(
            documents.ids.take(places).to_pylist(),
            [documents.languages.names[code] for code in documents.language[rows].tolist()],
            scores.tolist(),
            documents.bytes[rows].tolist(),
            documents.dates.take(places).to_pylist(),
            strict=True,
        )
    ]


def _edges(documents: Documents, rows: np.ndarray) -> dict[int, Edges]:
    """The run's verified edges between these documents, by cluster."""
    ids = documents.ids.take(pa.array(rows))

    def work(part: Partition) -> pa.Table:
        table = documents.run.read_table(part.edges.files["edges"].path)
        table = table.append_column("row", pc.index_in(flat(table["b"]), value_set=ids))
        return table.filter(pc.is_valid(table["row"]))

    found: dict[int, Edges] = {}
    for table in by_partition(documents, work):
        for edge in table.to_pylist():
            cluster = int(documents.cluster[rows[edge["row"]]])
            likeness = Likeness(edge["kind"], edge["jaccard"], edge["containment"])
            found.setdefault(cluster, {})[pair_key(edge["a"], edge["b"])] = likeness
    return found


def _batches(documents: Documents, clusters: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Clusters in lists whose texts can be held at a time; a larger one stands alone."""
    batch: list[np.ndarray] = []
    size = 0
    for some in clusters:
        mine = int(documents.bytes[some].sum())
        if batch and size + mine > TEXT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(some)
        size += mine
    if batch:
        yield batch


def _enter(
    documents: Documents, recipe: CurationRecipe, after: Decisions, rows: np.ndarray, falls: Iterable[Fall]
) -> None:
    """Write the outcome of a walk: these rows are kept, but for those that fall."""
    _keep(after, rows)
    place = dict(zip(_ids(documents, rows), rows.tolist(), strict=True))
    for fall in falls:
        row = place[fall.id]
        rule, after.value[row], after.threshold[row] = fall.likeness.grounds(recipe.dedup.minhash)
        after.reason[row] = documents.reasons.code(rule)
        after.original[row] = place[fall.kept]
        after.jaccard[row], after.containment[row] = fall.likeness.jaccard, fall.likeness.containment


def _ids(documents: Documents, rows: np.ndarray) -> list[str]:
    ids: list[str] = documents.ids.take(pa.array(rows)).to_pylist()
    return ids


# -- tiers -------------------------------------------------------------------------------------------------


def _assign_tiers(documents: Documents, recipe: CurationRecipe, after: Decisions) -> None:
    after.tier[:] = -1
    for language, cut in tier_thresholds(documents, recipe.tiers, after).items():
        rows = np.flatnonzero(after.kept() & (documents.language == documents.languages.code(language)))
        codes = np.array([documents.tiers.code(name) for name in (*cut.names, cut.rest)], np.int64)
        after.tier[rows] = codes[cut.places(documents.score[rows])]


def tier_thresholds(
    documents: Documents, tiers: list[Tier], decisions: Decisions
) -> dict[str, TierThresholds]:
    """The thresholds of each language that has a kept document."""
    kept = decisions.kept()
    return {
        documents.languages.names[code]: thresholds(
            tiers, merge_histograms([histogram(documents.score[kept & (documents.language == code)])])
        )
        for code in np.unique(documents.language[kept]).tolist()
    }
