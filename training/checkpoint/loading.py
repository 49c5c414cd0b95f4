"""Loading: checked before a byte is used, read in place into any layout, checked again in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch.distributed as dist

from hanji.errors import HanjiError, RunError
from hanji.training.checkpoint import digest
from hanji.training.checkpoint.files import StoredParts, type_name
from hanji.training.checkpoint.manifest import Manifest, Verify, faults_of_files, read_manifest
from hanji.training.checkpoint.record import Commit
from hanji.training.checkpoint.shards import Blob, Shard
from hanji.training.checkpoint.state import (
    MAIN_WEIGHTS,
    OPTIMIZER,
    RANDOM,
    bare,
    model_state,
    optimizer_state,
    set_adam_step,
    set_random_state,
)

LISTED = 3
"""Faults that a message tells; of more it tells the number."""


@dataclass(frozen=True)
class Opened:
    """A committed checkpoint whose files have been checked."""

    directory: Path
    commit: Commit
    manifest: Manifest
    stored: StoredParts


def open_checked(directory: Path, commit: Commit, verify: Verify, advice: str, group: Any = None) -> Opened:
    """Check a checkpoint's files, shared out among the ranks of ``group``, and open it; all ranks call it.

    ``verify`` full: every byte is hashed; sizes: files are there and of their length. Raises RunError on all
    ranks, naming the files and ending with ``advice``. A process without ranks checks all by itself.
    """

    def check() -> tuple[Manifest, list[str]]:
        manifest = read_manifest(directory, commit.contents, commit.step, advice)
        rank, ranks = (dist.get_rank(group), dist.get_world_size(group)) if dist.is_initialized() else (0, 1)
        mine = sorted(manifest.files)[rank::ranks]
        return manifest, faults_of_files(directory, manifest, mine, verify)

    manifest = _together(check, None, advice, group)
    assert isinstance(manifest, Manifest)
    return Opened(directory, commit, manifest, StoredParts(directory))


def load_state(
    opened: Opened, chunks: Sequence[Any], optimizer: Any, *, random: str | None, group: Any
) -> None:
    """Load weights, optimizer and, under the key ``random``, random state, in place; all ranks call it.

    Raises RunError on all ranks when the checkpoint is not of this model, or when what is in memory afterwards
    has not the digests that were saved.
    """
    weights, blobs = model_state(chunks)
    shards = [*weights, *optimizer_state(chunks, optimizer)]
    _check_model(opened, shards, exact=True, group=group)
    opened.stored.fill(shards)
    set_adam_step(optimizer, opened.commit.optimizer_step)
    _load_module_state(opened, chunks, blobs)
    if random is not None:
        set_random_state(opened.stored.blob(random))
    _check_memory(opened, shards, group)


def load_weights(opened: Opened, chunks: Sequence[Any], optimizer: Any = None, *, group: Any = None) -> None:
    """Load weights alone, to begin a new run from them or to use the model; all ranks call it.

    They come from the fp32 weights of the optimizer where the checkpoint has them, and are rounded once to what
    this model holds; ``optimizer``'s fp32 weights are set too, its moments and its count stay as they are.
    Raises RunError on all ranks when the checkpoint is of a model of another shape.
    """
    weights, _ = model_state(chunks)
    _check_model(opened, weights, exact=False, group=group)
    main = f"{OPTIMIZER}.{MAIN_WEIGHTS}."
    if optimizer is not None:
        mains = [s for s in optimizer_state(chunks, optimizer) if s.key.startswith(main)]
        weights += [replace(shard, key=shard.key.removeprefix(main)) for shard in mains]
    precise = opened.manifest.tensors
    opened.stored.fill([replace(s, key=main + s.key) if main + s.key in precise else s for s in weights])
    same = [
        s for s in weights if main + s.key not in precise and type_name(s.data.dtype) == precise[s.key].dtype
    ]
    _check_memory(opened, same, group)


def random_key(opened: Opened, layout: dict[str, int], rank: int) -> str | None:
    """The key of this rank's random state, None where another layout has saved."""
    ranks = opened.commit.ranks
    return f"{RANDOM}/shard_{rank}_{ranks}" if opened.commit.layout == layout else None


def _check_model(opened: Opened, shards: Sequence[Shard], *, exact: bool, group: Any) -> None:
    """The checkpoint has these tensors, of these shapes, and (``exact``) types and no others."""
    manifest = opened.manifest
    where = str(opened.directory)

    def check() -> tuple[set[str], list[str]]:
        faults = []
        for shard in {shard.key: shard for shard in shards}.values():
            stored, here = manifest.tensors.get(shard.key), type_name(shard.data.dtype)
            if stored is None:
                faults.append(f"{where}: has no tensor {shard.key}: it is a checkpoint of another model")
            elif stored.shape != shard.whole:
                faults.append(
                    f"{where}: {shard.key} has shape {list(stored.shape)}, the recipe's model {list(shard.whole)}"
                )
            elif exact and stored.dtype != here:
                faults.append(f"{where}: {shard.key} is {stored.dtype}, here it is {here}")
        return {shard.key for shard in shards}, faults

    def judge(asked: list[set[str]]) -> list[str]:
        left = sorted(set(manifest.tensors) - set().union(*asked)) if exact else []
        return [f"{where}: has a tensor {key}, which this model has not" for key in left]

    _together(check, judge, "load it with the model that it was saved from", group)


_Digests = dict[tuple[str, tuple[int, ...], tuple[int, ...], bool], int]
"""By key, offset, size, and whether this rank writes the part."""


def _check_memory(opened: Opened, shards: Sequence[Shard], group: Any) -> None:
    """What is in memory has the digests of the manifest, and copies of a part on other ranks are equal to it."""

    def check() -> tuple[_Digests, list[str]]:
        return {
            (shard.key, shard.offset, tuple(shard.data.shape), shard.main): digest.shard_digest(
                shard.data, shard.offset, shard.whole
            )
            for shard in shards
        }, []

    def judge(found: list[_Digests]) -> list[str]:
        sums: dict[str, int] = {}
        mains = {}
        for (key, *place, main), value in (item for part in found for item in part.items()):
            if main:
                sums[key] = sums.get(key, 0) + value
                mains[key, *place] = value
        tensors = opened.manifest.tensors
        wrong = {key for key, total in sums.items() if digest.add([total]) != tensors[key].digest}
        for (key, *place, _), value in (item for part in found for item in part.items()):
            if mains.get((key, *place), value) != value:
                wrong.add(key)
        return [f"{opened.directory}: {key} in memory is not what was saved" for key in sorted(wrong)]

    advice = "this is a fault of memory, of the file system or of this program: tell us both layouts"
    _together(check, judge, advice, group)


def _load_module_state(opened: Opened, chunks: Sequence[Any], blobs: Iterable[Blob]) -> None:
    """Give modules the state that they keep beside weights: Transformer Engine's ``_extra_state`` (FP8 scales).

    Those that the checkpoint has none for, because other layers have saved it, begin anew.
    """
    there = opened.stored.blob_keys()
    by_key = {blob.key for blob in blobs} & there
    if not by_key:
        return
    from megatron.core.dist_checkpointing.mapping import ShardedObject

    for chunk in chunks:
        model = bare(chunk)
        described = model.sharded_state_dict()
        found = {
            name: opened.stored.blob(value.unique_key)
            for name, value in described.items()
            if isinstance(value, ShardedObject) and value.unique_key in by_key
        }
        model.load_state_dict(found, strict=False)


def _together(check: Any, judge: Any, advice: str, group: Any) -> Any:
    """Run a check on every rank and raise the same RunError on all if one has found faults; its value on this rank.

    ``check`` returns (value, faults). ``judge``, where there is one, looks at the values of all ranks, on the
    first of them, for faults that no rank can see alone.
    """
    value: Any = None
    try:
        value, faults = check()
    except HanjiError as error:
        faults = [str(error)]
    answers: list[Any] = [(value if judge else None, faults)]
    ranks = dist.get_world_size(group) if dist.is_initialized() else 1
    first = ranks == 1 or dist.get_rank(group) == 0
    if ranks > 1:
        gathered = [None] * ranks if first else None
        dist.gather_object(answers[0], gathered, dst=0, group=group)
        answers = gathered or []
    told = [list(dict.fromkeys(fault for _, found in answers for fault in found))]
    if first and judge and not told[0]:
        told = [judge([answer for answer, _ in answers])]
    if ranks > 1:
        dist.broadcast_object_list(told, src=0, group=group)
    if faults := told[0]:
        text = "; ".join(faults[:LISTED])
        if len(faults) > LISTED:
            text += f"; and {len(faults) - LISTED} more"
        raise RunError(text if text.endswith(advice) else f"{text}; {advice}")
    return value
