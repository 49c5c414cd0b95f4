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

from hanji.classifiers.language import LanguageGuess, LanguageIdentifier
from hanji.curation.recipe import Floor, LanguageModels, Source, Text, Urls
from hanji.curation.records import DOCUMENTS, Document, Record, document_id, documents_table
from hanji.curation.report.reading import Reading, add, tally
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import Split
from hanji.curation.sources.urls import UrlRules
from hanji.curation.text.guess import guess_page
from hanji.curation.text.making import Made, raw_of
from hanji.curation.text.sandbox import Sandbox, sandbox_for
from hanji.curation.work import Attempt, Outcome

VERSION = 3
BATCH_RECORDS = 128
BATCH_BYTES = 32_000_000
# A row group of documents/: what later steps hold in memory at a time.
GROUP_ROWS = 4096
GROUP_BYTES = 32_000_000
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
    rows: list[Document] = []
    to_make: list[int] = []
    for position, (identity, record) in enumerate(chosen):
        row = Document(
            id=identity,
            source=tools.source.name,
            domain=tools.source.domain,
            key=record.key,
            url=record.url,
            date=record.date,
            path=record.path,
            offset=record.offset,
            status="read",
            payload_bytes=len(record.payload),
            flaw=record.flaw,
        )
        row = _before_text(row, record, tools)
        rows.append(row)
        if row.status == "read":
            to_make.append(position)
    made = tools.sandbox.make([raw_of(chosen[position][1]) for position in to_make])
    for position, result in zip(to_make, made, strict=True):
        rows[position] = _with_text(rows[position], result, tools.floor)
    judged = [position for position in to_make if rows[position].status == "read"]
    guesses = tools.identifier.identify([rows[position].text or "" for position in judged])
    for position, guess in zip(judged, guesses, strict=True):
        rows[position] = _with_language(rows[position], guess, tools.floor)
    return rows


def _before_text(row: Document, record: Record, tools: _Tools) -> Document:
    floor = tools.floor
    if record.error is not None:
        rule, _, detail = record.error.partition(":")
        return dataclasses.replace(row, status="failed", rule=rule.strip(), detail=detail.strip() or None)
    found = tools.urls.judge(record.url)
    if found is not None:
        return dataclasses.replace(row, status="dropped", rule=found.rule, detail=found.detail)
    if row.payload_bytes > floor.max_payload_bytes:
        return _floor(row, "max_payload_bytes", row.payload_bytes, floor.max_payload_bytes)
    if record.html is not None and floor.page_language:
        guess = guess_page(record.html, record.http_charset, record.url)
        row = dataclasses.replace(row, page_language=guess.language)
        # Only what is surely neither Korean nor English: which of the two it is, the text tells better.
        if guess.language == "other":
            return dataclasses.replace(
                row, status="dropped", rule="floor.page_language", detail=guess.evidence
            )
    return row


def _with_text(row: Document, made: Made, floor: Floor) -> Document:
    if made.error is not None:
        rule, _, detail = made.error.partition(":")
        return dataclasses.replace(row, status="failed", rule=rule.strip(), detail=detail.strip() or None)
    text = made.text or ""
    row = dataclasses.replace(
        row,
        text_bytes=len(text.encode()),
        characters=len(text),
        **{name: getattr(made, name) for name in _MADE},
    )
    if row.characters < floor.min_characters:
        return _floor(row, "min_characters", row.characters, floor.min_characters)
    if row.characters > floor.max_characters:
        return _floor(row, "max_characters", row.characters, floor.max_characters)
    replaced_share = row.replaced_characters / row.characters if row.characters else 0.0
    if replaced_share > floor.max_replaced_share:
        return _floor(row, "max_replaced_share", replaced_share, floor.max_replaced_share)
    return row


def _with_language(row: Document, guess: LanguageGuess, floor: Floor) -> Document:
    row = dataclasses.replace(
        row, language=guess.language, language_score=guess.score, language_detail=guess.detail
    )
    if guess.language not in floor.languages:
        return dataclasses.replace(
            row, status="dropped", rule="floor.languages", detail=f"language {guess.language}"
        )
    if guess.score < floor.min_language_score:
        return _floor(row, "min_language_score", guess.score, floor.min_language_score)
    return row


def _floor(row: Document, rule: str, value: float, threshold: float) -> Document:
    return dataclasses.replace(
        row, status="dropped", rule=f"floor.{rule}", value=float(value), threshold=float(threshold)
    )
