"""Relate: which documents are alike, with evidence. Names no survivor and deletes nothing.

1. *sign*, by id: band hashes and the hash of the normalised text, sent by hash.
2. *pair*, by hash: a bucket becomes a star of candidate pairs around its smallest id, sent by that id.
3. *attach*, by the pair's first id: its text goes along, once a partition, to the home of the second.
4. *verify*, by the second id: the exact Jaccard and containment of the two shingle sets. Pairs that reach
   the recipe's likeness are *verified edges* and are written to relations/edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat, run_lengths, run_starts
from hanji.curation.dedup.shingles import alike, exact_hash, likeness, shingle_sets, signatures
from hanji.curation.exchange import Stretch, hash_partition, id_partition, receive, send
from hanji.curation.recipe import Dedup, MinHash
from hanji.curation.records import TEXT
from hanji.curation.work import Attempt, Commit, Outcome

VERSION = 1

BUCKETS = pa.schema(
    [("band", pa.int32()), ("hash", pa.uint64()), ("check", pa.uint64()), ("id", TEXT), ("language", TEXT)]
)
PAIRS = pa.schema([("a", TEXT), ("b", TEXT), ("language", TEXT), ("kind", TEXT)])
ATTACHED = pa.schema([("id", TEXT), ("text", TEXT)])
EDGES = pa.schema(
    [("a", TEXT), ("b", TEXT), ("kind", TEXT), ("jaccard", pa.float64()), ("containment", pa.float64())]
)
EXACT_BAND = -1


def texts_of(attempt: Attempt, gathered: Commit) -> tuple[pa.Table, pa.Array]:
    """(id, text) of a range of ids, sorted by id, and the language of each."""
    texts = attempt.run.read_table(gathered.files["text"].path)
    facts = attempt.run.read_table(gathered.files["facts"].path, ["id", "language", "status"])
    facts = facts.filter(pc.equal(facts["status"], "read"))
    return texts.combine_chunks(), facts["language"].combine_chunks()


def sign(attempt: Attempt, gathered: Commit, settings: Dedup, partitions: int) -> Outcome:
    """Send (band, hash) of every text to the home of its hash."""
    table, languages = texts_of(attempt, gathered)
    ids = table["id"].combine_chunks()
    parts = []
    if settings.exact and len(ids):
        digests = np.array([np.frombuffer(exact_hash(text), np.uint64) for text in table["text"].to_pylist()])
        parts.append(_bucket_rows(EXACT_BAND, digests[:, 0], digests[:, 1], ids, languages))
    if settings.minhash.enabled:
        for language, shingles in sorted(settings.minhash.shingles.items()):
            rows = np.flatnonzero(pc.equal(languages, language).to_numpy(zero_copy_only=False))
            if not len(rows):
                continue
            signed = signatures(table["text"].take(pa.array(rows)), shingles, settings.minhash)
            # A text without a single shingle is like nothing; exact comparison is all it gets.
            full = signed.shingles > 0
            hashes = signed.bands[full]
            here = pa.array(rows[full])
            for band in range(settings.minhash.bands):
                column = np.ascontiguousarray(hashes[:, band])
                zeros = np.zeros(len(column), np.uint64)
                parts.append(_bucket_rows(band, column, zeros, ids.take(here), languages.take(here)))
    buckets = pa.concat_tables(parts).combine_chunks() if parts else BUCKETS.empty_table()
    partition = hash_partition(buckets["hash"].to_numpy(), partitions)
    return Outcome(info={"buckets": send(attempt, "buckets", buckets, partition), "signed": len(ids)})


def _bucket_rows(
    band: int, hashes: np.ndarray, check: np.ndarray, ids: pa.Array, languages: pa.Array
) -> pa.Table:
    return pa.table(
        {
            "band": pa.array(np.full(len(ids), band), pa.int32()),
            "hash": pa.array(hashes, pa.uint64()),
            "check": pa.array(check, pa.uint64()),
            "id": ids,
            "language": languages,
        }
    ).cast(BUCKETS)


def pair(attempt: Attempt, work: tuple[int, list[Stretch], Any], partitions: int) -> Outcome:
    """Star pairs (smallest id, other id) of every bucket with two or more documents of one language."""
    _, parts, _ = work
    rows = receive(attempt.run, parts, BUCKETS)
    keys = ["band", "hash", "check", "language", "id"]
    rows = rows.sort_by([(key, "ascending") for key in keys]).combine_chunks()
    starts = run_starts(rows, keys[:-1])
    sizes = run_lengths(starts, len(rows))
    centre = np.repeat(starts, sizes)
    others = np.flatnonzero(np.arange(len(rows)) != centre)
    exact = pc.equal(rows["band"].take(pa.array(others)), EXACT_BAND)
    pairs = pa.table(
        {
            "a": rows["id"].take(pa.array(centre[others])),
            "b": rows["id"].take(pa.array(others)),
            "language": rows["language"].take(pa.array(others)),
            "kind": pc.if_else(exact, "exact", "near").cast(TEXT),
        }
    )
    pairs = _distinct_pairs(pairs.cast(PAIRS))
    return Outcome(
        info={
            "pairs": send(attempt, "pairs", pairs, id_partition(pairs["a"], partitions)),
            "candidates": len(pairs),
            "largest_bucket": int(sizes.max(initial=0)),
        }
    )


def _distinct_pairs(pairs: pa.Table) -> pa.Table:
    """Each (a, b) once, sorted; "exact" comes before "near" and wins."""
    pairs = pairs.sort_by([("a", "ascending"), ("b", "ascending"), ("kind", "ascending")]).combine_chunks()
    return pairs.take(pa.array(run_starts(pairs, ["a", "b"])))


def attach(attempt: Attempt, work: tuple[int, list[Stretch], Commit], partitions: int) -> Outcome:
    """Send each pair, and the text of its first document, to the home of the second."""
    _, parts, gathered = work
    pairs = _distinct_pairs(receive(attempt.run, parts, PAIRS))
    homes = id_partition(pairs["b"], partitions)
    near = pc.equal(pairs["kind"], "near").to_numpy(zero_copy_only=False)
    wanted = sorted(
        set(zip(pairs["a"].filter(pa.array(near)).to_pylist(), homes[near].tolist(), strict=True))
    )
    texts = attempt.run.read_table(gathered.files["text"].path)
    place = pc.index_in(pa.array([i for i, _ in wanted], TEXT), value_set=texts["id"].combine_chunks())
    attached = pa.table({"id": pa.array([i for i, _ in wanted], TEXT), "text": texts["text"].take(place)})
    targets = np.array([home for _, home in wanted], np.int64)
    return Outcome(
        info={
            "pairs": send(attempt, "pairs", pairs, homes),
            "texts": send(attempt, "texts", attached, targets),
        }
    )


def verify(
    attempt: Attempt,
    work: tuple[int, list[Stretch], tuple[list[Stretch], Commit]],
    settings: MinHash,
) -> Outcome:
    """Exact likeness of every candidate pair; writes the verified edges, sorted by (b, a)."""
    _, pair_parts, (text_parts, gathered) = work
    pairs = receive(attempt.run, pair_parts, PAIRS)
    pairs = pairs.sort_by([("language", "ascending"), ("b", "ascending"), ("a", "ascending")])
    exact = pairs.filter(pc.equal(pairs["kind"], "exact"))
    ones = pa.array(np.ones(len(exact)))
    edges = [
        pa.table(
            {"a": exact["a"], "b": exact["b"], "kind": exact["kind"], "jaccard": ones, "containment": ones}
        )
    ]
    near = pairs.filter(pc.equal(pairs["kind"], "near"))
    home = attempt.run.read_table(gathered.files["text"].path)
    away = receive(attempt.run, text_parts, ATTACHED)
    for language, shingles in sorted(settings.shingles.items()):
        some = near.filter(pc.equal(near["language"], language))
        if not len(some):
            continue
        left_ids = pc.unique(some["a"])
        right_ids = pc.unique(some["b"])
        texts = pa.concat_arrays(
            [
                _lookup(away, left_ids),
                _lookup(home, right_ids),
            ]
        )
        sets = shingle_sets(texts, shingles)
        left = pc.index_in(some["a"].combine_chunks(), value_set=left_ids).to_numpy()
        right = pc.index_in(some["b"].combine_chunks(), value_set=right_ids).to_numpy() + len(left_ids)
        jaccard, containment = likeness(sets, left.astype(np.int64), right.astype(np.int64))
        edges.append(
            pa.table(
                {
                    "a": some["a"],
                    "b": some["b"],
                    "kind": some["kind"],
                    "jaccard": pa.array(jaccard),
                    "containment": pa.array(containment),
                }
            ).filter(pa.array(alike(jaccard, containment, settings)))
        )
    verified = pa.concat_tables([edge.cast(EDGES) for edge in edges])
    verified = verified.sort_by([("b", "ascending"), ("a", "ascending")])
    attempt.write_table("edges", "relations/edges", verified)
    return Outcome(info={"candidates": len(pairs), "verified": len(verified)})


def _lookup(table: pa.Table, ids: pa.Array) -> pa.Array:
    """Texts of the given ids from an (id, text) table."""
    return flat(table["text"].take(pc.index_in(ids, value_set=flat(table["id"]))))
