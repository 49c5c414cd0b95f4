"""Trouble of stores: what passes is waited for, what does not is an OSError, and no document is blamed for it."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pyarrow as pa
import pytest
import requests
from flaky import Flaky

from hanji import trouble
from hanji.errors import UnreadableError
from hanji.storage import Storage
from hanji.trouble import MachineTroubleError, is_of_machine, is_passing


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    Flaky.register()
    monkeypatch.setattr(trouble, "PAUSES", (0.0, 0.0, 0.0))
    Flaky.store.clear()
    Flaky.failures.clear()
    storage = Storage("flaky://run")
    storage.write_bytes("a/b.bin", b"hanji")
    yield storage
    Flaky.failures.clear()


VERBS: dict[str, tuple[Callable[[Storage], Any], Any]] = {
    "exists": (lambda s: s.exists("a/b.bin"), True),
    "size": (lambda s: s.size("a/b.bin"), 5),
    "names": (lambda s: s.names("a"), ["b.bin"]),
    "walk": (lambda s: s.walk(), ["a/b.bin"]),
    "open": (lambda s: _read_open(s), b"hanji"),
    "read": (lambda s: s.read_bytes("a/b.bin"), b"hanji"),
    "range": (lambda s: s.read_range("a/b.bin", 1, 2), b"an"),
    "write": (lambda s: s.write_bytes("a/c.bin", b"x").bytes, 1),
    "create": (lambda s: s.create("a/c.bin", b"x"), True),
    "create again": (lambda s: s.create("a/b.bin", b"x"), False),
    "remove": (lambda s: s.remove("a/b.bin"), None),
    "remove tree": (lambda s: s.remove_tree("a"), None),
    "table": (lambda s: s.write_table("t.parquet", pa.table({"n": [1]})).rows, 1),
}
PASSING: list[Callable[[], Exception]] = [
    lambda: aiohttp.ServerDisconnectedError(),
    lambda: aiohttp.ClientPayloadError("cut short"),
    lambda: requests.exceptions.ReadTimeout("late"),
    lambda: TimeoutError("late"),
    lambda: http.client.IncompleteRead(b""),
]


def _read_open(storage: Storage) -> bytes:
    with storage.open("a/b.bin") as file:
        return file.read()


@pytest.mark.parametrize("verb", VERBS)
def test_a_request_is_repeated_until_its_trouble_has_passed(storage: Storage, verb: str) -> None:
    for error in PASSING:
        request, answer = VERBS[verb]
        Storage("flaky://run").remove("a/c.bin")
        storage.write_bytes("a/b.bin", b"hanji")
        storage.remove("t.parquet")
        Flaky.failures[:] = [error(), error()]
        assert request(storage) == answer
        assert not Flaky.failures


@pytest.mark.parametrize("verb", VERBS)
def test_trouble_that_stays_is_an_os_error_that_names_the_file(storage: Storage, verb: str) -> None:
    Flaky.failures[:] = [aiohttp.ServerDisconnectedError() for _ in range(10)]
    with pytest.raises(OSError, match=r"flaky://run.*ServerDisconnectedError") as caught:
        VERBS[verb][0](storage)
    assert isinstance(caught.value, MachineTroubleError)
    assert len(Flaky.failures) == 6


def test_what_no_waiting_mends_is_told_at_once(storage: Storage) -> None:
    Flaky.failures[:] = [PermissionError("no"), PermissionError("no")]
    with pytest.raises(PermissionError):
        storage.read_bytes("a/b.bin")
    assert len(Flaky.failures) == 1


def test_a_put_whose_answer_was_lost_is_no_put_of_another(storage: Storage) -> None:
    put = Flaky.pipe_file

    def put_and_lose_the_answer(self: Flaky, *arguments: Any, **named: Any) -> None:
        put(self, *arguments, **named)
        Flaky.pipe_file = put
        raise aiohttp.ServerDisconnectedError

    Flaky.pipe_file = put_and_lose_the_answer
    storage.create("record.json", b"mine")
    assert storage.read_bytes("record.json") == b"mine"


def test_a_store_that_fails_within_a_file_raises_an_os_error(storage: Storage) -> None:
    with pytest.raises(MachineTroubleError, match=r"a/b\.bin: ClientPayloadError"), storage.open("a/b.bin"):
        raise aiohttp.ClientPayloadError("cut short")


def test_damaged_data_is_no_trouble_of_the_machine_and_the_other_way_round() -> None:
    of_data: list[Exception] = [
        gzip.BadGzipFile("no gzip"),
        OSError("couldn't deserialize thrift"),
        ValueError(),
    ]
    of_machine: list[Exception] = [PermissionError("no"), OSError(5, "I/O"), MemoryError()]
    assert not any(is_of_machine(error) for error in of_data)
    assert all(is_of_machine(error) for error in [*of_machine, *(make() for make in PASSING)])
    for name, status in (("SlowDown", 503), ("RequestTimeout", 400), ("AccessDenied", 403)):
        error = _client_error(name, status)
        assert is_of_machine(error)
        assert is_passing(error) == (name != "AccessDenied")


def _client_error(name: str, status: int) -> Exception:
    """What botocore raises, made without it: found by the name of its module and by what it holds."""
    kind = type("ClientError", (Exception,), {"__module__": "botocore.exceptions"})
    error: Any = kind(f"An error occurred ({name})")
    error.response = {"Error": {"Code": name}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return error  # type: ignore[no-any-return]


def test_a_page_that_changed_on_the_disk_is_noticed_when_it_is_read(tmp_path: Any) -> None:
    storage = Storage(tmp_path)
    table = pa.table({"text": [f"한지 {number}" for number in range(5000)], "n": list(range(5000))})
    storage.write_table("t.parquet", table)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[len(data) // 3] ^= 4
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(UnreadableError, match=r"t\.parquet: is damaged") as caught:
        storage.read_table("t.parquet")
    assert caught.value.path == "t.parquet"
    with pytest.raises(UnreadableError):
        list(storage.table_groups("t.parquet"))
