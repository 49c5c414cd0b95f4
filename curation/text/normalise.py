"""Normal form of a text, before it becomes immutable: NFC, one kind of newline, no invisible characters."""

from __future__ import annotations

import re
import unicodedata

VERSION = 1

_NEWLINES = re.compile("\r\n?|\u2028|\u2029|\u0085|\v|\f")
# Control characters, zero-width characters, soft hyphens, bidirectional marks, byte order marks. The joiner
# U+200D stays: it holds emoji together.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060\ufeff]"
)
_SPACES = re.compile("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_TRAILING = re.compile(" +(?=\n|$)")
_BLANK_LINES = re.compile("\n{3,}")
_SURROGATES = re.compile("[\ud800-\udfff]")


def normalise(text: str, *, keep_indent: bool = True) -> tuple[str, int]:
    """(normal text, lone surrogates replaced by U+FFFD).

    Runs of spaces within a line become one space; the indent of a line stays (code lives by it) unless
    ``keep_indent`` is False.
    """
    text, surrogates = _SURROGATES.subn("\ufffd", text)
    text = unicodedata.normalize("NFC", text)
    text = _NEWLINES.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    lines = []
    for line in text.split("\n"):
        body = line.lstrip(" \t")
        indent = line[: len(line) - len(body)].expandtabs(4) if keep_indent else ""
        lines.append(indent + _SPACES.sub(" ", body))
    text = _TRAILING.sub("", "\n".join(lines))
    return _BLANK_LINES.sub("\n\n", text).strip("\n"), surrogates
