"""Models on disk and their families: which of them saw a document, themselves or in one of their ancestors.

A model is a checkpoint or a folder exported from one; both carry their family node, which has the nodes of all
ancestors in it, and each node says in which order its run read which shards. So the answer needs the models and the
shards alone: no checkpoint of an ancestor, and no run's recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hanji.errors import HanjiError, InputError
from hanji.shard_versions import ShardVersion, find_version
from hanji.training.checkpoint.record import COMMIT, FAMILY, read_commit, step_of
from hanji.training.lineage.documents import Place, find_document, steps_that_saw
from hanji.training.lineage.record import (
    KEPT_MANIFEST,
    DataRecord,
    order_of,
    read_node,
    recipe_shards,
    run_of,
    tables_of,
)


@dataclass(frozen=True)
class Model:
    """A model on disk: a checkpoint (of ``run``, where it lies in one) or an exported folder."""

    path: Path
    node: Mapping[str, Any]
    run: Path | None

    @property
    def exported(self) -> bool:
        return (self.path / FAMILY).is_file()


def find_models(directories: Sequence[Path]) -> list[Model]:
    """Every model in these directories, at any depth, in the order of their paths.

    Raises InputError for a directory that is not there, RunError for a record that is damaged.
    """
    found: dict[Path, Model] = {}
    for directory in directories:
        if not directory.is_dir():
            raise InputError(f"{directory}: there is no such directory")
        for model in _below(directory.absolute()):
            found.setdefault(model.path, model)
    return [found[path] for path in sorted(found)]


def _below(directory: Path) -> Iterator[Model]:
    for place, names, files in os.walk(directory):
        path = Path(place)
        if FAMILY in files:
            yield Model(path, read_node(path), None)
        elif COMMIT in files:
            yield Model(path, read_commit(path).family, run_of(path))
        else:
            names.sort()
            # A save that was cut off is no model, and nothing lies within one.
            names[:] = [name for name in names if step_of(name) is None or (path / name / COMMIT).is_file()]
            continue
        names.clear()


def ancestry(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A node, then its parents and theirs, each once; one that is only named is told by what is known of it."""
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop(0)
        if one.get("hash") in seen:
            continue
        seen.add(str(one.get("hash")))
        yield one
        waiting += [parent.get("node") or parent for parent in one.get("parents", ())]


@dataclass(frozen=True)
class Exposure:
    """How one model met one document: by which node (its own or an ancestor's), and in which of its steps."""

    document_id: str
    node: str
    name: str
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """What is known of a model: its exposures, those of ancestors included, and what cannot be told, and why."""

    model: Model
    exposures: tuple[Exposure, ...]
    unknown: tuple[str, ...]


class Search:
    """Asks models about documents. ``shards``: where shards may be besides where runs say they are."""

    def __init__(self, models: Sequence[Model], shards: Sequence[Path] = ()) -> None:
        self.models = models
        runs = [model.run for model in models if model.run is not None]
        self._runs = list(dict.fromkeys(runs))
        recipes = [path for run in self._runs for path in recipe_shards(run)]
        self._shards = tuple(dict.fromkeys([*shards, *recipes]))
        self._versions: dict[str, ShardVersion | None] = {}
        self._places: dict[tuple[str, str], Place | None] = {}
        self._saw: dict[str, dict[str, np.ndarray]] = {}

    def ask(self, documents: Mapping[str, str | None]) -> list[Verdict]:
        """What each model has seen of these documents; each id with its component, None where it is not known."""
        return [self._verdict(model, documents) for model in self.models]

    def _verdict(self, model: Model, documents: Mapping[str, str | None]) -> Verdict:
        exposures: list[Exposure] = []
        unknown: list[str] = []
        for node in ancestry(model.node):
            name, digest = str(node.get("name")), str(node.get("hash"))
            if node.get("kind") == "import" and "source" in node:
                if not node.get("parents"):
                    unknown.append(f"{name}: imported; what it was trained on before is not known")
                continue
            try:
                saw = self._seen(digest, node, documents)
            except HanjiError as error:
                unknown.append(str(error))
                continue
            exposures += [
                Exposure(identity, digest, name, tuple(steps.tolist())) for identity, steps in saw.items()
            ]
        return Verdict(model, tuple(exposures), tuple(unknown))

    def _seen(
        self, digest: str, node: Mapping[str, Any], documents: Mapping[str, str | None]
    ) -> dict[str, np.ndarray]:
        if digest not in self._saw:
            order_of(node)  # a node that does not say what it read is told before its shards are looked for
            record = self._record(node)
            version = record.version
            places = [self._place(version, identity, near) for identity, near in documents.items()]
            self._saw[digest] = steps_that_saw(record, [place for place in places if place is not None])
        return self._saw[digest]

    def _record(self, node: Mapping[str, Any]) -> DataRecord:
        manifests = tuple(run / KEPT_MANIFEST for run in self._runs)
        sha256 = node["shards"]["manifest_sha256"]
        if sha256 not in self._versions:
            # Looked for once for all models that were trained on them.
            self._versions[sha256] = find_version(sha256, self._shards, manifests)
        tables = tuple(place for run in self._runs for place in tables_of(run))
        return DataRecord(node, self._shards, manifests, tables, opened=self._versions[sha256])

    def _place(self, version: ShardVersion, identity: str, near: str | None) -> Place | None:
        key = (version.sha256, identity)
        if key not in self._places:
            self._places[key] = find_document(version, identity, near)
        return self._places[key]
