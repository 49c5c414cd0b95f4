"""Lists of hosts and URLs, read from files.

A list is a file of one host or URL a line, or a directory (or .tar.gz) of categories as the University of
Toulouse (UT1) publishes them and squidGuard reads them: ``adult/domains``, ``adult/urls`` and
``adult/expressions``. Each may be gzipped and lie at a local path or an fsspec URL. Blank lines and what follows
a # after a blank are no entries. A host stands for its subdomains, a URL for what lies below it, whatever its
scheme and ``www.``; lines of a hosts file (``0.0.0.0 example.com``) are understood.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import IO, Any, cast

import fsspec
import numpy as np
import numpy.typing as npt

from hanji.curation.sources.urls.address import parse
from hanji.curation.sources.urls.tables import Table, digests
from hanji.errors import InputError

_MEMBERS = {
    "domains": "domains",
    "urls": "urls",
    "expressions": "expressions",
    "very_restrictive_expression": "",
}
_CHUNK = 4_000_000
_PLAIN = rb"(?!www\.)[a-z0-9_-]+(?:\.[a-z0-9_-]+)+\r?$"
_PLAIN_HOST = re.compile(rb"^" + _PLAIN, re.MULTILINE)
_OTHER_LINE = re.compile(rb"^(?!" + _PLAIN + rb")[^\n]+", re.MULTILINE)
_ANY_LINE = re.compile(rb"^[^\n]+", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_HOSTS_FILE = re.compile(r"^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+(?=\S)")
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}|\[[0-9a-f:.]+\]")
_LONGEST_LINE = 10_000


@dataclass(frozen=True)
class Lists:
    """What one list says: hosts, URLs without scheme and ``www.``, and (category, expression)s."""

    hosts: Table
    urls: Table
    expressions: tuple[tuple[str, re.Pattern[str]], ...]


@dataclass(frozen=True)
class Member:
    """One file of a list: its category, what it holds ("domains", "urls", "expressions", "mixed") and its name."""

    category: str
    holds: str
    path: str
    inner: str | None = None
    """Name within the archive ``path``."""

    @property
    def name(self) -> str:
        return f"{self.path}:{self.inner}" if self.inner else self.path


def load(path: str, categories: tuple[str, ...]) -> Lists:
    """Read a list, or take it as this process read it before. Raises InputError naming file and line."""
    with _whole(path):
        return _load(path, categories, _stamp(path, categories))


def content_hash(path: str, categories: tuple[str, ...]) -> str:
    """SHA-256 over the contents of a list's files, for keys. Raises InputError if there are none."""
    with _whole(path):
        return _content_hash(path, categories, _stamp(path, categories))


@contextmanager
def _whole(path: str) -> Iterator[None]:
    """Turns what a file that is cut short raises, wherever it is read, into an InputError."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is not a whole gzip file: {error}") from None


@lru_cache(maxsize=16)
def _load(path: str, categories: tuple[str, ...], stamp: str) -> Lists:
    names: dict[str, int] = {}
    hosts: list[tuple[int, npt.NDArray[np.uint64]]] = []
    urls: list[tuple[int, npt.NDArray[np.uint64]]] = []
    expressions: list[tuple[str, re.Pattern[str]]] = []
    for member, file in _opened(path, categories):
        owner = names.setdefault(member.category, len(names))
        if member.holds == "expressions":
            expressions += [(member.category, pattern) for pattern in _expressions(member, file)]
            continue
        for found_hosts, found_urls in _entries(member, file):
            hosts.append((owner, found_hosts))
            urls.append((owner, found_urls))
    return Lists(Table(list(names), hosts), Table(list(names), urls), tuple(expressions))


@lru_cache(maxsize=64)
def _content_hash(path: str, categories: tuple[str, ...], stamp: str) -> str:
    whole = hashlib.sha256()
    for member, file in _opened(path, categories):
        whole.update(f"{member.category}/{member.holds} ".encode())
        whole.update(hashlib.file_digest(file, "sha256").digest())  # type: ignore[arg-type]
    return whole.hexdigest()


def _entries(
    member: Member, file: IO[bytes]
) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]:
    """Hashes of hosts and of URLs, a few megabytes of lines at a time."""
    number = 0
    for chunk in _line_chunks(member, file):
        hosts: list[bytes] = []
        urls: list[bytes] = []
        low = chunk.lower()
        others: Iterable[re.Match[bytes]] = ()
        if member.holds == "urls":
            others = _ANY_LINE.finditer(low)
        else:
            # Nearly all lines of the large lists are plain host names: these see one compiled pattern.
            hosts = _PLAIN_HOST.findall(low)
            if len(hosts) < low.count(b"\n") + (not low.endswith(b"\n")):
                others = _OTHER_LINE.finditer(low)
            if b"\r" in low:
                hosts = [line.rstrip(b"\r") for line in hosts]
        for line in others:
            try:
                _add(member, chunk[line.start() : line.end()], hosts, urls)
            except ValueError as error:
                at = number + chunk.count(b"\n", 0, line.start()) + 1
                raise InputError(f"{member.name}, line {at}: {error}") from None
        number += chunk.count(b"\n")
        yield digests(hosts), digests(urls)


def _add(member: Member, line: bytes, hosts: list[bytes], urls: list[bytes]) -> None:
    """Put the entry of one line with the hosts or the URLs. Raises ValueError if it is none."""
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    text = _HOSTS_FILE.sub("", _COMMENT.sub("", text).strip())
    if not text:
        return
    if len(text) > _LONGEST_LINE or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError(f"{text[:60]!r} is not one host or URL; a line holds one, and # begins a comment")
    address = parse(text.removeprefix("*."))
    if not _HOST.fullmatch(address.host):
        raise ValueError(f"{text[:60]!r} names no host; write example.com or example.com/path")
    path = address.path.rstrip("/")
    if path and member.holds != "domains":
        urls.append(f"{address.bare}{path.lower()}".encode("utf-8", "replace"))
    else:
        hosts.append(address.bare.encode("ascii", "replace"))


def _expressions(member: Member, file: IO[bytes]) -> Iterator[re.Pattern[str]]:
    for number, line in enumerate(file.read().decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            yield re.compile(text, re.IGNORECASE)
        except re.error as error:
            raise InputError(
                f"{member.name}, line {number}: {text[:60]!r} is no regular expression: {error}"
            ) from None


def _line_chunks(member: Member, file: IO[bytes]) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time."""
    rest = b""
    while block := file.read(_CHUNK):
        cut = block.rfind(b"\n") + 1
        if cut == 0:
            rest += block
            if len(rest) > 2 * _CHUNK:
                raise InputError(
                    f"{member.name}: has a line of more than {_CHUNK} bytes: not a list of hosts or URLs"
                )
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def _filesystem(path: str) -> tuple[Any, str]:
    filesystem, inner = fsspec.core.url_to_fs(path)
    return filesystem, str(inner)


def _opened(path: str, categories: tuple[str, ...]) -> Iterator[tuple[Member, IO[bytes]]]:
    """The files of a list, in order of category and name, each open while it is looked at."""
    if path.endswith((".tar.gz", ".tgz", ".tar")):
        yield from _archived(path, categories)
        return
    for member in _members(path, categories):
        with _reading(member.path) as file:
            yield member, file


@contextmanager
def _reading(path: str) -> Iterator[IO[bytes]]:
    filesystem, inner = _filesystem(path)
    try:
        with filesystem.open(inner, "rb") as raw:
            if path.endswith(".gz"):
                with gzip.open(raw) as file:
                    yield cast(IO[bytes], file)
            else:
                yield raw
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: there is no such list of URLs") from None


def _members(path: str, categories: tuple[str, ...]) -> list[Member]:
    filesystem, inner = _filesystem(path)
    if not filesystem.exists(inner):
        raise InputError(f"{path}: there is no such list of URLs; give a file, a directory or a .tar.gz")
    if filesystem.isfile(inner):
        stem = PurePosixPath(inner).name.removesuffix(".gz").rpartition(".")[0] or PurePosixPath(inner).name
        return [Member(stem, "mixed", path)]
    root = inner.rstrip("/")
    found: list[Member] = []
    for full in sorted(str(p) for p in filesystem.find(root)):
        relative = PurePosixPath(full[len(root) :].lstrip("/"))
        holds = _MEMBERS.get(relative.name.removesuffix(".gz"), "")
        if not holds or len(relative.parts) > 2:
            continue
        category = relative.parts[0] if len(relative.parts) == 2 else PurePosixPath(root).name
        if not categories or category in categories:
            found.append(Member(category, holds, f"{path.rstrip('/')}/{relative}"))
    _complete(path, categories, {member.category for member in found})
    return _in_order(found, categories)


def _archived(path: str, categories: tuple[str, ...]) -> Iterator[tuple[Member, IO[bytes]]]:
    filesystem, inner = _filesystem(path)
    if not filesystem.isfile(inner):
        raise InputError(f"{path}: there is no such archive of URL lists")
    seen: set[str] = set()
    try:
        with filesystem.open(inner, "rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as archive:
            for info in sorted(archive.getmembers(), key=lambda info: info.name):
                parts = PurePosixPath(info.name).parts
                holds = _MEMBERS.get(parts[-1], "") if parts else ""
                if not info.isfile() or not holds or len(parts) < 2:
                    continue
                category = parts[-2]
                if categories and category not in categories:
                    continue
                seen.add(category)
                file = archive.extractfile(info)
                if file is not None:
                    yield Member(category, holds, path, info.name), file
    except tarfile.TarError as error:
        raise InputError(f"{path}: is not a whole tar archive: {error}") from None
    _complete(path, categories, seen)


def _complete(path: str, wanted: tuple[str, ...], found: set[str]) -> None:
    missing = sorted(set(wanted) - found)
    if missing:
        raise InputError(
            f"{path}: has no category {', '.join(missing)} with a file domains, urls or expressions"
        )
    if not found:
        raise InputError(f"{path}: has no category: a directory with a file domains, urls or expressions")


def _in_order(members: list[Member], categories: tuple[str, ...]) -> list[Member]:
    place = {category: index for index, category in enumerate(categories)}
    return sorted(members, key=lambda member: (place.get(member.category, 0), member.category, member.path))


def _stamp(path: str, categories: tuple[str, ...]) -> str:
    """Names, sizes and times of a list's files: what tells this process that a list has changed."""
    filesystem, _ = _filesystem(path)
    archive = path.endswith((".tar.gz", ".tgz", ".tar"))
    names = [path] if archive else [member.path for member in _members(path, categories)]
    stamps: list[str] = []
    for name in names:
        try:
            info = filesystem.info(_filesystem(name)[1])
        except FileNotFoundError:
            raise InputError(f"{name}: there is no such list of URLs") from None
        times = [
            str(info.get(field, "")) for field in ("size", "mtime", "LastModified", "ETag", "etag", "ino")
        ]
        stamps.append(" ".join([name, *times]))
    return "\n".join(stamps)
