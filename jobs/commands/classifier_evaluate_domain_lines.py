"""An evaluation of domain models for a terminal; the page and the JSON have everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hanji.classifiers.domains.evaluating.page_tables import between, of_counts
from hanji.classifiers.evaluating.page_tables import figure, share, signed
from hanji.jobs.terminal import columns, number
from hanji.page import percent, size

MOST_ROWS, NGRAMS, EXCERPT = 12, 6, 90
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
            f"labelled: {number(labelled['texts'])} texts of {number(labelled['sites'])} sites. "
            f"{account['split']['said']}"
        )
    if pool is not None:
        tokens = "" if pool["tokens"] is None else f", {number(pool['tokens'])} tokens by {account['tokens']}"
        yield f"pool: {number(pool['texts'])} texts, {size(pool['bytes'])}{tokens}"


def _model(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"{model['name']}  (domains: {', '.join(model['labels'])}; {model['preparation']})")
    if "figures" in model:
        yield from _figures(model)
        yield from _confusion(model)
        yield from _coverage(account, model)
        yield from _sources(model)
        yield from _behaviour(model)
    if "pool" in model:
        yield from _pool(account, model)
    yield from _ngrams(model)
    yield from _mistakes(model)


def _figures(model: Mapping[str, Any]) -> Iterator[str]:
    figures, calibrated = model["figures"], model["calibration"]
    spread = figures["intervals"]
    yield (
        f"  macro-F1 {figure(figures['macro_f1'])}{_interval(spread['macro_f1'])}, accuracy "
        f"{figure(figures['accuracy'])}{_interval(spread['accuracy'])}"
    )
    if figures["macro_f1_of_several"] is not None and spread["macro_f1"] is None:
        yield (
            f"  macro-F1 of the {figures['labels_of_several']} labels of several sites "
            f"{figure(figures['macro_f1_of_several'])}{_interval(spread['macro_f1_of_several'])}"
        )
    yield (
        f"  calibration: mean probability {figure(calibrated['mean_probability'])}, expected error "
        f"{figure(calibrated['expected_error'])}, Brier {figure(calibrated['brier'])} "
        f"(the labels' shares alone: {figure(calibrated['brier_of_shares'])})"
    )
    rows = [
        [
            row["label"],
            *(number(row[name]) for name in ("texts", "sites", "told")),
            *(figure(row[name]) for name in ("precision", "recall", "f1")),
            between(row["intervals"]["f1"]),
        ]
        for row in figures["by_label"]
    ]
    head = ["label", "texts", "sites", "taken for it", "precision", "recall", "F1", "over sites"]
    yield from columns(head, rows)


def _confusion(model: Mapping[str, Any]) -> Iterator[str]:
    found = model["figures"]["confusion"]
    labels, table = found["labels"], found["texts"]
    taken = [one for one in range(len(labels) + 1) if any(row[one] for row in table)]
    yield from ("", "  label, and what its texts are taken for")
    names = [*labels, "none"]
    rows = [
        [label, *(number(row[one]) for one in taken)]
        for label, row in zip(labels, table, strict=True)
        if any(row)
    ]
    yield from columns(["", *(names[one] for one in taken)], rows)


def _coverage(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "  min_probability: texts that get the predicted domain, and how many of these are right")
    rows = []
    for row in model["coverage"]:
        mark = " *" if row["min_probability"] == account["min_probability"] else ""
        rows.append(
            [
                f"{row['min_probability']:g}{mark}",
                share(row["coverage"]),
                share(row["accuracy"]),
                between(row["interval"]),
            ]
        )
    yield from columns(["at least", "placed", "right", "over sites"], rows)
    found = [
        f"{percent(pair[0])} at {float(accuracy):.0%} right (min_probability {pair[1]:.3f})"
        if pair
        else f"no value has {float(accuracy):.0%} right"
        for accuracy, pair in model["coverage_curve"]["most_coverage"].items()
    ]
    yield f"  most that can be placed: {'; '.join(found)}"


def _sources(model: Mapping[str, Any]) -> Iterator[str]:
    found = model["confusion"]
    yield from ("", f"  by {found['by']} and label; most mistakes first")
    rows = [
        [
            row["name"],
            row["label"],
            of_counts(row["told"]),
            number(row["texts"]),
            number(row["right"]),
            f"{row['mean_probability']:.3f}",
        ]
        for row in found["rows"][:MOST_ROWS]
    ]
    yield from columns([found["by"], "label", "taken for", "texts", "right", "mean probability"], rows, 3)
    if len(found["rows"]) > MOST_ROWS:
        yield f"  … and {number(len(found['rows']) - MOST_ROWS)} more"


def _behaviour(model: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "  when texts are cut or their spaces change")
    rows = [
        [
            row["variant"],
            figure(row["accuracy"]),
            signed(row["accuracy_lost"]),
            signed(row["macro_f1_lost"]),
            percent(row["changing"]),
            percent(row["crossing"]),
        ]
        for row in model["variants"]
    ]
    head = ["variant", "accuracy", "lost", "macro-F1 lost", "another label", "other side of min_probability"]
    yield from columns(head, rows)
    yield from ("", "  by length, in characters")
    rows = [
        [
            number(row["from"]),
            number(row["texts"]),
            figure(row["accuracy"]),
            figure(row["most_common"]),
            f"{row['mean_probability']:.3f}",
            percent(row["coverage"]),
            share(row["placed_accuracy"]),
        ]
        for row in model["lengths"]
    ]
    head = ["from", "texts", "accuracy", "most common label", "mean probability", "placed", "right of these"]
    yield from columns(head, rows)


def _pool(account: Account, model: Mapping[str, Any]) -> Iterator[str]:
    least = account["min_probability"]
    yield from ("", f"  the pool by predicted domain; placed: of a probability of {least:g} or more")
    tokens = account["tokens"] is not None
    rows = []
    for row in model["pool"]["domains"]:
        if not row["documents"]:
            continue
        cells = [
            row["domain"],
            number(row["documents"]),
            share(row["documents_share"]),
            size(row["bytes"]),
            *([number(row["tokens"])] if tokens else []),
            figure(row["mean_probability"]),
            number(row["documents_placed"]),
            number(row["tokens_placed"]) if tokens else size(row["bytes_placed"]),
        ]
        rows.append(cells)
    head = ["domain", "documents", "", "bytes", *(["tokens"] if tokens else []), "mean probability", "placed"]
    yield from columns([*head, "their tokens" if tokens else "their bytes"], rows)
    shown = ", ".join(
        f"{row['min_probability']:g}: {percent(row['share'])}" for row in model["pool"]["values"]
    )
    yield f"  placed at each min_probability: {shown}"
    yield from ("", "  sources of the pool, and what their documents are taken for")
    rows = [
        [row["name"], of_counts(row["domains"]), number(row["documents"]), number(row["placed"])]
        for row in model["pool"]["sources"][:MOST_ROWS]
    ]
    yield from columns(["source", "taken for", "documents", "placed"], rows, 2)


def _ngrams(model: Mapping[str, Any]) -> Iterator[str]:
    found = model["ngrams"]
    if found is None:
        yield from (
            "",
            "  n-grams: none are told (the model is not linear over whole words, or none were asked for)",
        )
        return
    yield from ("", f"  n-grams that add most to each label in {number(found['texts'])} texts")
    width = max(map(len, found["labels"]))
    for label, some in found["labels"].items():
        shown = "   ".join(f"{row['ngram']} {row['contribution']:+.3f}" for row in some["up"][:NGRAMS])
        yield f"    {label:<{width}}  {shown}"


def _mistakes(model: Mapping[str, Any]) -> Iterator[str]:
    rows = model.get("mistakes") or []
    if rows:
        yield from ("", "  texts that it is most surely wrong about, of each label")
    for row in rows:
        (told,) = row["told"]
        yield (
            f"    {row['label']} as {told['label']} {told['probability']:.3f}  {row['source']}: {_excerpt(row)}"
        )


def _sides(account: Account) -> Iterator[str]:
    found = account["sides"]
    if found is None:
        return
    a, b = found["names"]
    on = found["on"] if found["on"] == "pool" else "labelled texts"
    yield from ("", f"side by side on the {on}: A {a}, B {b}")
    placed = found["placed"]
    yield (
        f"  the same label for {percent(found['agreement'])} of {number(found['texts'])} texts, kappa "
        f"{figure(found['kappa'])}; both place {number(placed['both'])} ({number(placed['same'])} of them in the "
        f"same domain), A alone {number(placed['only_a'])}, B alone {number(placed['only_b'])}, neither "
        f"{number(placed['neither'])}"
    )
    if (right := found["right"]) is not None:
        yield (
            f"  right on the labelled texts: both {number(right['both'])}, A alone {number(right['only_a'])}, B "
            f"alone {number(right['only_b'])}, neither {number(right['neither'])}"
        )
        said = [
            f"{name} {signed(less['difference'])}{_interval(less['interval'])}"
            for key, name in (
                ("accuracy", "accuracy"),
                ("macro_f1", "macro-F1"),
                ("macro_f1_of_several", "macro-F1 of the labels of several sites"),
            )
            if (less := right["a_less_b"][key])["difference"] is not None
            # With an interval of all labels, all of them are of several sites.
            and not (key == "macro_f1_of_several" and right["a_less_b"]["macro_f1"]["interval"])
        ]
        yield f"  A less B: {'; '.join(said)}"
    labels, table = found["labels"], found["table"]
    pairs = sorted(
        (-table[x][y], labels[x], labels[y])
        for x in range(len(labels))
        for y in range(len(labels))
        if x != y and table[x][y]
    )
    if pairs:
        rows = [[x, y, number(-count)] for count, x, y in pairs[:MOST_ROWS]]
        yield from columns(["A says", "B says", "texts"], rows, 2)
    for row in found["samples"]:
        one, other = row["told"]
        yield (
            f"    A {one['label']} {one['probability']:.3f}  B {other['label']} {other['probability']:.3f}  "
            f"{row['source']}: {_excerpt(row)}"
        )


def _excerpt(row: Mapping[str, Any]) -> str:
    text = row["excerpt"]
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def _interval(pair: list[float] | None) -> str:
    return "" if pair is None else f" ({between(pair)} over sites)"
