"""Making text: decode, extract, normalise. After this the text of a document never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hanji.curation.recipe import Source, Text
from hanji.curation.records import Record
from hanji.curation.text import charset, extract, normalise
from hanji.curation.text.charset import Decoded, decode
from hanji.curation.text.sandbox import Answer, sandbox_for

VERSION = charset.VERSION + extract.VERSION + normalise.VERSION


@dataclass(frozen=True)
class Made:
    """The text of a record and how it was made, or the error (``rule: detail``) that prevented it."""

    text: str
    title: str | None = None
    charset: str | None = None
    charset_from: str | None = None
    replaced_characters: int = 0
    extractor: str | None = None
    error: str | None = None


class TextMaker:
    """Makes texts of records. Pages are parsed in the process's sandbox."""

    def __init__(self, settings: Text) -> None:
        self._settings = settings

    def make(self, records: Sequence[Record], source: Source) -> list[Made]:
        """One result a record, in order."""
        decoded = [self._decode(record, source) for record in records]
        pages = [place for place, record in enumerate(records) if record.html is not None]
        answers: dict[int, Answer] = {}
        if pages:
            sandbox = sandbox_for(self._settings.extractor, self._settings.timeout_seconds)
            found = sandbox.extract([decoded[place].text for place in pages])
            answers = dict(zip(pages, found, strict=True))
        return [
            self._made(decoded[place], answers.get(place), record) for place, record in enumerate(records)
        ]

    def _decode(self, record: Record, source: Source) -> Decoded:
        if isinstance(record.text, str):
            return Decoded(record.text, "unicode", "given", record.text.count("\ufffd"))
        data = record.html if record.html is not None else record.text or b""
        return decode(data, record.http_charset, markup=record.html is not None)

    def _made(self, decoded: Decoded, answer: Answer | None, record: Record) -> Made:
        error = answer.error if answer else None
        text, surrogates = normalise.normalise(answer.text if answer else decoded.text)
        # What was replaced in markup that is gone does not count against the text.
        replaced = min(decoded.replaced, text.count("\ufffd")) + surrogates
        return Made(
            text="" if error else text,
            title=normalise.normalise(answer.title)[0] if answer and answer.title else None,
            charset=decoded.charset,
            charset_from=decoded.source,
            replaced_characters=replaced,
            extractor=self._settings.extractor if answer else None,
            error=error,
        )
