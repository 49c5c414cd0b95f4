"""Documents that are held out and trained on at once, where the held-out text comes from other shards.

Within one curation run a cluster of duplicates is in one split, whole. Between runs nothing sees to that, so the
ids of the held-out documents are looked for in the sidecars of what an arm trains on. Ids are hashes of source,
record key and content (docs/architecture.md): the same page under the same source is found, another copy of its
text is not, which is for one `hanji curate` over both, or for its `contamination`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hanji.errors import RecipeError
from hanji.manifest import Component
from hanji.storage import Storage
from hanji.training.data.plan import DataPlan

ROWS = 1 << 20


def refuse_held_out_documents(arm: str, plan: DataPlan) -> None:
    """Raise RecipeError when components that an arm trains on hold documents of its held-out text.

    Memory grows with the held-out documents, not with those trained on.
    """
    held_out = plan.held_out
    if held_out.manifest_sha256 == plan.manifest_sha256:
        return
    parts = [part for c in held_out.components.values() for part in _ids(c, held_out.storage)]
    known = pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())
    for name, epochs in plan.epochs().items():
        for part in _ids(plan.train[name], plan.storage) if epochs else ():
            both = part.filter(pc.is_in(part, value_set=known))
            if len(both):
                raise RecipeError(
                    f"arms.{arm}: it trains on documents that are held out: {name} of {plan.storage.describe()} "
                    f"has {both[0].as_py()}, which is valid text of {held_out.directory}"
                )


def _ids(component: Component, storage: Storage) -> Iterator[pa.Array]:
    """Ids of a component's documents, some at a time."""
    assert storage.local is not None
    for shard in component.shards:
        with pq.ParquetFile(Path(storage.local) / shard.docs.path) as file:
            for batch in file.iter_batches(ROWS, columns=["document_id"]):
                yield batch.column(0)
