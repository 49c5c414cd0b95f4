"""Read: a split of a source becomes documents with text and language, or a row that says why not.

Floors are applied here, cheapest first, so that nothing expensive is spent on what cannot be kept: the URL,
the size, what the raw bytes look like, then the text and its language. Every record that the reader yields
becomes exactly one row: read, dropped by a floor, or failed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hanji.classifiers.language import LanguageGuess, LanguageIdentifier
from hanji.curation.recipe import Floor, LanguageModels, Source, Text, Urls
from hanji.curation.records import DOCUMENTS, Document, Record, document_id, documents_table
from hanji.curation.report.reading import Reading, add, tally
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import Split
from hanji.curation.sources.urls import UrlRules
from hanji.curation.text.guess import guess_page
from hanji.curation.text.making import Made, raw_of
from hanji.curation.text.sandbox import Sandbox, sandbox_for, settle
from hanji.curation.work import Attempt, Outcome

VERSION = 3
BATCH_RECORDS = 128
BATCH_BYTES = 32_000_000
# A row group of documents/: what later steps hold in memory at a time.
GROUP_ROWS = 1024
GROUP_BYTES = 8_000_000
# A document in the making: fields of Document by name.
Row = dict[str, Any]
_MADE = [field.name for field in dataclasses.fields(Made) if field.name != "error"]


@dataclass(frozen=True)
class ReadSettings:
    """What reading depends on. ``sample`` keeps that share of documents, by hash of the id."""

    urls: Urls
    floor: Floor
    text: Text
    language: LanguageModels
    sample: float = 1.0


def read_split(attempt: Attempt, work: tuple[Split, Source], settings: ReadSettings) -> Outcome:
    """Read one split; writes documents/ and keeps books of records in, read, dropped and failed.

    Rows go out in row groups as they come, so that the memory that a split takes does not grow with it.
    """
    split, source = work
    reader = Reader(split, source)
    tools = _Tools(settings, source)
    counts = {"in": 0, "kept": 0, "dropped": 0, "failed": 0}
    reasons: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    reading: Reading = {}
    with attempt.table_writer("documents", "documents", DOCUMENTS) as writer:
        for documents in _groups(_read_all(iter(reader), tools, skipped)):
            writer.write(documents_table(documents))
            add(reading, tally(documents))
            counts["in"] += len(documents)
            for document in documents:
                counts["kept" if document.status == "read" else document.status] += 1
                if document.status == "failed":
                    reasons[document.rule or ""] += 1
    skipped.update(reader.skipped)
    if reader.flaws:
        add(reading, {"flaw": dict(reader.flaws)})
    info = {
        "source": source.name,
        "skipped": dict(skipped),
        "failures": dict(reasons),
        "reading": reading,
    }
    return Outcome(counts, info)


def in_sample(document: str, share: float) -> bool:
    """Whether a document is in the sample of that share: by hash of its id, whatever the inputs' order."""
    digest = hashlib.blake2b(f"sample {document}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2.0**64


class _Tools:
    """What a split is read with."""

    def __init__(self, settings: ReadSettings, source: Source) -> None:
        self.settings = settings
        self.floor = settings.floor
        self.source = source
        self.urls = UrlRules(settings.urls)
        self.sandbox: Sandbox = sandbox_for(settings.text)
        self.identifier = LanguageIdentifier(settings.language)
        settle()


def _read_all(records: Iterator[Record], tools: _Tools, skipped: Counter[str]) -> Iterator[Document]:
    share, name = tools.settings.sample, tools.source.name
    for batch in _batches(records):
        chosen = [(document_id(name, record), record) for record in batch]
        if share < 1.0:
            kept = [pair for pair in chosen if in_sample(pair[0], share)]
            if len(kept) < len(chosen):
                skipped["left out of the sample"] += len(chosen) - len(kept)
            chosen = kept
        yield from _read_batch(chosen, tools)


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Batches bounded in number and in bytes, so that a few large pages do not fill the memory."""
    while first := list(islice(records, 1)):
        batch, size = first, len(first[0].payload)
        while len(batch) < BATCH_RECORDS and size < BATCH_BYTES and (more := list(islice(records, 1))):
            batch += more
            size += len(more[0].payload)
        yield batch


def _groups(documents: Iterator[Document]) -> Iterator[list[Document]]:
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += document.text_bytes
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _read_batch(chosen: list[tuple[str, Record]], tools: _Tools) -> list[Document]:
    rows: list[Row] = []
    to_make: list[int] = []
    for position, (identity, record) in enumerate(chosen):
        row: Row = {
            "id": identity,
            "source": tools.source.name,
            "domain": tools.source.domain,
            "key": record.key,
            "url": record.url,
            "date": record.date,
            "path": record.path,
            "offset": record.offset,
            "status": "read",
            "payload_bytes": len(record.payload),
            "flaw": record.flaw,
        }
        _before_text(row, record, tools)
        rows.append(row)
        if row["status"] == "read":
            to_make.append(position)
    made = tools.sandbox.make([raw_of(chosen[position][1]) for position in to_make])
    for position, result in zip(to_make, made, strict=True):
        _with_text(rows[position], result, tools.floor)
    judged = [position for position in to_make if rows[position]["status"] == "read"]
    guesses = tools.identifier.identify([rows[position]["text"] or "" for position in judged])
    for position, guess in zip(judged, guesses, strict=True):
        _with_language(rows[position], guess, tools.floor)
    return [Document(**row) for row in rows]


def _before_text(row: Row, record: Record, tools: _Tools) -> None:
    floor = tools.floor
    if record.error is not None:
        _failed(row, record.error)
        return
    found = tools.urls.judge(record.url)
    if found is not None:
        row |= {"status": "dropped", "rule": found.rule, "detail": found.detail}
        return
    if row["payload_bytes"] > floor.max_payload_bytes:
        _floor(row, "max_payload_bytes", row["payload_bytes"], floor.max_payload_bytes)
        return
    if record.html is not None and floor.page_language:
        guess = guess_page(record.html, record.http_charset, record.url)
        row["page_language"] = guess.language
        # Only what is surely neither Korean nor English: which of the two it is, the text tells better.
        if guess.language == "other":
            row |= {"status": "dropped", "rule": "floor.page_language", "detail": guess.evidence}


def _with_text(row: Row, made: Made, floor: Floor) -> None:
    if made.error is not None:
        _failed(row, made.error)
        return
    text = made.text or ""
    characters = len(text)
    row |= {name: getattr(made, name) for name in _MADE}
    row |= {"text_bytes": len(text.encode()), "characters": characters}
    if characters < floor.min_characters:
        _floor(row, "min_characters", characters, floor.min_characters)
    elif characters > floor.max_characters:
        _floor(row, "max_characters", characters, floor.max_characters)
    elif made.replaced_characters > floor.max_replaced_share * characters:
        _floor(row, "max_replaced_share", made.replaced_characters / characters, floor.max_replaced_share)


def _with_language(row: Row, guess: LanguageGuess, floor: Floor) -> None:
    row |= {
        "language": guess.language,
        "language_score": guess.score,
        "language_detail": guess.detail,
    }
    if guess.language not in floor.languages:
        row |= {"status": "dropped", "rule": "floor.languages", "detail": f"language {guess.language}"}
    elif guess.score < floor.min_language_score:
        _floor(row, "min_language_score", guess.score, floor.min_language_score)


def _failed(row: Row, error: str) -> None:
    rule, _, detail = error.partition(":")
    row |= {"status": "failed", "rule": rule.strip(), "detail": detail.strip() or None}


def _floor(row: Row, rule: str, value: float, threshold: float) -> None:
    row |= {
        "status": "dropped",
        "rule": f"floor.{rule}",
        "value": float(value),
        "threshold": float(threshold),
    }
