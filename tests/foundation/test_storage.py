"""Storage: files appear whole or not at all, locally and through fsspec."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pyarrow as pa
import pytest

from hanji.errors import InputError
from hanji.storage import Storage


@pytest.fixture(params=["local", "remote"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return Storage(tmp_path / "store")
    return Storage(f"memory://{uuid.uuid4().hex}")


def test_what_is_written_is_read_back_with_its_hash(storage: Storage) -> None:
    written = storage.write_bytes("a/b.bin", b"hanji")
    assert storage.read_bytes("a/b.bin") == b"hanji"
    assert written.sha256 == hashlib.sha256(b"hanji").hexdigest()
    assert storage.size("a/b.bin") == written.bytes == 5
    assert storage.names("a", ".bin") == ["b.bin"]
    assert storage.walk() == ["a/b.bin"]


def test_create_puts_a_file_only_once(storage: Storage) -> None:
    assert storage.create("commits/x.json", b"first")
    assert not storage.create("commits/x.json", b"second")
    assert storage.read_bytes("commits/x.json") == b"first"


def test_a_table_comes_back_with_large_strings(storage: Storage) -> None:
    table = pa.table({"text": pa.array(["종이", None], pa.large_string()), "n": pa.array([1, 2], pa.int64())})
    written = storage.write_table("t.parquet", table)
    assert written.rows == 2
    assert written.sha256 == hashlib.sha256(storage.read_bytes("t.parquet")).hexdigest()
    assert storage.read_table("t.parquet").equals(table)
    assert storage.read_table("t.parquet", ["n"]).column_names == ["n"]


def test_a_missing_file_is_named(storage: Storage) -> None:
    for read in (storage.read_bytes, storage.size, storage.read_table):
        with pytest.raises(InputError, match=r"gone\.parquet"):
            read("gone.parquet")
    assert storage.names("nowhere") == []


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with pytest.raises(RuntimeError), storage.create_file("half.bin") as file:
        file.write(b"half of it")
        raise RuntimeError("power cut")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_locked_against_a_second_process_and_free_afterwards(tmp_path: Path) -> None:
    code = (
        "import sys; from hanji.storage import Storage; from hanji.errors import RunError\n"
        "try:\n    with Storage(sys.argv[1]).locked(): print('free')\nexcept RunError as error: print(error)"
    )

    def ask() -> str:
        command = [sys.executable, "-c", code, str(tmp_path / "run")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with Storage(tmp_path / "run").locked():
        assert "another process is at work there" in ask()
    assert ask() == "free\n"


def test_of_many_creators_exactly_one_wins(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    won: list[int] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        if storage.create("record.json", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert storage.read_bytes("record.json") == str(won[0]).encode()
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]
