"""Takedown lists: which documents must go, by id, address, beginning of an address, or host.

A text file holds an entry a line: 32 hexadecimal digits are a document's id, ``prefix:URL`` and ``host:NAME``
say so, all else is a URL. What follows after white space is the reason. ``#`` begins a comment. A line that
begins with ``{`` is JSON: one of ``id``, ``url``, ``prefix``, ``host``, and perhaps a ``reason``, and
``"duplicates": false`` where kept documents that are like it may stay.

Addresses are compared without scheme, user, port, ``www.`` and fragment, with percent signs decoded: what a
browser shows for one page is one address. Path and query count as they stand, capitals included. A host
stands for its subdomains too.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.records import TEXT
from hanji.curation.sources.urls.address import parse
from hanji.errors import RecipeError
from hanji.storage import Storage

KINDS = ("id", "url", "prefix", "host")
"""From the narrowest: of several entries for a document, the first kind stands in the ledger."""
STANDING = "takedown/standing.jsonl"
"""Where a run keeps the entries of the command."""
MOST_ERRORS = 20
_ID = re.compile(r"[0-9a-f]{32}")
_AUTHORITY = r"^[A-Za-z][A-Za-z0-9+.\-]*:[/\\]{2,}(?P<authority>[^/\\?#]*)"


@dataclass(frozen=True, order=True)
class Entry:
    """One entry. ``key`` is what is compared, ``given`` how the list writes it."""

    kind: str
    key: str
    given: str
    reason: str = ""
    duplicates: bool = True
    """Whether kept documents that are truly like it go too."""

    @property
    def rule(self) -> str:
        """The rule in the ledger."""
        return f"takedown.{self.kind}"

    def detail(self) -> str:
        """As the ledger tells it."""
        return f"{self.given}: {self.reason}" if self.reason else self.given

    def as_json(self) -> str:
        fields: dict[str, Any] = {self.kind: self.given}
        if self.reason:
            fields["reason"] = self.reason
        if not self.duplicates:
            fields["duplicates"] = False
        return json.dumps(fields, ensure_ascii=False)


@dataclass(frozen=True)
class TakedownList:
    """Entries in their order (kind, key), each key once. Equal lists give equal bytes, however they were cut."""

    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def to_bytes(self) -> bytes:
        """As JSON Lines, which :func:`parse_list` reads."""
        return "".join(f"{entry.as_json()}\n" for entry in self.entries).encode()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the list's bytes, hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def only_listed(self) -> TakedownList:
        """The same entries, which take no document along that is like one of theirs."""
        return TakedownList(tuple(replace(entry, duplicates=False) for entry in self.entries))

    def match(self, ids: pa.ChunkedArray, urls: pa.ChunkedArray) -> tuple[np.ndarray, set[int]]:
        """For each document the place of its entry, −1 without one; int64. Of several, the narrowest.

        And the places of all entries that name any of the documents.
        """
        found = np.full(len(ids), -1, np.int64)
        if not len(ids):
            return found, set()
        entries: set[int] = set()
        for row, url in self._candidates(urls).items():
            named = self._by_address(url)
            entries.update(named)
            found[row] = named[0] if named else -1
        listed = [place for place, entry in enumerate(self.entries) if entry.kind == "id"]
        keys = pa.array([self.entries[place].key for place in listed], TEXT)
        hits = pc.index_in(flat(ids), value_set=keys).fill_null(-1).to_numpy(zero_copy_only=False)
        by_id = hits >= 0
        found[by_id] = np.array([*listed, -1], np.int64)[hits[by_id]]
        return found, entries | set(found[by_id].tolist())

    def _candidates(self, urls: pa.ChunkedArray) -> dict[int, str]:
        """Row → URL where the host is one that the list speaks of, or the URL is written unusually."""
        if not (self._urls or self._prefixes or self._hosts):
            return {}
        column = flat(urls)
        authority = pc.struct_field(pc.extract_regex(column, _AUTHORITY), "authority").dictionary_encode()
        asked = [self._asks(name) for name in authority.dictionary.to_pylist()]
        # Without a scheme the pattern finds nothing: such a URL is looked at.
        places = authority.indices.fill_null(len(asked)).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(np.array([*asked, True], bool)[places] & column.is_valid().to_numpy(False))
        return dict(zip(rows.tolist(), column.take(pa.array(rows)).to_pylist(), strict=True))

    def _asks(self, authority: str) -> bool:
        host = parse(f"//{authority}").bare
        return host in self._named_hosts or any(end in self._hosts for end in _ends(host))

    def _by_address(self, url: str) -> list[int]:
        """The entries that name a URL, the narrowest first."""
        key = address_key(url)
        host = key.partition("/")[0]
        return [
            *([self._urls[key]] if key in self._urls else []),
            *(place for prefix, place in self._prefixes.get(host, ()) if key.startswith(prefix)),
            *(self._hosts[end] for end in _ends(host) if end in self._hosts),
        ]

    @cached_property
    def _urls(self) -> dict[str, int]:
        return {entry.key: place for place, entry in enumerate(self.entries) if entry.kind == "url"}

    @cached_property
    def _hosts(self) -> dict[str, int]:
        return {entry.key: place for place, entry in enumerate(self.entries) if entry.kind == "host"}

    @cached_property
    def _prefixes(self) -> dict[str, list[tuple[str, int]]]:
        """By host, the longest first."""
        found: dict[str, list[tuple[str, int]]] = {}
        for place, entry in enumerate(self.entries):
            if entry.kind == "prefix":
                found.setdefault(entry.key.partition("/")[0], []).append((entry.key, place))
        return {host: sorted(some, key=lambda pair: (-len(pair[0]), pair[0])) for host, some in found.items()}

    @cached_property
    def _named_hosts(self) -> frozenset[str]:
        return frozenset(self._prefixes) | {key.partition("/")[0] for key in self._urls}


def address_key(url: str) -> str:
    """What is compared of an address: host without ``www.``, then path and query with percent signs decoded."""
    address = parse(url)
    path = unquote(address.path, errors="replace")
    if "\ufffd" in path:
        path = unquote(address.path, encoding="cp949", errors="replace")
    path = unicodedata.normalize("NFC", path)
    return address.bare + (path if path.startswith("/") else f"/{path}")


def _ends(host: str) -> Iterable[str]:
    """The host and what it is a subdomain of, longest first."""
    labels = host.split(".")
    return (".".join(labels[place:]) for place in range(len(labels)))


def parse_list(data: bytes, origin: str) -> TakedownList:
    """The entries of one list. Raises RecipeError that names each wrong line by its number."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{origin}: is not UTF-8: {error}") from None
    entries: list[Entry] = []
    wrong: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            entries.append(_from_json(line) if line.startswith("{") else _from_text(line))
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        more = [f"… and {len(wrong) - MOST_ERRORS} more lines"] if len(wrong) > MOST_ERRORS else []
        raise RecipeError(f"{origin}: " + "\n  ".join(wrong[:MOST_ERRORS] + more))
    return joined([TakedownList(tuple(entries))])


def joined(lists: Sequence[TakedownList]) -> TakedownList:
    """All entries of some lists: in order, each once.

    Of two that mean the same, one that takes duplicates along stands before one that does not, then one with a
    reason.
    """
    first: dict[tuple[str, str], Entry] = {}
    for entry in sorted(
        (entry for one in lists for entry in one.entries),
        key=lambda e: (KINDS.index(e.kind), e.key, not e.duplicates, not e.reason, e.given, e.reason),
    ):
        first.setdefault((entry.kind, entry.key), entry)
    return TakedownList(tuple(first.values()))


def read_lists(paths: Sequence[str]) -> TakedownList:
    """The entries of lists at local paths or fsspec URLs. Raises RecipeError for one that is not there or wrong."""
    lists = []
    for path in paths:
        try:
            with fsspec.open(path, "rb") as file:
                data = file.read()
        except (OSError, ValueError) as error:
            raise RecipeError(f"takedown: {path}: the list cannot be read: {error}") from None
        lists.append(parse_list(data, path))
    return joined(lists)


def standing_list(run: Storage) -> TakedownList:
    """What `hanji takedown` took from this run and stays gone, whatever a recipe says; empty where it did not."""
    if not run.exists(STANDING):
        return TakedownList(())
    return parse_list(run.read_bytes(STANDING), run.describe(STANDING))


def stored_list(run: Storage, path: str, sha256: str) -> TakedownList:
    """A list that a run holds, read once a process. ``sha256`` is there to tell versions apart."""
    return _stored_list(run.root, path, sha256)


@lru_cache(maxsize=2)
def _stored_list(root: str, path: str, sha256: str) -> TakedownList:
    run = Storage(root)
    return parse_list(run.read_bytes(path), run.describe(path))


def _from_text(line: str) -> Entry:
    given, *reason = line.split(maxsplit=1)
    said = reason[0].lstrip("#").strip() if reason else ""
    if _ID.fullmatch(given.lower()):
        return _entry("id", given.lower(), said)
    for kind in ("prefix", "host", "url", "id"):
        if given.startswith(f"{kind}:") and not given.startswith(f"{kind}://"):
            return _entry(kind, given.partition(":")[2], said)
    if "://" not in given and not parse(given).host.count("."):
        raise ValueError(
            f"{given!r} is neither an id (32 hexadecimal digits) nor a URL, host:NAME or prefix:URL"
        )
    if "://" not in given and "/" not in given:
        raise ValueError(
            f"{given!r}: write host:{given} for all of a host, or the whole URL for its home page"
        )
    return _entry("url", given, said)


def _from_json(line: str) -> Entry:
    try:
        fields: Any = json.loads(line)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    named = [kind for kind in KINDS if kind in fields]
    unknown = sorted(set(fields) - {*KINDS, "reason", "duplicates"})
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}; allowed: {', '.join(KINDS)}, reason, duplicates")
    if len(named) != 1:
        raise ValueError(f"give one of {', '.join(KINDS)}; here: {', '.join(named) or 'none'}")
    given, reason, duplicates = fields[named[0]], fields.get("reason", ""), fields.get("duplicates", True)
    if not isinstance(given, str) or not isinstance(reason, str):
        raise ValueError(f"{named[0]} and reason are text")
    if not isinstance(duplicates, bool):
        raise ValueError("duplicates is true or false")
    return replace(_entry(named[0], given, reason), duplicates=duplicates)


def _entry(kind: str, given: str, reason: str) -> Entry:
    reason = " ".join(reason.split())
    if kind == "id":
        if not _ID.fullmatch(given):
            raise ValueError(f"id {given!r}: an id is 32 hexadecimal digits, as `hanji why` shows them")
        return Entry(kind, given, given, reason)
    host = parse(given).host
    if "." not in host and not host.startswith("[") and host != "localhost":
        raise ValueError(f"{kind} {given!r}: there is no whole host name in it")
    if kind == "host":
        address = parse(given)
        if address.path.strip("/"):
            raise ValueError(f"host {given!r}: a host has no path; write prefix:{given}")
        return Entry(kind, address.bare, given, reason)
    return Entry(kind, address_key(given), given, reason)
