"""Cards of models: MODEL.json, which scorers and jobs go by, and MODEL.md, the same for a person to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanji.classifiers.card_text import card_text
from hanji.classifiers.quality import card_path, read_card
from hanji.classifiers.trained_on import trained_on_facts
from hanji.errors import RecipeError


def check_place(model: Path, kind: str) -> None:
    """Look whether a card may be written beside a model that is to be made.

    ``ko.bin`` and ``ko.arpa.bin`` would share ``ko.json``, and scorers go by it. Raises RecipeError where the card
    that is there is that of a perplexity model and ``kind`` is another, or the other way round.
    """
    there = read_card(model)
    if there and (there.get("kind") == "perplexity") != (kind == "perplexity"):
        raise RecipeError(
            f"{card_path(model)}: is the card of {there.get('model', 'another model')}; give {model.name} another "
            "name"
        )


def write_card(model: Path, card: Mapping[str, Any]) -> str:
    """Write the card beside a model, with what is known of its training, and as a page; returns its path.

    ``card`` holds at least ``language``; values are as JSON has them, without NaN.
    """
    whole = {**card, **trained_on_facts(model)}
    path = card_path(model)
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(card_text(whole), encoding="utf-8")
    return str(path)
