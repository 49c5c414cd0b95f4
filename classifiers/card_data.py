"""The data of a model's card: each source that was used, with the hash of what it held then.

A list, not a table by name: files of one name lie in many directories, and a card names no directories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hanji.classifiers.quality import HIGH, LOW
from hanji.classifiers.texts import TextSource

DataFact = dict[str, str]


def data_facts(
    sources: Iterable[TextSource], role: str | None = None, *, labelled: bool = True
) -> list[DataFact]:
    """``name``, ``hash``, ``labels`` (where those are from, if ``labelled``) and ``used_as`` (``role``) of sources.

    Each once, in the order of all that is said, which is not that of the sources.
    """
    found = set()
    for source in sources:
        fact = {"name": source.name, "hash": source.identity()}
        if labelled:
            fact["labels"] = _labels_of(source)
        if role is not None:
            fact["used_as"] = role
        found.add(tuple(fact.items()))
    return [dict(fact) for fact in sorted(found)]


def data_rows(data: Any, labels_from: Mapping[str, str] | None = None) -> Sequence[DataFact]:
    """The ``data`` of a card as ``data_facts`` has it, also that of a card of the time when it was hashes by name.

    ``labels_from``: what such a card said of labels, by name.
    """
    if not isinstance(data, Mapping):
        return list(data or ())
    of = labels_from or {}
    return [
        {"name": name, "hash": identity} | ({"labels": of[name]} if name in of else {})
        for name, identity in data.items()
    ]


def _labels_of(source: TextSource) -> str:
    """Where the labels of a source are from: all of it has one, or its rows have their own."""
    label, points = getattr(source, "label", None), getattr(source, "label_scores", None)
    if label is not None:
        return f"all of it is {label}"
    if points is not None:
        return f"its rows: {HIGH} from {points} points on, else {LOW}"
    return "its rows' own"
