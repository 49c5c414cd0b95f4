"""What a takedown does to a run: which documents go, from which shards, which ranges of tokens change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.records import TEXT
from hanji.curation.steps.takedown import Taken
from hanji.curation.takedown.lists import Entry, TakedownList
from hanji.curation.work import Commit
from hanji.manifest import Component, Manifest, Shard
from hanji.shard_order import order_hash, shard_number
from hanji.storage import Storage

IN_SHARDS, GONE = "in the shards", "taken down before"
_LEDGER = (
    *("id", "source", "domain", "language", "url", "path", "occurrences", "text_bytes"),
    *("verdict", "step", "rule", "tier", "split"),
)
DOCUMENTS = pa.schema(
    [
        ("id", TEXT),
        ("source", TEXT),
        ("url", TEXT),
        ("path", TEXT),
        ("occurrences", pa.int64()),
        ("text_bytes", pa.int64()),
        # Place of its entry in the list; null for one that goes because it is like a listed one.
        ("entry", pa.int64()),
        ("like", TEXT),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
        # IN_SHARDS, GONE, or where it fell: "dropped at rules by …".
        ("state", TEXT),
        # Where it is in the shards: null for those that are in none.
        ("component", TEXT),
        ("split", TEXT),
        ("shard", TEXT),
        ("row", pa.int64()),
        ("token_start", pa.int64()),
        ("token_end", pa.int64()),
    ]
)


@dataclass
class EntryEffect:
    """What one entry of the list names: documents by state, those of narrower entries left out.

    ``covered``: it names a document, if only one that others name more narrowly.
    """

    entry: Entry
    covered: bool = False
    states: Counter[str] = field(default_factory=Counter)

    @property
    def documents(self) -> int:
        return sum(self.states.values())


@dataclass
class ShardEffect:
    """One shard that changes: documents and tokens it loses, and their ranges [start, end) in it as it is.

    ``becomes`` is the prefix of its new version, "" where nothing of its component is left, None before.
    """

    component: str
    split: str
    number: int
    prefix: str
    documents: int
    tokens: int
    lost_documents: int = 0
    lost_tokens: int = 0
    lost_bytes: int = 0
    tokens_ranges: list[tuple[int, int]] = field(default_factory=list)
    rows: list[tuple[int, int]] = field(default_factory=list)
    becomes: str | None = None


@dataclass
class Effects:
    """The effects of a list on a run. ``documents`` has schema DOCUMENTS, sorted by id.

    ``stay`` are kept documents that are like a listed one and stay in the shards, as the list asks.
    """

    entries: list[EntryEffect]
    documents: pa.Table
    shards: list[ShardEffect]
    all_shards: int
    stay: pa.Table
    left_out: int = 0

    @property
    def leaving(self) -> pa.Table:
        """The documents that are in the shards and go."""
        return self.documents.filter(pc.equal(self.documents["state"], IN_SHARDS))

    def components(self) -> dict[str, list[int]]:
        """[documents, tokens, bytes] that go, by language/domain/tier/split."""
        found: dict[str, list[int]] = {}
        for shard in self.shards:
            cell = found.setdefault(f"{shard.component}/{shard.split}", [0, 0, 0])
            for place, amount in enumerate((shard.lost_documents, shard.lost_tokens, shard.lost_bytes)):
                cell[place] += amount
        return dict(sorted(found.items()))


def effects(
    run: Storage,
    entries: TakedownList,
    taken: Sequence[Taken],
    ledger: Sequence[Commit],
    manifest: Manifest,
    shards: Storage,
) -> Effects:
    """What becomes of the documents that a search found. ``ledger`` and ``manifest`` are the run's as they are."""
    found = pa.concat_tables(
        [
            DOCUMENTS.empty_table(),
            *(_documents(run, one, row) for one, row in zip(taken, ledger, strict=True)),
        ]
    )
    found, changed = _placed(found.sort_by("id").combine_chunks(), manifest, shards)
    hits = {place for one in taken for place in one.named.info["entries"]}
    of_entries = [EntryEffect(entry, place in hits) for place, entry in enumerate(entries.entries)]
    counted = found.group_by(["entry", "state"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        if row["entry"] is not None:
            of_entries[row["entry"]].states[row["state"]] = row["count_all"]
    total = sum(len(component.shards) for component in manifest.components)
    return Effects(of_entries, found, changed, total, DOCUMENTS.empty_table())


def _documents(run: Storage, taken: Taken, ledger: Commit) -> pa.Table:
    """The named documents of one range of ids and their twins, without a place in the shards."""
    named = run.read_table(taken.named.files["named"].path, ["id", "entry"])
    named_ids = flat(named["id"])
    twins = None
    wanted = named_ids
    if taken.twins is not None:
        twins = run.read_table(taken.twins.files["twins"].path)
        wanted = pc.unique(pa.concat_arrays([named_ids, flat(twins["id"])]))
    if not len(wanted):
        return DOCUMENTS.empty_table()
    groups = run.table_groups(ledger.files["ledger"].path, list(_LEDGER))
    rows = pa.concat_tables([group.filter(pc.is_in(group["id"], wanted)) for group in groups])
    place = pc.index_in(flat(rows["id"]), value_set=named_ids)
    kept = pc.equal(rows["verdict"], "kept")
    fell = pc.binary_join_element_wise(
        rows["verdict"],
        pc.binary_join_element_wise(
            pc.fill_null(rows["step"], ""), pc.fill_null(rows["rule"], ""), pa.scalar(" by ", TEXT)
        ),
        pa.scalar(" at ", TEXT),
    )
    state = pc.if_else(kept, IN_SHARDS, pc.if_else(pc.equal(rows["step"], "takedown"), GONE, fell))
    component = pc.binary_join_element_wise(
        rows["language"], rows["domain"], rows["tier"], pa.scalar("/", TEXT)
    )
    nothing = pa.nulls(len(rows))
    new: dict[str, Any] = dict.fromkeys(DOCUMENTS.names, nothing)
    for name in ("id", "source", "url", "path", "occurrences", "text_bytes"):
        new[name] = rows[name]
    new["state"] = state
    new["entry"] = named["entry"].take(place)
    new["component"] = component  # null where it has no tier, and was never to be in the shards
    new["split"] = rows["split"]
    if twins is not None:
        like = twins.take(pc.index_in(flat(rows["id"]), value_set=flat(twins["id"])))
        unnamed = pc.is_null(place)
        for name, of in (("like", "duplicate_of"), ("jaccard", "jaccard"), ("containment", "containment")):
            kind = DOCUMENTS.field(name).type
            new[name] = pc.if_else(unnamed, like[of], pa.scalar(None, kind))
    return pa.table(new).cast(DOCUMENTS)


def _placed(found: pa.Table, manifest: Manifest, shards: Storage) -> tuple[pa.Table, list[ShardEffect]]:
    """The documents with their places in the shards, and the shards that hold any."""
    prefix = np.full(len(found), None, object)
    row = np.full(len(found), -1, np.int64)
    start, end = row.copy(), row.copy()
    changed = []
    for component, places in _by_component(found, manifest):
        ids = found["id"].take(pa.array(places)).to_pylist()
        count = len(component.shards)
        number = shard_number(order_hash(ids), count)
        for which in np.unique(number).tolist():
            mine = places[number == which]
            shard = component.shards[which]
            sidecar = shards.read_table(
                shard.docs.path, ["document_id", "token_offset", "tokens", "bytes"]
            ).combine_chunks()
            at = pc.index_in(flat(found["id"].take(pa.array(mine))), value_set=flat(sidecar["document_id"]))
            there = at.is_valid().to_numpy(zero_copy_only=False)
            if not there.any():
                continue  # its documents were taken down before
            mine, line = mine[there], at.drop_null().to_numpy().astype(np.int64)
            offset = sidecar["token_offset"].to_numpy()[line]
            tokens = sidecar["tokens"].to_numpy()[line].astype(np.int64)
            prefix[mine], row[mine], start[mine], end[mine] = shard.prefix, line, offset, offset + tokens
            size = int(sidecar["bytes"].to_numpy()[line].sum())
            changed.append(_changed(component, which, shard, line, offset, tokens, size))
    for name, values in (("row", row), ("token_start", start), ("token_end", end)):
        place = DOCUMENTS.get_field_index(name)
        found = found.set_column(place, name, pa.array(values, pa.int64(), mask=row < 0))
    # The sidecars know best: a takedown that was cut short may have got as far as the ledger.
    there = pa.array(row >= 0)
    place = DOCUMENTS.get_field_index("state")
    found = found.set_column(place, "state", pc.if_else(there, IN_SHARDS, found["state"]).cast(TEXT))
    for name in ("component", "split"):
        place = DOCUMENTS.get_field_index(name)
        found = found.set_column(place, name, pc.if_else(there, found[name], pa.scalar(None, TEXT)))
    place = DOCUMENTS.get_field_index("shard")
    return found.set_column(place, "shard", pa.array(prefix.tolist(), TEXT)), changed


def _by_component(found: pa.Table, manifest: Manifest) -> Iterator[tuple[Component, np.ndarray]]:
    """Each component with the places of its documents."""
    names = pc.fill_null(
        pc.binary_join_element_wise(found["component"], found["split"], pa.scalar("/", TEXT)), ""
    )
    for component in manifest.components:
        places = np.flatnonzero(pc.equal(names, f"{component.name}/{component.split}"))
        if len(places):
            yield component, places


def _changed(
    component: Component,
    number: int,
    shard: Shard,
    line: np.ndarray,
    offset: np.ndarray,
    tokens: np.ndarray,
    size: int,
) -> ShardEffect:
    order = np.argsort(line)
    return ShardEffect(
        component.name,
        component.split,
        number,
        shard.prefix,
        shard.documents,
        shard.tokens,
        len(line),
        int(tokens.sum()),
        size,
        _ranges(offset[order], (offset + tokens)[order]),
        _ranges(line[order], line[order] + 1),
    )


def _ranges(starts: np.ndarray, ends: np.ndarray) -> list[tuple[int, int]]:
    """Ranges [start, end) in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def name_successors(effects: Effects, manifest: Manifest) -> None:
    """Say of each changed shard what it became, by the manifest that was written after."""
    now = {f"{component.name}/{component.split}": component for component in manifest.components}
    for shard in effects.shards:
        component = now.get(f"{shard.component}/{shard.split}")
        shard.becomes = component.shards[shard.number].prefix if component is not None else ""
