"""Patterns of components' names: language/domain/tier, each part with ``*`` for any text."""

from __future__ import annotations

from fnmatch import fnmatchcase


def is_pattern(text: str) -> bool:
    """Whether a text has the three parts of a pattern."""
    parts = text.split("/")
    return len(parts) == 3 and "" not in parts


def matches(pattern: str, name: str) -> bool:
    """Whether a component's name is one of a pattern's, part by part."""
    wanted, found = pattern.split("/"), name.split("/")
    return len(wanted) == len(found) and all(
        fnmatchcase(part, glob) for part, glob in zip(found, wanted, strict=True)
    )
