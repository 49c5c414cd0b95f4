"""Held-out bits per byte, by component and by language, domain and tier.

Every token of the valid shards is predicted exactly once, in windows that do not overlap in what they
predict; a token at the start of a window sees only the one before it, so the figure is an upper bound on what
longer context would give. The nats of all targets but EOD are divided by the bytes of text that the manifest
counts: bits per byte compare across tokenizers, which a loss per token does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from hanji.manifest import Component
from hanji.training.data.batches import MicroBatch, ValidationBatches
from hanji.training.data.plan import DataPlan
from hanji.training.loop.cross_entropy import vocabulary_cross_entropy
from hanji.training.loop.forward import run_micro_batches, sum_over_ranks
from hanji.training.loop.groups import ratios_by_group
from hanji.training.loop.layout import Layout
from hanji.training.loop.objective import Batch, Objective

PASSES_AT_ONCE = 16
"""Micro-batches given to the schedule together; bounds the memory of their results."""


@dataclass(frozen=True)
class HeldOut:
    """Bits per byte by component (language/domain/tier) and by axis and group: language, domain, tier.

    ``empty`` components have no text.
    """

    components: dict[str, float]
    groups: dict[str, dict[str, float]]
    empty: tuple[str, ...]

    @property
    def languages(self) -> dict[str, float]:
        return self.groups["language"]


class Validation:
    """The held-out shards in micro-batches, which are read each time anew: they may be larger than memory."""

    def __init__(
        self,
        data: DataPlan,
        seq_length: int,
        micro_size: int,
        layout: Layout,
    ) -> None:
        self.components = data.held_out.components
        self.empty = data.held_out.without
        self._layout = layout
        self._vocab_size = data.manifest.tokenizer.vocab_size
        self._batches: Sequence[MicroBatch] = ValidationBatches(
            [data.held_out.stream(component) for component in self.components.values()],
            data.manifest.tokenizer.eod_id,
            data.packing,
            seq_length,
            micro_size,
            layout.data_rank,
            layout.data_ranks,
            group=layout.micro_batch_group,
        )

    def measure(self, chunks: Sequence[torch.nn.Module], objective: Objective) -> HeldOut:
        """Bits per byte of the model as it is; all ranks call it and get the same answer.

        ``chunks`` are the model's parts on this rank.
        """
        nats = torch.zeros(len(self.components), dtype=torch.float64)

        def add(output: torch.Tensor, batch: Batch) -> None:
            losses, _ = vocabulary_cross_entropy(output, batch.labels, self._vocab_size)
            rows = (losses * batch.mask).sum(dim=1, dtype=torch.float64).cpu()
            real = batch.component >= 0
            nats.index_add_(0, batch.component[real].cpu(), rows[real.cpu()])

        for model in chunks:
            model.eval()
        group = self._layout.micro_batch_group
        at_once = max(1, PASSES_AT_ONCE // group) * group
        with torch.no_grad():
            for first in range(0, len(self._batches), at_once):
                chosen = self._batches[first : first + at_once]
                run_micro_batches(chunks, objective, chosen, self._layout, forward_only=True, look=add)
        for model in chunks:
            model.train()
        total = sum_over_ranks(nats.to(self._layout.device), self._layout).tolist()
        return held_out(self.components, dict(zip(self.components, total, strict=True)), self.empty)


def held_out(
    components: Mapping[str, Component], nats: Mapping[str, float], empty: tuple[str, ...]
) -> HeldOut:
    """Nats by component → bits per byte by component and by group (bits and bytes summed first)."""
    bits = {name: nats[name] / math.log(2) for name in components}
    sizes = {name: component.bytes for name, component in components.items()}
    by_component = {name: bits[name] / sizes[name] for name in components}
    return HeldOut(by_component, ratios_by_group(bits, sizes), empty)
