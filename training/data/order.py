"""The order of samples in a run, as a function: any step of any stage, without replaying the ones before.

A sample is window k of a component's token stream. Shards are already shuffled by document, so the order of
windows is a seeded permutation of 0…n-1 for each epoch of each component. A component has one cursor that
goes on from stage to stage: it gives every window once before it gives any a second time, however often the
weights change. The order knows nothing of ranks, micro-batches or files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hanji.training.data.blend import BLOCK, StageBlend, block_sequence
from hanji.training.data.permutation import Permutation


@dataclass(frozen=True)
class StagePlan:
    """A stage as the order sees it: its blend and how many samples it takes."""

    blend: StageBlend
    samples: int


@dataclass(frozen=True)
class SampleBatch:
    """Samples in order: index into ``names``, window number and epoch of each (int64 arrays)."""

    names: tuple[str, ...]
    component: np.ndarray
    window: np.ndarray
    epoch: np.ndarray


class SampleOrder:
    """The whole run's order. ``windows`` gives the number of windows by component name."""

    def __init__(self, stages: Sequence[StagePlan], windows: Mapping[str, int], seed: int) -> None:
        self.stages = tuple(stages)
        self.windows = dict(windows)
        self.seed = seed
        for stage in self.stages:
            for name in stage.blend.slots:
                if self.windows.get(name, 0) < 1:
                    raise ValueError(f"stage {stage.blend.stage}: component {name} has no window")

    def consumed(self, stage: int, samples: int) -> dict[str, int]:
        """Windows taken from each component when ``samples`` of stage number ``stage`` are done."""
        totals = dict.fromkeys(self.windows, 0)
        for index in range(stage):
            self._add(totals, index, self.stages[index].samples)
        if stage < len(self.stages):
            self._add(totals, stage, samples)
        return totals

    def batch(self, stage: int, first: int, count: int) -> SampleBatch:
        """Samples ``first`` … ``first + count - 1`` of a stage."""
        table = self._table(stage)
        names = tuple(self.stages[stage].blend.slots)
        before = self.consumed(stage, 0)
        start = np.array([before[name] for name in names], np.int64)
        positions = np.arange(first, first + count, dtype=np.int64)
        block, within = np.divmod(positions, BLOCK)
        component = table.sequence[within].astype(np.int64)
        drawn = start[component] + block * table.slots[component] + table.prefix[within, component]
        size = np.array([self.windows[name] for name in names], np.int64)[component]
        epoch, place = np.divmod(drawn, size)
        window = np.empty(count, np.int64)
        for number, turn in sorted(set(zip(component.tolist(), epoch.tolist(), strict=True))):
            chosen = (component == number) & (epoch == turn)
            name = names[number]
            window[chosen] = Permutation(self.windows[name], f"{self.seed}/{name}/{turn}")(place[chosen])
        return SampleBatch(names, component, window, epoch)

    def _add(self, totals: dict[str, int], stage: int, samples: int) -> None:
        table = self._table(stage)
        blocks, rest = divmod(samples, BLOCK)
        taken = blocks * table.slots + table.prefix[rest]
        for name, count in zip(self.stages[stage].blend.slots, taken.tolist(), strict=True):
            totals[name] += count

    def _table(self, stage: int) -> _BlockTable:
        slots = tuple(self.stages[stage].blend.slots.values())
        return _block_table(slots, _offset(self.seed, self.stages[stage].blend.stage))


@dataclass(frozen=True)
class _BlockTable:
    """Slots by component; component of each sample of a block; how many of each came before sample j."""

    slots: np.ndarray
    sequence: np.ndarray
    prefix: np.ndarray


@lru_cache(maxsize=64)
def _block_table(slots: tuple[int, ...], offset: int) -> _BlockTable:
    sequence = block_sequence(slots, offset)
    prefix = np.zeros((BLOCK + 1, len(slots)), np.int32)
    prefix[np.arange(1, BLOCK + 1), sequence] = 1
    np.cumsum(prefix, axis=0, out=prefix)
    return _BlockTable(np.array(slots, np.int64), sequence, prefix)


def _offset(seed: int, stage: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{stage}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % BLOCK
