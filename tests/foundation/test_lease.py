"""Leases: one driver at a time where there are no locks, and nobody waits for a dead one for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from hanji import lease
from hanji.errors import RunError
from hanji.lease import NAME, Lease
from hanji.storage import Storage

HOLDER = """
import sys, time
from hanji.errors import RunError
from hanji.lease import Lease
from hanji.storage import Storage
held = Lease(Storage(sys.argv[1]), 0.1, 1.0)
held.acquire()
print("held", flush=True)
try:
    while True:
        held.check()
        time.sleep(0.02)
except RunError as error:
    print(error, flush=True)
held.release()
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    """A process that holds the lease until it is lost."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lease_is_held_by_one_and_names_it(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(RunError, match=rf"at work there \(process {process.pid} on .*, since 20"):
            Lease(Storage(tmp_path), 0.1, 1.0).acquire()
    finally:
        process.kill()
        process.wait()


def test_a_dead_holder_of_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.kill()
    process.wait()
    started = time.monotonic()
    mine = Lease(Storage(tmp_path), 5.0, 100.0)
    mine.acquire()
    assert time.monotonic() - started < 5
    mine.check(now=True)
    mine.release()
    assert not (tmp_path / NAME).exists()


def test_a_silent_holder_is_taken_over_and_stops_when_it_wakes(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGSTOP)
    mine = Lease(Storage(tmp_path), 0.1, 1.0)
    mine.acquire()
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=20)
    assert "another driver took over" in said
    # What the other one gave back was not ours.
    assert (tmp_path / NAME).exists()
    mine.check(now=True)
    mine.release()


def test_of_many_at_once_one_gets_the_lease(tmp_path: Path) -> None:
    leases = [Lease(Storage(tmp_path), 0.1, 2.0) for _ in range(6)]
    refused: list[RunError] = []

    def ask(one: Lease) -> None:
        try:
            one.acquire()
        except RunError as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(one,)) for one in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    for one in leases:
        one.release()


def test_a_run_directory_behind_a_url_has_a_lease_while_it_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lease, "EXPIRY_SECONDS", 1.0)
    storage = Storage(f"memory://{uuid.uuid4().hex}")
    with storage.locked() as still_ours:
        still_ours()
        with pytest.raises(RunError, match="another process is at work there"), storage.locked():
            pass
        storage.remove(NAME)
        time.sleep(0.3)
        assert storage.exists(NAME)
        storage.write_bytes(NAME, b'{"token": "another", "host": "elsewhere", "pid": 7, "since": "now"}')
        with pytest.raises(RunError, match="took over"):
            still_ours()
    assert storage.exists(NAME)
