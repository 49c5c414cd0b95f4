"""What a run has recorded of the data that it read, as it can be asked: the family node, the shards, the layouts.

Everything comes from the family node of a checkpoint (or of a folder exported from one) and from the manifest that
it names by its hash. The recipe file may have changed since; the node holds the blends, in whole slots, as they
were, the seed, the sizes of the streams, and the steps that were skipped. Ranks are the run's own affair and are
told from the layouts that ``metrics.jsonl`` names.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hanji.errors import HanjiError, InputError
from hanji.manifest import Component
from hanji.shard_versions import ShardVersion, find_version
from hanji.stages import Upsampling
from hanji.storage import Storage
from hanji.training.checkpoint.record import FAMILY, find_checkpoint, read_commit
from hanji.training.data.order import ORDER_VERSION, SampleOrder, Segment
from hanji.training.data.repeats import DocumentRuns, document_runs, has_runs, stream_name
from hanji.training.lineage.streams import StreamMap
from hanji.training.loop.metrics import METRICS, iterate_metrics

KEPT_MANIFEST = "shards-manifest.json"
"""A run's copy of the manifest of its shards."""


@dataclass(frozen=True)
class Layout:
    """How ranks shared a step: the sizes of the axes, from the step after ``after`` on."""

    after: int
    tensor: int
    pipeline: int
    context: int
    data: int

    def data_rank(self, rank: int) -> int:
        """The data-parallel rank of a global rank: tensor ranks are neighbours, then context, data, pipeline."""
        return rank // (self.tensor * self.context) % self.data

    def ranks(self, data_rank: int) -> list[int]:
        """The global ranks that share the samples of a data-parallel rank."""
        inner = self.tensor * self.context
        return [
            (stage * self.data + data_rank) * inner + place
            for stage in range(self.pipeline)
            for place in range(inner)
        ]

    @property
    def all_ranks(self) -> int:
        return self.tensor * self.pipeline * self.context * self.data

    def describe(self) -> str:
        """ "data 2 × tensor 2"; "one rank"."""
        axes = [(name, getattr(self, name)) for name in ("data", "tensor", "pipeline", "context")]
        return " × ".join(f"{name} {size}" for name, size in axes if size > 1) or "one rank"


@dataclass(frozen=True)
class DataRecord:
    """What the steps of one run, up to a checkpoint, have read.

    ``node`` is the family node; ``shards`` where its shards may be, ``manifests`` files that may be their manifest;
    ``layouts`` in the order of their steps, () where they are not known; ``opened`` are the shards where they have
    been found before; ``tables`` are where tables of up-sampled documents may be.
    """

    node: Mapping[str, Any]
    shards: tuple[Path, ...] = ()
    manifests: tuple[Path, ...] = ()
    tables: tuple[Path, ...] = ()
    layouts: tuple[Layout, ...] = ()
    opened: ShardVersion | None = None

    @property
    def steps(self) -> int:
        return int(self.node["step"])

    @property
    def batch(self) -> int:
        """Samples of a step."""
        return int(self.node["batch"]["samples"])

    @property
    def seq_length(self) -> int:
        return int(self.node["batch"]["seq_length"])

    @cached_property
    def skipped(self) -> frozenset[int]:
        return frozenset(self.node["skipped"])

    @cached_property
    def order(self) -> SampleOrder:
        """The order of the samples, made from the record alone."""
        return order_of(self.node)

    @cached_property
    def version(self) -> ShardVersion:
        """The shards. Raises InputError where their manifest is not found."""
        if self.opened is not None:
            return self.opened
        sha256 = self.node["shards"]["manifest_sha256"]
        found = find_version(sha256, self.shards, self.manifests)
        if found is None:
            places = ", ".join(map(str, [*self.shards, *self.manifests])) or "no place"
            raise InputError(
                f"{self.node['name']}: the manifest of its shards (sha256 {sha256}) is not in {places}; name the "
                "directory of these shards with --shards"
            )
        return found

    @cached_property
    def _components(self) -> dict[str, Component]:
        return {component.name: component for component in self.version.manifest.select("train")}

    @cached_property
    def _maps(self) -> dict[str, StreamMap]:
        return {}

    def stream(self, name: str) -> StreamMap:
        """Where the tokens of a stream are."""
        if name not in self._maps:
            component = self._components.get(component_of(name))
            if component is None:
                raise InputError(f"{self.version.sha256}: the manifest has no component {component_of(name)}")
            self._maps[name] = StreamMap(component, None if component.name == name else self._runs(name))
        return self._maps[name]

    def _runs(self, name: str) -> DocumentRuns:
        """The table of a stream that holds some of its component's documents; made anew where it is gone."""
        component = self._components[component_of(name)]
        recorded = self.node["order"]["upsample"][component.name]
        wanted = [None if one is None else Upsampling.model_validate(one) for one in recorded]
        directory = next((place for place in self.tables if has_runs(component, wanted, place)), None)
        if directory is None:
            directory = self.tables[0] if self.tables else Path(tempfile.gettempdir()) / "hanji-tables"
        storage = Storage(self.version.roots[0])
        for runs in document_runs(component, storage, wanted, directory):
            if stream_name(component.name, runs.repeats) == name:
                return runs
        raise InputError(f"{self.node['name']}: the sidecars of {component.name} give no stream {name}")

    def streams_of(self, component: str) -> list[str]:
        """The streams of the order that a component's documents are in."""
        return [name for name in self.order.names if component_of(name) == component]

    def stage_of(self, step: int) -> str:
        """The stage of a step (from 1)."""
        done = 0
        for stage in self.node["stages"]:
            done += stage["steps"]
            if step <= done:
                return str(stage["name"])
        raise InputError(f"{self.node['name']}: step {step} is after the last of its {self.steps} steps")

    def layout_of(self, step: int) -> Layout | None:
        """The layout that a step was computed in; None where it is not known."""
        known = [layout for layout in self.layouts if layout.after < step]
        return known[-1] if known else None


def component_of(stream: str) -> str:
    """``ko/web/high`` of ``ko/web/high@2``."""
    return stream.partition("@")[0]


def order_of(node: Mapping[str, Any]) -> SampleOrder:
    """The order of samples up to a node's step. Raises InputError for a node that does not say it."""
    recorded = node.get("order")
    if recorded is None:
        raise InputError(f"{node.get('name')}: its family node does not say in which order it read its data")
    if recorded["version"] != ORDER_VERSION:
        raise InputError(
            f"{node.get('name')}: it read its data in version {recorded['version']} of the order; this version of "
            f"hanji knows {ORDER_VERSION}"
        )
    segments = [Segment("", part["slots"], part["samples"]) for part in recorded["segments"]]
    windows = {name: recorded["windows"][name] for name in recorded["names"]}
    return SampleOrder(segments, windows, recorded["seed"], recorded.get("begun"))


def open_record(path: Path, shards: Sequence[Path] = ()) -> DataRecord:
    """The record of a run (its newest checkpoint), of a checkpoint, or of an exported folder.

    ``shards``: directories to look for its shards in, before the one that the run names. Raises InputError for
    what is none of these.
    """
    if (path / FAMILY).is_file():
        return DataRecord(read_node(path), tuple(shards))
    directory = find_checkpoint(path)
    commit = read_commit(directory)
    run = run_of(directory)
    found = list(shards)
    manifests: list[Path] = []
    layouts: tuple[Layout, ...] = ()
    if run is not None:
        manifests.append(run / KEPT_MANIFEST)
        found += recipe_shards(run)
        layouts = read_layouts(run)
    if not layouts and commit.layout:
        layouts = (_layout(0, commit.layout),)
    tables = () if run is None else tables_of(run)
    return DataRecord(commit.family, tuple(found), tuple(manifests), tables, layouts)


def run_of(checkpoint: Path) -> Path | None:
    """The run's directory, where a checkpoint lies in one."""
    parent = checkpoint.absolute().parent
    return parent.parent if parent.name == "checkpoints" else None


def read_node(folder: Path) -> dict[str, Any]:
    """The family node in an exported folder. Raises InputError when it cannot be read."""
    path = folder / FAMILY
    try:
        node = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a family node: {error}") from None
    if not isinstance(node, dict):
        raise InputError(f"{path}: not a family node")
    return node


def read_layouts(run: Path) -> tuple[Layout, ...]:
    """The layouts of a run, in the order of their steps; of several starts at a step the last one counts."""
    found: dict[int, Layout] = {}
    for entry in iterate_metrics(run / METRICS):
        if entry["kind"] == "start" and "parallel" in entry:
            found[entry["step"]] = _layout(entry["step"], entry["parallel"])
    return tuple(found[step] for step in sorted(found))


def _layout(after: int, axes: Mapping[str, int]) -> Layout:
    return Layout(after, *(int(axes.get(name, 1)) for name in ("tensor", "pipeline", "context", "data")))


def tables_of(run: Path) -> tuple[Path, ...]:
    """Where a run may have left its tables of up-sampled documents."""
    try:
        named = json.loads((run / "recipe.json").read_bytes()).get("tables")
    except (OSError, ValueError):
        named = None
    return (run / "tables",) if named is None else (Path(named), run / "tables")


def recipe_shards(run: Path) -> list[Path]:
    """The directory of shards that a run names, where it does."""
    try:
        return [Path(json.loads((run / "recipe.json").read_bytes())["shards"])]
    except (OSError, ValueError, KeyError, HanjiError):
        return []


def steps_of(samples: np.ndarray, batch: int) -> np.ndarray:
    """Steps (from 1) of samples that are numbered through the run."""
    steps: np.ndarray = samples // batch + 1
    return steps
