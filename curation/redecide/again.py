"""Deciding a finished run again under another recipe: rules, then clusters, then tiers.

The same functions decide as in a run (:mod:`hanji.curation.steps.decide` says in which order); only what can
come out differently is decided. Rules judge the signals that the run measured. A cluster is walked again if a
member passes the rules now that did not before, or the other way round; its verified edges are the run's, and
texts are read only where those do not decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.decisions.cutting import InMemory, find_cuts
from hanji.curation.decisions.rules import Rule, columns_of, judge
from hanji.curation.decisions.survivors import (
    NO_LANGUAGE,
    Edges,
    Falls,
    Members,
    compared_languages,
    grounds,
    rank_order,
    spared,
    undecided,
    walk,
    without_near,
)
from hanji.curation.decisions.tiers import Candidates, TierCuts, candidates
from hanji.curation.dedup.stored import StoredSets
from hanji.curation.recipe import CurationRecipe, Dedup
from hanji.curation.redecide.changes import Loaded
from hanji.curation.redecide.decided import Decisions, Documents, Partition, by_partition
from hanji.curation.redecide.tokens import tokens
from hanji.curation.signals import ratios
from hanji.curation.tiering import ensembles_of, several_models, tokens_are_needed
from hanji.errors import InputError, RecipeError


def decide_again(
    documents: Documents, recipe: CurationRecipe, rules: Loaded, *, exact: bool = False
) -> Decisions:
    """What a run with these rules and the tiers of ``recipe`` decides, for every document.

    ``exact``: the tokens of documents that the run did not keep are counted for quotas, not estimated.

    What a takedown took is decided as if it had not, as a run does it, and goes in the end: with the tier in
    which it would be.

    Raises RecipeError for a rule over a signal that the run did not measure.
    """
    columns = _columns(documents, rules)
    after = documents.decided.copy()
    _keep(after, documents.taken & (after.tier >= 0))
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
    _assign_tiers(documents, recipe, after, exact)
    _take_down(documents, after)
    return after


def _take_down(documents: Documents, after: Decisions) -> None:
    """Enter what the run's takedowns took, whatever was decided of it now; its tier stands."""
    before, rows = documents.decided, documents.taken
    after.reason[rows], after.original[rows] = before.reason[rows], before.original[rows]
    after.value[rows], after.threshold[rows] = before.value[rows], before.threshold[rows]
    after.jaccard[rows], after.containment[rows] = before.jaccard[rows], before.containment[rows]


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
            columns = columns_of(rule.signal)
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
        absent = sorted(columns_of(rule.signal) & empty)
        if absent:
            raise _not_measured(documents, rule, absent)


# -- clusters ----------------------------------------------------------------------------------------------


def _walk_clusters(
    documents: Documents, recipe: CurationRecipe, after: Decisions, passes: np.ndarray, moved: np.ndarray
) -> None:
    """Walk the clusters again that have other members standing; enter who is kept and who falls to whom."""
    if not len(moved):
        return
    settings = recipe.dedup
    inside = documents.cluster >= 0
    sizes = np.bincount(documents.cluster[inside], minlength=int(documents.cluster.max()) + 1)
    rows = np.flatnonzero(passes & np.isin(documents.cluster, moved))
    rows = rows[_order(documents, rows)]
    cluster = documents.cluster[rows]
    starts = np.append(np.flatnonzero(np.diff(cluster, prepend=-1)), len(rows))
    members = Members(starts, _language_codes(documents, settings)[documents.language[rows]])
    spare = spared(settings, sizes[cluster])
    members, edges = without_near(members, _edges(documents, rows), spare)
    with StoredSets(len(rows)) as sets:
        _store(documents, rows, members.language, undecided(members, edges), settings, sets)
        falls = walk(members, edges, sets, settings.minhash)
    _keep(after, rows)
    _enter(documents, settings, after, rows, falls)


def _order(documents: Documents, rows: np.ndarray) -> np.ndarray:
    places, score = pa.array(rows), documents.score[rows]
    return rank_order(
        pa.array(documents.cluster[rows]),
        pa.array(score, mask=np.isnan(score)),
        pa.array(documents.bytes[rows]),
        documents.dates.take(places),
        documents.ids.take(places),
    )


def _language_codes(documents: Documents, settings: Dedup) -> np.ndarray:
    """For each of the documents' languages the code by which it is compared; and at last, for none, NO_LANGUAGE."""
    codes: dict[str, int] = {language: code for code, language in enumerate(compared_languages(settings))}
    return np.array([codes.get(name, NO_LANGUAGE) for name in documents.languages.names] + [NO_LANGUAGE])


def _edges(documents: Documents, rows: np.ndarray) -> Edges:
    """The run's verified edges between these documents, told by their places in ``rows``."""
    ids = documents.ids.take(pa.array(rows))

    def work(part: Partition) -> pa.Table:
        table = documents.run.read_table(part.edges.files["edges"].path)
        for end in ("a", "b"):
            table = table.append_column(f"{end}_place", pc.index_in(flat(table[end]), value_set=ids))
        return table.filter(pc.and_(pc.is_valid(table["a_place"]), pc.is_valid(table["b_place"])))

    table = pa.concat_tables(by_partition(documents, work))
    left, right = (table[f"{end}_place"].to_numpy().astype(np.int64) for end in ("a", "b"))
    return Edges(
        left, right, flat(table["kind"]), table["jaccard"].to_numpy(), table["containment"].to_numpy()
    )


def _store(
    documents: Documents,
    rows: np.ndarray,
    languages: np.ndarray,
    wanted: np.ndarray,
    settings: Dedup,
    sets: StoredSets,
) -> None:
    """Read the texts of the wanted ones (places in ``rows``) and keep their shingle sets."""
    shingles = compared_languages(settings)
    by_row = wanted[np.argsort(rows[wanted])]
    done = 0
    for found, texts in documents.texts(rows[by_row]):
        places = by_row[done : done + len(found)]
        done += len(found)
        sets.add(places, languages[places], pa.array(texts, pa.large_string()), list(shingles.values()))


def _enter(documents: Documents, settings: Dedup, after: Decisions, rows: np.ndarray, falls: Falls) -> None:
    """Write the outcome of a walk over rows that all are kept so far."""
    fell = rows[falls.member]
    rule, after.value[fell], after.threshold[fell] = grounds(
        falls.kind, falls.jaccard, falls.containment, settings
    )
    encoded = rule.dictionary_encode()
    codes = np.array([documents.reasons.code(name) for name in encoded.dictionary.to_pylist()], np.int64)
    after.reason[fell] = codes[encoded.indices.to_numpy()] if len(codes) else 0
    after.original[fell] = rows[falls.kept]
    after.jaccard[fell], after.containment[fell] = falls.jaccard, falls.containment


# -- tiers -------------------------------------------------------------------------------------------------


def _assign_tiers(documents: Documents, recipe: CurationRecipe, after: Decisions, exact: bool) -> None:
    after.tier[:] = -1
    cuts, rows = _cuts(documents, recipe, after, after.kept(), exact)
    codes = np.array([documents.tiers.code(name) for name in cuts.names], np.int64)
    after.tier[after.kept()] = codes[cuts.places(rows.ensemble(cuts.edges, cuts.ensembles))]


def tier_cuts(
    documents: Documents, recipe: CurationRecipe, decisions: Decisions, *, exact: bool = False
) -> TierCuts:
    """The cuts of the recipe's tiers; what a takedown took counts as in a run."""
    kept = decisions.kept() | (documents.taken & (decisions.tier >= 0))
    return _cuts(documents, recipe, decisions, kept, exact)[0]


def _cuts(
    documents: Documents, recipe: CurationRecipe, decisions: Decisions, kept: np.ndarray, exact: bool
) -> tuple[TierCuts, Candidates]:
    """The cuts, and the kept documents (a mask) as tiers see them."""
    of_tiers = documents.of_tiers.filter(pa.array(kept))
    counted = None
    if tokens_are_needed(recipe):
        counted = _to_train_on(documents, recipe, decisions, kept, exact)
    rows = candidates(of_tiers, counted)
    rows = dataclasses.replace(rows, score=documents.score[kept])
    return find_cuts(recipe.tiers, several_models(recipe), ensembles_of(recipe), InMemory(rows)), rows


def _to_train_on(
    documents: Documents, recipe: CurationRecipe, decisions: Decisions, kept: np.ndarray, exact: bool
) -> np.ndarray:
    """Tokens of the kept documents, int64; 0 for what is held out."""
    found = np.rint(tokens(documents, decisions, exact)[0]).astype(np.int64)
    known = documents.known_tokens
    mine: np.ndarray = np.where(known >= 0, known, found)[kept]
    mine[documents.held_out(np.flatnonzero(kept), recipe.shards.valid_share)] = 0
    return mine
