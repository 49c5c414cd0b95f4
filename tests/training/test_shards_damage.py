"""Shards that are not what their manifest says are refused, and the message names the file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hanji.errors import InputError
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
