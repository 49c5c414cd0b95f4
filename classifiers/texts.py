"""Texts to learn from: read from JSONL or Parquet one at a time, and set in order of their hash on disk.

A text has a label, if it is known, and a *site*: the host of its ``url``, else its ``source``, else the name of its
file. Splits and quotas go by site, since texts of one site resemble each other more than texts of a kind do.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from hanji.errors import InputError
from hanji.fingerprint import file_sha256

_BUCKETS = 256
_NEEDED = ("text", "label", "score", "url", "source")
HIGHEST_SCORE = 5
"""Labels of `annotate` are points, 0 to so many."""


@dataclass(frozen=True)
class Text:
    """A text, its label (None: not known), the site that it comes from, and the source: a file or one of a run."""

    text: str
    label: str | None
    site: str
    source: str = ""

    def hash(self) -> bytes:
        """Sixteen bytes of the text alone: the order of training, and the key of caches."""
        return text_hash(self.text)


def held_out_byte(text: Text) -> int:
    """The byte of a text's hash that says whether it is held out.

    Not one of the first: a bound on a label takes the texts whose hashes are smallest by these, so that all of them
    would be held out where the label has many more.
    """
    return text.hash()[8]


def text_hash(text: str) -> bytes:
    """128 bits of blake2b of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class TextSource(Protocol):
    """Where texts come from: a file, or the kept documents of a run."""

    @property
    def name(self) -> str: ...

    def identity(self) -> str:
        """What its texts depend on, for a model card."""

    def __iter__(self) -> Iterator[Text]: ...


@dataclass(frozen=True)
class TextFile:
    """Rows of a JSONL file (plain or .gz) or a Parquet file with a ``text``.

    ``label`` stands for the rows' own. ``label_scores`` n makes a label of a row's ``score``: "high" from n on,
    "low" below. With ``labels``, whatever else a row's own says is no label: a pool may be labelled for something
    else. Rows with another ``lang`` or ``language`` than ``language``, if one is given, are passed over.
    Raises InputError naming the file and the row for one that is not as it should be.
    """

    path: str
    label: str | None = None
    label_scores: int | None = None
    language: str | None = None
    text_field: str = "text"
    labels: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def stem(self) -> str:
        """The name up to its first dot: the source of its texts, and their site where they have no other."""
        return self.name.split(".")[0]

    def identity(self) -> str:
        return file_sha256(self.path)

    def __iter__(self) -> Iterator[Text]:
        stem = self.stem
        for number, row in _rows(Path(self.path), self.text_field):
            if self.language and (row.get("lang") or row.get("language") or self.language) != self.language:
                continue
            text = row.get(self.text_field)
            if text is None:
                raise InputError(f"{self.path}:{number}: no field {self.text_field!r}")
            if not isinstance(text, str):
                raise InputError(
                    f"{self.path}:{number}: {self.text_field} is text, not {type(text).__name__}"
                )
            label = self._label(row, number)
            if label is not None and not is_label(label):
                raise InputError(
                    f"{self.path}:{number}: label: {label!r:.100} is not allowed: text without spaces"
                )
            yield Text(text, label, site_of(row) or stem, stem)

    def _label(self, row: Mapping[str, Any], number: int) -> Any:
        if self.label is not None:
            return self.label
        if self.label_scores is None:
            label = row.get("label")
            return label if self.labels is None or label in self.labels else None
        score = row.get("score")
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise InputError(f"{self.path}:{number}: no field 'score' with a number")
        if not 0 <= score <= HIGHEST_SCORE:  # NaN is not, either
            raise InputError(f"{self.path}:{number}: score: {score} is not allowed: 0 to {HIGHEST_SCORE}")
        return "high" if score >= self.label_scores else "low"


def is_label(label: Any) -> bool:
    """Whether fastText can have this for a label: text without white space and what cannot be printed."""
    return isinstance(label, str) and bool(label) and label.isprintable() and not re.search(r"\s", label)


def site_of(row: Mapping[str, Any]) -> str:
    """The site of a row: the host of its url without www., or its source; "" if it has neither."""
    url = row.get("url")
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        host = None
    return (host or "").removeprefix("www.") or str(row.get("source") or "")


def labelled(source: TextSource) -> Iterator[tuple[str, Text]]:
    """Texts with their labels. Raises InputError for one without."""
    for number, text in enumerate(source, 1):
        if text.label is None:
            raise InputError(f"{getattr(source, 'path', source.name)}:{number}: no field 'label'")
        yield text.label, text


def once(texts: Iterable[tuple[str, Text]]) -> Iterator[Text]:
    """Texts in the order of their hash without those that stand under two labels."""
    last = None
    for _, text in texts:
        if text.text != last:
            yield text
        last = text.text


def site_hash(site: str) -> bytes:
    """Eight bytes of a site: which of them are held out follows from these."""
    return hashlib.blake2b(site.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _rows(path: Path, text_field: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, text_field)
        return
    try:
        file = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    with file:
        number = 0
        try:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no object")
                yield number, row
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not a JSON object: {error}") from None
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: {error}, after line {number}") from None


def _parquet_rows(path: Path, text_field: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with pq.ParquetFile(path) as file:
            names = [n for n in (*_NEEDED, "lang", "language", text_field) if n in file.schema_arrow.names]
            number = 0
            for batch in file.iter_batches(1024, columns=list(dict.fromkeys(names))):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: {error}") from None


class HashedTexts:
    """Texts on disk, given out in the order of their hash, each once a label.

    However many they are, one 256th of them is in memory at a time. The order does not depend on the files' names
    or order, and a bound takes the same texts whatever else is there.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    def fill(
        self,
        sources: Iterable[TextSource],
        *,
        need_labels: bool = True,
        takes: Callable[[Text], bool] = lambda text: True,
    ) -> None:
        """Put the texts of sources in, those that it ``takes``.

        Raises InputError for a text without a label where each needs one.
        """
        self.add(
            pair
            for source in sources
            for pair in (labelled(source) if need_labels else ((text.label or "", text) for text in source))
            if takes(pair[1])
        )

    def add(self, pairs: Iterable[tuple[str, Text]]) -> None:
        """Put texts under their labels in, in the place of all that was there."""
        with ExitStack() as open_files:
            files = [
                open_files.enter_context(self._bucket(number).open("w", encoding="utf-8"))
                for number in range(_BUCKETS)
            ]
            for label, text in pairs:
                key = text.hash()
                # ASCII: lone surrogates have no form in UTF-8.
                files[key[0]].write(json.dumps([key.hex(), label, text.site, text.source, text.text]) + "\n")

    def texts(
        self, most: int | None = None, of_each: Literal["label", "site"] = "label"
    ) -> Iterator[tuple[str, Text]]:
        """(label, text), at most ``most`` of each label or site: those of the smallest hashes."""
        taken: Counter[str] = Counter()
        for number in range(_BUCKETS):
            with self._bucket(number).open(encoding="utf-8") as file:
                rows = sorted({tuple(json.loads(line)) for line in file})
            last: tuple[str, str] | None = None
            for key, label, site, source, text in rows:
                group = label if of_each == "label" else site
                if (key, label) == last or (most is not None and taken[group] >= most):
                    continue
                last = (key, label)
                taken[group] += 1
                yield label, Text(text, label or None, site, source)

    def _bucket(self, number: int) -> Path:
        return self._directory / f"{number:03d}.jsonl"
