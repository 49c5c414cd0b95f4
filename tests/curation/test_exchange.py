"""Work, commit records and the exchange: nothing half-done is read, and rows arrive where they belong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hanji.curation import exchange
from hanji.curation.engines.base import Engine
from hanji.curation.engines.local import LocalEngine
from hanji.curation.exchange import id_partition, receive, receiving_units, send
from hanji.curation.work import Attempt, Outcome, Runner, Step, Unit, task_with
from hanji.errors import ConservationError, RunError
from hanji.progress import SilentProgress
from hanji.storage import Storage

ROWS = pa.schema([("id", pa.large_string()), ("value", pa.int64())])


def runner(path: Path, engine: Engine | None = None) -> Runner:
    return Runner(Storage(path), engine or LocalEngine(1), SilentProgress(), None)


def digest(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def make(attempt: Attempt, numbers: list[int], partitions: int) -> Outcome:
    ids = pa.array([digest(n) for n in numbers], pa.large_string())
    table = pa.table({"id": ids, "value": pa.array(numbers, pa.int64())})
    return Outcome(info={"rows": send(attempt, "rows", table, id_partition(ids, partitions))})


def collect(attempt: Attempt, work: tuple[int, list[exchange.Stretch], Any]) -> Outcome:
    rows = receive(attempt.run, work[1], ROWS).sort_by("id")
    attempt.write_table("rows", "collected", rows)
    return Outcome(info={"values": rows["value"].to_pylist()})


def run_exchange(path: Path, cuts: list[list[int]], partitions: int) -> list[list[int]]:
    work = runner(path)
    sender = Step("make", 1, task_with(make, partitions), partitions)
    sent = work.map(sender, [Unit(f"s{i}", cut, cut) for i, cut in enumerate(cuts)])
    units = receiving_units(work, "collect", sent, "rows", partitions)
    return [commit.info["values"] for commit in work.map(Step("collect", 1, collect), units)]


def test_every_row_arrives_once_in_its_partition(tmp_path: Path) -> None:
    parts = run_exchange(tmp_path, [list(range(50)), [], list(range(50, 101))], 4)
    assert sorted(value for part in parts for value in part) == list(range(101))
    ids = [[digest(value) for value in part] for part in parts]
    assert [sorted(part) for part in ids] == ids
    assert max(ids[0]) < min(ids[1])


def test_how_the_senders_are_cut_does_not_matter(tmp_path: Path) -> None:
    one = run_exchange(tmp_path / "a", [list(range(60))], 3)
    many = run_exchange(tmp_path / "b", [[n] for n in reversed(range(60))], 3)
    assert one == many


def test_many_senders_are_merged_in_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "FAN_IN", 3)
    parts = run_exchange(tmp_path, [[n] for n in range(20)], 2)
    assert sorted(value for part in parts for value in part) == list(range(20))
    assert (tmp_path / "commits" / "collect-merge").is_dir()


def test_a_merging_task_takes_no_more_than_its_share_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_exchange(tmp_path / "whole", [list(range(200))], 8)
    monkeypatch.setattr(exchange, "FAN_IN", 4)
    monkeypatch.setattr(exchange, "MERGE_BYTES", 3000)
    assert run_exchange(tmp_path / "merged", [list(range(n, 200, 20)) for n in range(20)], 8) == whole
    files = list((tmp_path / "merged" / "exchange" / "collect-merge.rows").iterdir())
    assert len(files) > 10 and max(path.stat().st_size for path in files) < 3000


def test_partitions_cover_the_id_space_evenly() -> None:
    ids = pa.array([digest(n) for n in range(4000)], pa.large_string())
    counts = np.bincount(id_partition(ids, 7), minlength=7)
    assert counts.sum() == 4000
    assert counts.min() > 450


def count_calls(attempt: Attempt, log: str) -> Outcome:
    with Path(log).open("a") as file:
        file.write(attempt.unit + "\n")
    attempt.write_bytes("data", "data", ".bin", attempt.unit.encode())
    return Outcome()


def test_committed_units_are_skipped_and_changed_ones_are_done(tmp_path: Path) -> None:
    log = tmp_path / "log"
    units = [Unit(name, {"content": name}, str(log)) for name in "abc"]
    runner(tmp_path / "run").map(Step("count", 1, count_calls), units)
    runner(tmp_path / "run").map(Step("count", 1, count_calls), [*units[:2], Unit("c", "other", str(log))])
    assert log.read_text().split() == ["a", "b", "c", "c"]
    runner(tmp_path / "run").map(Step("count", 2, count_calls), units)
    assert log.read_text().split()[4:] == ["a", "b", "c"]


def test_a_commit_whose_file_is_gone_or_cut_short_is_done_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    step, units = Step("count", 1, count_calls), [Unit("a", 0, str(log)), Unit("b", 0, str(log))]
    first = runner(tmp_path / "run").map(step, units)
    (tmp_path / "run" / first[0].files["data"].path).unlink()
    (tmp_path / "run" / first[1].files["data"].path).write_bytes(b"")
    again = runner(tmp_path / "run").map(step, units)
    assert log.read_text().split() == ["a", "b", "a", "b"]
    assert (tmp_path / "run" / again[1].files["data"].path).read_bytes() == b"b"


def lossy(attempt: Attempt, work: int) -> Outcome:
    return Outcome({"in": work, "kept": work - 1, "dropped": 0, "failed": 0})


def test_books_that_do_not_balance_fail_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConservationError, match="7 documents in, but 6 kept"):
        runner(tmp_path).map(Step("lossy", 1, lossy, keeps_books=True), [Unit("a", 0, 7)])


def die_once(attempt: Attempt, flag: str) -> Outcome:
    attempt.write_bytes("data", "data", ".bin", b"half")
    if not Path(flag).exists():
        Path(flag).touch()
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome()


def fail_always(attempt: Attempt, work: int) -> Outcome:
    attempt.write_bytes("data", "data", ".bin", b"x")
    raise OSError("disk full")


def test_a_worker_that_is_killed_costs_a_retry_and_no_unit(tmp_path: Path) -> None:
    engine = LocalEngine(2)
    try:
        units = [Unit(f"u{i}", i, str(tmp_path / f"flag{i % 2}")) for i in range(6)]
        commits = runner(tmp_path / "run", engine).map(Step("die", 1, die_once), units)
    finally:
        engine.close()
    assert [commit.unit for commit in commits] == [unit.name for unit in units]


def test_trouble_of_the_machine_is_tried_again_and_then_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="disk full"):
        runner(tmp_path, LocalEngine(1, retries=2)).map(Step("fail", 1, fail_always), [Unit("a", 0, 0)])
    assert list((tmp_path / "data").iterdir()) == []


def test_a_put_that_was_repeated_after_a_lost_answer_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Storage.create

    def create_and_lose_the_answer(self: Storage, path: str, data: bytes) -> bool:
        create(self, path, data)
        return create(self, path, data)

    monkeypatch.setattr(Storage, "create", create_and_lose_the_answer)
    (commit,) = runner(tmp_path).map(
        Step("count", 1, count_calls), [Unit("a", {"content": "a"}, str(tmp_path / "log"))]
    )
    assert (tmp_path / commit.files["data"].path).read_bytes() == b"a"
