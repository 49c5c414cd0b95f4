"""What a page says of its own charset: the HTML Standard's prescan of a byte stream.

The standard looks at 1,024 bytes, so that a browser need not wait for more. Here the page is whole, and many
Korean pages have scripts, comments and style sheets before the meta element: we look at 16,384 bytes. A label
found late and wrongly does no harm, since one that the bytes contradict is overruled anyway.

After "prescan a byte stream to determine its encoding", "get an attribute", "extracting a character encoding
from a meta element" and "get an XML encoding" (html.spec.whatwg.org, 13.2.3.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hanji.curation.text.charset_labels import codec_for

PRESCAN_BYTES = 16_384

# What the prescan stops at: comments, meta elements, other tags, and what it skips to the next ">".
_MARKUP = re.compile(rb"<(?:(!--)|(meta)[\t\n\f\r /]|(/?[a-z])|([!/?]))", re.IGNORECASE)
_TAG_NAME = re.compile(rb"[^\t\n\f\r >]*")
_ATTRIBUTE = re.compile(
    rb"""
    [\t\n\f\r\x20/]*
    (?:
        (?P<name>[^\t\n\f\r\x20/>][^\t\n\f\r\x20/>=]*)
        (?:
            [\t\n\f\r\x20]*=[\t\n\f\r\x20]*
            (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<open>["']) | (?P<bare>[^\t\n\f\r\x20>]*) )
        )?
    )?
    """,
    re.VERBOSE,
)
_IN_CONTENT = re.compile(
    rb"""charset[\t\n\f\r\x20]*=[\t\n\f\r\x20]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r\x20;"'][^\t\n\f\r\x20;]*))""",
    re.IGNORECASE,
)
_XML_ENCODING = re.compile(rb"encoding[\x00-\x20]*=[\x00-\x20]*(?:\"([^\"\x00-\x20]*)\"|'([^'\x00-\x20]*)')")


def prescan(data: bytes) -> str | None:
    """The charset label that a page states: in a meta element or, without one, in its XML declaration.

    The first label of a known charset counts, else the first that was stated, else None. What it means on
    the web differs in two cases: see ``stated_codec``.
    """
    head = data[:PRESCAN_BYTES]
    lower = head.lower()
    if b"charset" not in lower and b"encoding" not in lower:
        return None
    unknown: list[str] = []
    label = _in_meta(head, unknown.append)
    if label is None and (label := _in_xml_declaration(head)) and not codec_for(label):
        unknown.append(label)
        label = None
    return label or next(iter(unknown), None)


def stated_codec(label: str | None) -> str | None:
    """The decoder for a label that a page states of itself.

    A page that says UTF-16 in ASCII is not: the standard reads UTF-8, and windows-1252 for x-user-defined.
    """
    codec = codec_for(label)
    return {"utf-16-le": "utf-8", "utf-16-be": "utf-8", "x-user-defined": "cp1252"}.get(codec or "", codec)


def _in_meta(head: bytes, unknown: Callable[[str], None]) -> str | None:
    position = 0
    while found := _MARKUP.search(head, position):
        comment, meta, tag, _ = found.groups()
        if comment:
            # The dashes of "<!--" may be those of "-->".
            end = head.find(b"-->", found.start() + 2)
            if end < 0:
                return None
            position = end + 3
        elif meta or tag:
            start = found.end() - 1 if meta else _end_of(_TAG_NAME, head, found.end())
            attributes, position = _attributes(head, start)
            if position < 0:
                return None
            if meta and (label := _label_of(attributes)):
                if codec_for(label):
                    return label
                unknown(label)
        else:
            end = head.find(b">", found.start() + 1)
            if end < 0:
                return None
            position = end + 1
    return None


def _end_of(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    found = pattern.match(data, position)
    return found.end() if found else position


def _attributes(head: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """The attributes of a tag (the first of each name) and where the tag ends; −1 if the head ends first."""
    attributes: dict[bytes, bytes] = {}
    while found := _ATTRIBUTE.match(head, position):
        position = found.end()
        name = found["name"]
        if found["open"] is not None or position >= len(head):
            return attributes, -1
        if name is None:
            return attributes, position
        value = next((v for v in found.group("double", "single", "bare") if v is not None), b"")
        attributes.setdefault(name.lower(), value)
    return attributes, -1


def _label_of(meta: dict[bytes, bytes]) -> str | None:
    """``charset``, or what ``content`` says where ``http-equiv`` is content-type."""
    if b"charset" in meta:
        return _text(meta[b"charset"])
    if meta.get(b"http-equiv", b"").strip().lower() == b"content-type":
        found = _IN_CONTENT.search(meta.get(b"content", b""))
        if found:
            return _text(next(form for form in found.groups() if form is not None))
    return None


def _in_xml_declaration(head: bytes) -> str | None:
    if not head.startswith(b"<?xml"):
        return None
    end = head.find(b">")
    found = _XML_ENCODING.search(head, 0, max(end, 0))
    return _text(found[1] if found[1] is not None else found[2]) if found else None


def _text(label: bytes) -> str:
    return label.decode("ascii", "replace").strip()
