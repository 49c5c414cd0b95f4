"""What a job brings to a cluster: the project's wheel, the recipe, and the models that it names.

The wheel is unpacked into the job's working directory, which Ray copies to every node and puts first on the
import path. (Handing the .whl to Ray as a ``py_modules`` entry would make every node run ``pip install``
with all dependencies.) Dependencies are the cluster's; the job checks their versions before it starts.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hanji.cluster import ClusterSettings
from hanji.curation.recipe import CurationRecipe
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256, library_versions
from hanji.jobs.wheel import pack_wheel
from hanji.recipe import apply_override, parse_recipe, read_yaml
from hanji.storage import is_url, local_path

Kind = Literal["curation", "training"]
Versions = Literal["exact", "cluster"]

CURATION_LIBRARIES = (
    *("ray", "numpy", "numba", "pyarrow", "isal", "resiliparse", "trafilatura", "ftfy"),
    *("ahocorasick_rs", "fasttext", "tokenizers", "gigatoken", "pydantic"),
)
TRAINING_LIBRARIES = ("torch", "megatron-core", "numpy", "pyarrow", "pydantic")
MOST_REFUSED = 8
MOST_BYTES = 400_000_000
"""Ray refuses working directories of more than 512 MB."""


@dataclass(frozen=True)
class Package:
    """A job's working directory, and the id that its content gives it."""

    directory: Path
    submission_id: str
    name: str
    kind: Kind
    wheel_sha256: str
    cpus: int
    shipped: dict[str, str]
    run: str
    cluster: ClusterSettings


def make_package(
    recipe_path: Path,
    overrides: Iterable[str],
    directory: Path,
    *,
    shared: Iterable[str] = (),
    versions: Versions = "exact",
    code: Literal["wheel", "image"] = "wheel",
    engine: Literal["ray", "spark"] = "ray",
) -> Package:
    """Fill ``directory`` with what the job needs.

    ``shared`` are directories that every node mounts at the same path; ``code`` says whether the job brings its
    code or finds it in the image of its containers, which then must hold the same; ``engine`` is what a curation
    runs on. Raises RecipeError for a recipe that is wrong or names local paths that a cluster cannot see.
    """
    data = read_yaml(recipe_path)
    for override in overrides:
        apply_override(data, override)
    # Not by `stages`: a curation may have them, and training take them from its shards.
    kind: Kind = "training" if "sources" not in data and {"model", "schedule"} & data.keys() else "curation"
    prefixes = [local_path(prefix).absolute() for prefix in shared]
    job = directory / "job"
    job.mkdir(parents=True)
    localise = _localise_curation if kind == "curation" else _localise_training
    recipe, models, cpus = localise(data, str(recipe_path), prefixes)
    shipped = _ship(models, job)
    libraries: tuple[str, ...] = TRAINING_LIBRARIES
    if kind == "curation":
        libraries = CURATION_LIBRARIES
        recipe["engine"] |= {"name": engine, "address": "auto" if engine == "ray" else None}
        if engine == "spark":
            # Spark brings its own Python part; Ray is asked for nothing there.
            libraries = tuple(name for name in libraries if name != "ray")
    elif engine == "spark":
        raise RecipeError(f"{recipe_path}: a training recipe; Spark runs curation. See hanji submit --help")
    wheel = pack_wheel(directory)
    wheel_sha256 = file_sha256(wheel)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    wheel.rename(job / wheel.name)
    facts: dict[str, Any] = {
        "kind": kind,
        "recipe": recipe,
        "wheel_sha256": wheel_sha256,
        "versions": versions,
        "code": code,
        "python": platform.python_version(),
        "libraries": library_versions(*libraries),
        "models": {path: file_sha256(directory / path) for path in shipped.values()},
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True)
    (job / "job.json").write_text(text + "\n", encoding="utf-8")
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", recipe["name"])
    # On how many nodes of which size it runs does not make it another job.
    content = {**facts, "recipe": {key: value for key, value in recipe.items() if key != "cluster"}}
    plain = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    identity = f"hanji-{name}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"
    cluster = ClusterSettings.model_validate(recipe["cluster"])
    return Package(
        directory, identity, recipe["name"], kind, wheel_sha256, cpus, shipped, recipe["run"], cluster
    )


def _localise_curation(
    data: dict[str, Any], origin: str, shared: list[Path]
) -> tuple[dict[str, Any], list[tuple[str, Callable[[str], None]]], int]:
    """(recipe with absolute paths, local models to ship with what puts their new path, CPUs of the driver)."""
    parsed = parse_recipe(data, CurationRecipe, origin=origin)
    recipe = parsed.model_dump(mode="json")
    refused: list[str] = []
    recipe["run"] = _visible(recipe["run"], "run", shared, refused)
    for source in recipe["sources"]:
        field = f"sources.{source['name']}.paths"
        source["paths"] = [_visible(path, field, shared, refused) for path in source["paths"]]
    urls = recipe["urls"]
    for place, one in enumerate([*urls["block"], *urls["allow"]]):
        one["path"] = _visible(one["path"], f"urls: list {place + 1}", shared, refused)
    _refuse(origin, refused)
    holders: list[tuple[Any, Any]] = [
        *(
            (recipe["quality"], language)
            for language, path in recipe["quality"].items()
            if isinstance(path, str)
        ),
        *(
            (several, name)
            for several in recipe["quality"].values()
            if isinstance(several, dict)
            for name in several
        ),
        *((pair, key) for pair in recipe["perplexity"].values() for key in ("model", "sentencepiece")),
        *((recipe["domains"], key) for key in ("ko", "en") if recipe["domains"] is not None),
        (recipe["shards"]["tokenizer"], "file"),
        (recipe["language"], "glotlid"),
        *((urls["word_files"], place) for place in range(len(urls["word_files"]))),
        *((block, "model") for block in recipe["blocks"] if block["model"] not in (None, "auto")),
    ]
    if recipe["takedown"] is not None:
        lists = recipe["takedown"]["lists"]
        holders += [(lists, place) for place in range(len(lists))]
    if recipe["language"]["model"] != "auto":
        holders.append((recipe["language"], "model"))
    models = []
    for holder, key in holders:
        path = holder[key]
        if path and not is_url(path) and not _under(local_path(path).absolute(), shared):
            models.append((path, _setter(holder, key)))
    return recipe, models, 0


def _localise_training(
    data: dict[str, Any], origin: str, shared: list[Path]
) -> tuple[dict[str, Any], list[tuple[str, Callable[[str], None]]], int]:
    from hanji.training.recipe import TrainingRecipe

    parsed = parse_recipe(data, TrainingRecipe, origin=origin)
    recipe = parsed.model_dump(mode="json")
    refused: list[str] = []
    for field in ("run", "shards", "init_from", "tables"):
        if recipe[field] is not None:
            recipe[field] = _visible(recipe[field], field, shared, refused)
    held_out = recipe["validation"]
    if held_out["shards"] is not None:
        held_out["shards"] = _visible(held_out["shards"], "validation.shards", shared, refused)
    _refuse(origin, refused)
    ranks, cluster = parsed.parallel.ranks, parsed.cluster
    if cluster.gpus_per_node and ranks != cluster.nodes * cluster.gpus_per_node:
        raise RecipeError(
            f"{origin}: cluster: {cluster.nodes} nodes × {cluster.gpus_per_node} GPUs are not the {ranks} ranks of "
            "parallel: (tensor × pipeline × context × data)"
        )
    if ranks % cluster.nodes:
        raise RecipeError(
            f"{origin}: cluster.nodes: {ranks} ranks cannot be dealt to {cluster.nodes} nodes evenly"
        )
    return recipe, [], ranks if cluster.nodes == 1 else 0


def _visible(path: str, field: str, shared: list[Path], refused: list[str]) -> str:
    """The path as the cluster will use it; what it cannot see is noted as refused."""
    if is_url(path):
        return path
    absolute = local_path(path).absolute()
    # Without resolving links: a node knows the mount by its own name.
    absolute = Path(*_normal(absolute.parts))
    if not _under(absolute, shared):
        refused.append(f"{field}: {path!r} is a path of this machine")
    return str(absolute)


def _normal(parts: tuple[str, ...]) -> list[str]:
    normal: list[str] = []
    for part in parts:
        if part == "..":
            normal = normal[:-1] if len(normal) > 1 else normal
        else:
            normal.append(part)
    return normal


def _under(path: Path, shared: list[Path]) -> bool:
    return any(path.is_relative_to(prefix) for prefix in shared)


def _refuse(origin: str, refused: list[str]) -> None:
    if refused:
        more = [f"… and {len(refused) - MOST_REFUSED} more"] if len(refused) > MOST_REFUSED else []
        raise RecipeError(
            f"{origin}: a cluster cannot see these:\n  "
            + "\n  ".join(refused[:MOST_REFUSED] + more)
            + "\nUse URLs (s3://…, gs://…, hdfs://…), or name with --shared PREFIX a directory that every node "
            "mounts at the same path."
        )


def _setter(holder: Any, key: Any) -> Callable[[str], None]:
    def put(path: str) -> None:
        holder[key] = path

    return put


def _ship(models: list[tuple[str, Callable[[str], None]]], job: Path) -> dict[str, str]:
    """Copy model files into the job; returns local path → path within the working directory."""
    shipped: dict[str, str] = {}
    total = 0
    for path, put in models:
        source = local_path(path)
        if not source.is_file():
            raise RecipeError(f"{path}: no such model file; the recipe names it")
        total += source.stat().st_size
        if total > MOST_BYTES:
            raise RecipeError(
                f"{path}: the models of the recipe come to more than {MOST_BYTES // 1_000_000} MB, too much to "
                "send with a job; put them where every node sees them and name that place with --shared"
            )
        target = job / "models" / f"{file_sha256(source)[:12]}-{source.name}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
        shipped[path] = f"job/models/{target.name}"
        card = source.with_suffix(".json")
        if source.suffix == ".bin" and card.is_file():  # says how texts are prepared for a classifier
            target.with_suffix(".json").write_bytes(card.read_bytes())
            shipped[str(card)] = f"job/models/{target.with_suffix('.json').name}"
        put(shipped[path])
    return shipped
