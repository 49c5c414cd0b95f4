"""A lease: one driver at a time in a directory whose file system has no locks, such as an object store.

It is one small object, put create-if-absent, which its holder rewrites every BEAT_SECONDS. Whoever finds one
watches it: if it changes, its holder is alive and keeps it; if it stays as it is for EXPIRY_SECONDS, or names
a process of this machine that is gone, it is taken over. No clocks are compared. A holder that was away for so
long (a suspended machine) finds another name in it, and stops before it removes anything.
"""

from __future__ import annotations

import datetime
import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanji.errors import InputError, RunError

if TYPE_CHECKING:
    from hanji.storage import Storage

BEAT_SECONDS = 15.0
EXPIRY_SECONDS = 90.0
NAME = "lease.json"


def whoami() -> dict[str, Any]:
    """Who holds a lock or lease: host, pid, since when, and what tells this process from all others."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "started": _started(os.getpid()),
        "token": uuid.uuid4().hex,
    }


def describe(holder: dict[str, Any]) -> str:
    """A holder, for messages."""
    return f"process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"


class Lease:
    """The lease of a directory; see the module. ``acquire``, then ``check`` now and then, then ``release``."""

    def __init__(
        self, storage: Storage, beat_seconds: float | None = None, expiry_seconds: float | None = None
    ) -> None:
        self._storage = storage
        self._beat = BEAT_SECONDS if beat_seconds is None else beat_seconds
        self._expiry = EXPIRY_SECONDS if expiry_seconds is None else expiry_seconds
        self._mine = whoami() | {"beat": 0}
        self._lost: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def acquire(self) -> None:
        """Take the lease, waiting at most EXPIRY_SECONDS. Raises RunError if its holder is alive."""
        while not self._storage.create(NAME, self._content()):
            holder = self._read()
            if holder is None:
                time.sleep(0.1)
                continue
            if holder.get("token") == self._mine["token"]:
                break  # our own put, whose answer was lost
            if not _is_dead(holder) and not self._stays_silent(holder):
                raise RunError(
                    f"{self._storage.describe()}: another process is at work there ({describe(holder)}); wait for "
                    "it, or name another run directory"
                )
            if self._read() == holder:
                self._storage.remove(NAME)
        self._thread.start()

    def check(self, *, now: bool = False) -> None:
        """Raise RunError if another driver took over; ``now``: look at the object itself, not the last beat."""
        if now and self._lost is None:
            holder = self._read()
            if holder is not None and holder.get("token") != self._mine["token"]:
                self._lost = describe(holder)
        if self._lost is not None:
            raise RunError(
                f"{self._storage.describe()}: given up, because another driver took over after this one gave no "
                f"sign of life ({self._lost}); what was finished is kept"
            )

    def release(self) -> None:
        """Give the lease back, if it is still ours. Errors are passed over: it runs out by itself."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(self._beat)
        with suppress(OSError, InputError):
            holder = self._read()
            if holder is not None and holder.get("token") == self._mine["token"]:
                self._storage.remove(NAME)

    def _renew(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(self._beat) and self._lost is None:
            try:
                holder = self._read()
                if holder is not None and holder.get("token") != self._mine["token"]:
                    self._lost = describe(holder)
                    return
                self._mine["beat"] += 1
                if holder is None:
                    self._storage.create(NAME, self._content())
                else:
                    self._storage.write_bytes(NAME, self._content())
                last = time.monotonic()
            except Exception as error:  # whatever the store says: the next beat may get through
                if time.monotonic() - last > self._expiry:
                    self._lost = f"the lease could not be renewed: {error}"

    def _content(self) -> bytes:
        return (json.dumps(self._mine, sort_keys=True) + "\n").encode()

    def _read(self) -> dict[str, Any] | None:
        """The lease as it stands; None if there is none."""
        try:
            found = json.loads(self._storage.read_bytes(NAME))
        except InputError:
            return None
        except ValueError:
            return {"host": "unknown", "pid": "unknown", "since": "unknown"}
        return found if isinstance(found, dict) else {}

    def _stays_silent(self, holder: dict[str, Any]) -> bool:
        deadline = time.monotonic() + self._expiry
        while time.monotonic() < deadline:
            time.sleep(self._beat / 4)
            if self._read() != holder:
                return self._read() is None
        return True


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine (and container) that is there no more."""
    if holder.get("machine") != _machine() or not holder.get("pid") or _machine() is None:
        return False
    return _started(int(holder["pid"])) != holder.get("started")


def _machine() -> str | None:
    """This boot of this machine, and within it the namespace of process numbers; None where nothing tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        return f"{boot} {namespace}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process started, in ticks since the boot: tells it from a later one with its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
