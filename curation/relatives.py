"""Looks up what stands beside a document in a run: its ledger row, text, place in the shards, cluster, twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.report.kin import MOST_MEMBERS, Cluster, Twin, fate_of
from hanji.curation.work import Commit, newest_commits
from hanji.errors import InputError
from hanji.manifest import Manifest, read_manifest
from hanji.shard_order import order_hash, shard_number
from hanji.storage import Storage

_OF_MEMBERS = (
    *("id", "source", "url", "path", "offset", "verdict", "step", "rule", "cluster"),
    *("duplicate_of", "jaccard", "containment"),
)


def rows_of(
    run: Storage, step: str, logical: str, identity: str, unit: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a document in a step's tables, or in that of one unit."""
    for commit in newest_commits(run, step):
        if unit is None or commit.unit == unit:
            yield from run.find_rows(commit.files[logical].path, "id", identity).to_pylist()


def row_of(run: Storage, step: str, logical: str, identity: str) -> dict[str, Any] | None:
    """The row of a document in a step's tables, which stand by range of ids."""
    return next(rows_of(run, step, logical, identity), None)


def text_of(run: Storage, identity: str) -> str | None:
    """The edited text of a document, in which personal data is masked; None where it has none."""
    row = row_of(run, "gather", "text", identity)
    return None if row is None else row["text"]


def placement(run: Storage, ledger: dict[str, Any] | None) -> dict[str, Any] | None:
    """Where in the shards a document is: component, split, shard, token_offset, tokens; None if it is in none."""
    if ledger is None or ledger["verdict"] != "kept":
        return None
    try:
        manifest, shards = read_manifest(run.describe("shards"))
    except InputError:
        return None
    return _in_shards(manifest, shards, ledger)


def _in_shards(manifest: Manifest, shards: Storage, ledger: dict[str, Any]) -> dict[str, Any] | None:
    name = "/".join((ledger["language"], ledger["domain"], ledger["tier"]))
    for component in manifest.components:
        if component.name != name or component.split != ledger["split"]:
            continue
        # A shard is a range of the hash of the id (shards/layout.py).
        place = shard_number(order_hash([ledger["id"]]), len(component.shards))
        shard = component.shards[int(place[0])]
        for row in shards.find_rows(shard.docs.path, "document_id", ledger["id"]).to_pylist():
            return {**row, "component": component.name, "split": component.split, "shard": shard.prefix}
    return None


def cluster_of(run: Storage, ledger: dict[str, Any] | None) -> Cluster | None:
    """The cluster of a document, however many are in it: a few rows of it are held at a time."""
    if ledger is None or not ledger["cluster"]:
        return None
    identity = ledger["id"]
    size = fell = 0
    fates: Counter[str] = Counter()
    members: list[dict[str, Any]] = []
    fallen: list[dict[str, Any]] = []
    for commit in newest_commits(run, "ledger"):
        for group in _members(run, commit, ledger["cluster"]):
            size += len(group)
            counted = group.group_by(["verdict", "step", "rule"]).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                fates[fate_of(row)] += row["count_all"]
            members = _first(members, group, identity)
            to_me = group.filter(pc.equal(group["duplicate_of"], identity))
            fell += len(to_me)
            fallen = sorted([*fallen, *_likest(to_me)], key=_likeness)[:MOST_MEMBERS]
    return Cluster(size, fates, members, fell, fallen)


def _members(run: Storage, commit: Commit, cluster: str) -> Iterator[pa.Table]:
    for group in run.table_groups(commit.files["ledger"].path, list(_OF_MEMBERS)):
        found = group.filter(pc.equal(group["cluster"], cluster))
        if len(found):
            yield found


def _first(members: Sequence[dict[str, Any]], more: pa.Table, identity: str) -> list[dict[str, Any]]:
    """Of the rows, the document itself, then those kept, then by id."""
    kept = pc.equal(more["verdict"], "kept")
    me = pc.equal(more["id"], identity)
    chosen = [more.filter(me), more.filter(kept).slice(0, MOST_MEMBERS), more.slice(0, MOST_MEMBERS)]
    rows = {row["id"]: row for table in chosen for row in table.to_pylist()}
    rows |= {row["id"]: row for row in members}
    order = sorted(rows.values(), key=lambda r: (r["id"] != identity, r["verdict"] != "kept", r["id"]))
    return sorted(order[:MOST_MEMBERS], key=lambda r: (r["verdict"] != "kept", r["id"]))


def _likest(rows: pa.Table) -> list[dict[str, Any]]:
    order = [("jaccard", "descending"), ("containment", "descending"), ("id", "ascending")]
    likest: list[dict[str, Any]] = rows.sort_by(order).slice(0, MOST_MEMBERS).to_pylist()
    return likest


def _likeness(row: dict[str, Any]) -> tuple[float, float, str]:
    return (-(row["jaccard"] or 0.0), -(row["containment"] or 0.0), row["id"])


def twin_of(run: Storage, ledger: dict[str, Any] | None) -> Twin | None:
    """The document that a duplicate fell to, None for all others."""
    if ledger is None or not ledger["duplicate_of"]:
        return None
    row = row_of(run, "ledger", "ledger", ledger["duplicate_of"])
    if row is None:
        return None
    return Twin(row, placement(run, row), text_of(run, ledger["id"]), text_of(run, row["id"]))
