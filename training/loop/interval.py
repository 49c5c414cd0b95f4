"""What is told of several steps together: loss, tokens and epochs by component, speed, phases, memory.

An interval ends at every ``log_every``-th step and before every checkpoint, so a run that goes on from one has
nothing half-counted. All ranks keep the same sums, from numbers that an all-reduce gave to all of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from hanji.training.loop.groups import ratios_by_group, sums_by_group
from hanji.training.loop.phases import PHASES, Phases

if TYPE_CHECKING:
    from hanji.training.loop.layout import Layout


class Interval:
    """The steps since the last line of kind "interval"."""

    def __init__(self, layout: Layout, phases: Phases) -> None:
        self._layout, self._phases = layout, phases
        self._since = time.perf_counter()
        self._peak = 0.0
        self._clear()

    @property
    def steps(self) -> int:
        return self._steps

    def add(
        self,
        entry: Mapping[str, Any],
        names: Sequence[str],
        tokens: Sequence[float],
        losses: Sequence[float],
    ) -> None:
        """Add a step's line with tokens and summed nats by component, which ``names`` lists (some perhaps twice).

        A skipped step is left out of the means of losses, as it is of the weights.
        """
        self._phases.settle()
        self._steps += 1
        self.tokens += entry["tokens"]
        self.seconds += entry["seconds"]
        self._peak = max(self._peak, entry["memory_bytes"])
        if entry["skip"] is not None:
            self._skipped += 1
            return
        for name, count, nats in zip(names, tokens, losses, strict=True):
            if count:
                self._tokens[name] = self._tokens.get(name, 0.0) + count
                self._nats[name] = self._nats.get(name, 0.0) + nats

    def end(self, consumed: Mapping[str, int], windows: Mapping[str, int], seq_length: int) -> dict[str, Any]:
        """The figures of the interval, which begins anew; every rank calls it and waits for the others.

        ``consumed`` are the windows that each component has given so far, ``windows`` those that it has.
        """
        components: dict[str, dict[str, Any]] = {
            name: {
                "loss": self._nats[name] / self._tokens[name] if name in self._tokens else None,
                "tokens": int(self._tokens.get(name, 0)),
                "seen": count * seq_length,
                "epochs": count / windows[name],
            }
            for name, count in sorted(consumed.items())
            if count
        }
        figures = {
            "steps": self._steps,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "skipped": self._skipped,
            "loss": sum(self._nats.values()) / sum(self._tokens.values()) if self._tokens else None,
            "losses": ratios_by_group(self._nats, self._tokens),
            "seen": {
                axis: {group: int(sum_) for group, sum_ in groups.items()}
                for axis, groups in sums_by_group({n: c["seen"] for n, c in components.items()}).items()
            },
            "components": components,
            **self.spent(),
        }
        self._clear()
        return figures

    def spent(self) -> dict[str, Any]:
        """Time by phase and memory since the last call; every rank calls it and waits for the others.

        ``phases``: seconds by phase, ``mean`` over the ranks and of the rank with the ``most``; "other" is what
        is left of ``elapsed``. ``memory``: bytes of the rank that has the most of each.
        """
        now = time.perf_counter()
        elapsed, self._since = now - self._since, now
        spent, memory = self._phases.take(), memory_now(self._layout.device)
        mean = torch.tensor([*spent, elapsed], dtype=torch.float64, device=self._layout.device)
        most = torch.tensor([*spent, *memory.values()], dtype=torch.float64, device=self._layout.device)
        dist.all_reduce(mean)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        *means, elapsed = (mean / self._layout.ranks).tolist()
        largest = most.tolist()
        phases = {
            phase: {"mean": average, "most": greatest}
            for phase, average, greatest in zip(PHASES, means, largest[: len(PHASES)], strict=True)
        }
        rest = max(0.0, elapsed - sum(means))
        return {
            "elapsed": elapsed,
            "phases": {**phases, "other": {"mean": rest, "most": rest}},
            "memory": {
                **{name: int(value) for name, value in zip(memory, largest[len(PHASES) :], strict=True)},
                "peak": int(self._peak),
            },
        }

    def _clear(self) -> None:
        self._steps = self._skipped = 0
        self.tokens, self.seconds, self._peak = 0, 0.0, 0.0
        self._tokens: dict[str, float] = {}
        self._nats: dict[str, float] = {}


def memory_now(device: torch.device) -> dict[str, int]:
    """Bytes that this process holds: of its GPU what tensors have and what the allocator has, else resident."""
    if device.type == "cuda":
        return {
            "allocated": int(torch.cuda.memory_allocated(device)),
            "reserved": int(torch.cuda.memory_reserved(device)),
        }
    import psutil

    return {"resident": int(psutil.Process().memory_info().rss)}
