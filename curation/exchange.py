"""Exchange through files: rows leave a task by partition, and each partition arrives sorted by a total key.

A sending task writes one file. It holds a message (an Arrow record batch; zstd, where there is text) for every
partition that has rows, and at its end an index: the schema, and of every partition where its message is, how many
rows and what they hash to. The commit record says only where the index is, so that neither records nor the driver
grow with senders times partitions. A receiving task reads its partition's message of every file. That serves on
every engine and can be resumed; the key of a receiving unit is made of the hashes of its own messages alone, so it
runs again only if its rows changed.

Beyond WIDE partitions a sender's messages hold neighbouring partitions together, so that they do not become crumbs;
:mod:`hanji.curation.delivery` cuts them in another pass, and makes the units that receive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import IO, Any

import numpy as np
import pyarrow as pa

from hanji.curation.ids import heads
from hanji.curation.work import REQUESTS_AT_ONCE, Attempt, Commit
from hanji.errors import UnreadableError
from hanji.storage import Storage

WIDE = 2048
VERSION = 2

_ENTRY = np.dtype(
    [
        ("partition", "<i8"),
        ("rows", "<i8"),
        ("first", "<i8"),  # row of the message at which the partition begins
        ("offset", "<i8"),
        ("length", "<i8"),
        ("digest", "V16"),
    ]
)
Index = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows of one partition in one exchange file: where they are and what they hash to."""

    path: str
    offset: int
    length: int
    rows: int
    digest: str
    schema: bytes

    def read(self, run: Storage) -> bytes:
        """Its bytes. Raises UnreadableError if they are not those that were sent."""
        return self.checked(run, run.read_range(self.path, self.offset, self.length))

    def checked(self, run: Storage, data: bytes) -> bytes:
        """``data`` if it is what was sent. Raises UnreadableError if it is not."""
        if _digest(data, self.schema).hex() != self.digest:
            raise _damaged(run, self.path)
        return data

    def is_intact(self, run: Storage) -> bool:
        """Whether its bytes are there and those that were sent."""
        try:
            self.read(run)
        except UnreadableError:
            return False
        return True


@dataclass(frozen=True)
class Sent:
    """An exchange file and where its index is: what a merging task is told of it.

    ``width`` is the number of neighbouring partitions that a message may hold.
    """

    path: str
    at: int
    schema_bytes: int
    entries: int
    width: int
    digest: str

    @classmethod
    def of(cls, commit: Commit, channel: str) -> Sent:
        return cls(path=commit.files[channel].path, **commit.info[channel])

    def read_index(self, run: Storage) -> tuple[bytes, np.ndarray]:
        """(schema, entries). Raises UnreadableError if they are not those that were written."""
        data = run.read_range(self.path, self.at, self.schema_bytes + self.entries * _ENTRY.itemsize)
        if hashlib.blake2b(data, digest_size=16).hexdigest() != self.digest:
            raise _damaged(run, self.path)
        return data[: self.schema_bytes], np.frombuffer(data, _ENTRY, offset=self.schema_bytes)

    def is_intact(self, run: Storage) -> bool:
        """Whether its index and all its messages are there and those that were sent."""
        try:
            schema, entries = self.read_index(run)
        except UnreadableError:
            return False
        return all(part.is_intact(run) for part in parts_of(self.path, schema, entries))


def _damaged(run: Storage, path: str) -> UnreadableError:
    return UnreadableError(path, f"{run.describe(path)}: its bytes are not those that were written")


def _digest(message: Any, schema: bytes) -> bytes:
    digest = hashlib.blake2b(schema, digest_size=16)
    digest.update(message)
    return digest.digest()


def parts_of(path: str, schema: bytes, entries: np.ndarray) -> list[Stretch]:
    """A stretch for each entry."""
    digests = entries["digest"].tolist()
    columns = (entries[name].tolist() for name in ("offset", "length", "rows"))
    return [
        Stretch(path, offset, length, rows, digest.hex(), schema)
        for offset, length, rows, digest in zip(*columns, digests, strict=True)
    ]


def id_partition(ids: pa.Array | pa.ChunkedArray, partitions: int) -> np.ndarray:
    """Partition of each document id: equal ranges of its first 32 bits. int64 array, same length.

    ``ids`` in either form (:mod:`hanji.curation.ids`).
    """
    return heads(ids) * partitions >> 32


def hash_partition(hashes: np.ndarray, partitions: int) -> np.ndarray:
    """Partition of each 64-bit hash: equal ranges of its upper 32 bits. uint64 in, int64 out."""
    return (hashes >> np.uint64(32)).astype(np.int64) * partitions >> 32


def send(
    attempt: Attempt, channel: str, table: pa.Table, partition: np.ndarray, partitions: int = 1
) -> Index:
    """Write rows to an exchange file and return the index that belongs into ``Outcome.info[channel]``.

    The order of rows within a partition is kept. ``partition`` is an int64 array, one number a row;
    ``partitions`` is how many there are, which decides from WIDE on how they lie in the file.
    """
    with sending(attempt, channel, partitions) as sender:
        sender.add(table, partition)
    return sender.index


class Sender:
    """An exchange file that is written piece by piece; a partition has a message of each piece it has rows in."""

    def __init__(self, file: IO[bytes], partitions: int = 1) -> None:
        self._file = file
        self._written = 0
        self._width = -(-partitions // WIDE)
        self._schema = b""
        self.entries: list[np.ndarray] = []
        self.index: Index = {}

    def add(self, table: pa.Table, partition: np.ndarray) -> None:
        """Append rows; as in :func:`send`. All pieces of a file have one schema."""
        schema = table.schema.remove_metadata().serialize().to_pybytes()
        if self._schema not in (b"", schema):
            raise ValueError("the pieces of an exchange file have different schemas")
        self._schema = schema
        if not len(table):
            return
        if (partition[1:] < partition[:-1]).any():
            order = np.argsort(partition, kind="stable")
            partition = partition[order]
            table = table.take(pa.array(order))
        (batch,) = table.combine_chunks().to_batches()
        starts = np.flatnonzero(np.append(True, partition[1:] != partition[:-1]))
        entries = np.zeros(len(starts), _ENTRY)
        entries["partition"] = partition[starts]
        entries["rows"] = np.diff(np.append(starts, len(partition)))
        group = entries["partition"] // self._width
        groups = np.append(np.flatnonzero(np.append(True, group[1:] != group[:-1])), len(starts))
        bounds = np.append(starts, len(partition))
        cuts = [(int(bounds[low]), int(bounds[high])) for low, high in pairwise(groups.tolist())]
        messages = _encoded(batch, cuts)
        for (low, high), (start, _), message in zip(pairwise(groups.tolist()), cuts, messages, strict=True):
            here = entries[low:high]
            here["first"] = starts[low:high] - start
            here["offset"] = self._written
            here["length"] = len(message)
            here["digest"] = np.frombuffer(_digest(message, schema), "V16")
            self._file.write(message)
            self._written += len(message)
        self.entries.append(entries)

    def finish(self) -> None:
        """Write the index, after which nothing can be added."""
        entries = np.concatenate([np.zeros(0, _ENTRY), *self.entries])
        data = self._schema + entries.tobytes()
        self._file.write(data)
        self.index = {
            "at": self._written,
            "schema_bytes": len(self._schema),
            "entries": len(entries),
            "width": self._width,
            "digest": hashlib.blake2b(data, digest_size=16).hexdigest(),
        }


@contextmanager
def sending(attempt: Attempt, channel: str, partitions: int = 1) -> Iterator[Sender]:
    """A sender whose index belongs into ``Outcome.info[channel]`` when the block has ended."""
    with attempt.file_writer(channel, f"exchange/{attempt.step}.{channel}", ".arrows") as file:
        sender = Sender(file, partitions)
        yield sender
        sender.finish()


def receive(run: Storage, parts: Sequence[Stretch], schema: pa.Schema) -> pa.Table:
    """All rows of one partition, in no particular order: sort by a total key before using them."""
    batches = list(receive_each(run, parts))
    return pa.concat_tables(batches).combine_chunks() if batches else schema.empty_table()


def receive_each(run: Storage, parts: Sequence[Stretch]) -> Iterator[pa.Table]:
    """The rows of each stretch, one after another, in the order of ``parts``."""
    for part, data in zip(parts, fetched(run, parts), strict=True):
        yield decode(data, part.schema)


def fetched(run: Storage, parts: Sequence[Stretch]) -> Iterator[bytes]:
    """The bytes of stretches, checked. Behind a URL a few requests are under way at a time."""
    if run.local is not None or len(parts) < 2:
        for path, some in groupby(parts, key=lambda part: part.path):
            with run.open(path) as file:
                for part in some:
                    file.seek(part.offset)
                    yield part.checked(run, file.read(part.length))
        return
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        for start in range(0, len(parts), 2 * REQUESTS_AT_ONCE):
            yield from pool.map(lambda part: part.read(run), parts[start : start + 2 * REQUESTS_AT_ONCE])


def _encoded(batch: pa.RecordBatch, cuts: Sequence[tuple[int, int]]) -> list[memoryview]:
    """Each (start, stop) of rows as a message, without the schema that a stream begins with."""
    sink = pa.BufferOutputStream()
    ends = []
    # Hashes and ids do not get smaller, and trying takes most of the time of a small message.
    fixed = all(
        pa.types.is_primitive(kind) or pa.types.is_fixed_size_binary(kind) for kind in batch.schema.types
    )
    options = pa.ipc.IpcWriteOptions(compression=None if fixed else "zstd")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch.slice(0, 0))
        for start, stop in cuts:
            ends.append(sink.tell())
            writer.write_batch(_copied(batch, start, stop))
        ends.append(sink.tell())
    data = memoryview(sink.getvalue())
    return [data[start:stop] for start, stop in pairwise(ends)]


def _copied(batch: pa.RecordBatch, start: int, stop: int) -> pa.RecordBatch:
    """Rows of a batch on their own.

    A slice would be written with the bytes that follow it, as padding: equal rows would not hash alike.
    """
    none = [column.slice(0, 0) for column in batch.columns]
    columns = [column.slice(start, stop - start) for column in batch.columns]
    return pa.RecordBatch.from_arrays(
        [pa.concat_arrays(pair) for pair in zip(columns, none, strict=True)], schema=batch.schema
    )


def decode(message: bytes, schema: bytes) -> pa.Table:
    """The rows of a message."""
    return pa.Table.from_batches([pa.ipc.read_record_batch(pa.py_buffer(message), _schema(schema))])


@lru_cache(maxsize=64)
def _schema(data: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(data))
