"""The driver of a submitted job, run on the cluster: checks the nodes, then does what the recipe says."""

from __future__ import annotations

import json
import os
import platform
import socket
import tempfile
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import hanji
from hanji.errors import HanjiError, InputError, RunError
from hanji.fingerprint import file_sha256, library_versions
from hanji.jobs.terminal import fail, progress, say
from hanji.jobs.wheel import pack_wheel
from hanji.recipe import parse_recipe
from hanji.storage import is_url

NODE_SECONDS = 300.0


def drive(job_file: Path, place: tuple[int, int, str] | None = None, stopped_code: int = 0) -> int:
    """Run the job that the file describes; returns the exit code.

    ``place`` is (node, nodes, host of node 0) where this is one node's part of a training job; ``stopped_code`` is
    for a training run that was asked to stop.
    """
    facts = json.loads(job_file.read_text(encoding="utf-8"))
    # Ranks and workers are other processes, and must find the job's code as this one does.
    root = str(Path(hanji.__file__).parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    try:
        if facts["kind"] == "training":
            return _train(facts, place, stopped_code)
        _curate(facts)
    except HanjiError as error:
        fail(str(error))
        return error.exit_code
    return 0


def _curate(facts: dict[str, Any]) -> None:
    from hanji.curation.engines.choice import make_engine
    from hanji.curation.pipeline import curate
    from hanji.curation.recipe import CurationRecipe
    from hanji.jobs.commands.curate import outcome

    recipe = parse_recipe(facts["recipe"], CurationRecipe, origin="the submitted recipe")
    engine = make_engine(recipe.engine)
    try:
        nodes = _inspect_nodes(engine, facts, recipe)
        check_nodes(facts, nodes)
        say(f"{len(nodes)} nodes, all with the code and the versions of this job")
        with progress() as shown:
            summary = curate(recipe, engine, progress=shown)
        say(*outcome(recipe, summary))
    finally:
        engine.close()


def _train(facts: dict[str, Any], place: tuple[int, int, str] | None, stopped_code: int) -> int:
    from hanji.jobs.commands.train import outcome
    from hanji.training.launch import ALONE, train
    from hanji.training.launchers.nodes import Nodes
    from hanji.training.recipe import TrainingRecipe

    recipe = parse_recipe(facts["recipe"], TrainingRecipe, origin="the submitted recipe")
    if place is None and recipe.cluster.nodes > 1:
        from hanji.jobs.ray_nodes import train_over_nodes

        return train_over_nodes(facts, recipe.cluster, recipe.parallel.ranks, stopped_code)
    check_nodes(facts, {socket.gethostname(): inspect_node(facts, [], [])})
    nodes = Nodes(*place) if place else ALONE
    with tempfile.TemporaryDirectory(prefix="hanji-") as scratch:
        recipe_file = Path(scratch) / "recipe.yaml"
        recipe_file.write_text(json.dumps(facts["recipe"], ensure_ascii=False), encoding="utf-8")
        with progress(quiet=nodes.rank > 0) as shown:
            summary = train(recipe_file, progress=shown, nodes=nodes)
    if nodes.rank == 0:
        say(*outcome(summary))
    return 0 if summary.finished else stopped_code


def _inspect_nodes(engine: Any, facts: dict[str, Any], recipe: Any) -> dict[str, dict[str, Any]]:
    """What each living node says of itself. Raises RunError naming nodes that do not answer."""
    with _marker(recipe.run) as marker:
        markers = [marker] if marker else []
        inputs = [path for source in recipe.sources for path in source.paths if not is_url(path)]
        if engine.name == "spark":
            engine.check_workers()
            answers: dict[str, dict[str, Any]] = engine.ask_all(
                partial(inspect_node, facts, markers, inputs), NODE_SECONDS
            )
            return answers
        return _inspect_ray_nodes(facts, markers, inputs)


def _inspect_ray_nodes(
    facts: dict[str, Any], markers: list[str], inputs: list[str]
) -> dict[str, dict[str, Any]]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(inspect_node)
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            there = task.options(num_cpus=0, max_retries=0, scheduling_strategy=place)
            asked[there.remote(facts, markers, inputs)] = name
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=NODE_SECONDS)
    if late:
        names = ", ".join(sorted(asked[reference] for reference in late))
        raise RunError(f"these nodes did not answer within {NODE_SECONDS:g} s: {names}")
    answers = {}
    for reference in done:
        try:
            answers[asked[reference]] = ray.get(reference)
        except ray.exceptions.RayError as error:
            raise RunError(f"node {asked[reference]} cannot run this job's code: {error}") from None
    return answers


class _marker:
    """A file in a local run directory: a node that does not see it has another directory of that name."""

    def __init__(self, run: str) -> None:
        self.path = None if is_url(run) else Path(run) / f".visible-{uuid.uuid4().hex}"

    def __enter__(self) -> str | None:
        if self.path is None:
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        except OSError as error:
            raise InputError(f"run: {self.path.parent} cannot be written: {error.strerror}") from None
        return str(self.path)

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def inspect_node(facts: dict[str, Any], markers: list[str], inputs: list[str]) -> dict[str, Any]:
    """Versions on this node, and which paths it does not see (globs by the directory before them)."""
    unseen = [path for path in markers if not Path(path).exists()]
    unseen += [path for path in inputs if not _fixed_part(path).exists()]
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "hanji": str(Path(hanji.__file__).parent.parent.resolve()),
        "here": str(Path.cwd().resolve()),
        "code": packed_sha256() if facts.get("code") == "image" else None,
        "libraries": library_versions(*facts["libraries"]),
        "unseen": unseen,
    }


def packed_sha256() -> str:
    """The hash of this installation's wheel, which is the same wherever the code is."""
    with tempfile.TemporaryDirectory(prefix="hanji-") as scratch:
        return file_sha256(pack_wheel(Path(scratch)))


def _fixed_part(path: str) -> Path:
    parts = Path(path.removeprefix("file://")).parts
    fixed = next((place for place, part in enumerate(parts) if set("*?[") & set(part)), len(parts))
    return Path(*parts[:fixed])


def check_nodes(facts: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> None:
    """Raise InputError listing every node that has other code, other versions or does not see a path."""
    exact = facts["versions"] == "exact"
    first = next(iter(nodes.values()))
    if exact:
        libraries, python = facts["libraries"], facts["python"]
    else:
        libraries, python = first["libraries"], first["python"]
    problems = []
    for name, node in sorted(nodes.items()):
        if facts.get("code") == "image":
            if exact and node["code"] != facts["wheel_sha256"]:
                problems.append(
                    f"{name}: its image or package holds other code than the one that submitted the job"
                )
        elif node["hanji"] != node["here"]:
            problems.append(f"{name}: imports hanji from {node['hanji']}, not from the job's own wheel")
        if node["python"].split(".")[:2] != python.split(".")[:2]:
            problems.append(f"{name}: Python {node['python']}, the job wants {python}")
        for library, version in libraries.items():
            if node["libraries"][library] != version:
                problems.append(f"{name}: {library} {node['libraries'][library]}, the job wants {version}")
        problems += [f"{name}: does not see {path}" for path in node["unseen"]]
    if problems:
        hint = (
            "\nThe same versions everywhere give the same output. --versions cluster takes the cluster's, if "
            "all its nodes agree."
            if exact
            else ""
        )
        raise InputError("nodes are not as the job needs them:\n  " + "\n  ".join(problems) + hint)
