"""Write: the tokenizer's sample, token ids, and shards with their sidecars.

1. *sample*, by id (only when a tokenizer is trained): kept texts up to a share, by hash of the id.
2. *tokenizer*: trains on the sample, in the order of ids.
3. *tokenise*, by id: ids of kept documents, sent to their shard.
   Where a tier has a quota of tokens, texts are encoded before there are tiers (*encode*), and *tokenise* sends
   what was encoded.
4. *shard*, by shard: sorted by order hash, written as .bin, .idx and .docs.parquet named by their content.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.curation.columns import flat, text_buffers
from hanji.curation.exchange import Stretch, receive, send
from hanji.curation.records import TEXT
from hanji.curation.shards.indexed import index_bytes
from hanji.curation.shards.layout import Layout, ShardPlace
from hanji.curation.shards.tokenizer import cached_encoder, train_tokenizer
from hanji.curation.steps.read import in_sample
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.manifest import FileFacts, Shard, TokenizerFacts
from hanji.shard_order import order_hash
from hanji.storage import Storage, Written

VERSION = 4
ENCODE_BATCH = 1024
SIDECAR_ROWS = 4096
"""Documents in a row group of a sidecar: what is read of it to look one up."""
SIDECAR_REPEATING = ("source", "occurrences", "cluster", "cluster_size", "cluster_occurrences")
"""Its columns whose values repeat. A dictionary of the others would be as long as they are."""

TOKENS = pa.schema(
    [
        ("order", pa.uint64()),
        ("id", TEXT),
        ("source", TEXT),
        ("bytes", pa.int64()),
        ("occurrences", pa.int64()),
        ("cluster", TEXT),
        ("cluster_size", pa.int32()),
        ("cluster_occurrences", pa.int64()),
        ("tokens", pa.large_list(pa.uint32())),
    ]
)
_OF_CLUSTER = ("occurrences", "cluster", "cluster_size", "cluster_occurrences")


def sample_texts(attempt: Attempt, work: tuple[Commit, Commit], share: float) -> Outcome:
    """Write the texts of a share of the kept training documents of one range of ids, sorted by id.

    Those that a takedown took are among them: a tokenizer trained anew would change every shard.
    """
    table = _kept_with_text(attempt.run, *work, taken_down=True)
    chosen = [
        identity
        for identity, split in zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True)
        if split == "train" and in_sample(identity, share)
    ]
    sample = table.filter(pc.is_in(table["id"], pa.array(chosen, TEXT))).select(["id", "text"])
    attempt.write_table("sample", "tokenizer/sample", sample)
    return Outcome(
        info={"documents": len(sample), "bytes": int(pc.sum(pc.binary_length(sample["text"])).as_py() or 0)}
    )


def train_on_sample(attempt: Attempt, samples: list[Commit], vocab_size: int, eod_token: str) -> Outcome:
    """Train a byte-level BPE on the sampled texts in the order of their ids."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.json"
        texts = (
            text
            for commit in samples
            for text in attempt.run.read_table(commit.files["sample"].path)["text"].to_pylist()
        )
        facts = train_tokenizer(texts, vocab_size, eod_token, path)
        attempt.write_bytes("tokenizer", "tokenizer", ".json", path.read_bytes())
    return Outcome(info={"facts": facts.model_dump()})


def tokenise(
    attempt: Attempt, work: tuple[Commit, Commit], tokenizer: Written, facts: TokenizerFacts, layout: Layout
) -> Outcome:
    """Token ids of the kept documents of one range of ids, sent to their shards."""
    table = _kept_with_text(attempt.run, *work)
    bounds, tokens = _encoded(attempt.run, table["text"].to_pylist(), tokenizer, facts)
    sizes = pc.binary_length(table["text"]).cast(pa.int64())
    return _send(attempt, table, sizes, bounds, tokens, layout)


def encode(
    attempt: Attempt, work: tuple[Commit, Commit], tokenizer: Written, facts: TokenizerFacts
) -> Outcome:
    """Write tokens/: the tokens of the documents of one range of ids that were settled to be kept.

    ``encoded`` (id, encoded: uint32 in little-endian order, bytes of the text) and ``counts`` (id, tokens).
    """
    table = _kept_with_text(attempt.run, *work)
    bounds, tokens = _encoded(attempt.run, table["text"].to_pylist(), tokenizer, facts)
    offsets, data = (pa.py_buffer(array) for array in (bounds * 4, tokens.astype("<u4")))
    packed = pa.Array.from_buffers(pa.large_binary(), len(table), [None, offsets, data])
    sizes = pc.binary_length(table["text"]).cast(pa.int64())
    attempt.write_table(
        "encoded", "tokens/encoded", pa.table({"id": table["id"], "encoded": packed, "bytes": sizes})
    )
    attempt.write_table("counts", "tokens", pa.table({"id": table["id"], "tokens": np.diff(bounds)}))
    return Outcome()


def place(attempt: Attempt, work: tuple[Commit, Commit], layout: Layout) -> Outcome:
    """Send what was encoded of one range of ids to its shards, now that the ledger has tiers."""
    encoded_commit, ledger = work
    rows = _kept(attempt.run, ledger)
    encoded = attempt.run.read_table(encoded_commit.files["encoded"].path).combine_chunks()
    encoded = encoded.take(pc.index_in(flat(rows["id"]), value_set=flat(encoded["id"]))).combine_chunks()
    packed = pa.concat_arrays([pa.array([], pa.large_binary()), *encoded["encoded"].chunks])
    data, offsets = text_buffers(packed)
    tokens = data[offsets[0] : offsets[-1]].view("<u4").astype(np.uint32)
    return _send(attempt, rows, encoded["bytes"], (offsets - offsets[0]) // 4, tokens, layout)


def _encoded(
    run: Storage, texts: list[str], tokenizer: Written, facts: TokenizerFacts
) -> tuple[np.ndarray, np.ndarray]:
    """(bounds: int64[texts + 1], token ids: uint32) of texts, each with its EOD."""
    encoder = cached_encoder(str(fetch(run, tokenizer)), tokenizer.sha256)
    token_parts, length_parts = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
    for start in range(0, len(texts), ENCODE_BATCH):
        encoded = encoder.encode(texts[start : start + ENCODE_BATCH])
        lengths = np.diff(encoded.bounds)
        tail = np.array([facts.eod_id] if facts.append_eod else [], np.uint32)
        # Insert the EOD after the last token of every document in one stroke.
        token_parts.append(
            np.insert(encoded.ids, np.repeat(encoded.bounds[1:], len(tail)), np.tile(tail, len(lengths)))
        )
        length_parts.append(lengths + len(tail))
    return np.concatenate([[0], np.cumsum(np.concatenate(length_parts))]), np.concatenate(token_parts)


def _send(
    attempt: Attempt,
    table: pa.Table,
    sizes: pa.ChunkedArray,
    bounds: np.ndarray,
    tokens: np.ndarray,
    layout: Layout,
) -> Outcome:
    """Send the tokens of ledger rows to their shards; ``sizes`` int64: bytes of the texts."""
    ids: list[str] = table["id"].to_pylist()
    order = order_hash(ids)
    component = [
        "/".join(parts)
        for parts in zip(
            *(table[c].to_pylist() for c in ("language", "domain", "tier", "split")), strict=True
        )
    ]
    names = np.array(component, object)
    shard = np.zeros(len(ids), np.int64)
    for name in sorted(set(component)):
        rows = np.flatnonzero(names == name)
        shard[rows] = layout.shard_of(name, order[rows])
    rows_table = pa.table(
        {
            "order": pa.array(order, pa.uint64()),
            "id": table["id"].combine_chunks(),
            "source": table["source"].combine_chunks(),
            "bytes": sizes.combine_chunks(),
            **{name: table[name].combine_chunks() for name in _OF_CLUSTER},
            "tokens": pa.LargeListArray.from_arrays(
                pa.array(bounds, pa.int64()), pa.array(tokens, pa.uint32())
            ),
        }
    ).cast(TOKENS)
    counts = pa.table({"id": rows_table["id"], "tokens": pa.array(np.diff(bounds), pa.int64())})
    attempt.write_table("counts", "tokens", counts)
    return Outcome(info={"tokens": send(attempt, "tokens", rows_table, shard, len(layout.places))})


def write_shard(attempt: Attempt, work: tuple[int, list[Stretch], ShardPlace], dtype: str) -> Outcome:
    """Write one shard. Its files are named by a hash of tokens and ids: a second attempt is harmless."""
    _, parts, place = work
    rows = receive(attempt.run, parts, TOKENS).sort_by([("order", "ascending"), ("id", "ascending")])
    tokens = rows["tokens"].combine_chunks() if len(rows) else pa.array([], TOKENS.field("tokens").type)
    values = tokens.flatten().to_numpy(zero_copy_only=False).astype(dtype)
    lengths = pc.list_value_length(tokens).to_numpy(zero_copy_only=False).astype(np.int64)
    sidecar = pa.table(
        {
            "document_id": rows["id"],
            "source": rows["source"],
            "token_offset": pa.array(np.cumsum(lengths) - lengths, pa.int64()),
            "tokens": pa.array(lengths, pa.int32()),
            "bytes": rows["bytes"],
            **{name: rows[name] for name in _OF_CLUSTER},
        }
    )
    buffer = io.BytesIO()
    pq.write_table(
        sidecar,
        buffer,
        compression="zstd",
        row_group_size=SIDECAR_ROWS,
        use_dictionary=list(SIDECAR_REPEATING),
    )
    contents = {
        "bin": values.tobytes(),
        "idx": index_bytes(lengths, dtype),
        "docs": buffer.getvalue(),
    }
    digest = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in contents.values())).hexdigest()
    base = f"{place.language}/{place.domain}/{place.tier}/{place.split}-{place.number:05d}-{digest[:12]}"
    suffixes = {"bin": ".bin", "idx": ".idx", "docs": ".docs.parquet"}
    files: dict[str, FileFacts] = {}
    for name, data in contents.items():
        path = f"{base}{suffixes[name]}"
        written = attempt.run.write_bytes(f"shards/{path}", data)
        attempt.book(name, written)
        files[name] = FileFacts(path=path, bytes=written.bytes, sha256=written.sha256)
    shard = Shard(
        prefix=base,
        documents=len(rows),
        tokens=int(lengths.sum()),
        bytes=int(pc.sum(rows["bytes"]).as_py() or 0),
        **files,
    )
    return Outcome(info={"shard": shard.model_dump()})


def fetch(run: Storage, written: Written) -> Path:
    """A local path of a run's file: itself, or a copy in the scratch directory named by its hash."""
    target = Path(tempfile.gettempdir()) / f"hanji-{written.sha256}{Path(written.path).suffix}"
    if run.local is not None:
        run.read_written(written)
        target = run.local / written.path
    elif not target.exists():
        Storage(target.parent).write_bytes(target.name, run.read_written(written))
    return target


def _kept(run: Storage, ledger: Commit, taken_down: bool = False) -> pa.Table:
    """Rows of kept documents, of the ledger or of what was settled for it, in which nothing is taken down yet."""
    columns = ["id", "source", "language", "domain", "tier", "split", "verdict", *_OF_CLUSTER]
    settled = "settled" in ledger.files
    rows = run.read_table(ledger.files["settled" if settled else "ledger"].path, columns)
    # What has a tier is kept, or would be were it not for a takedown.
    chosen = pc.is_valid(rows["tier"]) if taken_down and not settled else pc.equal(rows["verdict"], "kept")
    return rows.filter(chosen).combine_chunks()


def _kept_with_text(run: Storage, gathered: Commit, ledger: Commit, taken_down: bool = False) -> pa.Table:
    rows = _kept(run, ledger, taken_down)
    texts = run.read_table(gathered.files["text"].path).combine_chunks()
    ids: Any = rows["id"].combine_chunks()
    place = pc.index_in(ids, value_set=texts["id"].combine_chunks())
    return rows.append_column("text", texts["text"].take(place))
