"""Files by local path or fsspec URL, without relying on rename.

A :class:`Storage` is a root plus relative paths. Local writes go to a temporary name in the same directory
and are linked into place, so that no reader sees half a file; object stores make a put visible only when it
is complete. ``create`` is the create-if-absent put on which commit records stand.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.errors import InputError, RunError


def is_url(path: str) -> bool:
    """Whether a path names its own filesystem (s3://…, memory://…), not a local file."""
    return "://" in path and not path.startswith("file://")


def local_path(path: str) -> Path:
    """The local path behind a plain path or a file:// URL."""
    return Path(path.removeprefix("file://")).expanduser()


@dataclass(frozen=True)
class Written:
    """What was written: path relative to the storage, bytes, SHA-256 (hexadecimal), rows if a table."""

    path: str
    bytes: int
    sha256: str
    rows: int | None = None


class Storage:
    """A directory, local or remote. Cheap to make and to pickle; safe to use from several processes."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/") or "/"
        self.local = None if is_url(self.root) else local_path(self.root).absolute()

    def __repr__(self) -> str:
        return f"Storage({self.root!r})"

    def sub(self, path: str) -> Storage:
        """The storage rooted at a directory below this one."""
        return Storage(f"{self.root}/{path}")

    def describe(self, path: str = "") -> str:
        """The full path, for messages."""
        return f"{self.root}/{path}".rstrip("/")

    def exists(self, path: str = "") -> bool:
        if self.local is not None:
            return (self.local / path).exists()
        filesystem, full = self._remote(path)
        return bool(filesystem.exists(full))

    def size(self, path: str) -> int:
        """Size in bytes. Raises InputError if there is no such file."""
        try:
            if self.local is not None:
                return (self.local / path).stat().st_size
            filesystem, full = self._remote(path)
            return int(filesystem.size(full))
        except FileNotFoundError:
            raise InputError(f"{self.describe(path)}: no such file") from None

    def names(self, directory: str = "", suffix: str = "") -> list[str]:
        """Names of the files directly in a directory, sorted; [] if it does not exist."""
        if self.local is not None:
            try:
                with os.scandir(self.local / directory) as entries:
                    names = [
                        e.name for e in entries if e.name.endswith(suffix) and not e.name.startswith(".")
                    ]
            except FileNotFoundError:
                return []
            return sorted(names)
        filesystem, full = self._remote(directory)
        try:
            found = filesystem.ls(full, detail=False)
        except FileNotFoundError:
            return []
        return sorted(name for name in (str(p).rsplit("/", 1)[-1] for p in found) if name.endswith(suffix))

    def walk(self, directory: str = "") -> list[str]:
        """Paths (relative to the root) of all files below a directory, sorted."""
        if self.local is not None:
            base = self.local / directory
            return sorted(str(p.relative_to(self.local)) for p in base.rglob("*") if p.is_file())
        filesystem, full = self._remote(directory)
        _, root = self._remote("")
        return sorted(str(p)[len(root) :].lstrip("/") for p in filesystem.find(full))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open for reading. Raises InputError if there is no such file."""
        try:
            if self.local is not None:
                file: Any = (self.local / path).open("rb")
            else:
                filesystem, full = self._remote(path)
                file = filesystem.open(full, "rb")
        except FileNotFoundError:
            raise InputError(f"{self.describe(path)}: no such file") from None
        with file:
            yield file

    def read_bytes(self, path: str) -> bytes:
        with self.open(path) as file:
            return file.read()

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """Bytes ``offset`` … ``offset + length - 1``: one request, without the read-ahead of an open file."""
        if self.local is not None:
            with self.open(path) as file:
                file.seek(offset)
                return file.read(length)
        filesystem, full = self._remote(path)
        try:
            data: bytes = filesystem.cat_file(full, start=offset, end=offset + length)
        except FileNotFoundError:
            raise InputError(f"{self.describe(path)}: no such file") from None
        return data

    @contextmanager
    def create_file(self, path: str) -> Iterator[IO[bytes]]:
        """Write a file that appears whole when the block ends without an error, replacing an older one."""
        if self.local is not None:
            target = self.local / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.part"
            try:
                with temporary.open("wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
        else:
            filesystem, full = self._remote(path)
            buffer = io.BytesIO()
            yield buffer
            filesystem.pipe_file(full, buffer.getvalue())

    def write_bytes(self, path: str, data: bytes) -> Written:
        """Write a whole file, replacing an older one."""
        with self.create_file(path) as file:
            file.write(data)
        return Written(path, len(data), hashlib.sha256(data).hexdigest())

    def create(self, path: str, data: bytes) -> bool:
        """Put a file only if there is none of that name; returns whether this call created it."""
        if self.local is not None:
            target = self.local / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.part"
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            finally:
                temporary.unlink(missing_ok=True)
            return True
        filesystem, full = self._remote(path)
        try:
            filesystem.pipe_file(full, data, mode="create")
        except FileExistsError:
            return False
        except TypeError:  # filesystems whose pipe_file has no mode: a check, then a put
            if filesystem.exists(full):
                return False
            filesystem.pipe_file(full, data)
        except OSError:
            # Not every store names the failed precondition as s3fs expects: the file itself tells.
            if not filesystem.exists(full):
                raise
            return False
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes that ask for it out of this directory; the system lets go when we die.

        Raises RunError if one is at work there. Behind a URL there is no such lock, and nothing is done.
        """
        if self.local is None:
            yield
            return
        self.local.mkdir(parents=True, exist_ok=True)
        with (self.local / ".lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    f"{self.describe()}: another process is at work there; wait for it, or name another run "
                    "directory"
                ) from None
            except OSError as error:
                # A file system without locks is used without one; any other trouble is told.
                if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                    raise
            yield

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        if self.local is not None:
            (self.local / path).unlink(missing_ok=True)
            return
        filesystem, full = self._remote(path)
        with suppress(FileNotFoundError):
            filesystem.rm_file(full)

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all below it, if it is there."""
        if self.local is not None:
            shutil.rmtree(self.local / path, ignore_errors=True)
            return
        filesystem, full = self._remote(path)
        with suppress(FileNotFoundError):
            filesystem.rm(full, recursive=True)

    def write_table(self, path: str, table: pa.Table, row_group_rows: int = 16_384) -> Written:
        """Write a Parquet file (zstd, by pyarrow alone) and hash it on the way."""
        with self.create_file(path) as file:
            hashing = HashingWriter(file)
            pq.write_table(table, hashing, compression="zstd", row_group_size=row_group_rows)
        return Written(path, hashing.bytes, hashing.sha256(), table.num_rows)

    @contextmanager
    def table_writer(self, path: str, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write a Parquet file piece by piece, each piece a row group; it appears whole at the end."""
        with self.create_file(path) as file:
            hashing = HashingWriter(file)
            with pq.ParquetWriter(hashing, schema, compression="zstd") as writer:
                target = TableWriter(writer, path)
                yield target
            target.written = Written(path, hashing.bytes, hashing.sha256(), target.rows)

    def table_groups(self, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The row groups of a Parquet file one after another, with strings as ``large_string``."""
        with self.open(path) as stream, pq.ParquetFile(stream) as file:
            for group in range(file.num_row_groups):
                yield _read(file, columns, [group])

    def read_table(
        self, path: str, columns: list[str] | None = None, row_groups: list[int] | None = None
    ) -> pa.Table:
        """Read a Parquet file or some of its row groups, with strings as ``large_string``."""
        if self.local is not None:
            source: Any = str(self.local / path)
            if not (self.local / path).exists():
                raise InputError(f"{self.describe(path)}: no such file")
            with pq.ParquetFile(source) as file:
                return _read(file, columns, row_groups)
        with self.open(path) as stream, pq.ParquetFile(stream) as file:
            return _read(file, columns, row_groups)

    def find_rows(self, path: str, column: str, value: str) -> pa.Table:
        """The rows of a Parquet file whose text column equals a value; row groups that cannot hold it are skipped.

        Not ``pq.read_table(filters=…)``: its scanner leaves threads behind that abort the interpreter at exit
        (pyarrow 26, "terminate called without an active exception").
        """
        with self.open(path) as stream, pq.ParquetFile(stream) as file:
            place = file.schema_arrow.get_field_index(column)
            groups = []
            for group in range(file.num_row_groups):
                known = file.metadata.row_group(group).column(place).statistics
                if known is None or not known.has_min_max or known.min <= value <= known.max:
                    groups.append(group)
            table = _read(file, None, groups)
        return table.filter(pc.equal(table[column], pa.scalar(value, table[column].type)))

    def _remote(self, path: str) -> tuple[Any, str]:
        return fsspec.core.url_to_fs(f"{self.root}/{path}".rstrip("/"))  # type: ignore[no-any-return]


def _read(file: pq.ParquetFile, columns: list[str] | None, row_groups: list[int] | None) -> pa.Table:
    if row_groups is None:
        return file.read(columns=columns)
    return file.read_row_groups(row_groups, columns=columns)


class TableWriter:
    """Takes the row groups of one Parquet file; ``written`` is set when the file is complete."""

    def __init__(self, writer: pq.ParquetWriter, path: str) -> None:
        self._writer = writer
        self._path = path
        self._written: Written | None = None
        self.rows = 0

    def write(self, table: pa.Table) -> None:
        """Append one row group. An empty table adds none."""
        if len(table):
            self._writer.write_table(table, row_group_size=len(table))
            self.rows += len(table)

    @property
    def written(self) -> Written:
        """What was written. Raises RunError before the file is complete."""
        if self._written is None:
            raise RunError(f"{self._path}: asked for before it was complete")
        return self._written

    @written.setter
    def written(self, value: Written) -> None:
        self._written = value


class HashingWriter(io.RawIOBase):
    """A write-only file that counts and hashes what passes through to another file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._file.write(view)
        self._hash.update(view)
        self.bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        if not self.closed:
            self._file.flush()

    def sha256(self) -> str:
        return self._hash.hexdigest()
