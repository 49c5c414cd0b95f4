"""The page of a domain evaluation: one HTML file, offline, made from the account of ``evaluate_domains`` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanji.charts import COLOURS
from hanji.classifiers.domains.evaluating import page_tables as tables
from hanji.classifiers.domains.evaluating.page_texts import mistakes_section, ngrams_section, sides_section
from hanji.classifiers.evaluating.drawing import chart
from hanji.classifiers.evaluating.page import STYLE, evaluation_page
from hanji.classifiers.evaluating.page_tables import figure
from hanji.page import Markup, join, number, section, size, table, tag

Account = Mapping[str, Any]
OWN_STYLE = Markup(
    ".cell{display:block;margin:-6px -14px;padding:6px 14px}td small{white-space:nowrap}"
    "small.below{display:block}.told{display:block;min-width:11em}"
)


def render(account: Account) -> str:
    """The account as HTML."""
    sections = [
        ("Labels", "labels", _labels(account)),
        ("Probability", "probability", _coverage(account)),
        ("Calibration", "calibration", _calibration(account)),
        ("Sources", "sources", _sources(account)),
        ("Length and spacing", "behaviour", _behaviour(account)),
        ("Pool", "pool", _pool(account)),
        ("n-grams", "ngrams", ngrams_section(account)),
        ("Mistakes", "mistakes", mistakes_section(account)),
        ("Side by side", "sides", sides_section(account)),
        ("Data", "data", _data(account)),
    ]
    return evaluation_page(account, join([STYLE, OWN_STYLE]), _header(account), sections)


def _labelled(account: Account) -> list[Mapping[str, Any]]:
    return [model for model in account["models"] if "figures" in model]


def _header(account: Account) -> Markup:
    labelled, pool = account["texts"]["labelled"], account["texts"]["pool"]
    said = []
    if labelled is not None:
        said.append(
            f"{number(labelled['texts'])} labelled texts of {number(labelled['sites'])} sites. "
            f"{account['split']['said']}"
        )
    if pool is not None:
        said.append(f"A pool of {number(pool['texts'])} texts, {size(pool['bytes'])}.")
    cards = []
    for model in _labelled(account):
        told, name = model["figures"], f"{model['name']} · " if len(account["models"]) > 1 else ""
        for key, what in (
            ("macro_f1", "macro-F1"),
            ("macro_f1_of_several", f"macro-F1 of {told['labels_of_several']} labels of several sites"),
            ("accuracy", "accuracy"),
        ):
            if key == "macro_f1_of_several" and told["intervals"]["macro_f1"] is not None:
                continue  # the same labels
            pair = told["intervals"][key]
            spread = "" if pair is None else f", {pair[0]:.3f} to {pair[1]:.3f} over sites"
            cards.append((figure(told[key]), f"{name}{what}{spread}"))
        pair = model["coverage_curve"]["most_coverage"]["0.9"]
        cards.append((figure(pair[0] if pair else 0.0), f"{name}coverage with 90 % right"))
        cards.append((figure(model["calibration"]["expected_error"]), f"{name}expected calibration error"))
    if account["sides"] is not None:
        cards.append((figure(account["sides"]["kappa"]), "kappa of the two"))
    return tag(
        "header",
        tag("p", "Hanji · evaluation of a classifier of domains", class_="kicker"),
        tag("h1", " beside ".join(model["name"] for model in account["models"])),
        tag("p", " ".join(said), class_="lead"),
        tag(
            "div", *(tag("div", tag("b", b), tag("span", s), class_="card") for b, s in cards), class_="cards"
        ),
        *(tag("p", warning, class_="warning") for warning in account["warnings"]),
    )


def _labels(account: Account) -> Markup | None:
    parts: list[Any] = []
    for model in _labelled(account):
        parts += [tables.label_table(model), tables.confusion_table(model)]
    if not parts:
        return None
    return section(
        "Labels",
        *parts,
        intro="Macro-F1 is the mean F1 of the labels that have texts. Intervals come from drawing the sites again, "
        "not the texts, and there is none for a label of one site. Calibration error of a label: how far its "
        "probability is from how often it is the label (one against all).",
        identity="labels",
    )


def _coverage(account: Account) -> Markup | None:
    models = _labelled(account)
    if not models:
        return None
    series, curves = [], []
    for model in models:
        drawn = model["coverage_curve"]["drawn"]
        series.append((model["name"], drawn["coverage"], drawn["accuracy"]))
        rows = model["coverage"]
        shown = [(row["min_probability"], row["coverage"], row["accuracy"] or 0.0) for row in rows]
        curves += [
            (f"{model['name']}: placed", [row[0] for row in shown], [row[1] for row in shown]),
            (f"{model['name']}: right of these", [row[0] for row in shown], [row[2] for row in shown]),
        ]
    parts: list[Any] = [
        tag(
            "div",
            chart("Coverage and accuracy", ("texts that are placed", "of these right"), series),
            chart("By min_probability", ("min_probability", "share"), curves, points=True),
            class_="figures",
        )
    ]
    for model in models:
        most = model["coverage_curve"]["most_coverage"]
        rows = [
            [f"{float(accuracy):.0%}", *(("–", "–") if pair is None else (figure(pair[0]), f"{pair[1]:.4f}"))]
            for accuracy, pair in most.items()
        ]
        parts += [
            tables.coverage_rows(model, account["min_probability"]),
            table(
                f"{model['name']}: the most that can be placed",
                ["right at least", "coverage", "min_probability"],
                rows,
            ),
            tables.coverage_of_labels(model),
        ]
    return section(
        "Probability",
        *parts,
        intro="In a recipe with domains.apply: component, a document gets the predicted domain where its "
        "probability is at least min_probability, and keeps its source's below it. Shares hold for labels "
        "as frequent as they are here.",
        identity="probability",
    )


def _calibration(account: Account) -> Markup | None:
    models = _labelled(account)
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
            chart(
                "Reliability", ("mean probability", "share that is right"), series, diagonal=True, points=True
            ),
            *(tables.reliability_table(model) for model in models),
            class_="figures",
        ),
        intro="Whether the probability of the label that is told is how often it is right. On the dashed line it "
        "is. Expected error (ECE): mean distance from the line, weighed by texts.",
        identity="calibration",
    )


def _sources(account: Account) -> Markup | None:
    models = _labelled(account)
    if not models:
        return None
    by = models[0]["confusion"]["by"]
    return section(
        "Sources" if by == "source" else "Sites",
        *(tables.group_table(model) for model in models),
        intro=f"Texts of each {by} and label, those with the most mistakes first. A model that is good on the "
        "average can be wrong about a whole source. Placed: of a probability of at least "
        f"{account['min_probability']:g}.",
        identity="sources",
    )


def _behaviour(account: Account) -> Markup | None:
    parts: list[Any] = []
    for model in _labelled(account):
        parts += [tables.variant_table(model), tables.length_table(model)]
    if not parts:
        return None
    return section(
        "Length and spacing",
        *parts,
        intro="The same texts, cut short or with other spaces, which changes nothing of their domain. Other side: "
        "texts that are placed and were not, or the other way round. Mean change: of the probability.",
        identity="behaviour",
    )


def _pool(account: Account) -> Markup | None:
    models = [model for model in account["models"] if "pool" in model]
    if not models:
        return None
    least, tokens = account["min_probability"], account["tokens"] is not None
    parts: list[Any] = []
    for model in models:
        drawn = [
            (row["domain"], row["by_probability"]) for row in model["pool"]["domains"] if row["documents"]
        ]
        parts += [
            tables.pool_table(model, least, tokens),
            _by_probability(f"{model['name']}: documents by probability", drawn),
            tables.pool_values(model),
            tables.pool_sources(model),
        ]
    unit = (
        f"Tokens are counted by {account['tokens']}."
        if tokens
        else "No tokenizer was given, so sizes are in bytes of UTF-8, not in tokens."
    )
    return section(
        "Pool",
        *parts,
        intro=f"What the models make of texts whose labels nobody looked at; a text of a kind that no label stands "
        f"for is given the nearest one. {unit}",
        identity="pool",
    )


def _by_probability(title: str, series: list[tuple[str, list[int]]]) -> Markup:
    """Documents of each domain by probability: bars a domain, of its own scale, so that small ones are seen."""
    rows = []
    for place, (name, counts) in enumerate(series):
        most, colour = max(counts), COLOURS[place % len(COLOURS)]
        bars = [
            tag(
                "rect",
                tag(
                    "title", f"{name} {one / len(counts):.2f}–{(one + 1) / len(counts):.2f}: {number(count)}"
                ),
                x=f"{one * 18 + 1}",
                y=f"{26 - 24 * count / most:.1f}",
                width="16",
                height=f"{max(24 * count / most, 0.5 if count else 0):.1f}",
                style=f"fill:{colour}",
            )
            for one, count in enumerate(counts)
        ]
        drawn = tag("svg", tag("title", name), *bars, viewBox=f"0 0 {18 * len(counts)} 27", role="img")
        rows.append([name, drawn, number(most)])
    return table(title, ["domain", "probability from 0 to 1", "highest bar"], rows, text_columns=2)


def _data(account: Account) -> Markup:
    rows = [
        [row["used_as"], row.get("labels", "–"), row["name"], tag("code", row["hash"])]
        for some in account["data"].values()
        for row in some
    ]
    models = [
        [m["name"], ", ".join(m["labels"]), m["preparation"], tag("code", m["sha256"])]
        for m in account["models"]
    ]
    return section(
        "Data",
        table("Models", ["model", "labels", "preparation", "SHA-256"], models, text_columns=4),
        table("Texts", ["", "labels", "name", "hash"], rows, text_columns=4),
        tag("p", f"Made with Hanji {account['versions']['hanji']}.", class_="intro"),
        identity="data",
    )
