"""Decide: rules, then survivors of clusters, then tiers; one ledger row for every document that ever entered.

1. *judge*, by id: the verdict of an earlier step, else the rules of the language over the signals; members of
   clusters are sent to their cluster.
2. *survive*, by cluster: who falls to whom (:mod:`hanji.curation.decisions.survivors`), sent back by id.
3. *settle*, by id: the verdict of each document, and the histogram of the scores of those kept.
4. *ledger*, by id: with the run's tier thresholds, the finished rows.

All of it reads signals and relations only, so it can be run again alone with other thresholds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat, run_lengths, run_starts
from hanji.curation.decisions.rules import Rule, judge
from hanji.curation.decisions.survivors import Likeness, Member, pair_key, walk
from hanji.curation.decisions.tiers import TierThresholds, histogram
from hanji.curation.exchange import Stretch, id_partition, receive, send
from hanji.curation.recipe import MinHash
from hanji.curation.records import LEDGER, TEXT
from hanji.curation.steps.takedown import Taken, table_hash, take_down
from hanji.curation.verdicts import VERDICT_FACTS
from hanji.curation.work import Attempt, Commit, Outcome

VERSION = 2

MEMBERS = pa.schema(
    [
        ("cluster", TEXT),
        ("id", TEXT),
        ("source", TEXT),
        ("passes", pa.bool_()),
        ("language", TEXT),
        ("score", pa.float64()),
        ("bytes", pa.int64()),
        ("date", TEXT),
        ("text", TEXT),
    ]
)
CLUSTER_EDGES = pa.schema(
    [
        ("cluster", TEXT),
        ("a", TEXT),
        ("b", TEXT),
        ("kind", TEXT),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
    ]
)
FATES = pa.schema(
    [
        ("id", TEXT),
        ("cluster", TEXT),
        ("cluster_size", pa.int64()),
        ("duplicate_of", TEXT),
        ("kind", TEXT),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
    ]
)


_JUDGED = ("status", "step", "rule", "value", "threshold", "detail")


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
    facts = run.read_table(home.gathered.files["facts"].path)
    # The verdict of a measuring step comes first: a rule takes only what still stands.
    columns = {name: facts[f"verdict_{name}"].to_pylist() for name in _JUDGED}
    failed: list[list[str]] = [list(names or ()) for names in facts["verdict_rules"].to_pylist()]
    read = pc.equal(facts["status"], "read")
    for language, language_rules in sorted(rules.items()):
        rows = np.flatnonzero(pc.and_(read, pc.fill_null(pc.equal(facts["language"], language), False)))
        if not len(rows):
            continue
        verdicts = judge(language_rules, facts.take(pa.array(rows)))
        for place, row in enumerate(rows.tolist()):
            first = int(verdicts.first[place])
            if first < 0:
                continue
            failed[row] += verdicts.failed[place]
            if columns["status"][row] is None:
                columns["status"][row], columns["step"][row] = "dropped", "rules"
                columns["rule"][row] = language_rules[first].name
                columns["value"][row] = float(verdicts.value[place])
                columns["threshold"][row] = float(verdicts.threshold[place])
    judged = pa.table(
        {
            "id": facts["id"],
            **{n: pa.array(columns[n], VERDICT_FACTS.field(f"verdict_{n}").type) for n in _JUDGED},
            "failed_rules": pa.array(failed, pa.list_(TEXT)),
        }
    )
    attempt.write_table("judged", "decisions/judged", judged)
    members = _members(attempt, home, facts, np.array([s is None for s in columns["status"]], bool))
    clusters = run.read_table(home.clusters.files["clusters"].path)
    edges = run.read_table(home.edges.files["edges"].path)
    place = pc.index_in(flat(edges["b"]), value_set=flat(clusters["id"]))
    edges = edges.append_column("cluster", clusters["cluster"].take(place)).select(CLUSTER_EDGES.names)
    return Outcome(
        info={
            "members": send(attempt, "members", members, id_partition(members["cluster"], partitions)),
            "edges": send(attempt, "edges", edges, id_partition(edges["cluster"], partitions)),
        }
    )


def _members(attempt: Attempt, home: Home, facts: pa.Table, passes: np.ndarray) -> pa.Table:
    clusters = attempt.run.read_table(home.clusters.files["clusters"].path)
    ids = flat(clusters["id"])
    rows = pc.index_in(ids, value_set=flat(facts["id"]))
    mine = facts.take(rows)
    passing = pa.array(passes).take(rows)
    texts = attempt.run.read_table(home.gathered.files["text"].path)
    text = texts["text"].take(pc.index_in(ids, value_set=flat(texts["id"])))
    return pa.table(
        {
            "cluster": clusters["cluster"],
            "id": ids,
            "source": mine["source"],
            "passes": passing,
            "language": mine["language"],
            "score": mine["score"],
            "bytes": mine["edited_bytes"],
            "date": mine["date"],
            # Only documents that still stand are ever compared.
            "text": pc.if_else(passing, text, pa.scalar(None, TEXT)),
        }
    ).cast(MEMBERS)


def survive(
    attempt: Attempt, work: tuple[int, list[Stretch], list[Stretch]], settings: MinHash, partitions: int
) -> Outcome:
    """Walk every cluster of this partition and send each member's fate to its home."""
    _, member_parts, edge_parts = work
    members = receive(attempt.run, member_parts, MEMBERS).sort_by(
        [("cluster", "ascending"), ("id", "ascending")]
    )
    edges: dict[str, dict[tuple[str, str], Likeness]] = {}
    for edge in receive(attempt.run, edge_parts, CLUSTER_EDGES).to_pylist():
        likeness = Likeness(edge["kind"], edge["jaccard"], edge["containment"])
        edges.setdefault(edge["cluster"], {})[pair_key(edge["a"], edge["b"])] = likeness
    fates: list[dict[str, Any]] = []
    sizes: dict[str, int] = {}
    labels = members["cluster"].to_pylist()
    starts = run_starts(members, ["cluster"])
    for start, length in zip(starts.tolist(), run_lengths(starts, len(members)).tolist(), strict=True):
        rows = members.slice(start, length).to_pylist()
        cluster = labels[start]
        standing = [
            Member(r["id"], r["language"], r["score"], r["bytes"], r["date"], r["text"])
            for r in rows
            if r["passes"]
        ]
        falls = {fall.id: fall for fall in walk(standing, edges.get(cluster, {}), settings)}
        sizes[str(len(rows))] = sizes.get(str(len(rows)), 0) + 1
        for row in rows:
            fate: dict[str, Any] = {
                "id": row["id"],
                "cluster": cluster,
                "cluster_size": len(rows),
                "duplicate_of": None,
                "kind": None,
                "jaccard": None,
                "containment": None,
            }
            fall = falls.get(row["id"])
            if fall is not None:
                fate |= {
                    "duplicate_of": fall.kept,
                    "kind": fall.likeness.kind,
                    "jaccard": fall.likeness.jaccard,
                    "containment": fall.likeness.containment,
                }
            fates.append(fate)
    table = pa.Table.from_pylist(fates, FATES)
    return Outcome(
        info={
            "fates": send(attempt, "fates", table, id_partition(table["id"], partitions)),
            "cluster_sizes": sizes,
        }
    )


def settle(
    attempt: Attempt,
    work: tuple[int, list[Stretch], tuple[Home, Commit]],
    settings: MinHash,
    valid_share: float,
) -> Outcome:
    """Write decisions/settled: ledger rows without tiers; hand on the score histogram by language."""
    _, fate_parts, (home, judged_commit) = work
    run = attempt.run
    facts = run.read_table(home.gathered.files["facts"].path)
    judged = run.read_table(judged_commit.files["judged"].path)
    fates = receive(run, fate_parts, FATES)
    place = pc.index_in(flat(facts["id"]), value_set=flat(fates["id"]))
    fate = fates.take(place)

    rows: dict[str, list[Any]] = {name: [] for name in LEDGER.names}
    for fact, decision, end in zip(facts.to_pylist(), judged.to_pylist(), fate.to_pylist(), strict=True):
        row = _verdict(fact, decision, end, settings)
        if row["verdict"] == "kept":
            row["split"] = split_of(row["cluster"] or row["id"], valid_share)
        for name in LEDGER.names:
            rows[name].append(row.get(name))
    table = pa.table({name: pa.array(rows[name], LEDGER.field(name).type) for name in LEDGER.names})
    attempt.write_table("settled", "decisions/settled", table)
    kept = table.filter(pc.equal(table["verdict"], "kept"))
    scores: dict[str, dict[str, int]] = {}
    for language in sorted(set(kept["language"].to_pylist())):
        column = kept.filter(pc.equal(kept["language"], language))["score"]
        scores[language] = histogram(pc.fill_null(column, np.nan).to_numpy())
    counts = {"in": len(table), "kept": 0, "dropped": 0, "failed": 0}
    for verdict in table["verdict"].to_pylist():
        counts[verdict] += 1
    records = int(pc.sum(table["occurrences"]).as_py() or 0)
    return Outcome(counts, {"scores": scores, "records": records})


def _verdict(
    fact: dict[str, Any], decision: dict[str, Any], end: dict[str, Any], settings: MinHash
) -> dict[str, Any]:
    row = {name: fact.get(name) for name in LEDGER.names}
    row["text_bytes"] = fact["edited_bytes"] if fact["status"] == "read" else fact["text_bytes"]
    row["failed_rules"] = decision["failed_rules"]
    row["cluster"], row["cluster_size"] = end["cluster"], end["cluster_size"] or 1
    if fact["status"] == "failed":
        return row | {"verdict": "failed", "step": "read"}
    if fact["status"] == "dropped":
        return row | {"verdict": "dropped", "step": "floor"}
    if decision["status"] is not None:
        broken = {name: decision[name] for name in _JUDGED if name != "status"}
        return row | {"verdict": decision["status"]} | broken
    if end["duplicate_of"] is not None:
        why = Likeness(end["kind"], end["jaccard"], end["containment"]).grounds(settings)
        evidence = {name: end[name] for name in ("duplicate_of", "jaccard", "containment")}
        return (
            row
            | {"verdict": "dropped", "step": "duplicates"}
            | dict(zip(("rule", "value", "threshold"), why, strict=True))
            | evidence
        )
    return row | {"verdict": "kept", "step": "tiers"}


def split_of(cluster: str, valid_share: float) -> str:
    """ "valid" for a fixed share of clusters by hash of the cluster id; so no twin of it is trained on."""
    digest = hashlib.blake2b(f"valid {cluster}".encode(), digest_size=8).digest()
    return "valid" if int.from_bytes(digest, "little") < valid_share * 2.0**64 else "train"


def write_ledger(
    attempt: Attempt,
    work: tuple[Commit, Taken | None],
    tiers: dict[str, TierThresholds],
    settings: MinHash,
) -> Outcome:
    """Write ledger/ with tiers; hand on documents and bytes by component (language, domain, tier, split).

    The components are those before any takedown, so that no shard is cut anew for one; where there is one,
    ``taken`` says what it took of them, and ``undisturbed`` what the ledger would hash to without.
    """
    settled, taken = work
    table = attempt.run.read_table(settled.files["settled"].path)
    kept = pc.equal(table["verdict"], "kept").to_numpy()
    tier = np.full(len(table), None, object)
    languages = np.array(table["language"].to_pylist(), object)
    scores = pc.fill_null(table["score"], np.nan).to_numpy()
    for language, cut in sorted(tiers.items()):
        rows = np.flatnonzero(kept & (languages == language))
        tier[rows] = cut.assign(scores[rows])
    position = table.schema.get_field_index("tier")
    table = table.set_column(position, "tier", pa.array(tier.tolist(), TEXT))
    info: dict[str, Any] = {"components": _components(table, kept)}
    if taken is not None:
        info["undisturbed"] = {"ledger": table_hash(table)}
        table = take_down(attempt.run, table, taken, settings)
        gone = pc.equal(table["verdict"], "dropped").to_numpy() & kept
        info["taken"] = _components(table, gone)
    attempt.write_table("ledger", "ledger", table)
    counts = {"in": len(table), "kept": 0, "dropped": 0, "failed": 0}
    for verdict in table["verdict"].to_pylist():
        counts[verdict] += 1
    return Outcome(counts, info)


def _components(table: pa.Table, rows: np.ndarray) -> dict[str, list[int]]:
    """[documents, bytes] of some rows by component."""
    components: dict[str, list[int]] = {}
    columns = ["language", "domain", "tier", "split", "text_bytes"]
    for row in table.filter(pa.array(rows)).select(columns).to_pylist():
        name = "/".join(row[column] for column in columns[:-1])
        total = components.setdefault(name, [0, 0])
        total[0] += 1
        total[1] += row["text_bytes"]
    return components
