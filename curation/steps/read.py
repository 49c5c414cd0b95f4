"""Read: a split of a source becomes documents with text and language, or a row that says why not.

Floors are applied here, cheapest first, so that nothing expensive is spent on what cannot be kept. Every
record that the reader yields becomes exactly one row: read, dropped by a floor, or failed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from hanji.classifiers.language import LanguageGuess, LanguageIdentifier
from hanji.curation.recipe import Floor, LanguageModels, Source, Text
from hanji.curation.records import Document, Record, document_id, documents_table
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import Split
from hanji.curation.text.making import Made, TextMaker
from hanji.curation.work import Attempt, Outcome

VERSION = 2
BATCH_RECORDS = 128
BATCH_BYTES = 32_000_000


@dataclass(frozen=True)
class ReadSettings:
    """What reading depends on. ``sample`` keeps that share of documents, by hash of the id."""

    floor: Floor
    text: Text
    language: LanguageModels
    sample: float = 1.0


def read_split(attempt: Attempt, work: tuple[Split, Source], settings: ReadSettings) -> Outcome:
    """Read one split; writes documents/ and keeps books of records in, read, dropped and failed."""
    split, source = work
    reader = Reader(split, source)
    identifier = LanguageIdentifier(settings.language)
    documents: list[Document] = []
    sampled_out = 0
    maker = TextMaker(settings.text)
    for batch in _batches(iter(reader)):
        chosen = [(document_id(source.name, record), record) for record in batch]
        if settings.sample < 1.0:
            kept = [pair for pair in chosen if in_sample(pair[0], settings.sample)]
            sampled_out += len(chosen) - len(kept)
            chosen = kept
        documents += _read_batch(chosen, source, settings.floor, maker, identifier)
    attempt.write_table("documents", "documents", documents_table(documents))
    counts = {"in": len(documents), "kept": 0, "dropped": 0, "failed": 0}
    reasons: dict[str, int] = {}
    for document in documents:
        counts["kept" if document.status == "read" else document.status] += 1
        if document.status == "failed":
            reasons[document.rule or ""] = reasons.get(document.rule or "", 0) + 1
    skipped = dict(reader.skipped)
    if sampled_out:
        skipped["left out of the sample"] = sampled_out
    return Outcome(counts, {"source": source.name, "skipped": skipped, "failures": reasons})


def in_sample(document: str, share: float) -> bool:
    """Whether a document is in the sample of that share: by hash of its id, whatever the inputs' order."""
    digest = hashlib.blake2b(f"sample {document}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2.0**64


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    """Batches bounded in number and in bytes, so that a few large pages do not fill the memory."""
    while first := list(islice(records, 1)):
        batch, size = first, len(first[0].payload)
        while len(batch) < BATCH_RECORDS and size < BATCH_BYTES and (more := list(islice(records, 1))):
            batch += more
            size += len(more[0].payload)
        yield batch


def _read_batch(
    chosen: list[tuple[str, Record]],
    source: Source,
    floor: Floor,
    maker: TextMaker,
    identifier: LanguageIdentifier,
) -> list[Document]:
    rows: list[Document] = []
    to_make: list[int] = []
    for position, (identity, record) in enumerate(chosen):
        row = Document(
            id=identity,
            source=source.name,
            domain=source.domain,
            key=record.key,
            url=record.url,
            date=record.date,
            path=record.path,
            offset=record.offset,
            status="read",
            payload_bytes=len(record.payload),
        )
        row = _before_text(row, record, floor)
        rows.append(row)
        if row.status == "read":
            to_make.append(position)
    made = maker.make([chosen[position][1] for position in to_make], source)
    for position, result in zip(to_make, made, strict=True):
        rows[position] = _with_text(rows[position], result, floor)
    judged = [position for position in to_make if rows[position].status == "read"]
    guesses = identifier.identify([rows[position].text or "" for position in judged])
    for position, guess in zip(judged, guesses, strict=True):
        rows[position] = _with_language(rows[position], guess, floor)
    return rows


def _before_text(row: Document, record: Record, floor: Floor) -> Document:
    if record.error is not None:
        rule, _, detail = record.error.partition(":")
        return dataclasses.replace(row, status="failed", rule=rule.strip(), detail=detail.strip() or None)
    if row.payload_bytes > floor.max_payload_bytes:
        return _floor(row, "max_payload_bytes", row.payload_bytes, floor.max_payload_bytes)
    if record.url and floor.blocked_domains:
        try:
            host = urlsplit(record.url).hostname or ""
        except ValueError:
            host = ""
        labels = host.split(".")
        suffixes = {".".join(labels[start:]) for start in range(len(labels))}
        hit = suffixes & set(floor.blocked_domains)
        if hit:
            return dataclasses.replace(row, status="dropped", rule="floor.blocked_domains", detail=min(hit))
    return row


def _with_text(row: Document, made: Made, floor: Floor) -> Document:
    row = dataclasses.replace(
        row,
        text=made.text,
        title=made.title,
        text_bytes=len(made.text.encode()),
        characters=len(made.text),
        charset=made.charset,
        charset_from=made.charset_from,
        replaced_characters=made.replaced_characters,
        extractor=made.extractor,
    )
    if made.error is not None:
        rule, _, detail = made.error.partition(":")
        return dataclasses.replace(
            row, status="failed", rule=rule.strip(), detail=detail.strip() or None, text=None
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
    row = dataclasses.replace(row, language=guess.language, language_score=guess.score)
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
