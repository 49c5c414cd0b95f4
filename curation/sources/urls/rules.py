"""The rules on URLs put together: allow-lists, block-lists, words, each verdict with its rule and its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hanji.curation.recipe import UrlList, Urls
from hanji.curation.sources.urls.address import Address, parse
from hanji.curation.sources.urls.lists import Lists, content_hash, load
from hanji.curation.sources.urls.tables import Table, digests
from hanji.curation.sources.urls.words import WordRules
from hanji.errors import InputError
from hanji.fingerprint import fingerprint

VERSION = 1


@dataclass(frozen=True)
class UrlVerdict:
    """Why a URL is not read. ``rule``: ``url.domain``, ``url.url``, ``url.words`` or ``url.not_allowed``."""

    rule: str
    detail: str


@dataclass(frozen=True)
class _Loaded:
    allow: tuple[Lists, ...]
    block: tuple[Lists, ...]


class UrlRules:
    """The URL rules of a recipe. Cheap to make: lists are loaded at the first URL, once a process."""

    def __init__(self, settings: Urls) -> None:
        self._settings = settings
        self._words = WordRules(settings.words, settings.word_files)
        self._loaded: _Loaded | None = None

    def judge(self, url: str | None) -> UrlVerdict | None:
        """Why this URL is not to be read, or None if it is. A record without a URL is not judged.

        Never raises for a URL, however malformed; raises InputError for a list that cannot be read.
        """
        if not url:
            return None
        if self._loaded is None:
            self._loaded = self._load()
        address = parse(url)
        for lists in self._loaded.allow:
            if _match(lists, address) is not None:
                return None
        if self._settings.only_allowed:
            return UrlVerdict("url.not_allowed", address.host or url[:200])
        for lists in self._loaded.block:
            if (verdict := _match(lists, address)) is not None:
                return verdict
        found = self._words.find(address)
        return UrlVerdict("url.words", found) if found is not None else None

    def identity(self) -> str:
        """32 hexadecimal digits that change when the rules do: settings, word lists, contents of the lists."""
        return fingerprint(
            {
                "version": VERSION,
                "settings": self._settings.model_dump(mode="json", exclude={"block", "allow"}),
                "words": self._words.identity(),
                "block": [self._content(one) for one in self._settings.block],
                "allow": [self._content(one) for one in self._settings.allow],
            }
        )

    def _content(self, one: UrlList) -> list[object]:
        return [content_hash(one.path, tuple(one.categories)), one.categories]

    def _load(self) -> _Loaded:
        return _Loaded(
            (*_inline(self._settings.allowed, "urls.allowed"), *map(_listed, self._settings.allow)),
            (*_inline(self._settings.blocked, "recipe"), *map(_listed, self._settings.block)),
        )


def _listed(one: UrlList) -> Lists:
    return load(one.path, tuple(one.categories))


def _inline(entries: Sequence[str], name: str) -> Iterator[Lists]:
    """Hosts and URLs that stand in the recipe itself."""
    hosts: list[bytes] = []
    urls: list[bytes] = []
    for entry in entries:
        address = parse(entry.strip().removeprefix("*."))
        if not address.host:
            raise InputError(f"{name}: {entry!r} names no host; write example.com or example.com/path")
        path = address.path.rstrip("/")
        (urls if path else hosts).append(f"{address.bare}{path.lower()}".encode("utf-8", "replace"))
    if hosts or urls:
        yield Lists(Table([name], [(0, digests(hosts))]), Table([name], [(0, digests(urls))]), ())


def _match(lists: Lists, address: Address) -> UrlVerdict | None:
    """The entry of a list that an address falls under."""
    if len(lists.hosts):
        for suffix in _suffixes(address.bare):
            if (category := lists.hosts.category(suffix.encode("ascii", "replace"))) is not None:
                return UrlVerdict("url.domain", f"{category}: {suffix}")
    if len(lists.urls):
        for prefix in _prefixes(address.bare, address.path.lower()):
            if (category := lists.urls.category(prefix.encode("utf-8", "replace"))) is not None:
                return UrlVerdict("url.url", f"{category}: {prefix[:200]}")
    if lists.expressions:
        plain = f"{address.host}{address.path}"[:4000]
        for category, pattern in lists.expressions:
            if pattern.search(plain) is not None:
                return UrlVerdict("url.url", f"{category}: expression {pattern.pattern[:100]}")
    return None


def _suffixes(host: str) -> Iterator[str]:
    """A host and its parents: a.b.kr, b.kr, kr."""
    yield host
    at = host.find(".")
    while at >= 0:
        yield host[at + 1 :]
        at = host.find(".", at + 1)


def _prefixes(host: str, path: str) -> Iterator[str]:
    """A URL and what it lies under: host/a/b?q, host/a/b, host/a."""
    whole = f"{host}{path}"[:2000].rstrip("/")
    if len(whole) <= len(host):
        return
    yield whole
    for mark in ("?", "/"):
        at = whole.rfind(mark)
        while at > len(host):
            yield whole[:at]
            at = whole.rfind(mark, 0, at)
