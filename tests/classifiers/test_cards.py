"""Cards of models: what they say of their data, whatever the files are called."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hanji.classifiers import training
from hanji.classifiers.card_data import data_facts, data_rows
from hanji.classifiers.card_text import card_text
from hanji.classifiers.domains.training import train_domains
from hanji.classifiers.educational import Iterating, train_educational
from hanji.classifiers.evaluating.asked import Asked
from hanji.classifiers.evaluating.card import write_evaluation
from hanji.classifiers.evaluating.evaluate import evaluate
from hanji.classifiers.evaluating.models import check_data, open_models
from hanji.classifiers.texts import TextFile
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256
from hanji.jobs import sample

SEED = Path(sample.__file__).parent / "seed"
SETTINGS = replace(training.default_training("ko"), epoch=2, bucket=1000, dim=4)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[TextFile]]:
    """Files of good texts and of others, all with the name texts.jsonl, in directories of their own."""
    home = tmp_path_factory.mktemp("cards")
    rows = [json.loads(line) for line in (SEED / "ko.jsonl").read_text("utf-8").splitlines()]
    made: dict[str, list[TextFile]] = {"high": [], "low": []}
    for label, files in made.items():
        mine = [row["text"] for row in rows if row["label"] == label]
        for part in range(2):
            path = home / f"{label}{part}" / "texts.jsonl"
            path.parent.mkdir()
            some = [
                {"text": text, "url": f"https://{label}{n % 9}.kr/"} for n, text in enumerate(mine[part::2])
            ]
            path.write_text("".join(json.dumps(row) + "\n" for row in some), "utf-8")
            files.append(TextFile(str(path), label))
    return made


@pytest.fixture(scope="module")
def model(files: dict[str, list[TextFile]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quality classifier that was trained on all of them."""
    path = tmp_path_factory.mktemp("trained") / "a.bin"
    training.train([], path, "ko", SETTINGS, sources=[*files["high"], *files["low"]])
    return path


def hashes(files: Sequence[TextFile]) -> set[tuple[str, str]]:
    return {("texts.jsonl", file_sha256(file.path)) for file in files}


def of_card(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.with_suffix(".json").read_text("utf-8"))
    return found


def named(data: Sequence[dict[str, str]]) -> set[tuple[str, str]]:
    return {(row["name"], row["hash"]) for row in data}


def test_files_of_one_name_keep_their_hashes_on_the_cards_of_quality_and_of_domains(
    files: dict[str, list[TextFile]], model: Path, tmp_path: Path
) -> None:
    every = [*files["high"], *files["low"]]
    train_domains(every[::-1], tmp_path / "d.bin", "ko", SETTINGS, hold_out="nothing")
    card = of_card(model)
    assert named(card["data"]) == hashes(every)
    assert card["data"] == of_card(tmp_path / "d.bin")["data"]
    assert {row["labels"] for row in card["data"]} == {"all of it is high", "all of it is low"}
    page = model.with_suffix(".md").read_text("utf-8")
    assert (
        all(identity in page for _, identity in hashes(every)) and Path(every[0].path).parent.name not in page
    )


def test_files_of_one_name_keep_their_hashes_on_an_educational_card(
    files: dict[str, list[TextFile]], tmp_path: Path
) -> None:
    seeds, pool = [*files["high"], files["low"][0]], [files["low"][1]]
    made = train_educational(seeds, pool, tmp_path / "edu", how=Iterating(iterations=1), settings=SETTINGS)
    data = of_card(Path(made.model))["data"]
    assert named(data) == hashes([*seeds, *pool])
    assert named([row for row in data if row["used_as"] == "pool"]) == hashes(pool)


def test_an_evaluation_on_files_of_one_name_keeps_their_hashes_and_tells_them_apart(
    files: dict[str, list[TextFile]], model: Path, tmp_path: Path
) -> None:
    every = [*files["high"], *files["low"]]
    for path in model.parent.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    (opened,) = open_models([tmp_path / model.name])
    asked = Asked("none", ngrams=0, samples=0)
    orders = (every, [every[0], *every[:0:-1]])
    accounts = [evaluate([opened], some, some[:1], asked) for some in orders]
    assert accounts[0] == accounts[1]
    rows = accounts[0]["models"][0]["confusion"]["rows"]
    assert {row["name"] for row in rows} == {f"{kind}{n}/texts.jsonl" for kind in files for n in "01"}
    assert all((row["hits"] + row["missed"] == 0) == row["name"].startswith("low") for row in rows)
    assert any("every source has one label alone" in warning for warning in accounts[0]["warnings"])
    for account in accounts:
        write_evaluation(opened, account, 0)
    (one,) = of_card(opened.path)["evaluations"]
    assert named(one["data"]) == hashes(every) and len(one["data"]) == len(every) + 1
    page = opened.path.with_suffix(".md").read_text("utf-8")
    assert page.count(file_sha256(every[0].path)) == 3  # trained on, evaluated on, and its pool


def test_one_file_under_two_labels_is_told_twice_and_twice_under_one_once(
    files: dict[str, list[TextFile]],
) -> None:
    (high, _), (low, _) = files["high"], files["low"]
    as_low = replace(high, label="low")
    found = data_facts([low, high, as_low, high])
    assert found == data_facts([high, as_low, low]) and len(found) == 3
    assert data_facts([high, as_low], labelled=False) == [
        {"name": "texts.jsonl", "hash": file_sha256(high.path)}
    ]


def test_a_card_of_hashes_by_name_is_still_read(
    files: dict[str, list[TextFile]], model: Path, tmp_path: Path
) -> None:
    (high, _), (low, _) = files["high"], files["low"]
    shutil.copyfile(model, tmp_path / "a.bin")
    old = of_card(model) | {
        "data": {"good.jsonl": file_sha256(high.path), "others.jsonl": file_sha256(low.path)},
        "labels_from": {"good.jsonl": "all of it is high"},
    }
    old["evaluations"] = [
        {"key": "x", "data": {"more.jsonl": "f00d"}, "split": "Nothing.", "figures": {"good texts": 3}}
    ]
    old.pop("trained_on")
    (tmp_path / "a.json").write_text(json.dumps(old), "utf-8")
    (opened,) = open_models([tmp_path / "a.bin"])
    with pytest.raises(RecipeError, match=r"was trained on texts\.jsonl \(the hashes are the same\)"):
        check_data([opened], [low], "sites")
    page = card_text(old)
    assert f"| good.jsonl | `{file_sha256(high.path)}` | all of it is high |" in page
    assert "| more.jsonl | `f00d` |" in page and "Evaluated on more.jsonl" in page
    assert data_rows(None) == [] and data_rows(old["data"])[1]["name"] == "others.jsonl"
