"""The page of an evaluation: one HTML file, offline, made from the account of ``evaluate`` alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hanji.classifiers.evaluating.drawing import chart
from hanji.classifiers.evaluating.measure import Measure, measure_of
from hanji.classifiers.evaluating.page_tables import (
    bucket_tables,
    confusion_table,
    figure,
    length_table,
    ngram_tables,
    reliability_table,
    threshold_rows,
    variant_table,
)
from hanji.classifiers.evaluating.page_texts import mistakes_section, sides_section
from hanji.page import Markup, histogram, number, page, percent, section, size, table, tag

Account = Mapping[str, Any]
NO_BREAK = "\N{NO-BREAK SPACE}"
STYLE = Markup(
    ".reasons{color:var(--soft);font-size:13px}.up{color:var(--c1)}.down{color:var(--c4)}"
    ".figures{align-items:start}.two{display:grid;gap:0 16px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}.two td,.two th{padding:5px 9px}"
)


def render(account: Account) -> str:
    """The account as HTML."""
    sections = [
        ("Curves", "curves", _curves(account)),
        ("Calibration", "calibration", _calibration(account)),
        ("Scores", "scores", _scores(account)),
        ("Head, middle, tail", "buckets", _buckets(account)),
        ("Thresholds", "thresholds", _thresholds(account)),
        ("Sources", "sources", _confusion(account)),
        ("Length and spacing", "behaviour", _behaviour(account)),
        ("n-grams", "ngrams", _ngrams(account)),
        ("Mistakes", "mistakes", mistakes_section(account)),
        ("Side by side", "sides", sides_section(account)),
        ("Data", "data", _data(account)),
    ]
    return evaluation_page(account, STYLE, _header(account), sections)


def evaluation_page(
    account: Account, style: Markup, header: Markup, sections: Iterable[tuple[str, str, Markup | None]]
) -> str:
    """A page of sections, each with the title and the anchor that its link has; None: there is nothing to show."""
    names = " and ".join(model["name"] for model in account["models"])
    there = [(title, key, made) for title, key, made in sections if made is not None]
    links = [tag("a", title, href=f"#{key}") for title, key, _ in there]
    parts = [tag("style", style), header, tag("nav", *links, aria_label="Sections")]
    return page(f"Evaluation of {names}", [*parts, *(made for _, _, made in there)])


def _header(account: Account) -> Markup:
    labelled, pool = account["texts"]["labelled"], account["texts"]["pool"]
    said = []
    if labelled is not None:
        said.append(
            f"{number(labelled['good'])} good texts and {number(labelled['others'])} others of "
            f"{number(labelled['sites'])} sites. {account['split']['said']}"
        )
    if pool is not None:
        said.append(f"A pool of {number(pool['texts'])} texts, {size(pool['bytes'])}.")
    cards = []
    for model in account["models"]:
        told = model.get("figures")
        name = f"{model['name']} · " if len(account["models"]) > 1 else ""
        if told is not None:
            interval = told["intervals"]["roc_auc"]
            spread = "" if interval is None else f", {interval[0]:.3f} to {interval[1]:.3f} over sites"
            recall = told["recall_at_precision"]["0.9"]
            cards += [
                (f"{told['roc_auc']:.3f}", f"{name}ROC-AUC{spread}"),
                (figure(told["roc_auc_of_like_length"]), f"{name}ROC-AUC among texts of like length"),
                (f"{told['average_precision']:.3f}", f"{name}average precision"),
                (figure(recall[0] if recall else 0.0), f"{name}recall at precision 0.9"),
            ]
            if model["calibration"] is not None:
                error = model["calibration"]["expected_error"]
                cards.append((f"{error:.3f}", f"{name}expected calibration error"))
    if account["sides"] is not None:
        cards.append((figure(account["sides"]["rank_correlation"]), "rank correlation of the two"))
    return tag(
        "header",
        tag("p", f"Hanji · evaluation of {_what(account)}", class_="kicker"),
        tag("h1", " beside ".join(model["name"] for model in account["models"])),
        tag("p", " ".join(said), class_="lead"),
        tag(
            "div", *(tag("div", tag("b", b), tag("span", s), class_="card") for b, s in cards), class_="cards"
        ),
        *(tag("p", warning, class_="warning") for warning in account["warnings"]),
    )


def _what(account: Account) -> str:
    kinds = [model["kind"] for model in account["models"]]
    one = {"quality": "a classifier", "perplexity": "a perplexity model"}
    if len(kinds) == 2 and kinds[0] == kinds[1]:
        return {"quality": "two classifiers", "perplexity": "two perplexity models"}[kinds[0]]
    return " and ".join(one[kind] for kind in kinds)


def _curves(account: Account) -> Markup | None:
    models = [model for model in account["models"] if "curves" in model]
    if not models:
        return None
    good = models[0]["figures"]["share_good"]
    precision = [(m["name"], m["curves"]["recall"], m["curves"]["precision"]) for m in models]
    roc = [(m["name"], [0.0, *m["curves"]["false_alarms"]], [0.0, *m["curves"]["recall"]]) for m in models]
    rows = []
    for model in models:
        told, measure = model["figures"], measure_of(model)
        at = told["at_threshold"]
        rows.append(
            [
                model["name"],
                f"{measure.keeps} {at['threshold']:g}".replace(" ", NO_BREAK),
                *(figure(at[name]) for name in ("precision", "recall", "macro_f1")),
                *(_pair(pair, measure) for pair in told["recall_at_precision"].values()),
                *(_pair(pair, measure) for pair in told["precision_at_recall"].values()),
                _pair(told["best_f1"], measure),
            ]
        )
    head = ["model", "threshold", "precision", "recall", "macro-F1"]
    head += [f"recall at P {key}" for key in models[0]["figures"]["recall_at_precision"]]
    head += [f"precision at R {key}" for key in models[0]["figures"]["precision_at_recall"]]
    return section(
        "Curves",
        tag(
            "div",
            chart(
                "Precision and recall",
                ("recall", "precision"),
                precision,
                level=(f"share of good texts {percent(good)}", good),
            ),
            chart("ROC", ("others that are kept", "good texts that are kept"), roc, diagonal=True),
            class_="figures",
        ),
        table("At thresholds; in brackets the score or perplexity", [*head, "best F1"], rows, text_columns=2),
        intro="One point a distinct score or perplexity, texts of equal ones together. Precision depends on "
        "how many of the texts are good: a pool in which fewer are has a lower one at the same threshold. ROC does "
        "not.",
        identity="curves",
    )


def _calibration(account: Account) -> Markup | None:
    models = [model for model in account["models"] if model.get("calibration") is not None]
    if not models:
        return None
    series = []
    for model in models:
        rows = [row for row in model["calibration"]["bins"] if row["texts"]]
        series.append(
            (model["name"], [row["mean_score"] for row in rows], [row["share_good"] for row in rows])
        )
    return section(
        "Calibration",
        tag(
            "div",
            chart("Reliability", ("mean score", "share that is good"), series, diagonal=True, points=True),
            tag("div", *(reliability_table(model) for model in models)),
            class_="figures",
        ),
        intro="Whether a score is the probability that it looks like, at the share of good texts that these have. "
        "On the dashed line it is. Expected error (ECE): mean distance from the line, weighed by texts. Tiers by "
        "top share need no calibration, thresholds by value and mixed scores of several models do.",
        identity="calibration",
    )


def _scores(account: Account) -> Markup | None:
    shown = []
    for model in account["models"]:
        groups = [
            (name, model["histogram"][name]) for name in ("good", "others") if name in model["histogram"]
        ]
        of, mark = model.get("histogram_of"), model["threshold"]
        marks = [("threshold", mark)] if of is None else [(f"perplexity ≤ {mark:.6g}", math.log10(mark))]
        low, high = (0.0, 1.0) if of is None else (of["from"], of["to"])
        what = "" if of is None else f", {of['what']}"
        for title, some in (("labelled texts", groups), ("pool", [("pool", model["histogram"].get("pool"))])):
            drawn = [(name, values) for name, values in some if values]
            if drawn:
                title = f"{model['name']}: {title}{what}"
                shown.append(histogram(drawn, low, high, title=title, marks=marks, marked=of is None))
    return section(
        "Scores",
        tag("div", *shown, class_="figures"),
        intro="How many texts have which score or perplexity.",
        identity="scores",
    )


def _buckets(account: Account) -> Markup | None:
    models = [model for model in account["models"] if "buckets" in model]
    if not models:
        return None
    of = "the labelled texts" if account["texts"]["pool"] is None else "the pool"
    return section(
        "Head, middle, tail",
        *(made for model in models for made in bucket_tables(model, bool(account["tokens"]))),
        intro=f"The exact 30th and 60th percentile of the perplexities of {of}, as CCNet cuts: 30 % of the texts "
        "lie below the head's bound, 60 % below the middle's. The lower, the liker the texts of the training.",
        identity="buckets",
    )


def _thresholds(account: Account) -> Markup:
    pool = account["texts"]["pool"] is not None
    of = "the pool" if pool else "the labelled texts"
    tables = []
    for model in account["models"]:
        head, rows = threshold_rows(model, bool(account["tokens"]))
        tables.append(table(f"{model['name']}: what is kept of {of}", head, rows))
    unit = (
        f"Tokens are counted by {account['tokens']}."
        if account["tokens"]
        else "No tokenizer was given, so sizes are in bytes of UTF-8, not in tokens."
    )
    return section(
        "Thresholds",
        *tables,
        intro="Documents with at least a score, or at most a perplexity. A top share takes documents of the same "
        f"score along, as tiers do. {unit} Precision and recall are those on the labelled texts.",
        identity="thresholds",
    )


def _confusion(account: Account) -> Markup | None:
    models = [model for model in account["models"] if "confusion" in model]
    if not models:
        return None
    by = models[0]["confusion"]["by"]
    return section(
        "Sources" if by == "source" else "Sites",
        *(confusion_table(model) for model in models),
        intro=f"What is kept of each {by} at the threshold, those with the most mistakes first. A model that is "
        "good on the average can be wrong about a whole source.",
        identity="sources",
    )


def _behaviour(account: Account) -> Markup:
    of = "the labelled texts" if account["texts"]["pool"] is None else "the pool"
    parts: list[Any] = []
    for model in account["models"]:
        parts += [variant_table(model), length_table(model, of)]
    return section(
        "Length and spacing",
        *parts,
        intro="The same texts, cut short or with other spaces. What a text says does not change with its spaces, "
        "so its score should not. A score that goes with length keeps long texts for being long.",
        identity="behaviour",
    )


def _ngrams(account: Account) -> Markup | None:
    parts: list[Any] = []
    for model in account["models"]:
        if model.get("left_out"):
            parts.append(
                tag("p", f"{model['name']}: left out are {'; '.join(model['left_out'])}.", class_="intro")
            )
        elif model["ngrams"] is None:
            parts.append(
                tag(
                    "p",
                    f"{model['name']}: not linear over whole words, or none were asked for.",
                    class_="intro",
                )
            )
        else:
            parts += ngram_tables(model)
    if all(model.get("left_out") for model in account["models"]):
        return section("What it goes by", *parts, identity="ngrams")
    return section(
        "What it goes by",
        *parts,
        intro="A fastText model is linear: the log-odds of a text are the mean weight of its words and n-grams. "
        "n-grams share rows of the model by hash and it has no list of them, so those of the evaluated texts are "
        "looked up. Contribution: what an n-gram adds to the log-odds of the average text. Row: its part of "
        "the row's uses, and how many n-grams of these texts share the row.",
        identity="ngrams",
    )


def _data(account: Account) -> Markup:
    rows = list(_data_rows(account))
    models = [
        [m["name"], m["label"] or "–", m["preparation"], f"{m['threshold']:g}", tag("code", m["sha256"])]
        for m in account["models"]
    ]
    models += [
        [m["sentencepiece"], "–", "–", "–", tag("code", m["sentencepiece_sha256"])]
        for m in account["models"]
        if "sentencepiece" in m
    ]
    return section(
        "Data",
        table("Models", ["model", "label", "preparation", "threshold", "SHA-256"], models, text_columns=5),
        table("Texts", ["", "labels", "name", "hash"], rows, text_columns=4),
        tag("p", f"Made with Hanji {account['versions']['hanji']}.", class_="intro"),
        identity="data",
    )


def _data_rows(account: Account) -> Iterator[list[Any]]:
    for some in account["data"].values():
        for row in some:
            yield [row["used_as"], row.get("labels", "–"), row["name"], tag("code", row["hash"])]


def _pair(pair: list[float] | None, measure: Measure) -> str:
    return "–" if pair is None else f"{pair[0]:.3f} ({measure.shown(pair[1])})"
