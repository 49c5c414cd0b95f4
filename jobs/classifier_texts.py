"""Texts for classifiers as a command names them: files, or the kept documents of finished curation runs."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.compute as pc

from hanji.classifiers.texts import Text, TextFile, TextSource, site_of
from hanji.curation.calibrating.runs import is_run
from hanji.curation.finished import FinishedRun, open_finished
from hanji.errors import RecipeError
from hanji.fingerprint import fingerprint

_OF_LEDGER = ["id", "verdict", "language", "source", "url"]


@dataclass(frozen=True)
class KeptDocuments:
    """The documents that a run kept, with their text after all edits; of some of its sources, or all (empty)."""

    path: str
    sources: tuple[str, ...]
    language: str
    label: str | None = None

    @property
    def name(self) -> str:
        return f"{self.path}:{','.join(self.sources)}" if self.sources else self.path

    @cached_property
    def run(self) -> FinishedRun:
        run = open_finished(self.path)
        there = [source["name"] for source in run.recipe["sources"]]
        for source in self.sources:
            if source not in there:
                raise RecipeError(
                    f"{self.path}: {source!r} is no source of the run; there are: {', '.join(there)}"
                )
        return run

    def identity(self) -> str:
        """A fingerprint of what was kept (the ledger's files) and of its texts, and of which of it is meant."""
        hashes = [
            [ledger.files["ledger"].sha256, gathered.files["text"].sha256]
            for ledger, gathered in zip(self.run.ledgers, self.run.gathered, strict=True)
        ]
        return fingerprint([hashes, sorted(set(self.sources)), self.language])

    def __iter__(self) -> Iterator[Text]:
        run = self.run
        for number in range(run.partitions):
            ledger = run.storage.read_table(run.ledgers[number].files["ledger"].path, _OF_LEDGER)
            kept = ledger.filter(
                pc.and_(pc.equal(ledger["verdict"], "kept"), pc.equal(ledger["language"], self.language))
            )
            sites = {
                row["id"]: (site_of(row), str(row["source"]))
                for row in kept.to_pylist()
                if not self.sources or row["source"] in self.sources
            }
            for group in run.storage.table_groups(run.gathered[number].files["text"].path, ["id", "text"]):
                for identity, text in zip(group["id"].to_pylist(), group["text"].to_pylist(), strict=True):
                    if text is not None and identity in sites:
                        yield Text(text, self.label, *sites[identity])


def text_sources(
    option: str,
    asked: Sequence[str],
    language: str,
    label: str | None = None,
    *,
    label_scores: int | None = None,
    text_field: str = "text",
    labels: tuple[str, ...] | None = None,
) -> list[TextSource]:
    """What an option names: ``RUN``, ``RUN:SOURCE,SOURCE``, files or patterns of JSONL (plain, .gz) or Parquet.

    ``label`` stands for the rows' own, of which only ``labels`` count. Raises RecipeError naming the option for
    what is none of these.
    """
    found: list[TextSource] = []
    for one in asked:
        path = one.rstrip("/")
        base, _, sources = path.rpartition(":")
        if Path(path).is_dir() and is_run(path):
            found.append(KeptDocuments(path, (), language, label))
        elif base and Path(base).is_dir() and is_run(base):
            found.append(KeptDocuments(base, tuple(filter(None, sources.split(","))), language, label))
        elif Path(path).is_dir():
            raise RecipeError(f"{option}: {one}: a directory that is no run (it has no run.json)")
        else:
            paths = [path] if Path(path).exists() or not glob.has_magic(path) else sorted(glob.glob(path))  # noqa: PTH207
            if not paths:
                raise RecipeError(f"{option}: {one}: the pattern matches no file")
            for file in paths:
                if not file.endswith((".jsonl", ".jsonl.gz", ".json", ".json.gz", ".ndjson", ".parquet")):
                    raise RecipeError(
                        f"{option}: {file}: neither a run nor a file of texts (.jsonl, .jsonl.gz, .parquet)"
                    )
                found.append(TextFile(file, label, label_scores, language, text_field, labels))
    return found
