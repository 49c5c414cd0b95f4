"""Count for tiers: what is kept, by score, perplexity and tokens, over the whole run (decisions/cutting.py).

1. *tier-counts*, by id: histograms of what is asked for; *tier-sums* adds them up.
2. *tier-ties*, by id: tokens of the documents at which a quota ends; *tier-last*: the document that reaches it.

A few columns of what was settled are read, and no text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.decisions.cutting import Ask, added, count, last_of, tied_at
from hanji.curation.decisions.ensembles import PREFIX
from hanji.curation.decisions.tiers import Candidates, TierCuts, candidates
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.storage import Storage

_COLUMNS = (
    *("id", "language", "domain", "source", "score", "perplexity", "cluster_size", "cluster_occurrences"),
    *("verdict", "split"),
)
Work = tuple[Commit, Commit | None]
"""What was settled of a range of ids, and the tokens of its kept documents, where a tier asks for them."""


def read_candidates(run: Storage, work: Work) -> Candidates:
    """The kept documents of a range of ids."""
    settled, counts = work
    path = settled.files["settled"].path
    with run.table(path) as file:
        names = file.schema_arrow.names
    columns = [name for name in names if name in _COLUMNS or name.startswith(PREFIX)]
    table = run.read_table(path, columns)
    table = table.filter(pc.equal(table["verdict"], "kept"))
    if counts is None:
        return candidates(table)
    counted = run.read_table(counts.files["counts"].path)
    place = pc.index_in(table["id"], value_set=counted["id"].combine_chunks())
    tokens = np.array(counted["tokens"].take(place.combine_chunks()).to_numpy(), np.int64)
    # What is held out is trained on by nobody, and fills no quota.
    tokens[np.asarray(pc.equal(table["split"], "valid"), bool)] = 0
    return candidates(table, tokens)


def count_partition(attempt: Attempt, work: Work, cuts: TierCuts, asks: Sequence[Ask]) -> Outcome:
    """Write decisions/tiers: histograms of one range of ids (cutting.HISTOGRAMS)."""
    attempt.write_table("counts", "decisions/tiers", count(read_candidates(attempt.run, work), cuts, asks))
    return Outcome()


def add_counts(attempt: Attempt, commits: Sequence[Commit]) -> Outcome:
    """Add up histograms of several commits."""
    tables = [attempt.run.read_table(commit.files["counts"].path) for commit in commits]
    attempt.write_table("counts", "decisions/tiers", added(pa.concat_tables(tables)))
    return Outcome()


def tie_partition(
    attempt: Attempt, work: Work, cuts: TierCuts, ask: Ask, merits: Mapping[str, int]
) -> Outcome:
    """Hand on tokens and documents of one range of ids that have just the merit at which a quota ends, by group."""
    tied = tied_at(read_candidates(attempt.run, work), cuts, ask, merits)
    return Outcome(info={"tied": {group: list(amount) for group, amount in tied.items()}})


def last_in_partition(
    attempt: Attempt, work: tuple[Work, Mapping[str, tuple[int, int]]], cuts: TierCuts, ask: Ask
) -> Outcome:
    """Hand on the document that reaches a quota, by group, with the tokens and documents taken up to it."""
    inner, points = work
    found = last_of(read_candidates(attempt.run, inner), cuts, ask, points)
    return Outcome(info={"last": {group: list(one) for group, one in found.items()}})
