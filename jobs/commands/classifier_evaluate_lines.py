"""An evaluation of classifiers for a terminal; the page and the JSON have everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hanji.classifiers.evaluating.measure import measure_of
from hanji.classifiers.evaluating.page_tables import CHANGES, bucket_bounds, changes, signed
from hanji.jobs.terminal import columns, number
from hanji.page import percent, size

MOST_ROWS, NGRAMS, EXCERPT = 12, 10, 90
Account = Mapping[str, Any]


def lines(account: Account) -> list[str]:
    """What was evaluated, and for each model its figures; then two models side by side."""
    return [
        *_texts(account),
        *(line for model in account["models"] for line in _model(account, model)),
        *_sides(account),
        *([""] if account["warnings"] else []),
        *(f"  warning  {warning}" for warning in account["warnings"]),
    ]


def _texts(account: Account) -> Iterator[str]:
    labelled, pool = account["texts"]["labelled"], account["texts"]["pool"]
    if labelled is not None:
        yield (
            f"labelled: {number(labelled['good'])} good texts and {number(labelled['others'])} others of "
            f"{number(labelled['sites'])} sites. {account['split']['said']}"
        )
    if pool is not None:
        tokens = "" if pool["tokens"] is None else f", {number(pool['tokens'])} tokens by {account['tokens']}"
        yield f"pool: {number(pool['texts'])} texts, {size(pool['bytes'])}{tokens}"


def _model(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    said = f"score: probability of {model['label']!r}; {model['preparation']}"
    if model["kind"] == "perplexity":
        said = f"perplexity, the lower the better; with {model['sentencepiece']}"
    yield from ("", f"{model['name']}  ({said})")
    if "figures" in model:
        yield from _figures(model)
    if "buckets" in model:
        yield from _buckets(account, model)
    yield from _thresholds(account, model)
    if "confusion" in model:
        yield from _confusion(model)
    yield from _behaviour(account, model)
    yield from [""] if model.get("left_out") else _ngrams(model)
    yield from (f"  left out  {reason}" for reason in model.get("left_out", []))
    if "mistakes" in model:
        yield from _mistakes(model)


def _figures(model: Mapping[str, Any]) -> Iterator[str]:
    figures, calibrated = model["figures"], model["calibration"]
    at, intervals, measure = figures["at_threshold"], figures["intervals"], measure_of(model)
    yield (
        f"  ROC-AUC {figures['roc_auc']:.3f}{_interval(intervals['roc_auc'])}, average precision "
        f"{figures['average_precision']:.3f}{_interval(intervals['average_precision'])} "
        f"(good texts are {percent(figures['share_good'])})"
    )
    yield f"  ROC-AUC among texts of like length {_figure(figures['roc_auc_of_like_length'])}"
    yield (
        f"  at {measure.keeps} {at['threshold']:g}: precision {_figure(at['precision'])}, recall "
        f"{_figure(at['recall'])}, macro-F1 {at['macro_f1']:.3f}"
    )
    recalls = "; ".join(
        f"{_figure(pair[0]) if pair else '0'} at precision {precision}"
        + (f" ({measure.keeps} {measure.shown(pair[1])})" if pair else "")
        for precision, pair in figures["recall_at_precision"].items()
    )
    yield f"  recall {recalls}"
    if calibrated is None:
        return
    yield (
        f"  calibration: expected error {calibrated['expected_error']:.3f}, Brier {calibrated['brier']:.3f} "
        f"(the share of good texts alone: {calibrated['brier_of_share']:.3f})"
    )
    rows = [
        [
            f"{row['from']:.1f}–{row['to']:.1f}",
            number(row["texts"]),
            _figure(row["mean_score"]),
            _figure(row["share_good"]),
        ]
        for row in calibrated["bins"]
        if row["texts"]
    ]
    yield from columns(["score", "texts", "mean score", "share good"], rows)


def _buckets(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    of = "the pool" if account["texts"]["pool"] is not None else "the labelled texts"
    yield from ("", f"  head, middle and tail: the 30th and 60th percentile of {of}")
    labelled = "figures" in model
    rows = []
    for row in model["buckets"]["rows"]:
        cells = [row["bucket"], bucket_bounds(row), number(row["documents"]), size(row["bytes"])]
        cells += [number(row["tokens"])] if account["tokens"] else []
        cells += [number(row["good"]), number(row["others"])] if labelled else []
        rows.append(cells)
    head = ["", "perplexity", "documents", "bytes", *(["tokens"] if account["tokens"] else [])]
    yield from columns([*head, *(["good texts", "others"] if labelled else [])], rows)
    sources = model["buckets"]["by_source"]
    rows = [
        [
            row["name"],
            number(row["texts"]),
            measure_of(model).shown(row["median_perplexity"]),
            *(_share(row[name]) for name in ("head", "middle", "tail")),
        ]
        for row in sources[:MOST_ROWS]
    ]
    yield from columns(["source", "texts", "median perplexity", "head", "middle", "tail"], rows)
    yield from _more(len(sources))


def _thresholds(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    of = "the pool" if account["texts"]["pool"] is not None else "the labelled texts"
    unit = "" if account["tokens"] else "; bytes, for no tokenizer was given"
    yield from ("", f"  thresholds: what is kept of {of}{unit}")
    labelled, measure = "figures" in model, measure_of(model)
    head = ["keep", measure.keeps, "documents", "", "bytes", ""]
    head += ["tokens", ""] if account["tokens"] else []
    head += ["precision", "recall"] if labelled else []
    rows = []
    for row in model["thresholds"]:
        cells = [
            f"top {100 * row['share']:g} %" if row["share"] is not None else "",
            measure.shown_threshold(row["threshold"]),
            number(row["documents"]),
            _share(row["documents_share"]),
            size(row["bytes"]),
            _share(row["bytes_share"]),
        ]
        if account["tokens"]:
            cells += [number(row["tokens"]), _share(row["tokens_share"])]
        if labelled:
            cells += [_figure(row["precision"]), _figure(row["recall"])]
        rows.append(cells)
    yield from columns(head, rows)


def _confusion(model: Mapping[str, Any]) -> Iterator[str]:
    confused, measure = model["confusion"], measure_of(model)
    keep = f"{measure.keeps} {model['threshold']:g}"
    yield from ("", f"  by {confused['by']}, at {keep}; most mistakes first")
    rows = [
        [
            row["name"],
            *(number(row[name]) for name in ("texts", "hits", "missed", "wrong", "right")),
            measure.shown(row[measure.average_name]),
            _figure(row["roc_auc"]),
        ]
        for row in confused["rows"][:MOST_ROWS]
    ]
    average = f"{measure.average} {measure.name}"
    head = [confused["by"], "texts", "good: kept", "missed", "others: kept", "not", average, "AUC"]
    yield from columns(head, rows)
    yield from _more(len(confused["rows"]))


def _behaviour(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "  when texts are cut or their spaces change")
    labelled = any("roc_auc" in row for row in model["variants"])
    measure = measure_of(model)
    average = f"{measure.average} {measure.name}"
    head = ["variant", CHANGES[model["kind"]][0], "other side of the threshold", "rank correlation"]
    head += ["AUC", "lost"] if labelled else []
    rows = []
    for row in model["variants"]:
        cells = [row["variant"], changes(row)[0], percent(row["crossing"])]
        cells.append(_figure(row["rank_correlation"]))
        if labelled:
            lost = row.get("roc_auc_lost")
            cells += [_figure(row.get("roc_auc")), "–" if lost is None else signed(lost)]
        rows.append(cells)
    yield from columns(head, rows)
    yield from ("", "  by length, in characters")
    head = ["from", "texts", "kept", average] + (["good", "others", "AUC"] if "figures" in model else [])
    rows = []
    for row in model["lengths"]:
        cells = [
            number(row["from"]),
            number(row["texts"]),
            percent(row["kept_share"]),
            measure.shown(row[measure.average_name]),
        ]
        if "figures" in model:
            cells += [measure.shown(row[f"{measure.average}_of_{kind}"]) for kind in ("good", "others")]
            cells.append(_figure(row["roc_auc"]))
        rows.append(cells)
    yield from columns(head, rows)
    of = "the labelled texts" if account["texts"]["pool"] is None else "the pool"
    yield f"  rank correlation of {measure.name} and length in {of}: {_figure(model['length_correlation'])}"


def _ngrams(model: Mapping[str, Any]) -> Iterator[str]:
    found = model["ngrams"]
    if found is None:
        yield from (
            "",
            "  n-grams: none are told (the model is not linear over whole words, or none were asked for)",
        )
        return
    yield from (
        "",
        f"  n-grams: what they add to the log-odds of the average of {number(found['texts'])} texts",
    )
    for name, said in (("up", "for it"), ("down", "against it")):
        shown = "   ".join(f"{row['ngram']} {row['contribution']:+.3f}" for row in found[name][:NGRAMS])
        yield f"    {said:<12}{shown}"
    for name, said in (("heaviest_up", "heaviest for"), ("heaviest_down", "against")):
        shown = "   ".join(f"{row['ngram']} {row['weight']:+.1f}" for row in found[name][:NGRAMS])
        yield f"    {said:<13}{shown}"


def _mistakes(model: Mapping[str, Any]) -> Iterator[str]:
    measure = measure_of(model)
    best, worst = ("lowest", "highest") if model["kind"] == "perplexity" else ("highest", "lowest")
    for name, said in (
        ("wrong", f"others of the {best} {measure.name}"),
        ("missed", f"good texts of the {worst} {measure.name}"),
    ):
        rows = model["mistakes"][name]
        if rows:
            yield from ("", f"  {said}")
        yield from (
            f"    {measure.shown(row['scores'][0])}  {row['source']}: {_excerpt(row)}" for row in rows
        )


def _sides(account: Account) -> Iterator[str]:
    found = account["sides"]
    if found is None:
        return
    a, b = found["names"]
    yield from (
        "",
        f"side by side on the {found['on'] if found['on'] == 'pool' else 'labelled texts'}: A {a}, B {b}",
    )
    yield (
        f"  rank correlation {_figure(found['rank_correlation'])}, mean distance of ranks "
        f"{percent(found['mean_rank_distance'])} of the texts"
    )
    measures = [measure_of(model) for model in account["models"]]
    rows = [
        [
            f"top {100 * row['share']:g} %" if row["share"] is not None else "threshold",
            *(one.shown(threshold) for one, threshold in zip(measures, row["thresholds"], strict=True)),
            *(number(row[name]) for name in ("both", "only_a", "only_b")),
            _share(row["overlap"]),
            _figure(row["kappa"]),
        ]
        for row in found["agreements"]
    ]
    keeps = [f"{side}'s {measure.keeps}" for side, measure in zip("AB", measures, strict=True)]
    head = ["keep", *keeps, "both", "only A", "only B", "overlap", "kappa"]
    yield from columns(head, rows)
    for name, said in (("a_higher", "A ranks highest above B"), ("b_higher", "B ranks highest above A")):
        if found["samples"][name]:
            yield from ("", f"  {said}")
        for row in found["samples"][name]:
            one, other = (m.shown(score) for m, score in zip(measures, row["scores"], strict=True))
            yield f"    A {one}  B {other}  {row['source']}: {_excerpt(row)}"


def _excerpt(row: Mapping[str, Any]) -> str:
    text = row["excerpt"]
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def _interval(pair: list[float] | None) -> str:
    return "" if pair is None else f" ({pair[0]:.3f} to {pair[1]:.3f} over sites)"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _more(total: int) -> Iterator[str]:
    if total > MOST_ROWS:
        yield f"  … and {number(total - MOST_ROWS)} more"
