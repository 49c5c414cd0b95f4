"""Making text: decode, extract, repair, normalise. After this the text of a document never changes.

:func:`make_text` is the whole of it, for one record; it runs in a sandbox (:mod:`sandbox`), because what it
is given was written by strangers.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from hanji.curation.recipe import Text
from hanji.curation.records import Record
from hanji.curation.text import charset, extract, mojibake, normalise
from hanji.curation.text.charset import Decoded, decode

VERSION = charset.VERSION + extract.VERSION + mojibake.VERSION + normalise.VERSION


@dataclass(frozen=True)
class Raw:
    """What a text is made from: bytes, or characters that a format gave as such; a page or plain text.

    ``charset`` is what the transport or the recipe says of the bytes.
    """

    data: bytes | str
    markup: bool
    charset: str | None = None


@dataclass(frozen=True)
class Made:
    """The text of a record and how it was made, or the error (``rule: detail``) that prevented it.

    The fields after ``error`` are columns of the documents (:class:`hanji.curation.records.Document`).
    """

    error: str | None = None
    text: str | None = None
    title: str | None = None
    published: str | None = None
    charset: str | None = None
    charset_from: str | None = None
    charset_declared: str | None = None
    charset_mixed: int = 0
    replaced_characters: int = 0
    mojibake: str | None = None
    repaired_characters: int = 0
    mojibake_suspects: int = 0
    extractor: str | None = None
    extracted_share: float | None = None
    normalised: dict[str, int] = field(default_factory=dict)


def raw_of(record: Record) -> Raw:
    """What the text of a readable record is made from."""
    if record.html is not None:
        return Raw(record.html, True, record.http_charset)
    return Raw(record.text if record.text is not None else b"", False, record.http_charset)


def make_text(raw: Raw, settings: Text) -> Made:
    """The text of a page or of plain text. Raises whatever a parser raises for a page."""
    decoded = _decode(raw)
    text, title = decoded.text, None
    page = None
    if raw.markup:
        page = extract.extract(_utf8(raw, decoded), settings.extractor, structure=settings.structure)
        text, title = page.text, page.title
    repaired = mojibake.Repaired(text, None, 0, 0)
    if settings.repair_mojibake:
        repaired = mojibake.repair(text)
        title = mojibake.repair(title).text if title is not None else None
    normal = normalise.normalise(repaired.text, settings.normalise)
    # What was replaced in markup that is gone does not count against the text.
    replaced = min(decoded.replaced, normal.text.count("\ufffd")) + normal.counts.surrogates
    return Made(
        text=normal.text,
        title=normalise.normalise(title).text if title is not None else None,
        published=page.published if page else None,
        charset=decoded.charset,
        charset_from=decoded.source,
        charset_declared=decoded.declared,
        charset_mixed=decoded.mixed,
        replaced_characters=replaced,
        mojibake=repaired.kind,
        repaired_characters=repaired.characters,
        mojibake_suspects=repaired.suspects,
        extractor=page.extractor if page else None,
        extracted_share=page.signal if page else None,
        normalised=dict(vars(normal.counts)),
    )


def _utf8(raw: Raw, decoded: Decoded) -> str | bytes:
    """The page for the extractor: its own bytes where they are what it wants."""
    sound = decoded.charset == "utf-8" and not decoded.replaced and not decoded.mixed
    if sound and isinstance(raw.data, bytes) and not raw.data.startswith(codecs.BOM_UTF8):
        return raw.data
    return decoded.text


def _decode(raw: Raw) -> Decoded:
    if isinstance(raw.data, str):
        return Decoded(raw.data, "unicode", "given", raw.data.count("\ufffd"))
    return decode(raw.data, raw.charset, markup=raw.markup)
