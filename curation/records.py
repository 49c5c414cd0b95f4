"""The Arrow schemas of a run, and document ids.

Identity is content: a document's id is a 128-bit blake2b of (source name, record key, payload bytes). The
record key is the WARC record id, else URL and date, else the configured id field, else empty. Path and
offset are locators. Text is ``large_string`` everywhere: 32-bit offsets overflow at 2 GiB.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

TEXT = pa.large_string()
# The steps of the normal form that are counted (hanji.curation.text.normalise).
NORMALISE_STEPS = (
    *("surrogates", "newlines", "invisible", "composed", "jamo", "fullwidth", "spaces", "blank_lines"),
    *("letter_runs", "mark_runs"),
)


@dataclass(frozen=True)
class Record:
    """One raw record of a source, before anything is made of it.

    Either ``html`` (bytes of a page, charset unknown) or ``text`` (characters, or bytes of text) is set;
    both are None only together with ``error``, for a record that could not be read.
    """

    key: str
    path: str
    offset: int
    url: str | None = None
    date: str | None = None
    html: bytes | None = None
    text: str | bytes | None = None
    http_charset: str | None = None
    error: str | None = None
    """Why this record could not be read (``gzip-truncated: …``); such a record is a failed document."""
    flaw: str | None = None
    """What is wrong with a record that can be read (``payload-truncated: length``); it stays a document."""

    @property
    def payload(self) -> bytes:
        """The bytes that identify the record: the page, or the UTF-8 of the text."""
        if self.html is not None:
            return self.html
        if isinstance(self.text, bytes):
            return self.text
        return (self.text or "").encode("utf-8", "surrogatepass")


def document_id(source: str, record: Record) -> str:
    """32 hexadecimal digits: blake2b-128 over source name, record key and payload, each length-prefixed.

    A record that could not be read has no payload to stand for it. If it has no key either, its locator takes
    part instead, so that two unreadable stretches stay two rows.
    """
    digest = hashlib.blake2b(digest_size=16)
    parts = [source.encode(), record.key.encode("utf-8", "surrogatepass"), record.payload]
    if record.error is not None:
        locator = "" if record.key else f"{record.path}@{record.offset}"
        parts.append(f"unreadable {locator}".encode("utf-8", "surrogatepass"))
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True)
class Edit:
    """One change to a document's text: characters ``[start, end)`` become ``replacement``.

    Offsets count Unicode code points of the text *before any edit*. ``step`` is the step that made it
    ("lines", "pii", "repeated", "contamination"), ``reason`` says which rule ("pii.email").
    """

    step: str
    start: int
    end: int
    replacement: str
    reason: str


def apply_edits(text: str, edits: list[Edit]) -> str:
    """The text after all edits. Edits are applied by position; one that overlaps an earlier one is merged.

    Overlap: the edit that starts first (then the longer one) wins, and the other only lengthens the removed
    stretch. So the result does not depend on the order in which edits are listed.
    """
    if not edits:
        return text
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda e: (e.start, -e.end, e.step, e.reason, e.replacement)):
        if edit.start >= position:
            pieces.append(text[position : edit.start])
            pieces.append(edit.replacement)
            position = edit.end
        elif edit.end > position:
            position = edit.end
    pieces.append(text[position:])
    return "".join(pieces)


Status = Literal["read", "dropped", "failed"]


@dataclass(slots=True)
class Document:
    """A row of ``documents/``: a record after decoding, extraction, language and floors.

    Not frozen: freezing makes an instance of so many fields four times as dear, and there is one a record.

    ``status`` "read" goes on to be measured; "dropped" fell to a floor rule and "failed" could not be read:
    both carry ``rule`` (and ``value``, ``threshold`` where there are numbers). The other fields that are
    numbers are signals that rules may use.
    """

    id: str
    source: str
    domain: str
    key: str
    url: str | None
    date: str | None
    path: str
    offset: int
    status: Status
    rule: str | None = None
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None
    language: str | None = None
    language_score: float | None = None
    language_detail: str | None = None
    """What more is known of it: "ko-KP", "mixed en 0.34" (:class:`LanguageGuess`)."""
    page_language: str | None = None
    """What the bytes of a page looked like before it was parsed: ko, en, other or unknown."""
    text: str | None = None
    title: str | None = None
    published: str | None = None
    """The day that the page names, ``YYYY-MM-DD``; ``date`` is the crawler's."""
    payload_bytes: int = 0
    text_bytes: int = 0
    characters: int = 0
    flaw: str | None = None
    """What is wrong with a record that could be read all the same (``payload-truncated: length``)."""
    charset: str | None = None
    charset_from: str | None = None
    charset_declared: str | None = None
    charset_mixed: int = 0
    """Characters read in another charset than the page's."""
    replaced_characters: int = 0
    mojibake: str | None = None
    """The kind of mis-decoding that was undone in the text, or parts of it."""
    repaired_characters: int = 0
    mojibake_suspects: int = 0
    """Characters that look mis-decoded and could not be repaired with certainty."""
    extractor: str | None = None
    extracted_share: float | None = None
    """The share of a page's visible text that was taken."""
    normalised: dict[str, int] = field(default_factory=dict)
    """Counts of each step of the normal form, by its name; a column ``normalised_<step>`` each."""


NORMALISED = tuple(f"normalised_{name}" for name in NORMALISE_STEPS)

DOCUMENTS = pa.schema(
    [
        ("id", TEXT),
        ("source", TEXT),
        ("domain", TEXT),
        ("key", TEXT),
        ("url", TEXT),
        ("date", TEXT),
        ("path", TEXT),
        ("offset", pa.int64()),
        ("status", TEXT),
        ("rule", TEXT),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("detail", TEXT),
        ("language", TEXT),
        ("language_score", pa.float64()),
        ("language_detail", TEXT),
        ("page_language", TEXT),
        ("text", TEXT),
        ("title", TEXT),
        ("published", TEXT),
        ("payload_bytes", pa.int64()),
        ("text_bytes", pa.int64()),
        ("characters", pa.int64()),
        ("flaw", TEXT),
        ("charset", TEXT),
        ("charset_from", TEXT),
        ("charset_declared", TEXT),
        ("charset_mixed", pa.int64()),
        ("replaced_characters", pa.int64()),
        ("mojibake", TEXT),
        ("repaired_characters", pa.int64()),
        ("mojibake_suspects", pa.int64()),
        ("extractor", TEXT),
        ("extracted_share", pa.float64()),
        *((name, pa.int64()) for name in NORMALISED),
    ]
)

EDITS = pa.schema(
    [
        ("id", TEXT),
        ("step", TEXT),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("replacement", TEXT),
        ("reason", TEXT),
    ]
)

LEDGER = pa.schema(
    [
        ("id", TEXT),
        ("source", TEXT),
        ("domain", TEXT),
        ("language", TEXT),
        ("url", TEXT),
        ("date", TEXT),
        ("path", TEXT),
        ("offset", pa.int64()),
        # How many records of the inputs are this document: equal triples of (source, key, payload).
        ("occurrences", pa.int64()),
        ("payload_bytes", pa.int64()),
        # UTF-8 bytes of the text after edits; 0 where no text was ever made.
        ("text_bytes", pa.int64()),
        # "kept", "dropped" or "failed", by which step ("read", "floor", "pii",
        # "repeated", "blocks", "contamination", "takedown", "rules", "duplicates", "tiers").
        ("verdict", TEXT),
        ("step", TEXT),
        ("rule", TEXT),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
        ("detail", TEXT),
        # Every rule that the document breaks, not only the first in the recipe's order.
        ("failed_rules", pa.list_(TEXT)),
        # Quality score in [0, 1] of the language's classifier; null where there is none.
        ("score", pa.float64()),
        ("tier", TEXT),
        # The cluster of likenesses that it is in, if any: how many documents it has, and how many records they are.
        ("cluster", TEXT),
        ("cluster_size", pa.int64()),
        ("cluster_occurrences", pa.int64()),
        # For a duplicate: the kept document it fell to, and the verified likeness. For one that a takedown
        # took because it is like a listed document: that document.
        ("duplicate_of", TEXT),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
        # "train" or "valid" for kept documents. One that a takedown took keeps its tier and split: where it
        # would be.
        ("split", TEXT),
    ]
)


def documents_table(documents: list[Document]) -> pa.Table:
    """The documents as an Arrow table with schema DOCUMENTS (edits apart: see edits_table)."""
    columns: dict[str, list[Any]] = {
        name: [getattr(document, name) for document in documents]
        for name in DOCUMENTS.names
        if name not in NORMALISED
    }
    for step, name in zip(NORMALISE_STEPS, NORMALISED, strict=True):
        columns[name] = [document.normalised.get(step, 0) for document in documents]
    return pa.table({name: pa.array(columns[name], DOCUMENTS.field(name).type) for name in DOCUMENTS.names})


def edits_table(edits: list[tuple[str, Edit]]) -> pa.Table:
    """(document id, edit) pairs as an Arrow table with schema EDITS."""
    return pa.table(
        {
            "id": pa.array([i for i, _ in edits], TEXT),
            "step": pa.array([e.step for _, e in edits], TEXT),
            "start": pa.array([e.start for _, e in edits], pa.int64()),
            "end": pa.array([e.end for _, e in edits], pa.int64()),
            "replacement": pa.array([e.replacement for _, e in edits], TEXT),
            "reason": pa.array([e.reason for _, e in edits], TEXT),
        }
    )
