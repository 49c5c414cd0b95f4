"""The report's section on the model's family: what it comes from, and what each of them took.

Costs are the ledger's (hanji.training.cost), in the rows that `hanji cost report` prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hanji.page import Markup, number, percent, section, table, tag
from hanji.training.cost.hours import measured_mfu
from hanji.training.cost.ledger import Ledger, ModelCost
from hanji.training.cost.rows import CONVENTION_HEADS, CostRow, rows
from hanji.training.report.collect import Collected, Json
from hanji.training.report.words import duration, in_order


def family_section(found: Collected) -> Markup:
    """The model and its ancestors, with what each took."""
    if found.family is None or found.ledger is None:
        return section(
            "Family and cost",
            tag("p", "No checkpoint is whole yet, so there is no family node."),
            identity="family",
        )
    return section(
        "Family and cost",
        tag("ul", _node(found.family, None), class_="tree"),
        _costs(found.ledger),
        *(_time(model) for model in found.ledger.models if model.spent is not None),
        tag(
            "p",
            "Time that ancestors took, hours of other GPUs and money: ",
            tag("code", f"hanji cost report {found.run} --in RUNS --prices FILE"),
            ".",
        ),
        intro="From the family node of the newest checkpoint: the model, and below it what its weights come from.",
        identity="family",
    )


def _node(node: Json, commit: str | None) -> Markup:
    model, tokens = node.get("model", {}), node.get("tokens", {})
    facts = [node.get("kind") or "?"]
    if model.get("parameters"):
        facts.append(f"{number(model['parameters'])} parameters")
    if node.get("step"):
        facts.append(f"step {number(node['step'])}")
    if tokens.get("total") is not None:
        facts.append(f"{number(tokens['total'])} tokens")
    parents = [
        _node(parent.get("node") or parent, parent.get("commit_sha256")) for parent in node.get("parents", ())
    ]
    names = [str(node.get("hash", ""))[:16]] + ([f"commit {commit[:16]}"] if commit else [])
    return tag(
        "li",
        tag("b", node.get("name") or "?"),
        " ",
        " · ".join(facts),
        Markup("<br>"),
        tag("small", *_layers(node), "node ", tag("code", " ".join(names))),
        tag("ul", *parents) if parents else "",
    )


def _layers(node: Json) -> Iterator[str]:
    """Where layers come from, if from a parent, and the tokens by tier."""
    layers = node.get("layer_map") or []
    inherited = sum(layer.get("parent") is not None for layer in layers)
    if inherited:
        yield f"{inherited} of {len(layers)} layers from the model below · "
    by_tier = node.get("tokens", {}).get("tier") or {}
    total = sum(by_tier.values())
    if total:
        shares = [f"{tier} {percent(by_tier[tier] / total)}" for tier in in_order("tier", list(by_tier))]
        yield f"tokens by tier: {', '.join(shares)} · "


def _costs(ledger: Ledger) -> Markup:
    conventions = list(CONVENTION_HEADS)

    def cells(row: CostRow) -> list[Any]:
        name: Any = (
            tag("span", row.name, style="display:block;padding-left:1.2em")
            if row.depth
            else tag("b", row.name)
        )
        if row.note:
            name = tag("span", name, Markup("<br>"), tag("small", row.note))
        known = ["" if value is None else number(value) for value in (row.parameters, row.tokens)]
        flops = [row.flops.by(convention) for convention in conventions]
        return [name, *known, *("–" if value is None else f"{value:.4g}" for value in flops)]

    return tag(
        "div",
        table(
            "Training FLOPs, forward and backward, by convention",
            ["model or stage", "parameters", "tokens", *(CONVENTION_HEADS[name] for name in conventions)],
            [cells(row) for row in rows(ledger)],
        ),
        tag(
            "p",
            tag(
                "small",
                "6ND: 6 × parameters × tokens. Causal and full: all matrix products, with the half of the "
                "attention scores that the mask leaves, or with all of them. –: not known.",
            ),
        ),
    )


def _time(model: ModelCost) -> Markup:
    spent = model.spent
    assert spent is not None
    parts = [
        ("training steps", spent.training),
        ("validation", spent.validation),
        ("checkpoints", spent.checkpoints),
        ("steps that were done again", spent.lost),
        ("together", spent.seconds),
    ]
    told = [[name, duration(seconds), f"{seconds / 3600:.4g}"] for name, seconds in parts]
    shares = measured_mfu(model)
    reached = ", ".join(f"{percent(share)} by {name}" for name, share in shares.items())
    return tag(
        "div",
        table(
            f"Time of {model.name}: all {spent.ranks} ranks together, {spent.device}"
            if spent.ranks > 1
            else f"Time of {model.name}: one rank, {spent.device}",
            ["", "time", "device-hours"],
            told,
        ),
        tag("p", tag("small", f"MFU of its steps: {reached}, of the dense BF16 peak.")) if shares else "",
    )
