"""Shards that are not what their manifest says are refused, and the message names the file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hanji.errors import InputError, RecipeError
from hanji.manifest import read_manifest, write_manifest
from hanji.training.data.checks import check_shards
from hanji.training.data.plan import plan_data
from hanji.training.recipe import TrainingRecipe

BIN = "ko/web/high/train-00001.bin"


@pytest.fixture
def damaged(shards: Path, tmp_path: Path, recipe_data: Callable[..., dict[str, Any]]) -> tuple[Path, Any]:
    copy = tmp_path / "shards"
    shutil.copytree(shards, copy)

    def plan(**changes: Any) -> None:
        plan_data(TrainingRecipe.model_validate(recipe_data(shards=str(copy), **changes)))

    return copy, plan


def test_whole_shards_are_accepted(damaged: tuple[Path, Any]) -> None:
    damaged[1](check_shards="hashes")


def test_a_truncated_bin_is_named(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    whole = (directory / BIN).read_bytes()
    (directory / BIN).write_bytes(whole[:-100])
    with pytest.raises(InputError, match=f"{BIN}: {len(whole) - 100} bytes, but the manifest says"):
        plan()


def test_a_changed_byte_is_found_when_hashes_are_checked(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    data = bytearray((directory / BIN).read_bytes())
    data[50] ^= 1
    (directory / BIN).write_bytes(data)
    plan()
    with pytest.raises(InputError, match=f"{BIN}: sha256"):
        plan(check_shards="hashes")


def test_a_missing_shard_is_named(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    (directory / BIN).unlink()
    with pytest.raises(InputError, match=f"{BIN}: no such file"):
        plan()


def test_an_index_of_another_kind_is_named(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    index = directory / BIN.replace(".bin", ".idx")
    index.write_bytes(b"X" * index.stat().st_size)
    with pytest.raises(InputError, match="not a Megatron index"):
        plan()


def test_another_tokenizer_is_refused(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    (directory / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="made with another tokenizer"):
        plan()


def test_sampled_hashes_find_a_changed_file_by_some_seeds_and_always_by_the_same(
    damaged: tuple[Path, Any],
) -> None:
    directory, _ = damaged
    manifest, storage = read_manifest(str(directory))
    data = bytearray((directory / BIN).read_bytes())
    data[50] ^= 1
    (directory / BIN).write_bytes(data)

    def found(seed: int) -> bool:
        try:
            check_shards(manifest, storage, hashes="sampled", seed=seed)
        except InputError as error:
            assert f"{BIN}: sha256" in str(error)
            return True
        return False

    seeds = [found(seed) for seed in range(24)]
    assert any(seeds) and not all(seeds)
    assert [found(seed) for seed in range(24)] == seeds


@pytest.mark.parametrize(
    ("at", "token", "message"),
    [
        (0, 300, r"train-0000\d.bin: document \d+ has the token id 300, but the vocabulary has 300"),
        (-1, 7, r"train-0000\d.bin: document \d+ ends with token 7, but the manifest says .* EOD, 299"),
    ],
)
def test_documents_that_are_not_what_the_manifest_says_are_found_without_hashes(
    damaged: tuple[Path, Any], at: int, token: int, message: str
) -> None:
    directory, plan = damaged
    for path in directory.glob("ko/web/high/train-*.bin"):
        tokens = np.fromfile(path, np.uint16)
        ends = np.flatnonzero(tokens == 299)
        places = ends if at else np.concatenate([[0], ends[:-1] + 1])
        tokens[places] = token
        tokens.tofile(path)
    with pytest.raises(InputError, match=message):
        plan()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer": {"vocab_size": 70_000}}, "vocabulary of 70000 with EOD 299 does not fit dtype uint16"),
        ({"tokenizer": {"prepend_bos": True}}, r"begin with BOS \(prepend_bos\), but bos_id is None"),
        ({"tokenizer": {"prepend_bos": True, "bos_id": 298}}, r"begins with token \d+, but .* BOS, 298"),
        ({"dtype": "int32"}, r"cannot hold the manifest's \d+ tokens of int32"),
    ],
)
def test_a_manifest_that_does_not_fit_its_shards_is_refused(
    damaged: tuple[Path, Any], change: dict[str, Any], message: str
) -> None:
    directory, plan = damaged
    manifest, storage = read_manifest(str(directory))
    if "tokenizer" in change:
        change = {"tokenizer": manifest.tokenizer.model_copy(update=change["tokenizer"])}
    write_manifest(storage, manifest.model_copy(update=change))
    with pytest.raises(InputError, match=message):
        plan()


def test_sums_of_a_component_that_its_shards_do_not_have_are_told(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    manifest, storage = read_manifest(str(directory))
    first = manifest.components[0]
    wrong = first.model_copy(update={"tokens": first.tokens + 1})
    write_manifest(storage, manifest.model_copy(update={"components": [wrong, *manifest.components[1:]]}))
    with pytest.raises(
        InputError, match=r"ko/web/high has 9,001 tokens in the manifest, but its shards have 9,000"
    ):
        plan()


def test_an_empty_component_is_left_out_by_a_pattern_and_refused_by_its_name(
    damaged: tuple[Path, Any], recipe_data: Callable[..., dict[str, Any]]
) -> None:
    directory, plan = damaged
    manifest, storage = read_manifest(str(directory))
    empty = manifest.components[0].model_copy(
        update={"tier": "mid", "documents": 0, "tokens": 0, "bytes": 0, "shards": []}
    )
    write_manifest(storage, manifest.model_copy(update={"components": [*manifest.components, empty]}))
    recipe = TrainingRecipe.model_validate(recipe_data(shards=str(directory)))
    assert plan_data(recipe).left_out == {"ko/web/mid": "it is empty"}
    with pytest.raises(RecipeError, match=r"stages.one.blend: ko/web/mid: it is empty"):
        plan(stages=[{"name": "one", "steps": 3, "blend": {"ko/web/mid": 1, "en/*/*": 1}}])


def test_a_sidecar_is_compared_where_it_lies_beside_the_shard(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    sidecar = directory / BIN.replace(".bin", ".docs.parquet")
    data = bytearray(sidecar.read_bytes())
    data[50] ^= 1
    sidecar.write_bytes(data)
    plan()
    with pytest.raises(InputError, match=r"train-00001.docs.parquet: sha256"):
        plan(check_shards="hashes")
    sidecar.write_bytes(data[:-1])
    with pytest.raises(InputError, match=r"train-00001.docs.parquet: \d+ bytes, but the manifest says"):
        plan()
    sidecar.unlink()
    plan(check_shards="hashes")


def test_a_component_that_stands_in_the_manifest_twice_is_refused(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    manifest, storage = read_manifest(str(directory))
    twice = [*manifest.components, manifest.components[0]]
    write_manifest(storage, manifest.model_copy(update={"components": twice}))
    with pytest.raises(InputError, match="the manifest has the train component ko/web/high twice"):
        plan()


def test_a_manifest_that_is_cut_off_is_refused(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    (directory / "manifest.json").write_bytes((directory / "manifest.json").read_bytes()[:-10])
    with pytest.raises(InputError, match=r"manifest\.json: Invalid JSON: EOF"):
        plan()


def test_a_pattern_whose_components_are_all_too_short_is_refused_with_the_reason(
    damaged: tuple[Path, Any],
) -> None:
    with pytest.raises(
        RecipeError, match=r"'en/code/\*' matches only what gives no sample: en/code/low: 5000 tok"
    ):
        damaged[1](
            model={"preset": "tiny", "seq_length": 6_000},
            stages=[{"name": "one", "steps": 3, "blend": {"en/code/*": 1, "ko/*/*": 1}}],
        )


def test_tables_that_cannot_be_made_are_an_error_that_names_the_field(damaged: tuple[Path, Any]) -> None:
    directory, plan = damaged
    upsampled = {"weight": 1, "upsample": {"table": {"1": 1, "2": 2}}}
    with pytest.raises(InputError, match=r"tables: .* cannot be made in .*tokenizer.json/x"):
        plan(
            tables=str(directory / "tokenizer.json/x"),
            stages=[{"name": "one", "steps": 3, "blend": {"ko/*/*": upsampled}}],
        )
