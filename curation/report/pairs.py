"""Duplicates on the page, each beside the document that it fell to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hanji.page import Markup, join, link, number, tag


def pairs(name: str, rule: Mapping[str, Any], description: str) -> Markup | None:
    """Some duplicates of one kind beside their twins; None where none can be shown.

    Samples carry their twin as :func:`hanji.curation.samples.complete_samples` gives it.
    """
    shown = [_pair(sample) for sample in rule["samples"] if (sample.get("twin") or {}).get("rows")]
    if not shown:
        return None
    return tag(
        "details",
        tag("summary", tag("code", name), tag("small", f"{description}: some of them, each beside its twin")),
        *shown,
    )


def _pair(sample: Mapping[str, Any]) -> Markup:
    twin = sample["twin"]
    body = [
        tag("tr", tag("td", f"… {number(folded)} equal lines …", colspan="2", class_="fold"))
        if folded
        else tag("tr", *(tag("td", _side(side)) for side in (left, right)))
        for left, right, folded in twin["rows"]
    ]
    if twin["left_out"]:
        rest = f"… {number(twin['left_out'])} more stretches: hanji why shows them …"
        body.append(tag("tr", tag("td", rest, colspan="2", class_="fold")))
    value = sample.get("value")
    likeness = "duplicate" if value is None else f"likeness {value:.3f}"
    inner = tag(
        "table",
        tag("caption", f"{likeness}; what differs is marked"),
        tag("thead", tag("tr", _head("dropped", sample), _head("fell to", twin))),
        tag("tbody", *body),
    )
    return tag(
        "div", inner, class_="scroll pair", tabindex="0", role="region", aria_label="Two texts side by side"
    )


def _head(what: str, one: Mapping[str, Any]) -> Markup:
    where = link(one["url"]) if one.get("url") else tag("span", one["path"], class_="path")
    return tag(
        "th",
        f"{what} ",
        tag("code", one["id"][:12]),
        f" of {one['source']}",
        Markup("<br>"),
        where,
        scope="col",
    )


def _side(pieces: Sequence[Sequence[Any]]) -> Markup:
    return join(_marked(pieces))


def _marked(pieces: Sequence[Sequence[Any]]) -> Iterator[Any]:
    for place, (differs, text) in enumerate(pieces):
        if place:
            yield " "
        yield tag("mark", text) if differs else text
