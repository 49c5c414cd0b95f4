"""Small tiered shards, written with Megatron's own builder, and recipes that fit them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made_manifest import EOD, write_made_manifest

from hanji.manifest import Component
from hanji.training.gpu.made_shards import write_shard

# Tokens a component gets, by language/domain/tier, for (train, valid).
SIZES = {
    "ko/web/high": (9_000, 700),
    "ko/web/low": (14_000, 500),
    "en/web/high": (7_000, 600),
    "en/code/low": (5_000, 0),
}


def write_shards(root: Path, sizes: dict[str, tuple[int, int]] = SIZES, per_shard: int = 4_000) -> Path:
    """Write shards and their manifest below ``root``: documents that repeat with noise, so that they can be
    learned, several shards to a large component."""
    (root / "tokenizer.json").parent.mkdir(parents=True, exist_ok=True)
    (root / "tokenizer.json").write_text('{"note": "stands for a tokenizer"}', encoding="utf-8")
    components = []
    for name, (train, valid) in sizes.items():
        language, domain, tier = name.split("/")
        for split, tokens in (("train", train), ("valid", valid)):
            seed = int.from_bytes(hashlib.sha256(f"{name}{split}".encode()).digest()[:4], "little")
            shards = []
            for number, start in enumerate(range(0, tokens, per_shard)):
                size = min(per_shard, tokens - start)
                prefix = f"{name}/{split}-{number:05d}"
                documents = _documents(size, np.random.default_rng(seed + number))
                shards.append(write_shard(root, prefix, documents, "test"))
            components.append(
                Component(
                    language=language,
                    domain=domain,
                    tier=tier,
                    split=split,  # type: ignore[arg-type]
                    documents=sum(shard.documents for shard in shards),
                    tokens=sum(shard.tokens for shard in shards),
                    bytes=sum(shard.bytes for shard in shards),
                    shards=shards,
                )
            )
    write_made_manifest(root, "test", components)
    return root


def _documents(tokens: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    left = tokens
    while left:
        length = min(left, int(generator.integers(20, 120)))
        length = left if left - length < 2 else length
        start = int(generator.integers(0, 40))
        document = (start + 3 * np.arange(length)) % 120 + 7 * generator.integers(0, 2, length)
        document[-1] = EOD
        yield document
        left -= length


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of the sizes above; tests must not write to them."""
    return write_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="session")
def other_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of another run with the same tokenizer; tests must not write to them."""
    sizes = {"ko/web/high": (4_000, 300), "en/web/high": (4_000, 300)}
    return write_shards(tmp_path_factory.mktemp("other-shards"), sizes)


@pytest.fixture(scope="session")
def undisturbed(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a run of 60 steps on two tensor-parallel ranks that nothing happened to; tests must
    not write to it."""
    from hanji.training import launch

    directory = tmp_path_factory.mktemp("undisturbed")
    data = {
        "name": "small",
        "run": str(directory / "run"),
        "shards": str(shards),
        "model": "tiny",
        "parallel": {"tensor": 2},
        "stages": [
            {"name": "one", "steps": 40, "blend": {"*/*/*": 1.0}},
            {"name": "two", "steps": 20, "blend": {"*/*/high": 1.0}},
        ],
        "batch": {"global_size": 4, "micro_size": 2},
        "schedule": {"peak_lr": 0.003, "warmup_steps": 2},
        "checkpoint": {"every": 10},
        "validation": {"every": 15},
        "tensorboard": True,
        "log_every": 4,
    }
    recipe = directory / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(data), encoding="utf-8")
    summary = launch.train(recipe)
    assert summary.finished and summary.step == 60 and summary.resumed_from == 0
    return directory / "run"


@pytest.fixture
def recipe_data(shards: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Makes the mapping of a small two-stage recipe; keyword arguments replace whole fields."""

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "name": "small",
            "run": str(tmp_path / "run"),
            "shards": str(shards),
            "model": "tiny",
            "stages": [
                {"name": "one", "steps": 6, "blend": {"*/*/*": 1.0}},
                {"name": "two", "steps": 4, "blend": {"*/*/high": 1.0}},
            ],
            "batch": {"global_size": 4, "micro_size": 2},
            "schedule": {"peak_lr": 0.003, "warmup_steps": 2},
            "checkpoint": {"every": 3},
            "log_every": 1,
            **changes,
        }

    return make
