"""The parts of an evaluation's page that show texts: a model's mistakes, and two models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanji.classifiers.evaluating.measure import SCORES, Measure, measure_of
from hanji.classifiers.evaluating.page_tables import figure, share, text_cards
from hanji.page import Markup, number, section, table, tag

Account = Mapping[str, Any]
_BEST = {"quality": "the highest score", "perplexity": "the lowest perplexity"}
_WORST = {"quality": "the lowest score", "perplexity": "the highest perplexity"}


def mistakes_section(account: Account) -> Markup | None:
    """The texts that each model is most wrong about; None where none is shown."""
    parts: list[Any] = []
    for model in account["models"]:
        for name, title in (
            ("wrong", f"Others of {_BEST[model['kind']]}"),
            ("missed", f"Good texts of {_WORST[model['kind']]}"),
        ):
            rows = model.get("mistakes", {}).get(name)
            if rows:
                parts += [
                    tag("h3", f"{model['name']}: {title.lower()}"),
                    *text_cards(rows, [""], [measure_of(model)]),
                ]
    return (
        section(
            "Mistakes",
            *parts,
            intro="Texts on the wrong side of the threshold, the surest first, with the n-grams that moved them "
            "most, where these are known. Some may be mistakes of the labels.",
            identity="mistakes",
        )
        if parts
        else None
    )


def sides_section(account: Account) -> Markup | None:
    """Two models on the same texts; None for one model."""
    found = account["sides"]
    if found is None:
        return None
    measures = [measure_of(model) for model in account["models"]]
    rows = [
        [
            f"top {100 * row['share']:g} %" if row["share"] is not None else "thresholds",
            *(shown(m, threshold) for m, threshold in zip(measures, row["thresholds"], strict=True)),
            *(number(row[name]) for name in ("both", "only_a", "only_b", "neither")),
            share(row["overlap"]),
            share(row["agreement"]),
            figure(row["kappa"]),
        ]
        for row in found["agreements"]
    ]
    keeps = [f"{side}: {measure.keeps}" for side, measure in zip("AB", measures, strict=True)]
    head = ["keep", *keeps, "both", "only A", "only B", "neither", "overlap", "agreement"]
    parts: list[Any] = [
        table("Do they keep the same texts", [*head, "kappa"], rows),
        table(
            "Mean difference of ranks by source (A higher above 0)",
            ["source", "texts", "A less B"],
            [
                [r["name"], number(r["texts"]), f"{r['mean_rank_difference']:+.3f}"]
                for r in found["by_source"]
            ],
        ),
    ]
    for name, title in (
        ("a_higher", "A ranks them highest above B"),
        ("b_higher", "B ranks them highest above A"),
    ):
        if found["samples"][name]:
            parts += [tag("h3", title), *text_cards(found["samples"][name], ["A ", "B "], measures)]
    a, b = found["names"]
    return section(
        "Side by side",
        *parts,
        intro=f"A is {a}, B is {b}, on the {'pool' if found['on'] == 'pool' else 'labelled texts'}. Rank "
        f"correlation (Spearman's) {figure(found['rank_correlation'])}. Overlap: what both keep, as a share of "
        "what either keeps. Kappa: agreement beyond chance (Cohen's).",
        identity="sides",
    )


def shown(measure: Measure, threshold: float) -> str:
    """A threshold beside another model's."""
    return f"{threshold:.4f}" if measure is SCORES else measure.shown_threshold(threshold)
