"""The tables of an evaluation's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanji.classifiers.evaluating.measure import SCORES, Measure, measure_of
from hanji.page import Markup, number, percent, share_cell, size, table, tag

Model = Mapping[str, Any]


def figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def signed(value: float) -> str:
    """With its sign, unless it is nothing to three digits."""
    shown = f"{value:+.3f}"
    return "0.000" if shown in ("+0.000", "-0.000") else shown


def share(value: float | None) -> str:
    return "–" if value is None else percent(value)


def reliability_table(model: Model) -> Markup:
    found = model["calibration"]
    always = f"{found['brier_of_share']:.3f} for always saying the share of good texts"
    return bins_table(model, always, ["score", "texts", "mean score", "share good"])


def bins_table(model: Model, always: str, head: list[str]) -> Markup:
    """Mean score and share that is good, by bin of the score; ``always``: the Brier score of knowing no text."""
    found = model["calibration"]
    rows = [
        [
            f"{row['from']:.1f} to {row['to']:.1f}",
            number(row["texts"]),
            figure(row["mean_score"]),
            figure(row["share_good"]),
        ]
        for row in found["bins"]
    ]
    caption = (
        f"{model['name']}: expected error {found['expected_error']:.3f}, largest {found['largest_error']:.3f}; "
        f"Brier {found['brier']:.3f} ({always})"
    )
    return table(caption, head, rows)


def threshold_rows(model: Model, tokens: bool) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of the threshold table."""
    labelled, measure = "figures" in model, measure_of(model)
    head = ["keep", measure.keeps, "documents", "share", "bytes", "share"]
    head += ["tokens", "share"] if tokens else []
    head += ["precision", "recall", "others kept"] if labelled else []
    rows = []
    for row in model["thresholds"]:
        cells: list[Any] = [
            f"top {100 * row['share']:g} %" if row["share"] is not None else "by value",
            measure.shown_threshold(row["threshold"]),
            number(row["documents"]),
            _bar(row["documents_share"]),
            size(row["bytes"]),
            share(row["bytes_share"]),
        ]
        if tokens:
            cells += [number(row["tokens"]), share(row["tokens_share"])]
        if labelled:
            cells += [figure(row["precision"]), figure(row["recall"]), share(row["false_alarms"])]
        rows.append(cells)
    return head, rows


def confusion_table(model: Model) -> Markup:
    found, measure = model["confusion"], measure_of(model)
    rows = [
        [
            row["name"],
            *(number(row[name]) for name in ("texts", "hits", "missed", "wrong", "right")),
            share(row["recall"]),
            share(row["false_alarms"]),
            measure.shown(row[measure.average_name]),
            figure(row["roc_auc"]),
        ]
        for row in found["rows"]
    ]
    head = [found["by"], "texts", "good: kept", "missed", "others: kept", "not kept"]
    head += ["good kept", "others kept", "mean score" if measure is SCORES else "median", "AUC"]
    return table(f"{model['name']}, {measure.keeps} {model['threshold']:g}", head, rows)


def bucket_tables(model: Model, tokens: bool) -> list[Markup]:
    """Head, middle and tail of a perplexity model, and what of each source is in them."""
    found, measure, labelled = model["buckets"], measure_of(model), "figures" in model
    head = ["", "perplexity", "documents", "share", "bytes", "share"]
    head += ["tokens", "share"] if tokens else []
    head += ["good texts", "others", "share good"] if labelled else []
    rows = []
    for row in found["rows"]:
        cells: list[Any] = [
            row["bucket"],
            bucket_bounds(row),
            number(row["documents"]),
            share(row["documents_share"]),
            size(row["bytes"]),
            share(row["bytes_share"]),
        ]
        if tokens:
            cells += [number(row["tokens"]), share(row["tokens_share"])]
        if labelled:
            cells += [number(row["good"]), number(row["others"]), share(row["share_good"])]
        rows.append(cells)
    sources = [
        [
            row["name"],
            number(row["texts"]),
            measure.shown(row["median_perplexity"]),
            *(share(row[name]) for name in ("head", "middle", "tail")),
        ]
        for row in found["by_source"]
    ]
    return [
        table(f"{model['name']}: head, middle and tail", head, rows),
        table(
            f"{model['name']}: what of each source is in them",
            ["source", "texts", "median perplexity", "head", "middle", "tail"],
            sources,
        ),
    ]


def bucket_bounds(row: Mapping[str, Any]) -> str:
    """The perplexities of the head, the middle or the tail, each from its lower bound to below its upper one."""
    if row["from"] is None:
        return f"below {row['below']:.6g}"
    if row["below"] is None:
        return f"from {row['from']:.6g}"
    return f"{row['from']:.6g} to {row['below']:.6g}"


CHANGES = {
    "quality": ("mean change", "mean distance"),
    "perplexity": ("ratio (median)", "ratio (middle 80 %)"),
}


def changes(row: Mapping[str, Any]) -> tuple[str, str]:
    """What a variant does to scores, or to perplexities, under the heads of CHANGES."""
    if "ratios" not in row:
        return signed(row["mean_change"]), f"{row['mean_distance']:.3f}"
    if row["ratios"] is None:
        return "–", "–"
    low, middle, high = row["ratios"]
    return f"{middle:.2f}", f"{low:.2f} to {high:.2f}"


def variant_table(model: Model) -> Markup:
    labelled = any("roc_auc" in row for row in model["variants"])
    head = ["", *CHANGES[model["kind"]], "on the other side", "rank correlation"]
    head += ["ROC-AUC", "lost"] if labelled else []
    rows = []
    for row in model["variants"]:
        cells = [
            row["variant"],
            *changes(row),
            percent(row["crossing"]),
            figure(row["rank_correlation"]),
        ]
        if labelled:
            lost = row.get("roc_auc_lost")
            cells += [figure(row.get("roc_auc")), "–" if lost is None else signed(lost)]
        rows.append(cells)
    return table(f"{model['name']}: texts cut or spaced otherwise", head, rows)


def length_table(model: Model, of: str) -> Markup:
    labelled, measure = "figures" in model, measure_of(model)
    average = measure.average
    head = ["characters", "texts", "kept", f"{average} {measure.name}"]
    head += ["good texts", f"their {average}", f"{average} of others", "ROC-AUC"] if labelled else []
    rows = []
    for row in model["lengths"]:
        end = "and more" if row["to"] is None else f"to {row['to'] - 1:,}"
        cells: list[Any] = [
            f"{row['from']:,} {end}",
            number(row["texts"]),
            _bar(row["kept_share"]),
            measure.shown(row[measure.average_name]),
        ]
        if labelled:
            cells.append(number(row["good"]))
            cells += [measure.shown(row[f"{average}_of_{kind}"]) for kind in ("good", "others")]
            cells.append(figure(row["roc_auc"]))
        rows.append(cells)
    caption = (
        f"{model['name']}: by length (rank correlation of {measure.name} and length in {of}: "
        f"{figure(model['length_correlation'])})"
    )
    return table(caption, head, rows)


def ngram_tables(model: Model) -> list[Markup]:
    """The four lists, two beside each other."""
    found = model["ngrams"]
    lists = []
    for name, title in (
        ("up", "add most"),
        ("down", "take most"),
        ("heaviest_up", f"heaviest for it, in {number(found['least_texts'])} texts or more"),
        ("heaviest_down", f"heaviest against it, in {number(found['least_texts'])} texts or more"),
    ):
        rows = [
            [
                tag("code", row["ngram"]),
                f"{row['contribution']:+.4f}",
                f"{row['weight']:+.1f}",
                number(row["good"]),
                number(row["others"]),
                f"{100 * row['row_share']:.0f} % of {number(row['row_ngrams'])}",
            ]
            for row in found[name]
        ]
        of_pool = not any(row["good"] for some in ("up", "down") for row in found[some])
        head = ["n-gram", "contribution", "weight", "good", "texts" if of_pool else "others", "row"]
        lists.append(table(f"{model['name']}: {title}", head, rows))
    return [tag("div", *lists[:2], class_="two"), tag("div", *lists[2:], class_="two")]


def text_cards(
    rows: Sequence[Mapping[str, Any]], sides: Sequence[str], measures: Sequence[Measure] | None = None
) -> list[Markup]:
    """Texts with their scores (``measures``: what each side's are), excerpts and what moved them."""
    measures = measures or [SCORES] * len(sides)
    cards = []
    for row in rows:
        scores = " · ".join(
            f"{side}{measure.shown(score)}"
            for side, score, measure in zip(sides, row["scores"], measures, strict=True)
        )
        known = (
            "" if row["good"] is None else (" · labelled good" if row["good"] else " · labelled as not good")
        )
        lines = [reasons_line(side, reasons) for side, reasons in zip(sides, row["reasons"], strict=True)]
        cards.append(text_card(scores, known, row, lines))
    return cards


def text_card(told: str, known: str, row: Mapping[str, Any], reasons: Sequence[Markup]) -> Markup:
    """A text: what models say of it, what is known of it, its excerpt, what moved it, and where it is from."""
    more = "…" if row["characters"] > len(row["excerpt"]) else ""
    where = f"{row['source']} · {row['site']} · {number(row['characters'])} characters · {row['hash'][:12]}"
    return tag(
        "blockquote",
        tag("p", tag("b", told), known),
        tag("p", f"{row['excerpt']}{more}"),
        *reasons,
        tag("small", where),
    )


def reasons_line(side: str, reasons: Sequence[Mapping[str, Any]] | None) -> Markup:
    """The n-grams that moved a text's score, as a line; empty if there are none."""
    if not reasons:
        return Markup("")
    parts: list[Any] = [side]
    for one in reasons:
        kind = "up" if one["contribution"] > 0 else "down"
        parts += [
            tag("code", one["ngram"]),
            " ",
            tag("span", f"{one['contribution']:+.2f}", class_=kind),
            "  ",
        ]
    return tag("p", *parts, class_="reasons")


def _bar(value: float | None) -> Any:
    return "–" if value is None else share_cell(value)
