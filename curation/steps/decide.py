"""Decide: rules, then survivors of clusters, then tiers; one ledger row for every document that ever entered.

1. *judge*, by id: the verdict of an earlier step, else the rules of the language over the signals; members of
   clusters are sent to their cluster.
2. *ask*, *answer*, *survive*: who falls to whom, sent back by id (:mod:`hanji.curation.steps.survive`).
3. *settle*, by id: the verdict of each document.
4. Tiers are settled over the whole run (:mod:`hanji.curation.steps.tiers`).
5. *ledger*, by id: with the cuts of the tiers, the finished rows.

All of it reads signals and relations, and texts only of members of clusters that no run compared, so it can be
run again alone with other thresholds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.decisions.ensembles import PREFIX
from hanji.curation.decisions.rules import Rule, columns_of, judge
from hanji.curation.decisions.survivors import grounds
from hanji.curation.decisions.tiers import TierCuts, candidates
from hanji.curation.exchange import Stretch, id_partition, receive, send
from hanji.curation.ids import packed, unpacked
from hanji.curation.recipe import Dedup, MinHash
from hanji.curation.records import LEDGER, TEXT
from hanji.curation.steps.survive import CLUSTER_EDGES, FATES, MEMBERS
from hanji.curation.steps.takedown import Taken, table_hash, take_down
from hanji.curation.verdicts import VERDICT_FACTS
from hanji.curation.work import Attempt, Commit, Outcome

VERSION = 5

_JUDGED = ("status", "step", "rule", "value", "threshold", "detail")
_OF_MEMBERS = ("source", "language", "score", "edited_bytes", "date", "occurrences")


@dataclass(frozen=True)
class Home:
    """The commits that hold what is known of one range of ids."""

    gathered: Commit
    clusters: Commit
    edges: Commit

    def content(self) -> list[dict[str, str]]:
        return [self.gathered.content(), self.clusters.content(), self.edges.content()]


def judge_partition(attempt: Attempt, home: Home, rules: dict[str, list[Rule]], partitions: int) -> Outcome:
    """Write judged/ (id, status, step, rule, …, failed_rules) and send cluster members and edges."""
    run = attempt.run
    needed = {"id", "status", *_OF_MEMBERS, *VERDICT_FACTS.names}
    needed |= {column for some in rules.values() for rule in some for column in columns_of(rule.signal)}
    facts = run.read_table(home.gathered.files["facts"].path, sorted(needed)).combine_chunks()
    judged = _judged(facts, rules)
    attempt.write_table("judged", "decisions/judged", judged)
    clusters = run.read_table(home.clusters.files["clusters"].path)
    members = _members(clusters, facts, pc.is_null(judged["status"]))
    edges = run.read_table(home.edges.files["edges"].path)
    place = pc.index_in(flat(edges["b"]), value_set=flat(clusters["id"]))
    of = {"cluster": packed(clusters["cluster"].take(place))}
    edges = pa.table(of | {n: packed(edges[n]) if n in "ab" else edges[n] for n in CLUSTER_EDGES.names[1:]})
    sent = {"members": members.cast(MEMBERS), "edges": edges.cast(CLUSTER_EDGES)}
    return Outcome(
        info={
            channel: send(attempt, channel, rows, id_partition(rows["cluster"], partitions), partitions)
            for channel, rows in sent.items()
        }
    )


def _judged(facts: pa.Table, rules: dict[str, list[Rule]]) -> pa.Table:
    """The verdict on each document, null for those that stand, and all the rules that each one breaks."""
    read = pc.equal(facts["status"], "read")
    count = len(facts)
    # The rules of all languages by number; -1: none is broken.
    first = np.full(count, -1, np.int64)
    value, threshold = np.full(count, np.nan), np.full(count, np.nan)
    names: list[str] = []
    earlier = facts["verdict_rules"].combine_chunks()
    broken_rows = [pc.list_parent_indices(earlier).to_numpy(zero_copy_only=False).astype(np.int64)]
    broken_names = [flat(pc.list_flatten(earlier))]
    for language, language_rules in sorted(rules.items()):
        mine = pc.and_(read, pc.fill_null(pc.equal(facts["language"], language), False))
        rows = np.flatnonzero(np.asarray(mine, bool))
        if not len(rows) or not language_rules:
            continue
        verdicts = judge(language_rules, facts.take(pa.array(rows)))
        first[rows] = np.where(verdicts.first < 0, -1, verdicts.first + len(names))
        value[rows], threshold[rows] = verdicts.value, verdicts.threshold
        row, number = np.nonzero(verdicts.broken)
        broken_rows.append(rows[row])
        broken_names.append(pa.array([rule.name for rule in language_rules], TEXT).take(pa.array(number)))
        names += [rule.name for rule in language_rules]
    # The verdict of a measuring step comes first: a rule takes only what still stands.
    falls = pa.array(first >= 0)
    falls = pc.and_(falls, pc.is_null(facts["verdict_status"].combine_chunks()))
    of_rules: dict[str, Any] = {
        "status": pa.scalar("dropped", TEXT),
        "step": pa.scalar("rules", TEXT),
        "rule": pa.array(names, TEXT).take(pa.array(first, mask=first < 0)),
        "value": pa.array(value),
        "threshold": pa.array(threshold),
    }
    columns = {name: facts[f"verdict_{name}"].combine_chunks() for name in _JUDGED}
    for name, column in of_rules.items():
        columns[name] = pc.if_else(falls, column, columns[name])
    failed = _lists(np.concatenate(broken_rows), pa.concat_arrays(broken_names), count)
    types = {name: VERDICT_FACTS.field(f"verdict_{name}").type for name in _JUDGED}
    return pa.table(
        {
            "id": facts["id"],
            **{name: columns[name].cast(types[name]) for name in _JUDGED},
            "failed_rules": failed,
        }
    )


def _lists(rows: np.ndarray, values: pa.Array, count: int) -> pa.Array:
    """A list for each of ``count`` rows, of the values that name it, in their order."""
    order = np.argsort(rows, kind="stable")
    offsets = np.append(0, np.cumsum(np.bincount(rows, minlength=count)))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values.take(pa.array(order)))


def _members(clusters: pa.Table, facts: pa.Table, passes: pa.ChunkedArray) -> pa.Table:
    rows = pc.index_in(flat(clusters["id"]), value_set=flat(facts["id"]))
    mine = facts.select(_OF_MEMBERS).take(rows)
    return pa.table(
        {
            "cluster": packed(clusters["cluster"]),
            "id": packed(clusters["id"]),
            "source": mine["source"],
            "passes": passes.take(rows),
            "language": mine["language"],
            "score": mine["score"],
            "bytes": mine["edited_bytes"],
            "date": mine["date"],
            "occurrences": mine["occurrences"],
        }
    )


def settle(
    attempt: Attempt,
    work: tuple[int, list[Stretch], tuple[Home, Commit]],
    settings: Dedup,
    valid_share: float,
) -> Outcome:
    """Write decisions/settled: ledger rows without tiers.

    Handed on: ``standing``, by source: documents that passed all rules, before any duplicate fell; ``languages`` of
    kept documents; ``train_bytes``: of the texts of those to train on.
    """
    _, fate_parts, (home, judged_commit) = work
    run = attempt.run
    path = home.gathered.files["facts"].path
    with run.table(path) as file:
        names = file.schema_arrow.names
    there = {*LEDGER.names, "status", "edited_bytes", *more_columns(names)} & set(names)
    facts = run.read_table(path, sorted(there)).combine_chunks()
    judged = run.read_table(judged_commit.files["judged"].path).combine_chunks()
    fates = receive(run, fate_parts, FATES)
    fate = fates.take(pc.index_in(packed(facts["id"]), value_set=_whole(fates["id"]))).combine_chunks()
    table = _settled(facts, judged, fate, settings, valid_share)
    attempt.write_table("settled", "decisions/settled", table)
    kept = table.filter(pc.equal(table["verdict"], "kept"))
    records = int(pc.sum(table["occurrences"]).as_py() or 0)
    stood = table.filter(pc.is_in(table["step"], pa.array(["duplicates", "tiers"], TEXT)))
    standing = {row["values"]: row["counts"] for row in pc.value_counts(stood["source"]).to_pylist()}
    train = int(pc.sum(kept.filter(pc.equal(kept["split"], "train"))["text_bytes"]).as_py() or 0)
    languages = sorted(pc.unique(pc.fill_null(kept["language"], "")).to_pylist())
    info = {"records": records, "standing": standing, "languages": languages, "train_bytes": train}
    return Outcome(_counts(table), info)


_ENDS = ("failed", "floor", "judged", "duplicate", "kept")
_VERDICTS = ("failed", "dropped", None, "dropped", "kept")
_STEPS = ("read", "floor", None, "duplicates", "tiers")


def _settled(
    facts: pa.Table, judged: pa.Table, fate: pa.Table, settings: Dedup, valid_share: float
) -> pa.Table:
    """The ledger's rows, without tiers: of the document of each row of the three tables, where it ends and why."""
    fell = np.asarray(pc.is_valid(fate["duplicate_of"]), bool)
    ends = [np.asarray(pc.equal(facts["status"], status), bool) for status in ("failed", "dropped")]
    end = np.select([*ends, np.asarray(pc.is_valid(judged["status"]), bool), fell], range(4), 4)
    of_rules, of_twin, kept = (end == _ENDS.index(name) for name in ("judged", "duplicate", "kept"))
    places = pa.array(end)
    jaccard, containment = (pc.fill_null(fate[n], np.nan).to_numpy() for n in ("jaccard", "containment"))
    rule, value, threshold = grounds(flat(fate["kind"]), jaccard, containment, settings)
    mine = pa.array(of_twin)

    columns: dict[str, Any] = {name: facts[name] for name in LEDGER.names if name in facts.column_names}
    read = pc.equal(facts["status"], "read")
    columns["text_bytes"] = pc.if_else(read, facts["edited_bytes"], facts["text_bytes"])
    columns["verdict"] = pa.array(_VERDICTS, TEXT).take(places)
    columns["step"] = pa.array(_STEPS, TEXT).take(places)
    columns |= {
        name: pc.if_else(mine, column, columns[name])
        for name, column in (
            ("rule", rule),
            ("value", pa.array(value)),
            ("threshold", pa.array(threshold)),
        )
    }
    for name, decision in (("verdict", "status"), *((name, name) for name in _JUDGED[1:])):
        columns[name] = pc.if_else(pa.array(of_rules), judged[decision], columns[name])
    columns["failed_rules"] = judged["failed_rules"]
    columns["cluster"] = _unpacked(fate["cluster"])
    columns["cluster_size"] = pc.fill_null(fate["cluster_size"], 1)
    columns["cluster_occurrences"] = pc.coalesce(fate["cluster_occurrences"], facts["occurrences"])
    columns["duplicate_of"] = _unpacked(pc.if_else(mine, fate["duplicate_of"], None))
    columns["jaccard"] = pa.array(jaccard, mask=~of_twin)
    columns["containment"] = pa.array(containment, mask=~of_twin)
    rows = np.flatnonzero(kept)
    clusters = pc.coalesce(columns["cluster"], flat(facts["id"])).take(pa.array(rows)).to_pylist()
    split = np.full(len(end), -1, np.int64)
    split[rows] = [split_of(cluster, valid_share) == "valid" for cluster in clusters]
    columns["split"] = pa.array(["train", "valid"], TEXT).take(pa.array(split, mask=split < 0))
    columns["tier"] = pa.nulls(len(end), TEXT)
    rows_of = {name: _whole(columns[name]).cast(LEDGER.field(name).type) for name in LEDGER.names}
    return pa.table(rows_of | {name: _whole(facts[name]) for name in more_columns(facts.column_names)})


def more_columns(facts: Sequence[str]) -> list[str]:
    """The columns of facts that the ledger has beside LEDGER, in a run that measured them.

    ``perplexity``, and the scores of each of a language's several models; float64.
    """
    return [name for name in facts if name == "perplexity" or name.startswith(PREFIX)]


def _whole(column: Any) -> Any:
    """A column in one piece."""
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def _unpacked(ids: Any) -> pa.Array:
    """Ids as text, null where they are null."""
    ids = _whole(ids)
    return pc.if_else(pc.is_valid(ids), unpacked(ids), None)


def _counts(table: pa.Table) -> dict[str, int]:
    """How many rows there are, and with each verdict."""
    found = {row["values"]: row["counts"] for row in pc.value_counts(table["verdict"]).to_pylist()}
    return {"in": len(table)} | {verdict: found.get(verdict, 0) for verdict in ("kept", "dropped", "failed")}


def split_of(cluster: str, valid_share: float) -> str:
    """ "valid" for a fixed share of clusters by hash of the cluster id; so no twin of it is trained on."""
    digest = hashlib.blake2b(f"valid {cluster}".encode(), digest_size=8).digest()
    return "valid" if int.from_bytes(digest, "little") < valid_share * 2.0**64 else "train"


def write_ledger(
    attempt: Attempt,
    work: tuple[Commit, Taken | None],
    cuts: TierCuts,
    settings: MinHash,
) -> Outcome:
    """Write ledger/ with tiers; hand on documents and bytes by component (language, domain, tier, split).

    Where a language has several models, ``score`` becomes that of their ensemble.

    The components are those before any takedown, so that no shard is cut anew for one; where there is one,
    ``taken`` says what it took of them, and ``undisturbed`` what the ledger would hash to without.
    """
    settled, taken = work
    table = attempt.run.read_table(settled.files["settled"].path)
    kept = pc.equal(table["verdict"], "kept").to_numpy()
    everyone = candidates(table).ensemble(cuts.edges, cuts.ensembles)
    places = np.full(len(table), -1, np.int64)
    places[kept] = cuts.places(everyone.where(kept))
    tier = pa.array(cuts.names, TEXT).take(pa.array(places, mask=~kept))
    table = table.set_column(table.schema.get_field_index("tier"), "tier", tier)
    if cuts.edges:
        score = pa.array(everyone.score, mask=np.isnan(everyone.score))
        table = table.set_column(table.schema.get_field_index("score"), "score", score)
    info: dict[str, Any] = {"components": _components(table, kept)}
    if taken is not None:
        info["undisturbed"] = {"ledger": table_hash(table)}
        table = take_down(attempt.run, table, taken, settings)
        gone = pc.equal(table["verdict"], "dropped").to_numpy() & kept
        info["taken"] = _components(table, gone)
    attempt.write_table("ledger", "ledger", table)
    return Outcome(_counts(table), info)


def _components(table: pa.Table, rows: np.ndarray) -> dict[str, list[int]]:
    """[documents, bytes] of some rows by component."""
    columns = ["language", "domain", "tier", "split"]
    some = table.filter(pa.array(rows))
    sums = some.group_by(columns).aggregate([("text_bytes", "sum"), ([], "count_all")])
    return {
        "/".join(row[column] for column in columns): [row["count_all"], row["text_bytes_sum"]]
        for row in sums.to_pylist()
    }
