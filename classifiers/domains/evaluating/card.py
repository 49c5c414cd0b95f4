"""An evaluation on a domain model's card: what it was on, by hash, and the figures that one looks for first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanji.classifiers.domains.evaluating.models import KIND, DomainModel
from hanji.classifiers.evaluating.card import add_evaluation
from hanji.classifiers.quality import read_card

LIMITS = (
    "Nothing is known of its training but what stands here. Figures hold for the texts that they were measured on; "
    "a text of a kind that no label stands for is given the nearest one, so look at its probability."
)


def write_evaluation(model: DomainModel, account: Mapping[str, Any], place: int) -> str:
    """Put the figures of ``account["models"][place]`` on the model's card; returns the card's path.

    A model without a card is given one. Raises OSError where the card cannot be written.
    """
    card = read_card(model.path) or {
        "kind": KIND,
        "language": model.language,
        "model": model.path.name,
        "sha256": model.sha256,
        "preparation": model.scorer.preparation,
        "limits": LIMITS,
    }
    return add_evaluation(model.path, card, account, summary(account, place))


def summary(account: Mapping[str, Any], place: int) -> dict[str, Any]:
    """The first figures of one model, by name."""
    told, texts = account["models"][place], account["texts"]
    least = account["min_probability"]
    found: dict[str, Any] = {}
    if (labelled := texts["labelled"]) is not None:
        figures, intervals = told["figures"], told["figures"]["intervals"]
        found |= {"labelled texts": labelled["texts"], "sites": labelled["sites"]}
        for key, name in (
            ("accuracy", "accuracy"),
            ("macro_f1", "macro-F1"),
            ("macro_f1_of_several", "macro-F1 of the labels of several sites"),
        ):
            found[name] = figures[key]
            found[f"{name}, 95 % over sites"] = _interval(intervals[key])
        for row in figures["by_label"]:
            if row["texts"]:
                found[f"F1 of {row['label']} ({row['texts']:,} texts, {row['sites']:,} sites)"] = row["f1"]
        (at,) = [row for row in told["coverage"] if row["min_probability"] == least]
        found[f"share of the texts that min_probability {least:g} places"] = at["coverage"]
        found["right among these"] = at["accuracy"]
        for accuracy, pair in told["coverage_curve"]["most_coverage"].items():
            found[f"most coverage with an accuracy of {accuracy}"] = (
                f"{pair[0]:.3f} (min_probability {pair[1]:.4f})" if pair else "none"
            )
        found["expected calibration error"] = told["calibration"]["expected_error"]
        found |= {f"accuracy, {row['variant']}": row["accuracy"] for row in told["variants"]}
        worst = told["confusion"]["rows"][0]
        if worst["texts"] > worst["right"]:
            name = f"{worst['name']} ({worst['label']})" if worst["label"] else worst["name"]
            found["most mistakes"] = f"{name}: {worst['texts'] - worst['right']:,} of {worst['texts']:,}"
    if (pool := texts["pool"]) is not None:
        found["texts of the pool"] = pool["texts"]
        (at,) = [row for row in told["pool"]["values"] if row["min_probability"] == least]
        found[f"share of the pool that min_probability {least:g} places"] = at["share"]
    return found


def _interval(pair: list[float] | None) -> str | None:
    return None if pair is None else f"{pair[0]:.3f} to {pair[1]:.3f}"
