"""Take down: which documents a takedown list names, and which kept ones are truly like them.

It comes last: all is decided as if there were no list, and then the listed documents and their twins are taken
out of what was kept. So nothing else moves: no other document takes their place, no tier, tokenizer or shard
but theirs changes.

1. *find*, by id: the documents that the list names; those in clusters are told to their cluster.
2. *standing*, by id: the kept documents in clusters are told to their cluster, too.
3. *pair*, by cluster: each named document with each kept one of its cluster and language.
4. *attach*, by id: the text of the first of each pair travels to the home of the second.
5. *compare*, by id: exact likeness; of the named ones that a kept document is like, the likest stands for it.

The ledger (steps/decide.py) then enters both.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.dedup.shingles import alike, exact_hash, likeness, shingle_sets
from hanji.curation.exchange import Index, Stretch, id_partition, receive, receive_each, send
from hanji.curation.recipe import MinHash, Shingles
from hanji.curation.records import LEDGER, TEXT
from hanji.curation.takedown.lists import TakedownList, stored_list
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.storage import Storage, Written

VERSION = 1
ROWS_VERSION = 2
"""Of the ledger rows of ranges of ids that a takedown touches; a run without one is as it was."""
MOST_PAIRS = 4_000_000
"""Of one cluster. Where named × kept documents are more, the first of the named ones are compared."""
JUDGED = ("rules", "duplicates", "tiers")
"""Where documents end that a takedown may take: the others fell before, and have no more text to give."""

FOUND = pa.schema([("id", TEXT), ("entry", pa.int64()), ("rule", TEXT), ("detail", TEXT)])
MEMBERS = pa.schema([("cluster", TEXT), ("language", TEXT), ("id", TEXT)])
PAIRS = pa.schema([("a", TEXT), ("b", TEXT), ("language", TEXT)])
TEXTS = pa.schema([("id", TEXT), ("text", TEXT)])
TWINS = pa.schema(
    [("id", TEXT), ("duplicate_of", TEXT), ("jaccard", pa.float64()), ("containment", pa.float64())]
)


@dataclass(frozen=True)
class Taken:
    """The commits that say what goes of one range of ids: the documents named, and their twins if asked for."""

    named: Commit
    twins: Commit | None

    def content(self) -> list[dict[str, str]]:
        return [commit.content() for commit in (self.named, self.twins) if commit is not None]


def find(attempt: Attempt, settled: Commit, listed: Written, partitions: int) -> Outcome:
    """Write takedown/named (FOUND), sorted by id, and send those in clusters to the cluster's partition."""
    run = attempt.run
    columns = ["id", "url", "cluster", "language", "step"]
    table = run.read_table(settled.files["settled"].path, columns)
    entries = the_list(run, listed)
    match, hits = entries.match(table["id"], table["url"])
    rows = np.flatnonzero(match >= 0)
    places = match[rows].tolist()
    named = table.take(pa.array(rows))
    found = pa.table(
        {
            "id": named["id"],
            "entry": pa.array(places, pa.int64()),
            "rule": pa.array([entries.entries[place].rule for place in places], TEXT),
            "detail": pa.array([entries.entries[place].detail() for place in places], TEXT),
        }
    )
    attempt.write_table("named", "takedown/named", found.cast(FOUND))
    judged = pc.is_in(named["step"], pa.array(JUDGED, TEXT))
    with_twins = pa.array([entries.entries[place].duplicates for place in places], pa.bool_())
    inside = named.filter(pc.and_(pc.and_(judged, pc.is_valid(named["cluster"])), with_twins))
    return Outcome(
        info={
            "entries": sorted(hits),
            "taken": int(pc.sum(judged).as_py() or 0),
            "clustered": len(inside),
            "clusters": _to_clusters(attempt, "clusters", inside, partitions),
        }
    )


def standing(attempt: Attempt, settled: Commit, partitions: int, everyone: bool) -> Outcome:
    """Send the kept documents that are in clusters, or all, to the cluster's partition."""
    columns = ["id", "cluster", "language", "verdict"]
    table = attempt.run.read_table(settled.files["settled"].path, columns)
    chosen = pc.is_valid(table["cluster"])
    if not everyone:
        chosen = pc.and_(chosen, pc.equal(table["verdict"], "kept"))
    members = table.filter(chosen)
    return Outcome(info={"members": _to_clusters(attempt, "members", members, partitions)})


def _to_clusters(attempt: Attempt, channel: str, rows: pa.Table, partitions: int) -> Index:
    rows = rows.select(MEMBERS.names).cast(MEMBERS)
    return send(attempt, channel, rows, id_partition(rows["cluster"], partitions))


def pair(
    attempt: Attempt,
    work: tuple[int, list[Stretch], list[Stretch]],
    partitions: int,
    most: int = MOST_PAIRS,
) -> Outcome:
    """Send each (named, kept) pair of one cluster and language to the home of the named one."""
    _, named_parts, member_parts = work
    order = [(name, "ascending") for name in MEMBERS.names]
    named = receive(attempt.run, named_parts, MEMBERS).sort_by(order)
    kept = receive(attempt.run, member_parts, MEMBERS)
    kept = kept.filter(pc.invert(pc.is_in(kept["id"], flat(named["id"])))).sort_by(order)
    group, of_kept = _groups(named, kept)
    starts = np.searchsorted(of_kept, group, "left")
    sizes = np.searchsorted(of_kept, group, "right") - starts
    # The place of each named document among those of its cluster, and how many of them may be compared.
    place = np.arange(len(group)) - np.searchsorted(group, group, "left")
    compared = place < np.maximum(1, most // np.maximum(1, sizes))
    left = np.flatnonzero(compared & (sizes > 0))
    first, count = starts[left], sizes[left]
    inside = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    a = named.take(pa.array(np.repeat(left, count)))
    b = kept.take(pa.array(np.repeat(first, count) + inside))
    pairs = pa.table({"a": a["id"], "b": b["id"], "language": a["language"]}).cast(PAIRS)
    return Outcome(
        info={
            "pairs": send(attempt, "pairs", pairs, id_partition(pairs["a"], partitions)),
            "compared": len(pairs),
            "left_out": int(np.count_nonzero(~compared & (sizes > 0))),
        }
    )


def _groups(named: pa.Table, kept: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """A number for each (cluster, language) of both tables, in the order of the rows; int64."""
    keys = [
        flat(pc.binary_join_element_wise(table["cluster"], table["language"], pa.scalar("\t", TEXT)))
        for table in (named, kept)
    ]
    names = pc.unique(pa.concat_arrays(keys))
    names = names.take(pc.sort_indices(names))
    left, right = (pc.index_in(key, value_set=names).to_numpy(zero_copy_only=False) for key in keys)
    return left.astype(np.int64), right.astype(np.int64)


def attach(attempt: Attempt, work: tuple[int, list[Stretch], Commit], partitions: int) -> Outcome:
    """Send each pair, and once a home the text of its first document, to the home of the second."""
    _, parts, gathered = work
    pairs = receive(attempt.run, parts, PAIRS)
    homes = id_partition(pairs["b"], partitions)
    wanted = pa.table({"id": pairs["a"], "home": pa.array(homes, pa.int64())})
    wanted = (
        wanted.group_by(["id", "home"]).aggregate([]).sort_by([("home", "ascending"), ("id", "ascending")])
    )
    texts = _texts(attempt.run, gathered, flat(wanted["id"]))
    place = pc.index_in(flat(wanted["id"]), value_set=flat(texts["id"]))
    attached = pa.table({"id": wanted["id"], "text": texts["text"].take(place)}).cast(TEXTS)
    targets = wanted["home"].to_numpy()
    return Outcome(
        info={
            "pairs": send(attempt, "pairs", pairs, homes),
            "texts": send(attempt, "texts", attached, targets),
        }
    )


def compare(
    attempt: Attempt,
    work: tuple[int, list[Stretch], tuple[list[Stretch], Commit]],
    settings: MinHash,
) -> Outcome:
    """Write takedown/twins (TWINS): the kept documents that are like a named one, sorted by id."""
    _, pair_parts, (text_parts, gathered) = work
    pairs = receive(attempt.run, pair_parts, PAIRS)
    home = _texts(attempt.run, gathered, pc.unique(flat(pairs["b"])))
    twins = TWINS.empty_table()
    # The texts of one sender at a time: those of a whole host would not fit.
    for away in receive_each(attempt.run, text_parts):
        for language, shingles in sorted(settings.shingles.items()):
            here = pc.and_(pc.is_in(pairs["a"], flat(away["id"])), pc.equal(pairs["language"], language))
            alike_here = _alike(pairs.filter(here), away, home, shingles, settings)
            twins = _likest(pa.concat_tables([twins, alike_here]))
    attempt.write_table("twins", "takedown/twins", twins)
    return Outcome(info={"twins": len(twins)})


def _alike(
    pairs: pa.Table, away: pa.Table, home: pa.Table, shingles: Shingles, settings: MinHash
) -> pa.Table:
    """The pairs that are truly alike, as rows of TWINS; texts of ``a`` are in ``away``, of ``b`` in ``home``."""
    if not len(pairs):
        return TWINS.empty_table()
    left_ids, right_ids = pc.unique(flat(pairs["a"])), pc.unique(flat(pairs["b"]))
    texts = pa.concat_arrays([_lookup(away, left_ids), _lookup(home, right_ids)])
    sets = shingle_sets(texts, shingles)
    left = pc.index_in(flat(pairs["a"]), value_set=left_ids).to_numpy(zero_copy_only=False)
    right = pc.index_in(flat(pairs["b"]), value_set=right_ids).to_numpy(zero_copy_only=False)
    right = right + len(left_ids)
    jaccard, containment = likeness(sets, left.astype(np.int64), right.astype(np.int64))
    # Texts too short for a shingle are alike if they are the same.
    for row in np.flatnonzero((sets.sizes()[left] == 0) & (sets.sizes()[right] == 0)).tolist():
        same = exact_hash(texts[int(left[row])].as_py()) == exact_hash(texts[int(right[row])].as_py())
        jaccard[row] = containment[row] = float(same)
    found = {"id": pairs["b"], "duplicate_of": pairs["a"]}
    found |= {"jaccard": pa.array(jaccard), "containment": pa.array(containment)}
    return pa.table(found).filter(pa.array(alike(jaccard, containment, settings))).cast(TWINS)


def _likest(twins: pa.Table) -> pa.Table:
    """Each document once, with the listed one that it is most like; sorted by id."""
    keys = ("jaccard", "containment")
    order = [("id", "ascending"), *((key, "descending") for key in keys), ("duplicate_of", "ascending")]
    twins = twins.sort_by(order)
    ids = flat(twins["id"]).to_numpy(zero_copy_only=False)
    return twins.filter(pa.array(np.append(True, ids[1:] != ids[:-1])[: len(ids)]))


def take_down(run: Storage, table: pa.Table, taken: Taken, settings: MinHash) -> pa.Table:
    """The ledger rows of one range of ids, those that go as dropped by a takedown.

    ``table`` has the columns of LEDGER and those that the run measured beside them, which stay as they are. A
    document that the run kept keeps its tier and split: where it would be. One that fell before the rules, or could
    not be read, keeps its verdict.
    """
    ids = flat(table["id"])
    judged = pc.is_in(table["step"], pa.array(JUDGED, TEXT)).to_numpy(zero_copy_only=False)
    named = run.read_table(taken.named.files["named"].path)
    new: dict[str, pa.ChunkedArray | pa.Array] = {name: table[name] for name in table.column_names}
    by_name, place = _rows(ids, named["id"], judged)
    _put(new, by_name, {n: named[n].take(place) for n in ("rule", "detail")})
    if taken.twins is not None:
        twins = run.read_table(taken.twins.files["twins"].path)
        by_likeness, place = _rows(ids, twins["id"], judged & ~by_name)
        twins = twins.take(place)
        near = pc.greater_equal(twins["jaccard"], settings.min_jaccard)
        rows = len(twins)
        _put(
            new,
            by_likeness,
            {
                "rule": pa.array(["takedown.duplicate"] * rows, TEXT),
                "value": pc.if_else(near, twins["jaccard"], twins["containment"]),
                "threshold": pc.if_else(near, settings.min_jaccard, settings.min_containment),
                **{name: twins[name] for name in ("duplicate_of", "jaccard", "containment")},
            },
        )
    return pa.table(new).cast(table.schema)


def table_hash(table: pa.Table) -> str:
    """The SHA-256 of the file that a table written by an attempt would be, without the file."""
    with tempfile.TemporaryDirectory() as scratch:
        return Storage(scratch).write_table("table.parquet", table).sha256


def _rows(ids: pa.Array, wanted: pa.ChunkedArray, allowed: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """Which rows are wanted (bool), and the place of each of those among the wanted, in the order of the rows."""
    place = pc.index_in(ids, value_set=flat(wanted)).fill_null(-1).to_numpy(zero_copy_only=False)
    rows = (place >= 0) & allowed
    return rows, pa.array(place[rows])


def _put(new: dict[str, Any], rows: np.ndarray, values: dict[str, Any]) -> None:
    """Enter a takedown at some rows: what ``values`` does not name of the old verdict is emptied."""
    count = int(np.count_nonzero(rows))
    fixed = {
        "verdict": pa.array(["dropped"] * count, TEXT),
        "step": pa.array(["takedown"] * count, TEXT),
    }
    emptied = ("value", "threshold", "detail", "duplicate_of", "jaccard", "containment")
    mask = pa.array(rows)
    for name in ("verdict", "step", "rule", *emptied):
        kind = LEDGER.field(name).type
        column = values.get(name, fixed.get(name, pa.nulls(count, kind)))
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        old = new[name].combine_chunks() if isinstance(new[name], pa.ChunkedArray) else new[name]
        new[name] = pc.replace_with_mask(old, mask, column.cast(kind))


def the_list(run: Storage, listed: Written) -> TakedownList:
    """The list that a run took down by."""
    return stored_list(run, listed.path, listed.sha256)


def _texts(run: Storage, gathered: Commit, ids: pa.Array) -> pa.Table:
    """The texts of some documents of one range of ids, a row group at a time."""
    found = [TEXTS.empty_table()]
    if len(ids):
        groups = run.table_groups(gathered.files["text"].path, ["id", "text"])
        found += [group.filter(pc.is_in(group["id"], ids)).cast(TEXTS) for group in groups]
    return pa.concat_tables(found).combine_chunks()


def _lookup(table: pa.Table, ids: pa.Array) -> pa.Array:
    return flat(table["text"].take(pc.index_in(ids, value_set=flat(table["id"]))))
