"""The commit record: what makes a directory a checkpoint, and all that is known of it without its tensors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hanji.errors import InputError, RunError

COMMIT = "commit.json"
FAMILY = "hanji-family.json"
"""The family node in a folder that was exported; an import of the folder names it as its parent."""
_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True)
class Commit:
    """The record of a checkpoint. ``stage_step`` counts finished steps within the stage.

    ``manifest_sha256`` is that of the shards' manifest, ``contents`` that of the checkpoint's own manifest.json
    (None only while it is being made). ``layout`` names how many ranks share what, by axis; ``optimizer_step``
    is what Adam has counted, which lacks steps that were skipped; ``health`` is the history by which steps are
    judged (hanji.training.loop.health).
    """

    step: int
    stage: str
    stage_step: int
    stage_end: bool
    consumed: dict[str, int]
    recipe: str
    identity: dict[str, Any]
    manifest_sha256: str
    ranks: int
    family: dict[str, Any]
    layout: dict[str, int] = field(default_factory=dict)
    optimizer_step: int = 0
    health: dict[str, Any] = field(default_factory=dict)
    contents: str | None = None

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False).encode() + b"\n"


def directory_name(step: int) -> str:
    """``step-00000120``."""
    return f"step-{step:08d}"


def step_of(name: str) -> int | None:
    """The step that a directory's name tells, None for other names."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def read_commit(directory: Path) -> Commit:
    """The record in a checkpoint's directory. Raises RunError when it is damaged."""
    try:
        return Commit(**json.loads((directory / COMMIT).read_bytes()))
    except (ValueError, TypeError) as error:
        raise RunError(
            f"{directory / COMMIT}: not a commit record ({error}); remove the directory to go on from an earlier "
            "checkpoint"
        ) from None


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest whole one of a run's directory.

    Raises InputError when there is none.
    """
    if (path / COMMIT).is_file():
        return path
    if path.is_dir() and step_of(path.name) is not None:
        raise InputError(f"{path}: has no {COMMIT}: this save was cut off before it was whole")
    inside = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    whole = [p.parent for p in inside.glob(f"step-*/{COMMIT}") if step_of(p.parent.name) is not None]
    if not whole:
        raise InputError(f"{path}: no checkpoint here: name a run's directory or a directory with {COMMIT}")
    return max(whole)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What a recipe's identity has otherwise than a checkpoint's: ``schedule.peak_lr: 0.1 here, 0.2 there``.

    Only fields of ``ours`` are looked at: a field that has gone from recipes decides nothing any more.
    """
    found = []
    for name, value in ours.items():
        other = theirs.get(name)
        if value == other:
            continue
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            found += differences(value, other, f"{prefix}{name}.")
        else:
            here, there = (json.dumps(side, ensure_ascii=False) for side in (value, other))
            found.append(f"{prefix}{name}: {here} here, {there} there")
    return found


def as_parent(directory: Path, commit: Commit) -> dict[str, Any]:
    """How a family node names this checkpoint as a parent: its node, and the SHA-256 of its commit record.

    The node is there whole, with its own parents in it, so that what a model saw and cost can be told when the
    checkpoints that it comes from are long gone.
    """
    sha256 = hashlib.sha256((directory / COMMIT).read_bytes()).hexdigest()
    return {**parent_of(commit.family), "commit_sha256": sha256}


def parent_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """How a family node names another as its parent."""
    named = {name: node.get(name) for name in ("hash", "name", "kind", "step")}
    return {**named, "node": dict(node)}
