"""Cards of models: MODEL.json, which scorers and jobs go by, and MODEL.md, the same for a person to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hanji.classifiers.card_text import card_text
from hanji.classifiers.quality import HIGH, LOW
from hanji.classifiers.texts import TextSource
from hanji.classifiers.trained_on import trained_on_facts


def labels_from(sources: Sequence[TextSource]) -> dict[str, str]:
    """Where the labels of each source are from, for a card: all of it has one, or its rows have their own."""
    found = {}
    for source in sources:
        label, points = getattr(source, "label", None), getattr(source, "label_scores", None)
        if label is not None:
            found[source.name] = f"all of it is {label}"
        elif points is not None:
            found[source.name] = f"its rows: {HIGH} from {points} points on, else {LOW}"
        else:
            found[source.name] = "its rows' own"
    return found


def write_card(model: Path, card: Mapping[str, Any]) -> str:
    """Write the card beside a model, with what is known of its training, and as a page; returns its path.

    ``card`` holds at least ``language``; values are as JSON has them, without NaN.
    """
    whole = {**card, **trained_on_facts(model)}
    path = model.with_suffix(".json")
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    model.with_suffix(".md").write_text(card_text(whole), encoding="utf-8")
    return str(path)
