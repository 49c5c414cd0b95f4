"""Cards of models: MODEL.json, which scorers and jobs go by, and MODEL.md, the same for a person to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanji.classifiers.card_text import card_text
from hanji.classifiers.trained_on import trained_on_facts


def write_card(model: Path, card: Mapping[str, Any]) -> str:
    """Write the card beside a model, with what is known of its training, and as a page; returns its path.

    ``card`` holds at least ``language``; values are as JSON has them, without NaN.
    """
    whole = {**card, **trained_on_facts(model)}
    path = model.with_suffix(".json")
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    model.with_suffix(".md").write_text(card_text(whole), encoding="utf-8")
    return str(path)
