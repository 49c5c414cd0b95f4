"""The tables of the page of a domain evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanji.classifiers.evaluating.page_tables import bins_table, figure, share, signed
from hanji.page import Markup, number, percent, share_cell, size, table, tag

Model = Mapping[str, Any]
SHOWN = 3
"""Labels that are named of those that some texts are taken for."""


def of_counts(counts: Mapping[str, int]) -> str:
    """Texts by label, the most first, as words: news 12, web 3."""
    shown = [f"{label} {number(count)}" for label, count in list(counts.items())[:SHOWN]]
    rest = sum(list(counts.values())[SHOWN:])
    return ", ".join([*shown, f"others {number(rest)}"] if rest else shown)


def between(pair: Sequence[float] | None) -> str:
    """An interval."""
    return "–" if pair is None else f"{pair[0]:.3f} to {pair[1]:.3f}"


def label_table(model: Model) -> Markup:
    """F1, precision and recall by label."""
    errors = model["calibration"]["by_label"]
    rows = [
        [
            row["label"],
            *(number(row[name]) for name in ("texts", "sites", "told")),
            *(_over(row[name], row["intervals"][name]) for name in ("f1", "precision", "recall")),
            figure(errors.get(row["label"])),
        ]
        for row in model["figures"]["by_label"]
    ]
    head = ["label", "texts", "sites", "taken for it", "F1", "precision", "recall"]
    caption = f"{model['name']}: by label; below a figure its 95 % over sites"
    return table(caption, [*head, "calibration error"], rows)


def _over(value: float | None, pair: Sequence[float] | None) -> Markup:
    below = [tag("small", between(pair), class_="below")] if pair is not None else []
    return tag("span", figure(value), *below)


def confusion_table(model: Model) -> Markup:
    """Labels by what their texts are taken for, shaded by the share of the label's texts."""
    found = model["figures"]["confusion"]
    labels, counts = found["labels"], found["texts"]
    names = [*labels, "none"]
    taken = [one for one in range(len(names)) if one < len(labels) or any(row[one] for row in counts)]
    rows = []
    for place, (label, row) in enumerate(zip(labels, counts, strict=True)):
        if sum(row):
            rows.append([label, *(_shaded(row[one], sum(row), one == place) for one in taken)])
    return table(
        f"{model['name']}: rows are labels, columns what their texts are taken for",
        ["", *(names[one] for one in taken)],
        rows,
    )


def _shaded(count: int, whole: int, right: bool) -> Markup:
    colour = "var(--c1)" if right else "var(--c4)"
    part = round(60 * count / whole) if count else 0
    style = f"background:color-mix(in srgb,{colour} {part}%,transparent)" if part else None
    return tag(
        "span", number(count), class_="cell", style=style, title=f"{percent(count / whole)} of the label"
    )


def coverage_rows(model: Model, least: float) -> Markup:
    """What each least probability places, and how much of it is right."""
    rows = []
    for row in model["coverage"]:
        value = f"{row['min_probability']:g}"
        rows.append(
            [
                tag("b", value) if row["min_probability"] == least else value,
                number(row["texts"]),
                share_cell(row["coverage"]),
                share(row["accuracy"]),
                between(row["interval"]),
            ]
        )
    head = ["min_probability", "texts placed", "coverage", "right of these", "95 % over sites"]
    return table(f"{model['name']}: labelled texts", head, rows)


def coverage_of_labels(model: Model) -> Markup:
    """Coverage and precision of each label at each least probability."""
    labels = [row["label"] for row in model["coverage"][0]["by_label"]]
    rows = []
    for place, label in enumerate(labels):
        cells: list[Any] = [label]
        for row in model["coverage"]:
            one = row["by_label"][place]
            below = tag("small", share(one["coverage"]), class_="below")
            cells.append(tag("span", figure(one["precision"]), below))
        rows.append(cells)
    head = ["label", *(f"≥ {row['min_probability']:g}" for row in model["coverage"])]
    return table(
        f"{model['name']}: precision of what is placed in a domain; below it the share of its texts that is placed",
        head,
        rows,
    )


def reliability_table(model: Model) -> Markup:
    """Mean probability and share that is right, by bin."""
    always = f"{model['calibration']['brier_of_shares']:.3f} for always saying the labels' shares"
    return bins_table(model, always, ["probability", "texts", "mean", "share right"])


def group_table(model: Model) -> Markup:
    """Sources or sites by label, with what they are taken for."""
    found = model["confusion"]
    rows = [
        [
            row["name"],
            row["label"],
            tag("span", of_counts(row["told"]), class_="told"),
            number(row["texts"]),
            percent(row["right"] / row["texts"]),
            figure(row["mean_probability"]),
            number(row["placed"]),
            number(row["placed_right"]),
        ]
        for row in found["rows"]
    ]
    head = [found["by"], "label", "taken for", "texts", "right", "mean p.", "placed"]
    caption = f"{model['name']}: p., probability; at last, how many of the placed are right"
    return table(caption, [*head, "right"], rows, text_columns=3)


def variant_table(model: Model) -> Markup:
    """Texts cut or spaced otherwise."""
    rows = [
        [
            row["variant"],
            figure(row["accuracy"]),
            signed(row["accuracy_lost"]),
            figure(row["macro_f1"]),
            signed(row["macro_f1_lost"]),
            percent(row["changing"]),
            percent(row["crossing"]),
            signed(row["mean_change"]),
            share(row["placed_accuracy"]),
        ]
        for row in model["variants"]
    ]
    head = ["", "accuracy", "lost", "macro-F1", "lost", "another label", "other side", "mean change", "right"]
    caption = f"{model['name']}: texts cut or spaced otherwise; at last, how many of what is placed are right"
    return table(caption, head, rows)


def length_table(model: Model) -> Markup:
    """Figures by bin of length."""
    rows = []
    for row in model["lengths"]:
        end = "and more" if row["to"] is None else f"to {row['to'] - 1:,}"
        rows.append(
            [
                f"{row['from']:,} {end}",
                number(row["texts"]),
                number(row["labels"]),
                figure(row["accuracy"]),
                figure(row["most_common"]),
                figure(row["mean_probability"]),
                share_cell(row["coverage"]),
                share(row["placed_accuracy"]),
            ]
        )
    head = ["characters", "texts", "labels", "accuracy", "most common label", "mean probability"]
    caption = (
        f"{model['name']}: by length. Always saying the most common label of texts of that length would be right "
        f"for {percent(model['accuracy_of_length'])} of all texts"
    )
    return table(caption, [*head, "placed", "right of these"], rows)


def pool_table(model: Model, least: float, tokens: bool) -> Markup:
    """Documents, bytes and tokens of a pool by predicted domain."""
    rows = []
    for row in model["pool"]["domains"]:
        cells: list[Any] = [row["domain"], number(row["documents"]), _bar(row["documents_share"])]
        cells += [size(row["bytes"]), share(row["bytes_share"])]
        if tokens:
            cells += [number(row["tokens"]), share(row["tokens_share"])]
        cells += [figure(row["mean_probability"]), number(row["documents_placed"]), size(row["bytes_placed"])]
        rows.append(cells + ([number(row["tokens_placed"])] if tokens else []))
    head = ["domain", "documents", "share", "bytes", "share", *(["tokens", "share"] if tokens else [])]
    head += [
        "mean probability",
        f"placed (≥ {least:g})",
        "their bytes",
        *(["their tokens"] if tokens else []),
    ]
    return table(f"{model['name']}: the pool by predicted domain", head, rows)


def pool_values(model: Model) -> Markup:
    """What each least probability places, by domain."""
    labels = [name for name in model["pool"]["values"][0]["by_domain"] if name in model["labels"]]
    rows = [
        [
            f"{row['min_probability']:g}",
            number(row["documents"]),
            share_cell(row["share"]),
            *(number(row["by_domain"][label]) for label in labels),
        ]
        for row in model["pool"]["values"]
    ]
    head = ["min_probability", "placed", "share", *labels]
    return table(f"{model['name']}: documents that are placed", head, rows)


def pool_sources(model: Model) -> Markup:
    """Sources of a pool and what their documents are taken for."""
    rows = [
        [
            row["name"],
            tag("span", of_counts(row["domains"]), class_="told"),
            number(row["documents"]),
            number(row["placed"]),
            percent(row["placed"] / row["documents"]),
        ]
        for row in model["pool"]["sources"]
    ]
    return table(
        f"{model['name']}: sources of the pool",
        ["source", "taken for", "documents", "placed", "share"],
        rows,
        text_columns=2,
    )


def _bar(value: float | None) -> Any:
    return "–" if value is None else share_cell(value)
