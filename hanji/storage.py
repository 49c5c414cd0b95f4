"""Files by local path or fsspec URL, without relying on rename.

A :class:`Storage` is a root plus relative paths. Local writes go to a temporary name in the same directory
and are linked into place, so that no reader sees half a file; object stores make a put visible only when it
is complete. ``create`` is the create-if-absent put on which commit records stand.

Requests to a store are tried again while its trouble is passing (:mod:`hanji.trouble`); what remains is an
OSError that names the file. Parquet is written with a checksum on each page and read with a look at it: bytes
that are not those that were written are an UnreadableError, never a table.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.errors import RunError, UnreadableError
from hanji.lease import Lease, describe, whoami
from hanji.trouble import as_machine_trouble, is_of_machine, is_passing, patiently

Answer = TypeVar("Answer")


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
    now: str | None = None
    """SHA-256 of what is there since texts were erased from it (``bytes`` is its size, too); ``sha256`` stays what
    was written, of which keys are made."""
    footer: str | None = None
    """Of a Parquet file: where its footer begins and the hash of that, for pages alone carry checksums."""

    def check_footer(self, run: Storage) -> None:
        """Raises UnreadableError if the footer of a Parquet file is not the one that was written."""
        if self.footer is None:
            return
        start, _, digest = self.footer.partition(":")
        data = run.read_range(self.path, int(start), self.bytes - int(start))
        if hashlib.blake2b(data, digest_size=16).hexdigest() != digest:
            raise UnreadableError(self.path, f"{run.describe(self.path)}: is damaged: its footer has changed")

    def is_intact(self, run: Storage) -> bool:
        """Whether the file is there and its bytes are those that were written: reads all of it."""
        try:
            with run.open(self.path) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == (self.now or self.sha256)  # type: ignore[arg-type]
        except UnreadableError:
            return False


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
        return self._ask(path, lambda filesystem, full: bool(filesystem.exists(full)))

    def size(self, path: str) -> int:
        """Size in bytes. Raises UnreadableError if there is no such file."""
        try:
            if self.local is not None:
                return (self.local / path).stat().st_size
            return self._ask(path, lambda filesystem, full: int(filesystem.size(full)))
        except FileNotFoundError:
            raise self._absent(path) from None

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
        try:
            found = self._ask(directory, lambda filesystem, full: filesystem.ls(full, detail=False))
        except FileNotFoundError:
            return []
        return sorted(name for name in (str(p).rsplit("/", 1)[-1] for p in found) if name.endswith(suffix))

    def walk(self, directory: str = "") -> list[str]:
        """Paths (relative to the root) of all files below a directory, sorted."""
        if self.local is not None:
            base = self.local / directory
            return sorted(str(p.relative_to(self.local)) for p in base.rglob("*") if p.is_file())
        _, root = self._remote("")
        found = self._ask(directory, lambda filesystem, full: filesystem.find(full))
        return sorted(str(p)[len(root) :].lstrip("/") for p in found)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open for reading. Raises UnreadableError if there is no such file."""
        try:
            if self.local is not None:
                file: Any = (self.local / path).open("rb")
            else:
                file = self._ask(path, lambda filesystem, full: filesystem.open(full, "rb"))
        except FileNotFoundError:
            raise self._absent(path) from None
        try:
            with file:
                yield file
        except Exception as error:
            # A store may fail half way through a file.
            trouble = as_machine_trouble(error, self.describe(path))
            if trouble is error:
                raise
            raise trouble from error

    def read_bytes(self, path: str) -> bytes:
        if self.local is not None:
            with self.open(path) as file:
                return file.read()
        return self._fetch(path)

    def read_written(self, written: Written) -> bytes:
        """A whole file of this storage. Raises UnreadableError if its bytes are not those that were written."""
        data = self.read_bytes(written.path)
        if hashlib.sha256(data).hexdigest() != (written.now or written.sha256):
            raise UnreadableError(
                written.path, f"{self.describe(written.path)}: its bytes are not those that were written"
            )
        return data

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        """Bytes ``offset`` … ``offset + length - 1``: one request, without the read-ahead of an open file."""
        if self.local is not None:
            with self.open(path) as file:
                file.seek(offset)
                return file.read(length)
        return self._fetch(path, start=offset, end=offset + length)

    def _fetch(self, path: str, **bounds: int) -> bytes:
        try:
            data: bytes = self._ask(path, lambda filesystem, full: filesystem.cat_file(full, **bounds))
        except FileNotFoundError:
            raise self._absent(path) from None
        return data

    @contextmanager
    def create_file(self, path: str, *, durable: bool = True) -> Iterator[IO[bytes]]:
        """Write a file that appears whole when the block ends without an error, replacing an older one.

        ``durable``: it is on the disk then, too; else it may be lost or damaged by a crash of the machine until
        :meth:`sync`, which is for files whose readers find that out.
        """
        if self.local is not None:
            target = self.local / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.part"
            try:
                with _NamedFile(temporary, self.describe(path)) as file:
                    try:
                        yield file
                    except OSError as error:
                        if file.trouble is None:
                            raise
                        # On its way through Arrow the error loses the name.
                        raise file.trouble from error
                    file.finish(durable=durable)
                temporary.replace(target)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
        else:
            buffer = io.BytesIO()
            yield buffer
            data = buffer.getvalue()
            self._ask(path, lambda filesystem, full: filesystem.pipe_file(full, data))

    def write_bytes(self, path: str, data: bytes) -> Written:
        """Write a whole file, replacing an older one."""
        with self.create_file(path) as file:
            file.write(data)
        return Written(path, len(data), hashlib.sha256(data).hexdigest())

    def create(self, path: str, data: bytes, *, durable: bool = False) -> bool:
        """Put a file only if there is none of that name; returns whether this call created it.

        A crash of the machine may damage or lose it until :meth:`sync`; ``durable`` it is whole on the disk before
        it has its name (the name itself is the directory's, which is another file to bring there).
        """
        if self.local is not None:
            target = self.local / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.part"
            try:
                with _NamedFile(temporary, self.describe(path)) as file:
                    file.write(data)
                    file.finish(durable=durable)
                os.link(temporary, target)
            except FileExistsError:
                return False
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            return True
        return self._ask(path, lambda filesystem, full: _create(filesystem, full, data))

    def sync(self) -> None:
        """Bring to the disk what was written here, by whichever process of this machine."""
        if self.local is not None and self.local.exists():
            descriptor = os.open(self.local, os.O_RDONLY)
            try:
                if _syncfs is None or _syncfs(descriptor):
                    os.sync()
            finally:
                os.close(descriptor)

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Keep other processes that ask for it out of this directory. Raises RunError if one is at work there.

        On a file system with locks the system lets go when we die; elsewhere, as behind a URL, a lease is
        held (:mod:`hanji.lease`). What is yielded raises RunError when called after another process took over.
        """
        if self.local is not None:
            try:
                self.local.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise RunError(
                    f"{self.describe()}: this directory cannot be made ({error.strerror}); name another"
                ) from None
            with (self.local / ".lock").open("a+b") as file:
                if self._lock(file):
                    yield lambda: None
                    return
        lease = Lease(self)
        lease.acquire()
        try:
            yield lambda: lease.check(now=True)
        finally:
            lease.release()

    def _lock(self, file: IO[bytes]) -> bool:
        """Lock a file and write down who holds it; False where the file system has no locks."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            with suppress(ValueError):
                holder = describe(json.loads(file.read()))
                raise RunError(
                    f"{self.describe()}: another process is at work there ({holder}); wait for it, or name "
                    "another run directory"
                ) from None
            raise RunError(
                f"{self.describe()}: another process is at work there; wait for it, or name another run directory"
            ) from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            return False
        file.truncate(0)
        file.write(json.dumps(whoami()).encode())
        file.flush()
        return True

    def remove(self, path: str) -> None:
        """Remove a file if it is there."""
        if self.local is not None:
            (self.local / path).unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):
            self._ask(path, lambda filesystem, full: filesystem.rm_file(full))

    def remove_tree(self, path: str) -> None:
        """Remove a directory and all below it, if it is there."""
        if self.local is not None:
            shutil.rmtree(self.local / path, ignore_errors=True)
            return
        with suppress(FileNotFoundError):
            self._ask(path, lambda filesystem, full: filesystem.rm(full, recursive=True))

    def write_table(self, path: str, table: pa.Table, row_group_rows: int = 16_384) -> Written:
        """Write a Parquet file (zstd, by pyarrow alone) and hash it on the way; durable after :meth:`sync`."""
        with self.create_file(path, durable=False) as file:
            hashing = HashingWriter(file)
            with pq.ParquetWriter(hashing, table.schema, **WITH_CHECKSUMS) as writer:
                writer.write_table(table, row_group_size=row_group_rows)
                hashing.begin_footer()
        return hashing.written(path, table.num_rows)

    @contextmanager
    def table_writer(self, path: str, schema: pa.Schema) -> Iterator[TableWriter]:
        """Write a Parquet file piece by piece, each piece a row group; it appears whole at the end.

        It is durable after :meth:`sync`.
        """
        with self.create_file(path, durable=False) as file:
            hashing = HashingWriter(file)
            with pq.ParquetWriter(hashing, schema, **WITH_CHECKSUMS) as writer:
                target = TableWriter(writer, path)
                yield target
                hashing.begin_footer()
            target.written = hashing.written(path, target.rows)

    def table_groups(self, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The row groups of a Parquet file one after another, with strings as ``large_string``."""
        with self.table(path) as file:
            for group in range(file.num_row_groups):
                with self._decoding(path):
                    table = _read(file, columns, [group])
                yield table

    def read_table(
        self, path: str, columns: list[str] | None = None, row_groups: list[int] | None = None
    ) -> pa.Table:
        """Read a Parquet file or some of its row groups, with strings as ``large_string``.

        Raises UnreadableError if there is no such file, or if its bytes are not those that were written.
        """
        with self.table(path) as file, self._decoding(path):
            return _read(file, columns, row_groups)

    @contextmanager
    def table(self, path: str) -> Iterator[pq.ParquetFile]:
        """A Parquet file, open. Raises UnreadableError as :meth:`read_table` does."""
        if self.local is not None and not (self.local / path).exists():
            raise self._absent(path)
        with ExitStack() as stack:
            source: Any = str(self.local / path) if self.local is not None else None
            if source is None:
                source = stack.enter_context(self.open(path))
            with self._decoding(path):
                file = stack.enter_context(pq.ParquetFile(source, page_checksum_verification=True))
            try:
                yield file
            except OSError as error:
                self._blame(path, error)

    @contextmanager
    def _decoding(self, path: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            self._blame(path, error)

    def _blame(self, path: str, error: Exception) -> NoReturn:
        """Raise what Arrow raised over a file: the machine's trouble as it is, else an UnreadableError."""
        if is_of_machine(error):
            raise error
        what = " ".join(str(error).split())
        raise UnreadableError(path, f"{self.describe(path)}: is damaged: {what}") from error

    def find_rows(self, path: str, column: str, value: str) -> pa.Table:
        """The rows of a Parquet file whose text column equals a value; row groups that cannot hold it are skipped.

        Not ``pq.read_table(filters=…)``: its scanner leaves threads behind that abort the interpreter at exit
        (pyarrow 26, "terminate called without an active exception").
        """
        with self.table(path) as file, self._decoding(path):
            place = file.schema_arrow.get_field_index(column)
            groups = []
            for group in range(file.num_row_groups):
                known = file.metadata.row_group(group).column(place).statistics
                if known is None or not known.has_min_max or known.min <= value <= known.max:
                    groups.append(group)
            table = _read(file, None, groups)
        return table.filter(pc.equal(table[column], pa.scalar(value, table[column].type)))

    def _remote(self, path: str) -> tuple[Any, str]:
        # Without the client's cache of listings: other processes write here too.
        url = f"{self.root}/{path}".rstrip("/")
        return fsspec.core.url_to_fs(url, use_listings_cache=False)  # type: ignore[no-any-return]

    def _ask(self, path: str, request: Callable[[Any, str], Answer]) -> Answer:
        """One request to the store behind a URL, patiently."""
        filesystem, full = self._remote(path)
        return patiently(lambda: request(filesystem, full), self.describe(path))

    def _absent(self, path: str) -> UnreadableError:
        return UnreadableError(path, f"{self.describe(path)}: no such file")


_syncfs = getattr(ctypes.CDLL(None), "syncfs", None)  # of Linux; elsewhere everything is brought to the disk

# Checksums cost 2 GB/s when pages are read, and say of bytes that turned on a disk that they did.
WITH_CHECKSUMS: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}


def _create(filesystem: Any, full: str, data: bytes) -> bool:
    try:
        filesystem.pipe_file(full, data, mode="create")
    except FileExistsError:
        return False
    except TypeError:  # filesystems whose pipe_file has no mode: a check, then a put
        if filesystem.exists(full):
            return False
        filesystem.pipe_file(full, data)
    except Exception as error:
        # Not every store names the failed precondition as s3fs expects: the file itself tells.
        if is_passing(error) or not is_of_machine(error) or not filesystem.exists(full):
            raise
        return False
    return True


class _NamedFile(io.BufferedWriter):
    """A local file to write, whose errors name it: a full disk says which file did not fit."""

    trouble: OSError | None = None
    """The first error that writing met."""

    def __init__(self, path: Path, label: str) -> None:
        self._label = label
        try:
            super().__init__(io.FileIO(path, "wb"), 1 << 18)
        except OSError as error:
            raise self._named(error) from error

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise self._named(error) from error

    def finish(self, *, durable: bool) -> None:
        """Hand everything to the system, and down to the disk where it is to be durable."""
        try:
            self.flush()
            if durable:
                os.fsync(self.fileno())
        except OSError as error:
            raise self._named(error) from error

    def close(self) -> None:
        try:
            super().close()
        except OSError:
            # What could not be written was told before, and cannot be written now either.
            if self.trouble is None:
                raise

    def _named(self, error: OSError) -> OSError:
        self.trouble = self.trouble or OSError(error.errno, error.strerror, self._label)
        return self.trouble


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
        self._footer: Any = None
        self._footer_start = 0
        self.bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._file.write(view)
        self._hash.update(view)
        if self._footer is not None:
            self._footer.update(view)
        self.bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        if not self.closed:
            self._file.flush()

    def begin_footer(self) -> None:
        """What comes from here on is the footer of a Parquet file."""
        self._footer, self._footer_start = hashlib.blake2b(digest_size=16), self.bytes

    def sha256(self) -> str:
        return self._hash.hexdigest()

    def written(self, path: str, rows: int | None = None) -> Written:
        """What has passed through, as the file that it went to."""
        footer = None if self._footer is None else f"{self._footer_start}:{self._footer.hexdigest()}"
        return Written(path, self.bytes, self.sha256(), rows, footer=footer)
