"""Which shard a document goes to, and where in it: functions of content alone.

A component (language × domain × tier × split) of B bytes gets about B / (bytes a shard aims at) shards, and
shard k of N holds the k-th range of the order hash. The order hash is a mix of the document id, so shards
are globally shuffled, and nothing here depends on workers, partitions or the order of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hanji.shard_order import shard_number

# A coarse constant, so that the number of shards is known before anything is tokenised.
BYTES_PER_TOKEN = 3.5


@dataclass(frozen=True)
class ShardPlace:
    """One planned shard: its component and its number among the component's shards."""

    language: str
    domain: str
    tier: str
    split: str
    number: int
    of: int

    @property
    def component(self) -> str:
        return f"{self.language}/{self.domain}/{self.tier}/{self.split}"


@dataclass(frozen=True)
class Layout:
    """All shards of a run in a fixed order, and where each component's shards begin."""

    places: list[ShardPlace]
    first: dict[str, int]
    count: dict[str, int]

    def shard_of(self, component: str, order: np.ndarray) -> np.ndarray:
        """Global shard number of documents of a component; order is uint64, result int64."""
        return shard_number(order, self.count[component]) + self.first[component]


def plan_layout(component_bytes: Mapping[str, int], shard_tokens: int) -> Layout:
    """Lay out shards for components named ``language/domain/tier/split`` with their bytes of text."""
    places: list[ShardPlace] = []
    first: dict[str, int] = {}
    count: dict[str, int] = {}
    for component in sorted(component_bytes):
        language, domain, tier, split = component.split("/")
        shards = max(1, round(component_bytes[component] / (shard_tokens * BYTES_PER_TOKEN)))
        first[component] = len(places)
        count[component] = shards
        places += [ShardPlace(language, domain, tier, split, k, shards) for k in range(shards)]
    return Layout(places, first, count)
