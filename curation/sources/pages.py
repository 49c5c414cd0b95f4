"""Which HTTP responses and archived resources are documents, and which are only counted."""

from __future__ import annotations

import dataclasses
from collections import Counter

from hanji.curation.records import Record
from hanji.curation.sources.http import Response

PAGE_TYPES = {"text/html", "application/xhtml+xml", "application/xhtml"}
PLAIN_TYPES = {"text/plain"}


def with_flaw(record: Record, flaw: str) -> Record:
    """The record with one more thing that is wrong with it though it can be read."""
    return dataclasses.replace(record, flaw=flaw if record.flaw is None else f"{record.flaw}; {flaw}")


def document_of(response: Response | None, base: Record, skipped: Counter[str]) -> Record | None:
    """The record of a response, or None (and a count) if it is no document."""
    if (base.url or "").startswith(("dns:", "whois:")):
        skipped["record: dns"] += 1
        return None
    if response is None:
        return dataclasses.replace(
            base, error="http-invalid: the response does not begin with an HTTP status line"
        )
    if response.status != 200:
        skipped[f"HTTP status {response.status}"] += 1
        return None
    kind = response.content_type
    if not kind:
        start = response.body[:1024].lstrip().lower()
        kind = "text/html" if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) else ""
    if kind not in PAGE_TYPES and kind not in PLAIN_TYPES:
        skipped[f"type {kind or 'unknown'}"] += 1
        return None
    if not response.body:
        reason = response.problem or "the response has no body"
        return dataclasses.replace(base, error=f"http-empty: {reason}")
    if response.problem is not None:
        base = with_flaw(base, response.problem)
    if kind in PLAIN_TYPES:
        return dataclasses.replace(base, text=response.body, http_charset=response.charset)
    return dataclasses.replace(base, html=response.body, http_charset=response.charset)
