"""Patterns of components' names: language/domain/tier, each part with ``*`` for any text (hanji.stages.matches)."""

from __future__ import annotations


def is_pattern(text: str) -> bool:
    """Whether a text has the three parts of a pattern."""
    parts = text.split("/")
    return len(parts) == 3 and "" not in parts
