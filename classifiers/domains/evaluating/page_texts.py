"""The parts of the page of a domain evaluation that show n-grams and texts, and two models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanji.classifiers.domains.evaluating.page_tables import between
from hanji.classifiers.evaluating.page_tables import figure, reasons_line, signed, text_card
from hanji.page import Markup, number, percent, section, table, tag

Account = Mapping[str, Any]
MOST_PAIRS = 30


def ngrams_section(account: Account) -> Markup:
    """What each model goes by for each of its labels."""
    parts: list[Any] = []
    for model in account["models"]:
        found = model["ngrams"]
        if found is None:
            said = f"{model['name']}: not linear over whole words, or none were asked for."
            parts.append(tag("p", said, class_="intro"))
            continue
        rows = [
            [label, _ngrams(some["up"], "contribution", 3), _ngrams(some["heaviest_up"], "weight", 1)]
            for label, some in found["labels"].items()
        ]
        heavy = f"heaviest, of those in {number(found['least_texts'])} texts or more"
        caption = f"{model['name']}: in {number(found['texts'])} texts"
        parts.append(table(caption, ["label", "add most to it", heavy], rows, text_columns=3))
    return section(
        "What it goes by",
        *parts,
        intro="What n-grams add to a label, less the mean of what they add to the others. Names of a site, its "
        "menus and greetings, or the end of a text (</s>), which weighs much in short ones, are no marks of "
        "a domain. n-grams share rows of the model by hash; those of the evaluated texts were looked up.",
        identity="ngrams",
    )


def _ngrams(rows: Sequence[Mapping[str, Any]], value: str, digits: int) -> Markup:
    parts: list[Any] = []
    for row in rows:
        parts += [tag("code", row["ngram"]), " ", tag("small", f"{row[value]:+.{digits}f}"), "  "]
    return tag("span", *parts) if parts else tag("span", "–")


def mistakes_section(account: Account) -> Markup | None:
    """The texts that each model is most surely wrong about; None where none is shown."""
    parts: list[Any] = []
    for model in account["models"]:
        if rows := model.get("mistakes"):
            parts += [tag("h3", model["name"]), *text_cards(rows, [""])]
    if not parts:
        return None
    return section(
        "Mistakes",
        *parts,
        intro="Of each label the texts that are taken for another one most surely, with the n-grams that moved "
        "them most. Some may be mistakes of the labels.",
        identity="mistakes",
    )


def sides_section(account: Account) -> Markup | None:
    """Two models on the same texts; None for one model."""
    found = account["sides"]
    if found is None:
        return None
    a, b = found["names"]
    labels, counts = found["labels"], found["table"]
    pairs = sorted(
        (-counts[x][y], labels[x], labels[y])
        for x in range(len(labels))
        for y in range(len(labels))
        if x != y and counts[x][y]
    )[:MOST_PAIRS]
    placed, right = found["placed"], found["right"]
    parts: list[Any] = []
    if right is not None:
        rows = [
            [
                "texts that are right",
                *(number(right[name]) for name in ("both", "only_a", "only_b", "neither")),
            ]
        ]
        parts.append(table("On the labelled texts", ["", "both", "only A", "only B", "neither"], rows))
        rows = [
            [
                name,
                _signed(right["a_less_b"][key]["difference"]),
                between(right["a_less_b"][key]["interval"]),
            ]
            for key, name in (
                ("accuracy", "accuracy"),
                ("macro_f1", "macro-F1"),
                ("macro_f1_of_several", "macro-F1 of the labels of several sites"),
            )
        ]
        parts.append(table("A less B", ["", "difference", "95 % over sites"], rows))
    rows = [
        [
            *(number(placed[name]) for name in ("both", "same", "only_a", "only_b", "neither")),
        ]
    ]
    head = ["both", "in the same domain", "only A", "only B", "neither"]
    parts.append(
        table(f"What is placed at {account['min_probability']:g}", head, rows, text_columns=0),
    )
    pair_rows = [[x, y, number(-count)] for count, x, y in pairs]
    source_rows = [
        [row["name"], number(row["texts"]), number(row["apart"]), percent(row["apart"] / row["texts"])]
        for row in found["by_source"]
    ]
    both = [table("Where they part", ["A says", "B says", "texts"], pair_rows, text_columns=2)]
    both.append(table("By source", ["source", "texts", "not the same", "share"], source_rows))
    parts.append(tag("div", *both, class_="two"))
    if found["samples"]:
        parts += [
            tag("h3", "Texts of which both are sure, and say different things"),
            *text_cards(found["samples"], ["A ", "B "]),
        ]
    on = "pool" if found["on"] == "pool" else "labelled texts"
    return section(
        "Side by side",
        *parts,
        intro=f"A is {a}, B is {b}, on the {on}: the same label for {percent(found['agreement'])} of "
        f"{number(found['texts'])} texts, kappa (Cohen's, agreement beyond chance) {figure(found['kappa'])}.",
        identity="sides",
    )


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(value)


def text_cards(rows: Sequence[Mapping[str, Any]], sides: Sequence[str]) -> list[Markup]:
    """Texts with what models take them for, excerpts and what moved them."""
    cards = []
    for row in rows:
        told = " · ".join(
            f"{side}{one['label']} {one['probability']:.3f}"
            for side, one in zip(sides, row["told"], strict=True)
        )
        known = "" if row["label"] is None else f" · labelled {row['label']}"
        lines = [reasons_line(side, one["reasons"]) for side, one in zip(sides, row["told"], strict=True)]
        cards.append(text_card(told, known, row, lines))
    return cards
