"""What the ranks tell one another at the end of each step's passes, in two all-reduces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from hanji.training.loop.forward import sum_over_ranks, sums_by_component
from hanji.training.loop.health import memory_bytes
from hanji.training.loop.layout import Layout

SUMS = ("tokens", "loss", "z_squared")


@dataclass(frozen=True)
class Gathered:
    """Known to all ranks: sums over the global batch by name, tokens and summed loss by component, whether any rank
    was asked to stop, and the bytes that each rank held at most."""

    sums: dict[str, float]
    tokens: list[float]
    losses: list[float]
    stop: bool
    memory: list[float]


def gather(
    results: Sequence[dict[str, torch.Tensor]], components: int, layout: Layout, *, stop: bool
) -> Gathered:
    """Put together what the micro-batches of all ranks came to; every rank calls it.

    ``results`` are those of :func:`run_micro_batches`; ``stop`` says whether this rank was asked to stop.
    """
    values = torch.zeros(len(SUMS), dtype=torch.float64, device=layout.device)
    for result in results:
        values += torch.stack([result[name].to(torch.float64) for name in SUMS])
    parts = sums_by_component(results, components, layout.device)
    values = sum_over_ranks(torch.cat([values, parts.flatten()]), layout)
    others = torch.zeros(1 + layout.ranks, dtype=torch.float64, device=layout.device)
    others[0] = float(stop)
    others[1 + layout.rank] = memory_bytes(layout.device)
    dist.all_reduce(others)
    stops, *memory = others.tolist()
    whole, tokens, losses = values.split([len(SUMS), components, components])
    sums = dict(zip(SUMS, whole.tolist(), strict=True))
    return Gathered(sums, tokens.tolist(), losses.tolist(), bool(stops), memory)
