"""Reading shards back: every token, count and hash of a manifest, through Megatron's own reader.

Where Megatron-Core is not installed the files are read by our own parser of the same format, and the report
says so.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hanji.curation.shards.indexed import parse_index
from hanji.errors import HanjiError
from hanji.manifest import Component, FileFacts, Manifest, Shard, read_manifest
from hanji.storage import Storage


@dataclass
class VerifyReport:
    """What was read back, by which reader, and every way in which it differs from the manifest."""

    directory: str
    reader: str
    shards: int = 0
    documents: int = 0
    tokens: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


def verify_shards(directory: str) -> VerifyReport:
    """Read every shard of a manifest back and compare. Raises InputError if there is no manifest to go by."""
    manifest, storage = read_manifest(directory)
    reader = (
        "megatron.core.datasets.indexed_dataset.IndexedDataset" if _megatron() else "hanji (no Megatron-Core)"
    )
    report = VerifyReport(storage.describe(), reader)
    _check_tokenizer(manifest, storage, report)
    for component in manifest.components:
        totals = np.zeros(3, np.int64)
        for shard in component.shards:
            try:
                _check_shard(manifest, component, shard, storage, report)
            except HanjiError as error:
                report.problems.append(str(error))
            totals += (shard.documents, shard.tokens, shard.bytes)
            report.shards += 1
            report.documents += shard.documents
            report.tokens += shard.tokens
        said = (component.documents, component.tokens, component.bytes)
        if tuple(totals.tolist()) != said:
            report.problems.append(
                f"{component.name} {component.split}: shards add up to {tuple(totals.tolist())} "
                f"(documents, tokens, bytes), the manifest says {said}"
            )
    return report


def _check_tokenizer(manifest: Manifest, storage: Storage, report: VerifyReport) -> None:
    facts = manifest.tokenizer
    try:
        found = hashlib.sha256(storage.read_bytes(facts.file)).hexdigest()
    except HanjiError as error:
        report.problems.append(str(error))
        return
    if found != facts.sha256:
        report.problems.append(
            f"{storage.describe(facts.file)}: sha256 {found}, the manifest says {facts.sha256}"
        )


def _check_shard(
    manifest: Manifest, component: Component, shard: Shard, storage: Storage, report: VerifyReport
) -> None:
    data = {name: _read(getattr(shard, name), storage, report) for name in ("bin", "idx", "docs")}
    where = storage.describe(shard.prefix)
    index = parse_index(data["idx"], f"{where}.idx")
    if index.dtype != manifest.dtype:
        report.problems.append(f"{where}.idx: dtype {index.dtype}, the manifest says {manifest.dtype}")
    lengths = index.lengths.astype(np.int64)
    if len(data["bin"]) != int(lengths.sum()) * np.dtype(index.dtype).itemsize:
        report.problems.append(
            f"{where}.bin: {len(data['bin'])} bytes, the index speaks of {int(lengths.sum())} tokens"
        )
        return
    raw = np.frombuffer(data["bin"], index.dtype)
    if _megatron():
        _compare_with_megatron(where, shard, storage, raw, lengths, report)
    if (len(lengths), len(raw)) != (shard.documents, shard.tokens):
        report.problems.append(
            f"{where}: {len(lengths)} documents and {len(raw)} tokens, "
            f"the manifest says {shard.documents} and {shard.tokens}"
        )
    if len(raw) and int(raw.max()) >= manifest.tokenizer.vocab_size:
        report.problems.append(
            f"{where}.bin: id {int(raw.max())} is outside the vocabulary of {manifest.tokenizer.vocab_size}"
        )
    ends = np.cumsum(lengths)
    if manifest.tokenizer.append_eod and len(raw) and not (raw[ends - 1] == manifest.tokenizer.eod_id).all():
        report.problems.append(f"{where}.bin: a document does not end with EOD ({manifest.tokenizer.eod_id})")
    try:
        sidecar = pq.ParquetFile(io.BytesIO(data["docs"])).read()
    except (pa.ArrowException, OSError) as error:  # the bytes are in memory: an OSError is theirs too
        report.problems.append(f"{where}.docs.parquet: cannot be read: {error}")
        return
    same = np.array_equal(sidecar["tokens"].to_numpy(), lengths) and np.array_equal(
        sidecar["token_offset"].to_numpy(), ends - lengths
    )
    if not same:
        report.problems.append(f"{where}.docs.parquet: token counts or offsets differ from the index")
    ids = sidecar["document_id"].to_pylist()
    if len(set(ids)) != len(ids):
        report.problems.append(f"{where}.docs.parquet: a document stands there twice")


def _read(facts: FileFacts, storage: Storage, report: VerifyReport) -> bytes:
    data = storage.read_bytes(facts.path)
    found = hashlib.sha256(data).hexdigest()
    if len(data) != facts.bytes or found != facts.sha256:
        report.problems.append(
            f"{storage.describe(facts.path)}: {len(data)} bytes with sha256 {found[:12]}…, "
            f"the manifest says {facts.bytes} with {facts.sha256[:12]}…"
        )
    return data


def _compare_with_megatron(
    where: str, shard: Shard, storage: Storage, raw: np.ndarray, lengths: np.ndarray, report: VerifyReport
) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    if not len(raw):
        return  # Megatron cannot map an empty file
    with _local_prefix(shard, storage) as prefix:
        dataset = IndexedDataset(prefix, multimodal=False, mmap=True)
        if not np.array_equal(dataset.sequence_lengths, lengths):
            report.problems.append(f"{where}: Megatron reads other document lengths")
            return
        start = 0
        for number, length in enumerate(lengths.tolist()):
            if not np.array_equal(dataset[number], raw[start : start + length]):
                report.problems.append(f"{where}: Megatron reads other tokens in document {number}")
                return
            start += length


@contextmanager
def _local_prefix(shard: Shard, storage: Storage) -> Iterator[str]:
    if storage.local is not None:
        yield str(storage.local / shard.prefix)
        return
    with tempfile.TemporaryDirectory() as scratch:
        for facts in (shard.bin, shard.idx):
            (Path(scratch) / Path(facts.path).name).write_bytes(storage.read_bytes(facts.path))
        yield str(Path(scratch) / Path(shard.prefix).name)


def _megatron() -> bool:
    try:
        with warnings.catch_warnings():
            # It warns of CUDA packages that reading needs none of.
            warnings.simplefilter("ignore")
            import megatron.core.datasets.indexed_dataset  # noqa: F401
    except ImportError:
        return False
    return True
