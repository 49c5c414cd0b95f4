"""Units of work and their commit records: how a run is resumed, and why nothing half-done is ever read.

A *step* is a function with a version; a *unit* is one piece of its work. The unit's key is a fingerprint of
everything that its output depends on: the step's version and parameters, the versions of the libraries it
calls, and the content of its inputs. A unit exists when its commit record does: one small JSON, put
create-if-absent after the unit's files, whose names are unique to the attempt. Readers follow commit
records and never list data files. Same key: the work is skipped. Another key: it is done.

A file that turns out to be gone or to hold other bytes than were written costs the unit that made it: its
record is forgotten, and the run starts again from there (:class:`ForgottenError`). An error of a task is
believed only after what the task read was compared with the hashes in the commit records.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import IO, Any, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from hanji import interrupt
from hanji.curation.engines.base import Engine, Resources
from hanji.errors import ConservationError, RunError, UnreadableError
from hanji.fingerprint import fingerprint, library_versions
from hanji.progress import Progress
from hanji.storage import HashingWriter, Storage, TableWriter, Written
from hanji.trouble import as_machine_trouble, is_of_machine

COUNTS = ("kept", "dropped", "failed")
REQUESTS_AT_ONCE = 16
FEW_REQUESTS = 64
Answer = TypeVar("Answer")


class ForgottenError(RunError):
    """A unit's file cannot be used: its commit record was removed, and starting again makes it anew."""

    def __init__(self, step: str, unit: str, why: str) -> None:
        super().__init__(step, unit, why)
        self.step, self.unit, self.why = step, unit, why

    def __str__(self) -> str:
        return f"{self.why}; the step {self.step} makes it again when the run is started again"


@runtime_checkable
class Checkable(Protocol):
    """Some bytes of a run that a later task reads, with what tells whether they are still the same."""

    path: str

    def is_intact(self, run: Storage) -> bool: ...


@dataclass(frozen=True)
class Commit:
    """The record of one finished unit.

    ``files`` by logical name; ``counts`` holds ``in`` and kept/dropped/failed where the step keeps books;
    ``info`` is whatever small JSON the step wants to hand on (an index, a histogram).
    """

    step: str
    unit: str
    key: str
    files: dict[str, Written]
    counts: dict[str, int]
    info: dict[str, Any]
    seconds: float

    def to_json(self) -> bytes:
        """The record: one JSON object on a line, whose last field is the hash of what stands before it."""
        body = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()
        return body[:-1] + _check(body)

    @classmethod
    def from_json(cls, data: bytes) -> Commit:
        """The commit of a record. Raises ValueError if it is not one, or not as it was written."""
        try:
            fields = json.loads(data)
            if fields.pop("check", None) is not None:  # records of earlier versions have none
                tail = _check(b"")
                if data[-len(tail) :] != _check(data[: -len(tail)] + b"}"):
                    raise ValueError("its fields are not those that were written")
            fields["files"] = {name: Written(**written) for name, written in fields["files"].items()}
            return cls(**fields)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a commit record: {error}") from None

    @classmethod
    def read(cls, run: Storage, path: str) -> Commit:
        """The commit of a record of a run. Raises UnreadableError if it is gone or damaged."""
        try:
            return cls.from_json(run.read_bytes(path))
        except ValueError as error:
            raise UnreadableError(
                path,
                f"{run.describe(path)}: this commit record is damaged ({error}); `hanji curate` with the run's "
                "recipe makes it again",
            ) from None

    def content(self) -> dict[str, str]:
        """What a later unit's key takes from this one: the hashes of its files."""
        return {name: written.sha256 for name, written in sorted(self.files.items())}


@dataclass
class Outcome:
    """What a task hands back besides its files."""

    counts: dict[str, int] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)


class Attempt:
    """One try at one unit: where a task writes. File names carry a random part, so attempts never clash."""

    def __init__(self, run: Storage, step: str, unit: str) -> None:
        self.run = run
        self.step = step
        self.unit = unit
        self._id = uuid.uuid4().hex[:12]
        self.files: dict[str, Written] = {}
        self._shared: set[str] = set()

    def name(self, directory: str, suffix: str) -> str:
        return f"{directory}/{self.unit}-{self._id}{suffix}"

    def write_table(self, logical: str, directory: str, table: pa.Table) -> Written:
        """Write a Parquet file under ``directory`` and book it under its logical name."""
        written = self.run.write_table(self.name(directory, ".parquet"), table)
        self.files[logical] = written
        return written

    @contextmanager
    def table_writer(self, logical: str, directory: str, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write a Parquet file by row groups, so that no more than one of them is ever held in memory."""
        with self.run.table_writer(self.name(directory, ".parquet"), schema) as writer:
            yield writer
        self.files[logical] = writer.written

    @contextmanager
    def file_writer(self, logical: str, directory: str, suffix: str) -> Iterator[IO[bytes]]:
        """Write a file piece by piece; it is booked when the block has ended."""
        path = self.name(directory, suffix)
        with self.run.create_file(path, durable=False) as file:
            hashing = HashingWriter(file)
            yield hashing  # type: ignore[misc]
        self.files[logical] = hashing.written(path)

    def write_bytes(self, logical: str, directory: str, suffix: str, data: bytes) -> Written:
        written = self.run.write_bytes(self.name(directory, suffix), data)
        self.files[logical] = written
        return written

    def book(self, logical: str, written: Written) -> None:
        """Book a file that is named by its content: attempts share it, so none of them removes it."""
        self.files[logical] = written
        self._shared.add(logical)

    def discard(self) -> None:
        """Remove what this attempt wrote: another attempt committed first, or this one failed."""
        for logical, written in self.files.items():
            if logical not in self._shared:
                with suppress(OSError):  # what cannot be removed now is swept out when the run has finished
                    self.run.remove(written.path)


Task = Callable[[Attempt, Any], Outcome]


@dataclass(frozen=True)
class Step:
    """A function over units. ``task`` is a module-level function, ``params`` is JSON and enters the key."""

    name: str
    version: int
    task: Task
    params: Any = None
    libraries: tuple[str, ...] = ()
    keeps_books: bool = False
    """Whether its counts must satisfy in = kept + dropped + failed."""

    def key(self, unit: Unit) -> str:
        return fingerprint(
            [self.name, self.version, self.params, library_versions(*self.libraries), unit.name, unit.inputs]
        )


@dataclass(frozen=True)
class Unit:
    """One piece of a step's work: a stable name, what identifies its inputs (JSON), the task's argument."""

    name: str
    inputs: Any
    work: Any


@dataclass
class StepReport:
    """What a step did, for run.json and the report."""

    name: str
    units: int
    skipped: int
    cpu_seconds: float
    rows_in: int
    kept: int
    dropped: int
    failed: int
    bytes_written: int


class Runner:
    """Runs steps of one run on an engine, skipping units whose commit record is there already.

    ``verify`` hashes the files of finished units before they are believed; ``still_ours`` raises when
    another driver has taken the run directory over.
    """

    def __init__(self, run: Storage, engine: Engine, progress: Progress, memory_bytes: int | None) -> None:
        self.run = run
        self.engine = engine
        self.progress = progress
        self.resources = Resources(memory_bytes=memory_bytes)
        self.reports: list[StepReport] = []
        self.verify = False
        self.keep_exchange = True
        self.still_ours: Callable[[], None] = _nothing
        # Every file of the run by its path, with the commit that it belongs to; records themselves among them.
        self._owners: dict[str, tuple[str, str, str]] = {}

    def map(self, step: Step, units: Sequence[Unit]) -> list[Commit]:
        """Do what is not done yet and return the commits in the order of the units.

        Raises ConservationError if the step keeps books and they do not balance, ForgottenError if a file of
        an earlier step turns out to be gone or damaged.
        """
        self.still_ours()
        interrupt.check()
        keys = [step.key(unit) for unit in units]
        commits: list[Commit | None] = self.committed(step.name, [u.name for u in units], keys)
        todo = [index for index, commit in enumerate(commits) if commit is None]
        skipped = len(units) - len(todo)
        self.progress.step(step.name, len(units), skipped)
        jobs = [(step, units[index], keys[index], self.run.root) for index in todo]
        results = self.engine.run(_execute, jobs, self.resources)
        try:
            for position, commit in results:
                commits[todo[position]] = commit
                self.progress.advance()
                interrupt.check()
        except UnreadableError as error:
            raise self.forget(error) from error
        finally:
            # Now, not when the traceback is collected: no task of ours runs on behind the error.
            getattr(results, "close", _nothing)()
        done = [commit for commit in commits if commit is not None]
        for unit, key, commit in zip(units, keys, done, strict=True):
            record = f"commits/{step.name}/{_record_name(unit.name, key)}"
            owner = (record, step.name, unit.name)
            self._owners[record] = owner
            self._owners.update((written.path, owner) for written in commit.files.values())
        self._report(step, done, skipped)
        return done

    def keep(self, path: str) -> None:
        """Leave a file that no unit made where it is when the run is swept."""
        self._owners[path] = ("", "", "")

    def forget(self, error: UnreadableError) -> Exception:
        """Remove the record that promises an unreadable file; returns what to raise."""
        owner = self._owners.get(error.path.removeprefix(f"{self.run.root}/"))
        if owner is None or not owner[0]:
            return error
        record, step, unit = owner
        self.run.remove(record)
        return ForgottenError(step, unit, str(error))

    def sweep(self, directories: Sequence[str]) -> int:
        """Remove what earlier recipes or killed attempts left in these directories; returns how many files.

        A run's tables are then those of its last recipe, and ``ledger/*.parquet`` counts no document twice.
        """
        self.still_ours()
        stale = [
            path
            for directory in ("commits", *directories)
            for path in self.run.walk(directory)
            if path not in self._owners
        ]
        if self.run.local is not None:
            # Half-written files of killed processes, where finished files are not the runner's.
            others = self.run.walk("shards") + self.run.walk("report")
            stale += [path for path in others if path.endswith(".part")]
            stale += [path.name for path in self.run.local.glob(".*.part")]
        at_once(self.run, self.run.remove, stale)
        return len(stale)

    def sweep_steps(self) -> None:
        """Remove what the steps that ran here left under other keys; files that are named by content stay."""
        self.still_ours()
        for step in sorted({report.name for report in self.reports}):
            for name in self.run.names(f"commits/{step}", ".json"):
                record = f"commits/{step}/{name}"
                if record in self._owners:
                    continue
                for written in Commit.read(self.run, record).files.values():
                    if written.path not in self._owners and not written.path.startswith("shards/"):
                        self.run.remove(written.path)
                self.run.remove(
                    record
                )  # last: a record without its files is forgotten, files without one are not

    def committed(self, step: str, names: Sequence[str], keys: Sequence[str]) -> list[Commit | None]:
        """The commit of each (unit name, key), or None where there is none or a file of it is gone."""
        there = set(self.run.names(f"commits/{step}", ".json"))

        def load(name: str, key: str) -> Commit | None:
            return self._load(step, name, key) if _record_name(name, key) in there else None

        # A record costs a read and a look at each of its files: waiting, where the run is behind a URL.
        commits = at_once(self.run, load, names, keys)
        return self._verified(step, keys, commits) if self.verify else commits

    def _load(self, step: str, name: str, key: str) -> Commit | None:
        path = f"commits/{step}/{_record_name(name, key)}"
        try:
            commit = Commit.read(self.run, path)
            if all(self.run.size(written.path) == written.bytes for written in commit.files.values()):
                return commit
        except UnreadableError:
            pass
        # The record is damaged, or promises a file that is gone or cut short: forget it, and do the unit again.
        self.run.remove(path)
        return None

    def _verified(
        self, step: str, keys: Sequence[str], commits: Sequence[Commit | None]
    ) -> list[Commit | None]:
        """The commits whose files hold what was written, None for the others: all of their bytes are read."""
        found = list(commits)
        places = [place for place, commit in enumerate(commits) if commit is not None]
        self.progress.step(f"{step}, verified", len(places), 0)
        jobs = [(self.run.root, commit) for commit in commits if commit is not None]
        for position, intact in self.engine.run(_are_intact, jobs):
            self.progress.advance()
            place = places[position]
            commit = commits[place]
            if not intact and commit is not None:
                self.run.remove(f"commits/{step}/{_record_name(commit.unit, keys[place])}")
                found[place] = None
        return found

    def _report(self, step: Step, commits: list[Commit], skipped: int) -> None:
        totals = {name: sum(commit.counts.get(name, 0) for commit in commits) for name in ("in", *COUNTS)}
        if step.keeps_books and totals["in"] != sum(totals[name] for name in COUNTS):
            raise ConservationError(
                f"step {step.name}: {totals['in']} documents in, but {totals['kept']} kept + "
                f"{totals['dropped']} dropped + {totals['failed']} failed"
            )
        self.reports.append(
            StepReport(
                name=step.name,
                units=len(commits),
                skipped=skipped,
                cpu_seconds=sum(commit.seconds for commit in commits),
                rows_in=totals["in"],
                kept=totals["kept"],
                dropped=totals["dropped"],
                failed=totals["failed"],
                bytes_written=sum(w.bytes for commit in commits for w in commit.files.values()),
            )
        )


def newest_commits(run: Storage, step: str) -> Iterator[Commit]:
    """The newest commit of each unit of a step: what the last run of it made."""
    newest: dict[str, tuple[float, Commit]] = {}
    for name in run.names(f"commits/{step}", ".json"):
        path = f"commits/{step}/{name}"
        commit = Commit.read(run, path)
        stamp = (run.local / path).stat().st_mtime if run.local is not None else 0.0
        if commit.unit not in newest or newest[commit.unit][0] <= stamp:
            newest[commit.unit] = (stamp, commit)
    for _, commit in sorted(newest.values(), key=lambda pair: pair[1].unit):
        yield commit


def _record_name(unit: str, key: str) -> str:
    return f"{unit}.{key}.json"


def _execute(job: tuple[Step, Unit, str, str]) -> Commit:
    """Run one unit on whatever worker this is and commit it; of two attempts, the first to commit counts."""
    step, unit, key, root = job
    run = Storage(root)
    path = f"commits/{step.name}/{_record_name(unit.name, key)}"
    attempt = Attempt(run, step.name, unit.name)
    started = time.perf_counter()
    try:
        for read in _read_by([unit.work, getattr(step.task, "args", None)], set()):
            if isinstance(read, Written):
                read.check_footer(run)
        outcome = step.task(attempt, unit.work)
    except Exception as error:
        attempt.discard()
        cause = _explained(run, step, unit, error)
        if cause is error:
            raise
        raise cause from error
    except BaseException:
        attempt.discard()
        raise
    commit = Commit(
        step.name,
        unit.name,
        key,
        attempt.files,
        outcome.counts,
        outcome.info,
        round(time.perf_counter() - started, 3),
    )
    first = _commit(run, path, commit)
    # An object store's client repeats a put whose answer was lost, and then finds our own record there.
    if first is not commit and first.files != attempt.files:
        attempt.discard()
    return first


def _commit(run: Storage, path: str, commit: Commit) -> Commit:
    """Put the record if there is none; returns the commit that counts: this one, or an earlier attempt's."""
    while not run.create(path, commit.to_json()):
        try:
            return Commit.read(run, path)
        except UnreadableError:
            run.remove(path)
    return commit


def _explained(run: Storage, step: Step, unit: Unit, error: Exception) -> Exception:
    """What a task's error comes from: the machine, a file that it read, or (the error itself) the task."""
    if is_of_machine(error):
        return as_machine_trouble(error, f"{step.name} {unit.name}")
    if isinstance(error, UnreadableError):
        return error
    for read in _read_by([unit.work, getattr(step.task, "args", None)], set()):
        if not read.is_intact(run):
            return UnreadableError(
                read.path,
                f"{run.describe(read.path)}: its bytes are not those that were written "
                f"({step.name} {unit.name} failed over it: {type(error).__name__}: {error})",
            )
    return error


def _read_by(work: Any, seen: set[Any]) -> Iterator[Checkable]:
    """Every file, or stretch of one, that stands in a task's argument."""
    if isinstance(work, Checkable):
        if work not in seen:
            seen.add(work)
            yield work
    elif isinstance(work, dict):
        yield from _read_by(list(work.values()), seen)
    elif isinstance(work, (list, tuple)):
        for one in work:
            yield from _read_by(one, seen)
    elif dataclasses.is_dataclass(work) and not isinstance(work, type):
        for each in dataclasses.fields(work):
            yield from _read_by(getattr(work, each.name), seen)


def _are_intact(job: tuple[str, Commit]) -> bool:
    root, commit = job
    return all(written.is_intact(Storage(root)) for written in commit.files.values())


def _check(body: bytes) -> bytes:
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return f', "check": "{digest}"}}\n'.encode()


def at_once(run: Storage, request: Callable[..., Answer], *arguments: Sequence[Any]) -> list[Answer]:
    """The answers to requests, as ``map`` gives them; several are under way at a time where each is waited for.

    A few requests to a local disk are answered sooner than threads start.
    """
    if run.local is not None and len(arguments[0]) <= FEW_REQUESTS:
        return list(map(request, *arguments))
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        return list(pool.map(request, *arguments))


def _nothing() -> None: ...


def task_with(function: Callable[..., Outcome], *arguments: Any) -> Task:
    """A task with leading arguments bound; picklable when they are."""
    return partial(_call, function, arguments)


def _call(
    function: Callable[..., Outcome], arguments: tuple[Any, ...], attempt: Attempt, work: Any
) -> Outcome:
    return function(attempt, work, *arguments)
