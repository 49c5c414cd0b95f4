"""Words that adult, gambling and spam addresses are made of, in Korean, romanised Korean and English.

Word lists of several strengths in the spirit of RefinedWeb (arXiv 2306.01116, app. G.1) and FineWeb, with
lists of our own (``word_lists/``). A host is what somebody chose to be known by, a path is often a headline:
so a word proves more in a host than in a path.

- ``strict``: anywhere in the host, within longer words too;
- ``host``: a whole token of the host;
- ``hard``: a whole token of host or path;
- ``soft``: two different ones among the tokens of host and path;
- ``tld``: the last label of the host;
- ``safe``: words that only look like one of these (essex, 성인간호): taken out before anything is looked for.

Tokens lie between characters that are no letters, so ``sex4u`` has the token ``sex``. Korean writes words
together and joins particles to them: Hangul words of ``hard`` and ``soft`` begin a token, they need not be
all of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ahocorasick_rs import AhoCorasick

from hanji.curation.sources.urls.address import Address
from hanji.errors import InputError

_STRENGTHS = ("strict", "host", "hard", "soft", "tld", "safe")
_WORD_LISTS = Path(__file__).parent / "word_lists"
# A segment of a path with so many tokens is a headline, in which words are used, not offered.
_HEADLINE = 5
_TOKEN = re.compile(r"[a-z]+|[가-힣ㄱ-ㆎ]+")
_WORD = re.compile(r"[a-z0-9가-힣ㄱ-ㆎ.-]+")
_HANGUL = re.compile(r"[가-힣]")
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True)
class _Words:
    """The words of one file by strength, compiled."""

    category: str
    strict: re.Pattern[str]
    safe: re.Pattern[str]
    host: frozenset[str]
    hard: frozenset[str]
    soft: frozenset[str]
    tld: frozenset[str]
    hangul_hard: re.Pattern[str]
    hangul_soft: re.Pattern[str]
    all: frozenset[str]
    """Words of every strength but safe, the last labels with their dot."""
    sha256: str = field(repr=False)


class WordRules:
    """The word lists of a recipe: of ours by category, and files of the recipe's own."""

    def __init__(self, categories: Sequence[str], files: Sequence[str] = ()) -> None:
        self._paths = [str(_WORD_LISTS / f"{category}.txt") for category in categories] + list(files)
        self._lists: list[_Words] | None = None
        self._any: AhoCorasick | None = None

    def identity(self) -> list[str]:
        """SHA-256 of each file, in order."""
        return [words.sha256 for words in self._words()]

    def find(self, address: Address) -> str | None:
        """The category and the words that an address falls to, or None."""
        lists = self._words()
        if not lists or not address.host:
            return None
        host, path = address.readable_host, address.readable_path[:2000]
        # Nine addresses in ten hold no word of any list: one pass over them says so.
        if self._any is None:
            self._any = AhoCorasick(sorted({word for words in lists for word in words.all}))
        if not self._any.find_matches_as_indexes(f"{host}\n{path}"):
            return None
        for words in lists:
            if (found := _find(words, host, path)) is not None:
                return f"{words.category}: {found}"
        return None

    def _words(self) -> list[_Words]:
        if self._lists is None:
            self._lists = [_read(path, _stat(path)) for path in self._paths]
        return self._lists


def _find(words: _Words, host: str, path: str) -> str | None:
    host = words.safe.sub("|", host)
    labels = host.split(".")
    if labels[-1] in words.tld:
        return f".{labels[-1]}"
    if (strict := words.strict.search(host)) is not None:
        return str(strict.group())
    in_host: list[str] = _TOKEN.findall(host)
    for token in in_host:
        if token in words.host or token in words.hard:
            return token
    soft = _among(in_host, words.soft, words.hangul_soft)
    if hard := _among(in_host, words.hard, words.hangul_hard):
        return min(hard)
    for segment in re.split(r"[/?&=#;,]", words.safe.sub("|", path)):
        tokens = _TOKEN.findall(segment)
        if not tokens:
            continue
        hard = _among(tokens, words.hard, words.hangul_hard)
        if len(tokens) >= _HEADLINE:
            # A headline: one word is its subject.
            if len(hard) >= 2:
                return " + ".join(sorted(hard))
            continue
        if hard:
            return min(hard)
        soft |= _among(tokens, words.soft, words.hangul_soft)
    return " + ".join(sorted(soft)) if len(soft) >= 2 else None


def _among(tokens: Iterable[str], listed: frozenset[str], hangul: re.Pattern[str]) -> set[str]:
    found: set[str] = set()
    for token in tokens:
        if token in listed:
            found.add(token)
        elif not token.isascii() and (match := hangul.match(token)) is not None:
            found.add(match.group())
    return found


def _stat(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise InputError(f"{path}: this word list cannot be read: {error.strerror}") from None
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=32)
def _read(path: str, stat: tuple[int, int]) -> _Words:
    """A word list. Raises InputError naming file and line."""
    data = Path(path).read_bytes()
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8: byte {error.start}") from None
    words: dict[str, list[str]] = {strength: [] for strength in _STRENGTHS}
    strength = ""
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip().lower()
        if not text:
            continue
        if text.startswith("["):
            strength = text.strip("[]")
            if strength not in words:
                raise InputError(f"{path}, line {number}: [{strength}] is none of {', '.join(_STRENGTHS)}")
        elif not strength:
            raise InputError(f"{path}, line {number}: words come after a line such as [strict]")
        else:
            for word in text.split():
                if not _WORD.fullmatch(word):
                    raise InputError(
                        f"{path}, line {number}: {word!r} has characters that addresses have not"
                    )
                words[strength].append(word)
    return _Words(
        category=Path(path).stem,
        strict=_any(words["strict"]),
        safe=_any(words["safe"]),
        host=frozenset(words["host"]),
        hard=frozenset(words["hard"]),
        soft=frozenset(words["soft"]),
        tld=frozenset(words["tld"]),
        hangul_hard=_any(word for word in words["hard"] if _HANGUL.match(word)),
        hangul_soft=_any(word for word in words["soft"] if _HANGUL.match(word)),
        all=frozenset(
            f".{word}" if strength == "tld" else word
            for strength in _STRENGTHS[:-1]
            for word in words[strength]
        ),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _any(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for the longest of the words."""
    alternatives = sorted(set(words), key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, alternatives))) if alternatives else _NEVER
