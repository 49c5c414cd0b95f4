"""Exchange through files: rows leave a task by partition, and each partition arrives sorted by a total key.

A sending task writes one file: for every partition that has rows, one Arrow IPC stream (zstd), laid end to
end, with an index of (partition, offset, length, rows, hash) in its commit record. A receiving task reads
its partition's stretch of every file. That serves on every engine and can be resumed; the key of a
receiving unit is made of the hashes of its own stretches alone, so it runs again only if its rows changed.

With many senders the stretches are first merged in rounds (:func:`coalesce`), so that no task opens more
than FAN_IN files.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa

from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit
from hanji.errors import UnreadableError
from hanji.fingerprint import fingerprint
from hanji.storage import Storage

FAN_IN = 256
MERGE_BYTES = 256 << 20  # compressed
VERSION = 1


@dataclass(frozen=True)
class Stretch:
    """The rows of one partition in one exchange file: where they are and what they hash to."""

    path: str
    offset: int
    length: int
    rows: int
    digest: str

    def read(self, run: Storage) -> bytes:
        """Its bytes. Raises UnreadableError if they are not those that were sent."""
        data = run.read_range(self.path, self.offset, self.length)
        if hashlib.blake2b(data, digest_size=16).hexdigest() != self.digest:
            raise UnreadableError(
                self.path, f"{run.describe(self.path)}: its bytes are not those that were written"
            )
        return data

    def is_intact(self, run: Storage) -> bool:
        """Whether its bytes are there and those that were sent."""
        try:
            self.read(run)
        except UnreadableError:
            return False
        return True


def id_partition(ids: pa.Array | pa.ChunkedArray, partitions: int) -> np.ndarray:
    """Partition of each document id: equal ranges of its first 32 bits. int64 array, same length."""
    if len(ids) == 0:
        return np.zeros(0, np.int64)
    heads = np.array([int(value[:8], 16) for value in ids.to_pylist()], np.int64)
    return heads * partitions >> 32


def hash_partition(hashes: np.ndarray, partitions: int) -> np.ndarray:
    """Partition of each 64-bit hash: equal ranges of its upper 32 bits. uint64 in, int64 out."""
    heads = (hashes >> np.uint64(32)).astype(np.int64)
    return heads * partitions >> 32


def send(attempt: Attempt, channel: str, table: pa.Table, partition: np.ndarray) -> list[list[Any]]:
    """Write rows to an exchange file and return the index that belongs into ``Outcome.info[channel]``.

    The order of rows within a partition is kept. ``partition`` is an int64 array, one number a row.
    """
    with sending(attempt, channel) as sender:
        sender.add(table, partition)
    return sender.index


class Sender:
    """An exchange file that is written piece by piece; a partition has a stretch of each piece it has rows in."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._written = 0
        self.index: list[list[Any]] = []

    def add(self, table: pa.Table, partition: np.ndarray) -> None:
        """Append rows; as in :func:`send`."""
        order = np.argsort(partition, kind="stable")
        sorted_partition = partition[order]
        table = table.take(pa.array(order)).combine_chunks() if table.num_rows else table
        present, starts = np.unique(sorted_partition, return_index=True)
        ends = np.append(starts[1:], len(sorted_partition))[: len(starts)]
        for number, start, end in zip(present.tolist(), starts.tolist(), ends.tolist(), strict=True):
            data = _encode(table.slice(start, end - start))
            digest = hashlib.blake2b(data, digest_size=16).hexdigest()
            self.index.append([number, self._written, len(data), end - start, digest])
            self._file.write(data)
            self._written += len(data)


@contextmanager
def sending(attempt: Attempt, channel: str) -> Iterator[Sender]:
    """A sender whose index belongs into ``Outcome.info[channel]`` when the block has ended."""
    with attempt.file_writer(channel, f"exchange/{attempt.step}.{channel}", ".arrows") as file:
        yield Sender(file)


def stretches(commits: Sequence[Commit], channel: str) -> dict[int, list[Stretch]]:
    """For every partition, its stretches in all the files of a channel."""
    found: dict[int, list[Stretch]] = {}
    for commit in commits:
        path = commit.files[channel].path
        for number, offset, length, rows, digest in commit.info[channel]:
            found.setdefault(number, []).append(Stretch(path, offset, length, rows, digest))
    return found


def receive(run: Storage, parts: Sequence[Stretch], schema: pa.Schema) -> pa.Table:
    """All rows of one partition, in no particular order: sort by a total key before using them."""
    tables = [pa.ipc.open_stream(pa.py_buffer(part.read(run))).read_all() for part in parts]
    if not tables:
        return schema.empty_table()
    return pa.concat_tables(tables).combine_chunks()


def receiving_units(
    runner: Runner,
    name: str,
    commits: Sequence[Commit],
    channel: str,
    partitions: int,
    extra: Sequence[Any] | None = None,
    works: Sequence[Any] | None = None,
) -> list[Unit]:
    """One unit per partition, named ``p00000`` on. Its work is (number, stretches, works[number]).

    ``extra[number]`` enters the unit's key: what else it reads, as hashes.
    """
    by_partition = coalesce(runner, name, commits, channel)
    units = []
    for number in range(partitions):
        parts = by_partition.get(number, [])
        # Sorted hashes, not paths: the key follows the rows, whichever task sent them.
        inputs = [sorted(part.digest for part in parts), extra[number] if extra else None]
        work = (number, parts, works[number] if works else None)
        units.append(Unit(partition_name(number), inputs, work))
    return units


def partition_name(number: int) -> str:
    return f"p{number:05d}"


def coalesce(runner: Runner, name: str, commits: Sequence[Commit], channel: str) -> dict[int, list[Stretch]]:
    """For every partition its stretches, merged FAN_IN senders at a time until at most FAN_IN are left.

    A merging task takes neighbouring partitions of its senders, as many as make MERGE_BYTES (or a single
    one), so its memory does not grow with the run.
    """
    groups = [stretches([commit], channel) for commit in commits]
    level = 0
    while len(groups) > FAN_IN:
        step = Step(f"{name}-merge", VERSION, _merge, params=[channel, level])
        joined = [_joined(groups[start : start + FAN_IN]) for start in range(0, len(groups), FAN_IN)]
        units, places = [], []
        for place, by_partition in enumerate(joined):
            for run in _runs(by_partition):
                part = {number: by_partition[number] for number in run}
                digests = {number: [piece.digest for piece in pieces] for number, pieces in part.items()}
                unit = f"{channel}-{level}-{place:05d}-{run[0]:05d}"
                units.append(Unit(unit, fingerprint(sorted(digests.items())), (channel, part)))
                places.append(place)
        groups = [{} for _ in joined]
        for place, commit in zip(places, runner.map(step, units), strict=True):
            groups[place] |= stretches([commit], channel)
        level += 1
    return _joined(groups)


def _joined(groups: Sequence[dict[int, list[Stretch]]]) -> dict[int, list[Stretch]]:
    joined: dict[int, list[Stretch]] = {}
    for group in groups:
        for number, pieces in group.items():
            joined.setdefault(number, []).extend(pieces)
    return joined


def _runs(by_partition: dict[int, list[Stretch]]) -> list[list[int]]:
    """Partitions in order, cut where the bytes before the cut reach MERGE_BYTES."""
    runs: list[list[int]] = []
    filled = 0
    for number in sorted(by_partition):
        size = sum(piece.length for piece in by_partition[number])
        if not runs or filled + size > MERGE_BYTES:
            runs.append([])
            filled = 0
        runs[-1].append(number)
        filled += size
    return runs


def _merge(attempt: Attempt, work: tuple[str, dict[int, list[Stretch]]]) -> Outcome:
    channel, by_partition = work
    index: list[list[Any]] = []
    buffer = io.BytesIO()
    for number in sorted(by_partition):
        parts = by_partition[number]
        data = _encode(receive(attempt.run, parts, pa.schema([])))
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        index.append([number, buffer.tell(), len(data), sum(part.rows for part in parts), digest])
        buffer.write(data)
    attempt.write_bytes(channel, f"exchange/{attempt.step}.{channel}", ".arrows", buffer.getvalue())
    return Outcome(info={channel: index})


def _encode(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
