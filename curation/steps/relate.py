"""Relate: which documents are alike, with evidence. Names no survivor and deletes nothing.

1. *sign*, by id: band hashes and the hash of the normalised text, sent by hash; *sign-urls* the hash of the URL.
2. *pair*, by hash: a bucket becomes a star of candidate pairs around its smallest id; the versions of a page, if
   they are few, are all paired, for a version may be like the next and not like the first. Each pair is sent to the
   home of its second id, and once for each such home, what text is wanted there to the home of the first.
3. *attach*, by the first id: the wanted texts go to the homes that want them.
4. *verify*, by the second id: the exact Jaccard and containment of the two shingle sets. Pairs that reach
   the recipe's likeness are *verified edges* and are written to relations/edges.

A pair is kept where its second id is at home, so that the copies of one text, a million of them perhaps, lie
spread over all partitions: of the text that they all are paired with, each partition gets one copy. Texts are read
in pieces of a bounded number of bytes by all steps. Between tasks an id is 16 bytes and a language a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat, pieces, run_bounds
from hanji.curation.dedup.shingles import alike, exact_hashes, likeness, shingle_sets, signatures
from hanji.curation.dedup.urls import url_hashes
from hanji.curation.exchange import (
    Stretch,
    hash_partition,
    id_partition,
    receive,
    receive_each,
    send,
    sending,
)
from hanji.curation.ids import PACKED, flat_packed, halves, packed, unpacked
from hanji.curation.recipe import Dedup, MinHash
from hanji.curation.records import TEXT
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.errors import RunError
from hanji.storage import Storage

VERSION = 3
MOST_VERSIONS = 32
"""Documents with one URL up to which each of them is compared with each other."""
PIECE_BYTES = 16 << 20
"""Text that a step takes at a time, if one document is not more."""

# "check" is the other half of the hash of a whole text or URL, 0 for bands. "language" is a number of `languages`,
# one from URL on for the same languages where the URL is what is equal, or EXACT where all languages may meet.
BUCKETS = pa.schema([("hash", pa.uint64()), ("check", pa.uint64()), ("language", pa.uint8()), ("id", PACKED)])
PAIRS = pa.schema([("a", PACKED), ("b", PACKED), ("language", pa.uint8())])
WANTED = pa.schema([("id", PACKED), ("home", pa.int32())])
ATTACHED = pa.schema([("id", PACKED), ("text", TEXT)])
EDGES = pa.schema(
    [("a", TEXT), ("b", TEXT), ("kind", TEXT), ("jaccard", pa.float64()), ("containment", pa.float64())]
)
# How a pair was found, in the order that decides what is kept of one that was found in several ways: what has the
# same URL can be found alike when it is compared, what has the same bands would be compared with nothing less.
EXACT, URL, NEAR = 0, 1, 128


def languages(settings: MinHash) -> dict[int, str]:
    """The languages whose documents are signed, by the number that stands for them between tasks."""
    return dict(enumerate(sorted(settings.shingles), start=NEAR))


def text_pieces(run: Storage, gathered: Commit) -> Iterator[tuple[pa.Array, pa.Array]]:
    """(packed ids, texts) of a range of ids in order, about PIECE_BYTES of text at a time."""
    for group in run.table_groups(gathered.files["text"].path):
        texts = flat(group["text"])
        ids = packed(group["id"])
        for start, stop in pieces(_bytes(texts), PIECE_BYTES):
            yield ids.slice(start, stop - start), texts.slice(start, stop - start)


def sign(attempt: Attempt, gathered: Commit, settings: Dedup, partitions: int) -> Outcome:
    """Send the hashes of every text, of its bands and of the whole, to the homes of the hashes."""
    facts = attempt.run.read_table(gathered.files["facts"].path, ["language", "status"])
    spoken = flat(facts.filter(pc.equal(facts["status"], "read"))["language"])
    found: list[pa.Table] = []
    done = 0
    for ids, texts in text_pieces(attempt.run, gathered):
        here = spoken.slice(done, len(ids))
        done += len(ids)
        if settings.exact:
            found.append(_bucket_rows(exact_hashes(texts), EXACT, ids))
        if not settings.minhash.enabled:
            continue
        for number, language in languages(settings.minhash).items():
            rows = np.flatnonzero(pc.fill_null(pc.equal(here, language), False))
            if not len(rows):
                continue
            chosen = texts if len(rows) == len(texts) else texts.take(pa.array(rows))
            signed = signatures(chosen, settings.minhash.shingles[language], settings.minhash)  # type: ignore[index]
            # A text without a single shingle is like nothing; exact comparison is all it gets.
            full = np.flatnonzero(signed.shingles > 0)
            hashes = np.ascontiguousarray(signed.bands[full].T).reshape(-1)
            repeated = np.tile(rows[full], settings.minhash.bands)
            found.append(
                _bucket_rows(
                    np.stack([hashes, np.zeros_like(hashes)], 1), number, ids.take(pa.array(repeated))
                )
            )
    buckets = pa.concat_tables(found).combine_chunks() if found else BUCKETS.empty_table()
    partition = hash_partition(buckets["hash"].to_numpy(), partitions)
    return Outcome(info={"buckets": send(attempt, "buckets", buckets, partition, partitions), "signed": done})


def sign_urls(attempt: Attempt, gathered: Commit, settings: MinHash, partitions: int) -> Outcome:
    """Send the hash of every document's URL in its normal form to the home of the hash."""
    facts = attempt.run.read_table(gathered.files["facts"].path, ["id", "language", "status", "url"])
    facts = facts.filter(pc.equal(facts["status"], "read"))
    rows, hashes = url_hashes(facts["url"])
    ids, spoken = packed(facts["id"]), flat(facts["language"])
    found = [BUCKETS.empty_table()]
    for number, language in languages(settings).items():
        here = np.flatnonzero(pc.fill_null(pc.equal(spoken.take(pa.array(rows)), language), False))
        found.append(_bucket_rows(hashes[here], number - NEAR + URL, ids.take(pa.array(rows[here]))))
    buckets = pa.concat_tables(found).combine_chunks()
    partition = hash_partition(buckets["hash"].to_numpy(), partitions)
    return Outcome(
        info={"buckets": send(attempt, "buckets", buckets, partition, partitions), "signed": len(rows)}
    )


def _bucket_rows(hashes: np.ndarray, language: int, ids: pa.Array) -> pa.Table:
    """Rows of BUCKETS. ``hashes``: uint64[rows, 2], hash and check."""
    columns = [np.ascontiguousarray(hashes[:, 0]), np.ascontiguousarray(hashes[:, 1])]
    return pa.table(
        [*map(pa.array, columns), pa.array(np.full(len(ids), language, np.uint8)), ids], schema=BUCKETS
    )


def pair(attempt: Attempt, work: tuple[int, list[Stretch], Any], partitions: int) -> Outcome:
    """Star pairs (smallest id, other id) of every bucket with two or more documents of one language."""
    _, parts, _ = work
    rows = receive(attempt.run, parts, BUCKETS)
    centre, others, sizes = _stars(rows)
    first, second = _versions(rows)
    centre, others = np.concatenate([centre, first]), np.concatenate([others, second])
    ids = rows["id"].combine_chunks() if len(rows) else pa.array([], PACKED)
    pairs = pa.table(
        [ids.take(pa.array(centre)), ids.take(pa.array(others)), rows["language"].take(pa.array(others))],
        schema=PAIRS,
    )
    pairs = distinct_pairs(pairs)
    homes = id_partition(pairs["b"], partitions)
    near = pc.greater(pairs["language"], EXACT).to_numpy()
    wanted = _wanted(pairs["a"].filter(pa.array(near)), homes[near])
    return Outcome(
        info={
            "pairs": send(attempt, "pairs", pairs, homes, partitions),
            "wanted": send(attempt, "wanted", wanted, id_partition(wanted["id"], partitions), partitions),
            "candidates": len(pairs),
            "largest_bucket": int(sizes.max(initial=0)),
        }
    )


def _stars(rows: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row of the smallest id of the bucket, row) of each other member of a bucket; and the sizes of buckets.

    int64 each. Most buckets hold one document and are left before anything is sorted by more than its hash.
    """
    if not len(rows):
        return (np.zeros(0, np.int64),) * 3
    hashes = rows["hash"].to_numpy()
    order = np.argsort(hashes)
    same = hashes[order[1:]] == hashes[order[:-1]]
    order = order[np.append(same, False) | np.append(False, same)]
    columns = [rows[name].to_numpy()[order] for name in ("hash", "check", "language")]
    high, low = halves(flat_packed(rows["id"]).take(pa.array(order)))
    sorted_rows = np.lexsort((low, high, *columns[::-1]))
    order = order[sorted_rows]
    starts, sizes = run_bounds(*(column[sorted_rows] for column in columns))
    centre = np.repeat(starts, sizes)
    # The same document twice in a bucket is no pair.
    other = (high[sorted_rows] != high[sorted_rows][centre]) | (low[sorted_rows] != low[sorted_rows][centre])
    return order[centre[other]], order[other], sizes


def _versions(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """(row of the smaller id, row of the larger) of all pairs in buckets of up to MOST_VERSIONS versions; int64."""
    language = rows["language"].to_numpy()
    order = np.flatnonzero((language >= URL) & (language < NEAR))
    high, low = halves(flat_packed(rows["id"]).take(pa.array(order)))
    order = order[
        np.lexsort((low, high, *(rows[name].to_numpy()[order] for name in ("language", "check", "hash"))))
    ]
    starts, sizes = run_bounds(*(rows[name].to_numpy()[order] for name in ("hash", "check", "language")))
    bucket = np.repeat(np.where((sizes > 2) & (sizes <= MOST_VERSIONS), starts, -1), sizes)
    order, bucket = order[bucket >= 0], bucket[bucket >= 0]
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for distance in range(1, min(MOST_VERSIONS, len(order))):
        one = np.flatnonzero(bucket[:-distance] == bucket[distance:])
        left.append(order[one])
        right.append(order[one + distance])
    return np.concatenate(left), np.concatenate(right)


def distinct_pairs(pairs: pa.Table) -> pa.Table:
    """Each (a, b) once, sorted by b and a: as it was found in the first of the ways EXACT, URL, NEAR."""
    a, b = halves(pairs["a"]), halves(pairs["b"])
    order = np.lexsort((pairs["language"].to_numpy(), a[1], a[0], b[1], b[0]))
    first, _ = run_bounds(*(half[order] for half in (*b, *a)))
    return pairs.take(pa.array(order[first]))


def _wanted(ids: pa.ChunkedArray, homes: np.ndarray) -> pa.Table:
    """Each (id, home) once, sorted."""
    high, low = halves(ids)
    order = np.lexsort((homes, low, high))
    first, _ = run_bounds(high[order], low[order], homes[order])
    rows = order[first]
    return pa.table([flat_packed(ids).take(pa.array(rows)), pa.array(homes[rows], pa.int32())], schema=WANTED)


def attach(attempt: Attempt, work: tuple[int, list[Stretch], Commit], partitions: int) -> Outcome:
    """Send each wanted text to the homes that want it, a bounded number of bytes at a time."""
    _, parts, gathered = work
    wanted = receive(attempt.run, parts, WANTED)
    wanted = _wanted(wanted["id"], wanted["home"].to_numpy().astype(np.int64))
    homes = wanted["home"].to_numpy().astype(np.int64)
    sent = 0
    with sending(attempt, "texts", partitions) as sender:
        for ids, texts in text_pieces(attempt.run, gathered) if len(wanted) else ():
            place = pc.index_in(wanted["id"], value_set=ids)
            rows = np.flatnonzero(place.is_valid())
            texts = texts.take(place.drop_null().combine_chunks())
            for start, stop in pieces(_bytes(texts), PIECE_BYTES):
                chosen = rows[start:stop]
                some = pa.table(
                    [wanted["id"].take(pa.array(chosen)), texts.slice(start, stop - start)], schema=ATTACHED
                )
                sender.add(some, homes[chosen])
                sent += len(some)
    return Outcome(info={"texts": sender.index, "sent": sent})


def verify(
    attempt: Attempt,
    work: tuple[int, list[Stretch], tuple[list[Stretch], Commit]],
    settings: Dedup,
) -> Outcome:
    """Exact likeness of every candidate pair; writes the verified edges, sorted by (b, a).

    A pair with one URL is "near" where it is as alike as others have to be, else "url".
    """
    _, pair_parts, (text_parts, gathered) = work
    pairs = distinct_pairs(receive(attempt.run, pair_parts, PAIRS))
    exact = pc.equal(pairs["language"], EXACT).to_numpy()
    jaccard, containment = exact.astype(np.float64), exact.astype(np.float64)
    near = np.flatnonzero(~exact)
    if len(near):
        rows = pairs.take(pa.array(near))
        jaccard[near], containment[near] = _compared(
            attempt.run, rows, text_parts, gathered, settings.minhash
        )
    by_likeness = alike(jaccard, containment, settings.minhash) & settings.minhash.enabled
    by_url = (pairs["language"].to_numpy() < NEAR) & (jaccard >= settings.url.min_jaccard)
    kept = np.flatnonzero(exact | by_likeness | by_url)
    found = pairs.take(pa.array(kept))
    verified = pa.table(
        [
            unpacked(found["a"]),
            unpacked(found["b"]),
            pa.array(np.select([exact[kept], by_likeness[kept]], ["exact", "near"], "url"), TEXT),
            pa.array(jaccard[kept]),
            pa.array(containment[kept]),
        ],
        schema=EDGES,
    )
    attempt.write_table("edges", "relations/edges", verified)
    return Outcome(info={"candidates": len(pairs), "verified": len(verified)})


def _compared(
    run: Storage, pairs: pa.Table, text_parts: list[Stretch], gathered: Commit, settings: MinHash
) -> tuple[np.ndarray, np.ndarray]:
    """(Jaccard, containment) of each pair, float64. Raises RunError if the text of a document did not come."""
    names = languages(settings)
    names |= {number - NEAR + URL: name for number, name in names.items()}
    language = pairs["language"].to_numpy()
    home, texts_here = _texts_of(run, gathered, pairs["b"])
    right = pc.index_in(flat_packed(pairs["b"]), value_set=home).to_numpy(zero_copy_only=False)
    jaccard, containment = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    for away in receive_each(run, text_parts):
        texts_away = flat(away["text"])
        place = pc.index_in(flat_packed(pairs["a"]), value_set=flat_packed(away["id"]))
        rows = np.flatnonzero(place.is_valid())
        left = place.drop_null().to_numpy().astype(np.int64)
        order = np.lexsort((left, language[rows]))
        rows, left = rows[order], left[order]
        size = _bytes(texts_here)[right[rows].astype(np.int64)]
        # What is new in a pair: its second text, and the first where it is not that of the pair before.
        new, _ = run_bounds(language[rows], left)
        size[new] += _bytes(texts_away)[left[new]]
        for start, stop in pieces(size, PIECE_BYTES):
            for number in np.unique(language[rows[start:stop]]).tolist():
                some = np.flatnonzero(language[rows[start:stop]] == number) + start
                one, first = np.unique(left[some], return_inverse=True)
                other, second = np.unique(right[rows[some]].astype(np.int64), return_inverse=True)
                texts = pa.concat_arrays([texts_away.take(pa.array(one)), texts_here.take(pa.array(other))])
                sets = shingle_sets(texts, settings.shingles[names[number]])  # type: ignore[index]
                jaccard[rows[some]], containment[rows[some]] = likeness(sets, first, second + len(one))
    if np.isnan(jaccard).any():
        raise RunError(f"{int(np.isnan(jaccard).sum())} of {len(pairs)} pairs came without a text to compare")
    return jaccard, containment


def _texts_of(run: Storage, gathered: Commit, ids: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """(ids, texts) of those documents of a range of ids that are among ``ids``."""
    some_ids, some_texts = [], []
    wanted = pc.unique(ids)
    for here, texts in text_pieces(run, gathered):
        inside = pc.is_in(here, value_set=wanted)
        some_ids.append(here.filter(inside))
        some_texts.append(texts.filter(inside))
    return pa.concat_arrays(some_ids), pa.concat_arrays(some_texts)


def _bytes(texts: pa.Array) -> np.ndarray:
    lengths: np.ndarray = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    return lengths.astype(np.int64)
