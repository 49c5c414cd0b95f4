"""Work, commit records and the exchange: nothing half-done is read, and rows arrive where they belong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hanji.curation import delivery, exchange
from hanji.curation.delivery import receiving_units
from hanji.curation.engines.base import Engine
from hanji.curation.engines.local import LocalEngine
from hanji.curation.exchange import Sent, id_partition, receive, send
from hanji.curation.work import (
    Attempt,
    ForgottenError,
    Outcome,
    Runner,
    Step,
    Unit,
    newest_commits,
    task_with,
)
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
    return Outcome(info={"rows": send(attempt, "rows", table, id_partition(ids, partitions), partitions)})


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
    monkeypatch.setattr(delivery, "FAN_IN", 3)
    parts = run_exchange(tmp_path, [[n] for n in range(20)], 2)
    assert sorted(value for part in parts for value in part) == list(range(20))
    assert (tmp_path / "commits" / "collect-merge").is_dir()


def test_a_merging_task_takes_no_more_than_its_share_of_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_exchange(tmp_path / "whole", [list(range(200))], 8)
    monkeypatch.setattr(delivery, "FAN_IN", 4)
    monkeypatch.setattr(delivery, "MERGE_BYTES", 3000)
    assert run_exchange(tmp_path / "merged", [list(range(n, 200, 20)) for n in range(20)], 8) == whole
    files = list((tmp_path / "merged" / "exchange" / "collect-merge.rows").iterdir())
    assert len(files) > 10 and max(path.stat().st_size for path in files) < 3000


def test_wide_exchanges_take_a_pass_more_and_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = [list(range(n, 300, 5)) for n in range(5)]
    whole = run_exchange(tmp_path / "whole", cuts, 40)
    monkeypatch.setattr(exchange, "WIDE", 6)
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 500)
    assert run_exchange(tmp_path / "wide", cuts, 40) == whole
    sent = [Sent.of(commit, "rows") for commit in newest_commits(Storage(tmp_path / "wide"), "make")]
    assert {part.width for part in sent} == {7}
    for part in sent:
        _, entries = part.read_index(Storage(tmp_path / "wide"))
        assert len(set(entries["offset"].tolist())) <= 6 < len(entries)


def test_the_record_of_a_sender_does_not_grow_with_partitions(tmp_path: Path) -> None:
    sizes = []
    for partitions in (2, 200):
        work = runner(tmp_path / str(partitions))
        (commit,) = work.map(Step("make", 1, task_with(make, partitions)), [Unit("u", 0, list(range(1000)))])
        sizes.append(len(commit.to_json()))
    assert sizes[1] - sizes[0] < 20


def test_a_receiver_runs_again_only_if_its_own_rows_changed(tmp_path: Path) -> None:
    run_exchange(tmp_path, [list(range(40)), list(range(40, 80))], 16)
    work = runner(tmp_path)
    sender = Step("make", 1, task_with(make, 16), 16)
    cuts = [list(range(40)), list(range(40, 81))]
    sent = work.map(sender, [Unit(f"s{i}", cut, cut) for i, cut in enumerate(cuts)])
    work.map(Step("collect", 1, collect), receiving_units(work, "collect", sent, "rows", 16))
    assert [(report.units, report.units - report.skipped) for report in work.reports] == [(2, 1), (16, 1)]


@pytest.mark.parametrize("where", ["message", "index"])
def test_a_damaged_exchange_file_is_named_and_its_sender_forgotten(tmp_path: Path, where: str) -> None:
    work = runner(tmp_path)
    (commit,) = work.map(Step("make", 1, task_with(make, 2), 2), [Unit("s", 0, list(range(50)))])
    path = tmp_path / commit.files["rows"].path
    data = bytearray(path.read_bytes())
    data[10 if where == "message" else commit.info["rows"]["at"] + 3] ^= 1
    path.write_bytes(data)
    assert not Sent.of(commit, "rows").is_intact(work.run)
    with pytest.raises(ForgottenError, match=path.name):
        units = receiving_units(work, "collect", [commit], "rows", 2)
        work.map(Step("collect", 1, collect), units)
    assert not list((tmp_path / "commits" / "make").iterdir())


def test_pieces_of_one_file_must_have_one_schema(tmp_path: Path) -> None:
    attempt = Attempt(Storage(tmp_path), "x", "u")
    with pytest.raises(ValueError, match="different schemas"), exchange.sending(attempt, "rows") as sender:
        sender.add(pa.table({"a": [1]}), np.zeros(1, np.int64))
        sender.add(pa.table({"b": [1]}), np.zeros(1, np.int64))


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


def send_small(attempt: Attempt, others: list[int]) -> Outcome:
    values = pa.array([5, 6, *others], pa.uint8())
    partition = np.array([0, 0, *[1] * len(others)], np.int64)
    return Outcome(info={"rows": send(attempt, "rows", pa.table({"value": values}), partition)})


def test_rows_hash_alike_whatever_rows_of_other_partitions_stand_behind_them(tmp_path: Path) -> None:
    keys = []
    for number, others in enumerate(([1] * 40, [2] * 40, [])):
        work = runner(tmp_path / str(number))
        sent = work.map(Step("send", 1, send_small), [Unit("s", others, others)])
        keys.append(receiving_units(work, "collect", sent, "rows", 2)[0].inputs)
    assert keys[0] == keys[1] == keys[2]
