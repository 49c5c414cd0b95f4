"""The BF16 shadow of an FP8 run: now and then one micro-batch is run again in BF16, with the same weights.

In a step that is due, every matrix notes what its casts do to the first micro-batch: the largest magnitude, and
the share of numbers that are not zero and become zero in FP8 (underflow), of its input, its weight and the
gradient of its output. Before the weights change, the loss of that micro-batch is computed once more without
FP8. A relative difference of the two above ``shadow.alarm`` is an alarm: it is told and written down, and
training goes on.

With Transformer Engine the losses are compared; what its casts do is not seen here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from hanji.training.data.batches import MicroBatch
from hanji.training.loop.forward import run_micro_batches, sum_over_ranks
from hanji.training.loop.layout import Layout
from hanji.training.loop.objective import Objective
from hanji.training.model.fp8 import without_fp8
from hanji.training.model.fp8_linear import ROLES, Fp8Linear, Observation

if TYPE_CHECKING:
    from hanji.training.recipe import ShadowSettings

Layers = dict[str, dict[str, dict[str, float]]]
"""By matrix ("3.mlp.linear_fc1": the layer's number in the model, from 1), by role: amax and underflow."""


class Shadow:
    """Compares an FP8 run with BF16 every ``settings.every`` steps; all ranks make one and call it alike."""

    def __init__(
        self, settings: ShadowSettings, chunks: Sequence[Any], objective: Objective, layout: Layout
    ) -> None:
        self._settings, self._chunks, self._objective, self._layout = settings, chunks, objective, layout
        self._due = False
        self._seen: dict[str, dict[str, Observation]] = {}
        self._entry: dict[str, Any] | None = None

    @contextmanager
    def watching(self, step: int) -> Iterator[None]:
        """Around the passes of a step (counted from 1): where it is due, what casts do is noted."""
        every = self._settings.every
        self._due = every is not None and step % every == 0
        self._seen = {}
        linears = linears_by_layer(self._chunks) if self._due else {}
        for name, linear in linears.items():
            linear.observer = self._observer(name, linear)
        try:
            yield
        finally:
            for linear in linears.values():
                linear.observer = None

    def compare(
        self, step: int, batches: Sequence[MicroBatch], results: Sequence[dict[str, torch.Tensor]]
    ) -> None:
        """After the passes of a step and before its weights change: the first micro-batch again, in BF16.

        ``results`` are the sums of :func:`run_micro_batches` over all micro-batches. Nothing is done in a step
        that is not due.
        """
        if not self._due:
            return
        count = self._layout.micro_batch_group
        with without_fp8(self._chunks), torch.no_grad():
            again = run_micro_batches(
                self._chunks, self._objective, batches[:count], self._layout, forward_only=True
            )
        fp8, bf16 = (self._mean_loss(sums) for sums in (results[:count], again))
        difference = abs(fp8 - bf16) / abs(bf16) if bf16 else math.inf
        alarm = not difference <= self._settings.alarm
        self._entry = {
            "kind": "shadow",
            "step": step,
            "loss_fp8": fp8,
            "loss_bf16": bf16,
            "difference": difference,
            "alarm": alarm,
            "layers": self._gathered(),
        }

    def take(self) -> dict[str, Any] | None:
        """The entry of the step that has just been compared, once; None without one."""
        entry, self._entry = self._entry, None
        return entry

    def text(self, entry: dict[str, Any]) -> str:
        """A line for the console."""
        said = (
            f"step {entry['step']}: loss of a micro-batch {entry['loss_fp8']:.4f} in FP8, "
            f"{entry['loss_bf16']:.4f} in BF16 ({entry['difference']:.2%} apart)"
        )
        worst = most_underflow(entry["layers"])
        if worst is not None:
            name, role, share = worst
            said += f"; most underflow {share:.2%}, {role} of {name}"
        if not entry["alarm"]:
            return said
        return f"ALARM {said}; shadow.alarm is {self._settings.alarm:.2%}"

    def _observer(self, name: str, linear: Fp8Linear) -> Any:
        def note(observation: Observation) -> None:
            roles = self._seen.setdefault(name, {})
            roles.setdefault(observation.role, observation)
            if observation.role == "gradient":
                # The first micro-batch has been through: the others go at full speed.
                linear.observer = None

        return note

    def _mean_loss(self, results: Sequence[dict[str, torch.Tensor]]) -> float:
        sums = torch.zeros(2, dtype=torch.float64, device=self._layout.device)
        for result in results:
            sums += torch.stack([result[name].to(torch.float64) for name in ("loss", "tokens")])
        loss, tokens = sum_over_ranks(sums, self._layout).tolist()
        return loss / tokens if tokens else math.nan

    def _gathered(self) -> Layers:
        """What all ranks have seen: of a matrix that several share, the largest."""
        mine = {
            name: {role: (float(o.amax), float(o.underflow)) for role, o in roles.items()}
            for name, roles in self._seen.items()
        }
        self._seen = {}
        found: list[Any] = [None] * self._layout.ranks
        dist.all_gather_object(found, mine)
        together: Layers = {}
        for part in found:
            for name, roles in part.items():
                for role, (largest, underflow) in roles.items():
                    cell = together.setdefault(name, {}).setdefault(role, {"amax": 0.0, "underflow": 0.0})
                    cell["amax"] = _larger(cell["amax"], largest)
                    cell["underflow"] = _larger(cell["underflow"], underflow)
        return dict(sorted(together.items(), key=lambda item: (int(item[0].split(".")[0]), item[0])))


def linears_by_layer(chunks: Sequence[Any]) -> dict[str, Fp8Linear]:
    """FP8 states of this rank's matrices, by layer number in the model (from 1) and name within the layer."""
    from megatron.core.transformer.transformer_layer import TransformerLayer

    found = {}
    for chunk in chunks:
        for layer in chunk.modules():
            if not isinstance(layer, TransformerLayer):
                continue
            for name, module in layer.named_modules():
                fp8 = getattr(module, "fp8", None)
                if isinstance(fp8, Fp8Linear):
                    found[f"{layer.layer_number}.{name}"] = fp8
    return found


def most_underflow(layers: Layers) -> tuple[str, str, float] | None:
    """(matrix, role, share) where the largest share of numbers became zero; None when nothing was seen."""
    cells = [
        (roles[role]["underflow"], name, role)
        for name, roles in layers.items()
        for role in ROLES
        if role in roles
    ]
    if not cells:
        return None
    share, name, role = max(cells)
    return name, role, share


def _larger(one: float, other: float) -> float:
    """The larger of two; what is not a number stays one."""
    return other if math.isnan(other) or other > one else one
