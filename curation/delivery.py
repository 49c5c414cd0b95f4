"""Who receives what of an exchange: a unit for each partition, after as many passes of merging as it takes.

With more than FAN_IN senders, or where messages hold several partitions (:mod:`hanji.curation.exchange`), tasks
each take FAN_IN files and a range of neighbouring partitions, and write that again as one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.exchange import VERSION, Sent, Stretch, decode, fetched, parts_of, sending
from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit, at_once
from hanji.errors import UnreadableError
from hanji.storage import Storage

FAN_IN = 512
MERGE_BYTES = 64 << 20  # compressed
CHUNK_BYTES = 16 << 20  # compressed; what a merging task has decoded at a time, if one message is not more


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
    groups = [[Sent.of(commit, channel)] for commit in commits]
    level = 0
    while len(groups) > FAN_IN or any(sent.width > 1 for group in groups for sent in group):
        groups = _merged(runner, name, groups, channel, level, partitions)
        level += 1
    by_partition: list[list[Stretch]] = [[] for _ in range(partitions)]
    for sent, schema, entries in _indexes(runner, [sent for group in groups for sent in group]):
        for number, part in zip(
            entries["partition"].tolist(), parts_of(sent.path, schema, entries), strict=True
        ):
            by_partition[number].append(part)
    units = []
    for number, parts in enumerate(by_partition):
        # Sorted hashes, not paths: the key follows the rows, whichever task sent them.
        inputs = [sorted(part.digest for part in parts), extra[number] if extra else None]
        work = (number, parts, works[number] if works else None)
        units.append(Unit(partition_name(number), inputs, work))
    return units


def _indexes(runner: Runner, files: Sequence[Sent]) -> Iterator[tuple[Sent, bytes, np.ndarray]]:
    """(file, schema, entries) of each file that holds rows."""
    files = [sent for sent in files if sent.entries]
    try:
        indexes = at_once(runner.run, lambda sent: sent.read_index(runner.run), files)
    except UnreadableError as error:
        raise runner.forget(error) from error
    schemas: dict[bytes, bytes] = {}
    for sent, (schema, entries) in zip(files, indexes, strict=True):
        # The same object for all: it stands in every stretch.
        yield sent, schemas.setdefault(schema, schema), entries


def partition_name(number: int) -> str:
    return f"p{number:05d}"


def release(runner: Runner, commits: Sequence[Commit], *channels: str) -> None:
    """Remove exchange files whose receivers have all committed, where the recipe does not keep them.

    A run that is started again afterwards, and does not find them, sends them again.
    """
    if runner.keep_exchange:
        return
    paths = [commit.files[channel].path for commit in commits for channel in channels]
    at_once(runner.run, runner.run.remove, paths)


def _merged(
    runner: Runner, name: str, groups: list[list[Sent]], channel: str, level: int, partitions: int
) -> list[list[Sent]]:
    """Each FAN_IN groups of files as one, cut into ranges of partitions of about MERGE_BYTES."""
    step = Step(f"{name}-merge", VERSION, _merge, params=[channel, level])
    units, places = [], []
    for place, start in enumerate(range(0, len(groups), FAN_IN)):
        files = [sent for group in groups[start : start + FAN_IN] for sent in group if sent.entries]
        width = max((sent.width for sent in files), default=1)
        cuts = max(1, -(-sum(sent.at for sent in files) // MERGE_BYTES))
        # Whole messages: a range of partitions begins where one begins.
        bounds = sorted({partitions * cut // cuts // width * width for cut in range(cuts)} | {0})
        for low, high in zip(bounds, [*bounds[1:], partitions], strict=True):
            inputs = [[sent.digest for sent in files], low, high]
            unit = f"{channel}-{level}-{place:05d}-{low:05d}"
            units.append(Unit(unit, inputs, (channel, files, low, high)))
            places.append(place)
    joined: list[list[Sent]] = [[] for _ in range(-(-len(groups) // FAN_IN))]
    for place, commit in zip(places, runner.map(step, units), strict=True):
        joined[place].append(Sent.of(commit, channel))
    return joined


def _merge(attempt: Attempt, work: tuple[str, list[Sent], int, int]) -> Outcome:
    """Write a range of partitions of several files as one file with a message for each partition."""
    channel, files, low, high = work
    found = []
    for place, sent in enumerate(files):
        schema, entries = sent.read_index(attempt.run)
        inside = entries[(entries["partition"] >= low) & (entries["partition"] < high)]
        if len(inside):
            found.append((place, sent, schema, inside))
    with sending(attempt, channel) as sender:
        for tables, partition in _chunks(attempt.run, found):
            sender.add(pa.concat_tables(tables), partition)
    return Outcome(info={channel: sender.index})


def _chunks(
    run: Storage, found: Sequence[tuple[int, Sent, bytes, np.ndarray]]
) -> Iterator[tuple[list[pa.Table], np.ndarray]]:
    """(rows, the partition of each) of the messages of several files, a range of partitions after another.

    Rows of one partition are never in two of them, and stand in the order of the files.
    """
    if not found:
        return
    width = max(sent.width for _, sent, _, _ in found)
    entries = np.concatenate([inside for *_, inside in found])
    place = np.repeat(np.arange(len(found)), [len(inside) for *_, inside in found])
    # One row for each message, in the order of the ranges of partitions that messages hold.
    first = np.flatnonzero(
        np.append(True, (entries["offset"][1:] != entries["offset"][:-1]) | (place[1:] != place[:-1]))
    )
    held = np.diff(np.append(first, len(entries)))
    order = np.argsort(entries["partition"][first] // width, kind="stable")
    group = (entries["partition"][first] // width)[order]
    parts = []
    for message in order.tolist():
        _, sent, schema, _ = found[int(place[first[message]])]
        parts += parts_of(sent.path, schema, entries[first[message] : first[message] + 1])
    filled = 0
    tables: list[pa.Table] = []
    partition: list[np.ndarray] = []
    for here, (message, part, data) in enumerate(
        zip(order.tolist(), parts, fetched(run, parts), strict=True)
    ):
        if tables and group[here] != group[here - 1] and filled > CHUNK_BYTES:
            yield tables, np.concatenate(partition)
            tables, partition, filled = [], [], 0
        inside = entries[first[message] : first[message] + held[message]]
        tables.append(decode(data, part.schema))
        partition.append(np.repeat(inside["partition"], inside["rows"]))
        filled += part.length
    yield tables, np.concatenate(partition)
