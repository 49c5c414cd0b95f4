"""A model's card as a page of Markdown, made from the JSON card alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hanji.classifiers.card_data import data_rows

Card = Mapping[str, Any]
MOST_LISTED = 20
LANGUAGES = {"ko": "Korean", "en": "English"}
KINDS = {
    "quality": "quality classifier",
    "educational": "educational filter, trained by iterations",
    "educational iteration": "one iteration of an educational filter",
    "domains": "classifier of domains",
    "perplexity": "language model (KenLM) whose perplexities say how like its texts a text is",
}
PREPARED = {
    "dclm": "as DCLM does: white space off both ends, line ends as spaces, nothing else changed",
    "syllables": "each Hangul syllable, mark and run of ASCII letters or digits a word; spacing left out",
    "eojeol": "small letters, punctuation split off, words between spaces",
}
# What has a place of its own on the page, or is for programs.
_TOLD = {
    *("kind", "language", "model", "sha256", "high", "preparation", "labels", "labels_are", "training"),
    *("data", "versions", "notes", "limits", "held_out", "trained_on", "iterations", "evaluations"),
    *("labels_from", "most_of_a_label", "taken", "stopped", "iterating", "figures"),
}


def card_text(card: Card) -> str:
    """The page: what it is, how texts are prepared, labels and data with their hashes, figures, limits."""
    return "\n".join(_lines(card)).rstrip() + "\n"


def _lines(card: Card) -> Iterator[str]:
    name = str(card.get("model") or "A model")
    kind = KINDS.get(str(card.get("kind")), str(card.get("kind") or "text classifier"))
    yield from (f"# {_plain(name)}", "")
    yield from _table(
        ("", ""),
        [
            ("what it is", kind),
            ("language", LANGUAGES.get(str(card.get("language")), card.get("language"))),
            ("score", f"the probability of its label `{card['high']}`, 0 to 1" if card.get("high") else None),
            ("texts are prepared", PREPARED.get(str(card.get("preparation")), card.get("preparation"))),
            ("SHA-256 of the model", f"`{card['sha256']}`" if card.get("sha256") else None),
            ("versions", _pairs(card.get("versions"))),
        ],
    )
    yield from _data(card)
    if card.get("training") or card.get("iterating"):
        yield from ("## Training", "")
        yield from _table(
            ("setting", "value"),
            [*(card.get("training") or {}).items(), *(card.get("iterating") or {}).items()],
        )
        if card.get("taken"):
            yield from (
                f"Iteration {card['taken']} of {len(card.get('iterations') or ())} was taken; they ended because "
                f"{_plain(card.get('stopped'))}.",
                "",
            )
        yield from (f"- {_plain(note)}" for note in card.get("notes") or ())
        yield ""
    yield from _figures(card)
    more = {key: value for key, value in card.items() if key not in _TOLD}
    if more:
        yield from ("## More", "")
        yield from _table(("", ""), list(more.items()))
    if card.get("limits"):
        yield from ("## Limits", "", _plain(card["limits"]), "")


def _data(card: Card) -> Iterator[str]:
    yield from ("## Labels and data", "")
    if not any(card.get(key) for key in ("labels", "data", "trained_on")):
        yield from ("Nothing is known of what it was trained on.", "")
        return
    if card.get("labels_are"):
        yield from (f"Labels are {_plain(card['labels_are'])}.", "")
    if card.get("labels"):
        yield from _table(("label", "texts"), [(f"`{k}`", f"{v:,}") for k, v in card["labels"].items()])
    if card.get("data"):
        yield from _data_table(data_rows(card["data"], card.get("labels_from")))
    if (seen := card.get("trained_on")) is not None:
        yield from (
            f"Trained on {seen['texts']:,} texts of {seen['sites']:,} sites. Their hashes are in "
            f"`{seen['file']}` (SHA-256 `{seen['sha256']}`).",
            "",
        )


def _figures(card: Card) -> Iterator[str]:
    held_out, iterations = card.get("held_out"), card.get("iterations")
    evaluations = card.get("evaluations") or []
    if not (held_out or iterations or evaluations or card.get("figures")):
        return
    yield from ("## Figures", "")
    if held_out and not iterations:
        by = f", by {_plain(held_out['by'])}" if held_out.get("by") else ""
        yield from (f"On what was held out of the training{by}:", "")
        told = [(k, v if isinstance(v, dict | list) else _value(v)) for k, v in held_out.items() if k != "by"]
        yield from _table(("figure", "value"), told)
    rows = iterations or ([card["figures"]] if card.get("figures") else [])
    if rows:
        yield from ("On held-out texts of sites that no iteration saw:", "")
        columns = ("number", "high", "macro_f1", "kept_precision", "kept_recall", "recall", "auc", "added")
        yield from _table(columns, [[_value(row.get(c)) for c in columns] for row in rows])
    for one in evaluations:
        yield from _evaluation(one)


def _evaluation(one: Card) -> Iterator[str]:
    """One evaluation of `hanji classifier evaluate`, as ``evaluating.summary`` puts it on the card."""
    data = data_rows(one["data"])
    names = dict.fromkeys(_plain(row["name"]) for row in data)
    yield from (f"### Evaluated on {', '.join(names)}", "")
    yield from (_plain(one["split"]), "")
    yield from _data_table(data)
    yield from _table(("figure", "value"), [(_plain(k), _value(v)) for k, v in one["figures"].items()])
    yield from (f"- {_plain(warning)}" for warning in one.get("warnings") or ())
    yield ""


def _data_table(rows: Sequence[Card]) -> Iterator[str]:
    """Names and hashes, and what else some of the rows say."""
    more = [name for name in ("used_as", "labels") if any(name in row for row in rows)]
    head = ("data", "hash", *(name.replace("_", " ") for name in more))
    cells = [
        (_plain(row["name"]), f"`{row['hash']}`", *(_plain(row.get(name, "–")) for name in more))
        for row in rows
    ]
    yield from _table(head, cells)


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    kept = [row for row in rows if row[1] is not None]
    if kept:
        yield f"| {' | '.join(head)} |"
        yield "|" + "---|" * len(head)
        yield from (f"| {' | '.join(_cell(value) for value in row)} |" for row in kept)
        yield ""


def _cell(value: Any) -> str:
    if isinstance(value, list) and len(value) > MOST_LISTED:
        value = f"{len(value):,} of them, in the JSON card"
    elif isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return str(value).replace("|", "\\|").replace("\n", " ")


def _plain(value: Any) -> str:
    """A word of the data's (a name, a path) as text: nothing in it is markup."""
    text = " ".join(str(value).split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in text)


def _pairs(values: Any) -> str | None:
    return ", ".join(f"{k} {v}" for k, v in values.items()) if values else None


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return (
        f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
