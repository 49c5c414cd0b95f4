"""The ledger as rows of a table and as JSON: what `hanji cost report` and the training report both show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from hanji.training.cost.hours import measured_mfu
from hanji.training.cost.ledger import Flops, Ledger

CONVENTION_HEADS = {"six_nd": "6ND", "causal_attention": "causal", "full_attention": "full"}
"""How columns of FLOPs are headed, by convention."""


@dataclass(frozen=True)
class CostRow:
    """A row of the ledger: a model (``depth`` 0), a part or sum of one (1), or a sum of all (0).

    ``parameters`` and ``tokens`` are None where a row has none, ``note`` is what is to be known of a model.
    """

    name: str
    flops: Flops
    tokens: int | None = None
    parameters: float | None = None
    depth: int = 0
    note: str | None = None


def rows(ledger: Ledger) -> Iterator[CostRow]:
    """FLOPs by model and stage, with those of ancestors and teachers, and their sums."""
    for model in ledger.models:
        parents = [parent.name for parent in ledger.ancestors(model.key) if parent.key in model.parents]
        origin = f", from {', '.join(parents)}" if parents else ""
        yield CostRow(
            f"{model.name} ({model.kind}{origin})",
            model.flops,
            model.tokens if model.known else None,
            model.parameters,
            note=model.note,
        )
        if len(model.stages) > 1:
            for stage in model.stages:
                yield CostRow(stage.name, stage.flops, stage.tokens, depth=1)
        if model.teacher is not None:
            yield CostRow("forward passes of its teacher", model.teacher, depth=1)
        if ancestors := ledger.ancestors(model.key):
            named = ", ".join(one.name for one in ancestors)
            yield CostRow(f"with ancestors ({named})", model.flops + ledger.inherited(model.key), depth=1)
    if len(ledger.models) > 1:
        yield CostRow("all, each once", ledger.total())
        if any(model.teacher for model in ledger.models):
            yield CostRow("all, with teachers", ledger.total(teachers=True))


def as_data(ledger: Ledger) -> dict[str, Any]:
    """The ledger as JSON, unrounded; FLOPs that are not known are null."""
    return {
        "name": ledger.name,
        "models": [
            {
                **asdict(model),
                "tokens": model.tokens,
                "flops": asdict(model.flops),
                "ancestors": [one.key for one in ledger.ancestors(model.key)],
                "inherited": asdict(ledger.inherited(model.key)),
                "mfu": measured_mfu(model),
            }
            for model in ledger.models
        ],
        "total": asdict(ledger.total()),
        "total_with_teachers": asdict(ledger.total(teachers=True)),
    }
