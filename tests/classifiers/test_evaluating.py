"""hanji classifier evaluate: what it leaves out, what it warns of and refuses, and what it writes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curation_corpus import corpus_rows, make_recipe, write_rows

from hanji.classifiers import training
from hanji.classifiers.evaluating.asked import Asked, Tokens
from hanji.classifiers.evaluating.evaluate import evaluate
from hanji.classifiers.evaluating.models import open_models
from hanji.classifiers.evaluating.page import render
from hanji.classifiers.texts import TextFile
from hanji.classifiers.trained_on import path_beside, read_trained_on
from hanji.errors import InputError, RecipeError
from hanji.jobs import sample
from hanji.jobs.cli import run
from hanji.jobs.commands.classifier_evaluate import evaluate as command
from hanji.jobs.commands.classifier_evaluate_lines import lines

SEED = Path(sample.__file__).parent / "seed"
QUIET = ("--quiet", "--no-card")
SCRIPT = "<script>alert(1)</script>"


def seed_rows(language: str = "ko") -> list[dict[str, Any]]:
    """The sample's texts, each on one of 12 sites of its label."""
    rows = [json.loads(line) for line in (SEED / f"{language}.jsonl").read_text("utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["url"] = f"https://{row['label']}{number // 2 % 12}.net/{number}"
    return rows


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def train(path: Path, source: Path, language: str = "ko", **more: Any) -> Path:
    settings = replace(training.default_training(language), epoch=5, bucket=2000, dim=8)
    training.train([source], path, language, settings, **more)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models a (sites held out) and b (texts held out, cut otherwise), an English one, and the texts of all."""
    home = tmp_path_factory.mktemp("evaluate")
    rows = seed_rows()
    write(home / "known.jsonl", rows[:160])
    write(home / "new.jsonl", [row | {"url": f"https://{n % 7}.new/{n}"} for n, row in enumerate(rows[160:])])
    english = [row | {"url": f"https://{n % 9}.en/{n}"} for n, row in enumerate(seed_rows("en"))]
    write(home / "english.jsonl", english)
    train(home / "a.bin", home / "known.jsonl", hold_out="sites")
    train(home / "b.bin", home / "known.jsonl", preparation="eojeol")
    train(home / "english.bin", home / "english.jsonl", "en")
    return home


@pytest.fixture(scope="module")
def account(home: Path) -> dict[str, Any]:
    """Both models on new texts, and on all of them as a pool."""
    return evaluate(
        open_models([home / "a.bin", home / "b.bin"]),
        [TextFile(str(home / "new.jsonl"))],
        [TextFile(str(home / "known.jsonl")), TextFile(str(home / "new.jsonl"))],
        Asked(ngrams=5, samples=2),
        tokens=Tokens(lambda texts: np.array([len(text.split()) for text in texts]), "words"),
    )


def test_figures_of_both_models_are_there_for_labelled_texts_and_pool(account: dict[str, Any]) -> None:
    assert account["texts"]["labelled"]["texts"] == 80 and account["texts"]["pool"]["texts"] == 240
    for model in account["models"]:
        assert 0.5 < model["figures"]["roc_auc"] <= 1 and model["figures"]["intervals"]["roc_auc"] is not None
        assert sum(model["histogram"]["pool"]) == 240
        assert sum(model["histogram"]["good"]) == account["texts"]["labelled"]["good"]
        assert [row["variant"] for row in model["variants"]][2:] == ["spaces removed", "spaces doubled"]
        assert sum(row["texts"] for row in model["lengths"]) == 80
        whole = model["thresholds"][-1]
        assert whole["tokens"] <= account["texts"]["pool"]["tokens"]
        assert len(model["ngrams"]["up"]) == 5
    syllables, eojeol = account["models"]
    removed = [model["variants"][2]["mean_distance"] for model in (syllables, eojeol)]
    assert removed[0] < 1e-3 < 0.02 < removed[1]
    sides = account["sides"]
    assert sides["on"] == "pool" and 0 < sides["rank_correlation"] < 1
    assert len(sides["samples"]["a_higher"]) == 2
    first = sides["samples"]["a_higher"][0]
    assert first["rank_difference"] > 0 and first["excerpt"] and len(first["reasons"]) == 2


def test_the_account_does_not_depend_on_the_order_of_rows_or_files(
    home: Path, account: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("known", "new"):
        rows = (home / f"{name}.jsonl").read_text("utf-8").splitlines()
        (tmp_path / f"{name}.jsonl").write_text("\n".join(reversed(rows)) + "\n", "utf-8")
    again = evaluate(
        open_models([home / "a.bin", home / "b.bin"]),
        [TextFile(str(tmp_path / "new.jsonl"))],
        [TextFile(str(tmp_path / "new.jsonl")), TextFile(str(tmp_path / "known.jsonl"))],
        Asked(ngrams=5, samples=2),
        tokens=Tokens(lambda texts: np.array([len(text.split()) for text in texts]), "words"),
    )
    # But for the hashes of the files, which follow the order of their rows.
    assert {**again, "data": 0, "key": 0} == {**account, "data": 0, "key": 0}


def test_a_model_knows_the_sites_and_texts_of_its_training(home: Path) -> None:
    known = read_trained_on(home / "a.bin")
    assert known is not None
    rows = seed_rows()[:160]
    texts = {row["text"]: row for row in rows}
    held_out = json.loads((home / "a.json").read_text("utf-8"))["held_out"]["texts"]
    assert held_out > 0 and len(known.texts) == len(texts) - held_out
    for text in TextFile(str(home / "known.jsonl")):
        assert known.has_site(text.site) == known.has_text(text)  # whole sites were held out
    assert not known.has_site("0.new")


def test_texts_of_sites_of_the_training_are_left_out_and_those_held_out_by_site_stay(home: Path) -> None:
    (model,) = open_models([home / "a.bin"])
    source = [TextFile(str(home / "known.jsonl"))]
    held_out = json.loads((home / "a.json").read_text("utf-8"))["held_out"]["texts"]
    found = evaluate([model], source, [], Asked(ngrams=0, samples=0))
    assert found["texts"]["labelled"]["texts"] == held_out and found["split"]["left_out"] == 160 - held_out
    assert f"{160 - held_out:,} texts of {found['split']['known_sites']:,} sites" in found["split"]["said"]
    whole = evaluate([model], source, [], Asked(split="none", ngrams=0, samples=0))
    assert whole["texts"]["labelled"]["texts"] == 160 and whole["split"]["left_out"] == 0
    assert any("of them were in its training: they flatter it" in warning for warning in whole["warnings"])
    assert not any("flatter" in warning for warning in found["warnings"])


def test_a_model_that_held_texts_out_shares_their_sites_and_that_is_said(home: Path) -> None:
    (model,) = open_models([home / "b.bin"])
    source = [TextFile(str(home / "known.jsonl"))]
    with pytest.raises(RecipeError, match=r"0 and 0 are left without those of sites that it was trained on"):
        evaluate([model], source, [], Asked(ngrams=0, samples=0))
    found = evaluate([model], source, [], Asked(split="texts", ngrams=0, samples=0))
    kept = found["texts"]["labelled"]["texts"]
    assert 0 < kept < 40
    assert any(f"include {kept} texts of sites that a model was trained on" in w for w in found["warnings"])


def test_a_model_without_a_list_of_its_training_is_told_by_the_hashes_on_its_card(
    home: Path, tmp_path: Path
) -> None:
    for name in ("a.bin", "a.json"):
        shutil.copyfile(home / name, tmp_path / name)
    (model,) = open_models([tmp_path / "a.bin"])
    with pytest.raises(RecipeError, match=r"was trained on known.jsonl .the hashes are the same."):
        evaluate([model], [TextFile(str(home / "known.jsonl"))], [], Asked(ngrams=0, samples=0))
    found = evaluate([model], [TextFile(str(home / "new.jsonl"))], [], Asked(ngrams=0, samples=0))
    assert any("does not say which texts it was trained on" in warning for warning in found["warnings"])
    shutil.copyfile(path_beside(home / "b.bin"), path_beside(tmp_path / "a.bin"))  # another model's
    assert open_models([tmp_path / "a.bin"])[0].known is None


def test_a_text_with_both_labels_is_left_out_and_one_given_twice_counts_once(
    home: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (home / "new.jsonl").read_text("utf-8").splitlines()]
    more = write(tmp_path / "more.jsonl", [rows[0] | {"label": "low"}, rows[1], rows[2] | {"label": "low"}])
    (model,) = open_models([home / "a.bin"])
    sources = [TextFile(str(home / "new.jsonl")), TextFile(str(more))]
    found = evaluate([model], sources, [], Asked(ngrams=0, samples=0))
    assert found["texts"]["labelled"]["texts"] == 78 and found["split"]["disputed"] == 2
    assert "2 texts have both labels and are left out" in found["warnings"]


def test_the_page_is_one_file_without_scripts_and_texts_are_escaped(home: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (home / "new.jsonl").read_text("utf-8").splitlines()]
    for row in rows:
        row["text"] = f"{SCRIPT}\x1b[31m {row['text']}"
        row["url"] = f"https://<b>{row['url'][8:]}"
    path = write(tmp_path / "odd<i>.jsonl", rows)
    models = open_models([home / "a.bin", home / "b.bin"])
    # Half of the texts are taken for the others, so that there are mistakes to show.
    found = evaluate(models, [TextFile(str(path))], [], Asked(ngrams=3, samples=2, by="site"))
    html = render(found)
    assert html.startswith("<!doctype html>") and html.count("<svg") >= 5
    assert not re.search(r"<script|<b>new|<i>|src=|url\(|http-equiv=.refresh", html) and "\x1b" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in "\n".join(lines(found))
    assert re.findall(r"href=.(.)", html) == ["#"] * html.count("href=")


@pytest.mark.slow
def test_the_tokens_and_the_top_share_of_a_run_are_those_of_its_shards(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pool of a curation run is what its tiers chose from: the same documents, tokens and threshold."""
    from hanji.curation.pipeline import curate
    from hanji.curation.recipe import Tier
    from hanji.manifest import read_manifest

    recipe = make_recipe(tmp_path / "run", [write_rows(tmp_path / "rows.jsonl", corpus_rows())])
    tiers = [Tier(name="high", top_share=0.2), Tier(name="rest")]
    curate(recipe.model_copy(update={"quality": {"ko": str(home / "a.bin")}, "tiers": tiers}))
    arguments = [str(home / "a.bin"), "--pool", str(tmp_path / "run"), "--share", "0.2"]
    assert run(["classifier", "evaluate", *arguments, "--json", "-", *QUIET]) == 0
    found = json.loads(capsys.readouterr().out)
    manifest, _ = read_manifest(str(tmp_path / "run/shards"))
    korean = [component for component in manifest.components if component.language == "ko"]
    assert found["texts"]["pool"]["texts"] == sum(one.documents for one in korean)
    assert found["texts"]["pool"]["tokens"] == sum(one.tokens for one in korean)
    (row,) = [row for row in found["models"][0]["thresholds"] if row["share"] is not None]
    high = [component for component in korean if component.tier == "high"]
    assert row["documents"] == sum(one.documents for one in high) > 0
    assert (row["tokens"], row["bytes"]) == (sum(o.tokens for o in high), sum(o.bytes for o in high))


def test_the_command_writes_page_json_and_cards_and_the_same_evaluation_once(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in home.glob("a.*"):
        shutil.copyfile(path, tmp_path / path.name)
    asked = ["classifier", "evaluate", str(tmp_path / "a.bin"), "--labels", str(home / "new.jsonl")]
    pool = [json.loads(line) for line in (home / "known.jsonl").read_text("utf-8").splitlines()]
    write(tmp_path / "known.jsonl", [row | {"label": ["odd", 1]} for row in pool])  # not looked at
    asked += ["--pool", str(tmp_path / "known.jsonl"), "--ngrams", "3", "--samples", "1", "--quiet"]
    files = ["--json", str(tmp_path / "out.json"), "--report", str(tmp_path / "out.html")]
    assert run([*asked, *files]) == 0
    said = capsys.readouterr().out
    assert "ROC-AUC" in said and "bytes, for no tokenizer was given" in said and "heaviest for" in said
    account = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert account["format"] == "hanji-evaluation/2" and (tmp_path / "out.html").stat().st_size > 10_000
    again = {
        "labels": [str(home / "new.jsonl")],
        "pool": [str(tmp_path / "known.jsonl")],
        "ngrams": 3,
        "samples": 0,
    }
    command(model=str(tmp_path / "a.bin"), quiet=True, **again)
    card = json.loads((tmp_path / "a.json").read_text("utf-8"))
    (one,) = card["evaluations"]
    assert one["figures"]["ROC-AUC"] == account["models"][0]["figures"]["roc_auc"]
    assert {row["name"] for row in one["data"]} == {"new.jsonl", "known.jsonl"}
    assert card["trained_on"]["texts"] > 0
    page = (tmp_path / "a.md").read_text("utf-8")
    for part in (
        "quality classifier",
        card["sha256"],
        *(row["hash"] for row in [*card["data"], *one["data"]]),
        "average precision",
        "Limits",
        card["trained_on"]["sha256"],
    ):
        assert part in page
    command(model=str(tmp_path / "a.bin"), quiet=True, split="none", **again)
    assert len(json.loads((tmp_path / "a.json").read_text("utf-8"))["evaluations"]) == 2
    assert open_models([tmp_path / "a.bin"])[0].scorer.preparation == "syllables"


def test_a_published_model_without_a_card_is_given_one(home: Path, tmp_path: Path) -> None:
    shutil.copyfile(home / "english.bin", tmp_path / "published.bin")
    asked = {"labels": [str(home / "english.jsonl")], "quiet": True, "ngrams": 0}
    with pytest.raises(RecipeError, match="has no card that names its language; give --language ko or en"):
        command(model=str(tmp_path / "published.bin"), **asked)
    command(model=str(tmp_path / "published.bin"), language="en", **asked)
    card = json.loads((tmp_path / "published.json").read_text("utf-8"))
    assert (card["language"], card["preparation"], card["high"]) == ("en", "dclm", "high")
    assert "Nothing is known of its training" in card["limits"] and len(card["evaluations"]) == 1


POOL = {"pool": ["new.jsonl"]}


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"model": "gone.bin", **POOL}, InputError, "gone.bin: no such model file"),
        ({"model": "new.jsonl", **POOL}, InputError, "new.json"),
        ({}, RecipeError, "give labelled ones"),
        ({"language": "en", **POOL}, RecipeError, "is a model for 'ko', as its card says"),
        ({"model2": "english.bin", **POOL}, RecipeError, "models of one language can be compared"),
        ({"pool": ["english.jsonl"]}, RecipeError, "0 of 240 texts looked at are written as Korean is"),
        ({"labels": ["english.jsonl"]}, RecipeError, "the model is for Korean"),
        ({"pool": ["tagged.jsonl"]}, RecipeError, "--pool: no texts of 'ko' in tagged.jsonl"),
        ({"pool": ["empty.jsonl"]}, RecipeError, "--pool: no texts of 'ko' in empty.jsonl"),
        ({"high": ["new.jsonl"]}, InputError, "there are 80 good ones and 0 others"),
        ({"labels": ["spam.jsonl"]}, InputError, "text 2: label 'spam' is not allowed: one of high, low"),
        ({"labels": ["bare.jsonl"]}, InputError, "no field 'label' (labels of `annotate` need --from-score)"),
        (
            {"labels": ["points.jsonl"], "from_score": 3},
            InputError,
            "points.jsonl:2: score: 7 is not allowed: 0 to 5",
        ),
        ({"from_score": 3, **POOL}, RecipeError, "--from-score"),
        ({"share": [1.5], **POOL}, RecipeError, "--share: 1.5 is not allowed"),
        ({"at": [-1.0], **POOL}, RecipeError, "--at: -1 is not allowed"),
        ({"threshold": 2.0, **POOL}, RecipeError, "--threshold: 2 is not allowed"),
        ({"tokenizer": "no.json", **POOL}, InputError, "--tokenizer: no.json: no such file"),
        ({"tokenizer": "new.jsonl", **POOL}, InputError, "new.jsonl: not a tokenizer.json"),
        ({"tokenizer": ".", **POOL}, RecipeError, "neither a tokenizer.json nor a run"),
        ({"json_file": "gone/out.json", **POOL}, InputError, "gone/out.json: cannot be written"),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(home)
    text = {"text": "글이 한 줄 있다.", "label": "high"}
    write(home / "spam.jsonl", [text, text | {"text": "다른 글이다.", "label": "spam"}])
    write(home / "bare.jsonl", [{"text": "글이다."}])
    write(home / "points.jsonl", [text | {"score": 3}, text | {"score": 7}])
    write(home / "tagged.jsonl", [text | {"lang": "ja"}])
    write(home / "empty.jsonl", [])
    with pytest.raises(error, match=re.escape(message)):
        command(**{"model": "a.bin", "quiet": True, "card": False, "ngrams": 0, **asked})


def test_a_card_of_another_model_is_refused(home: Path, tmp_path: Path) -> None:
    shutil.copyfile(home / "b.bin", tmp_path / "a.bin")
    shutil.copyfile(home / "a.json", tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a.json: the card of another model"):
        open_models([tmp_path / "a.bin"])


def test_a_model_that_only_fasttext_can_read_is_evaluated_on_a_pool_alone(home: Path, tmp_path: Path) -> None:
    import fasttext

    from hanji.classifiers import fasttext_model
    from hanji.classifiers.preparing import training_line

    lines_file = tmp_path / "lines.txt"
    text = "".join(training_line(row["label"], row["text"], "syllables") for row in seed_rows())
    lines_file.write_text(text, "utf-8")
    with fasttext_model._zeroed_memory():  # or fastText begins with whatever memory held
        trained = fasttext.train_supervised(str(lines_file), dim=8, epoch=2, bucket=500, thread=1, verbose=0)
    trained.quantize(str(lines_file), retrain=False)
    trained.save_model(str(tmp_path / "small.bin"))
    (tmp_path / "small.json").write_text('{"language": "ko", "preparation": "syllables"}')
    (model,) = open_models([tmp_path / "small.bin"])
    found = evaluate([model], [], [TextFile(str(home / "new.jsonl"))], Asked(samples=2))
    (told,) = found["models"]
    assert told["ngrams"] is None and "figures" not in told and found["split"] is None
    assert sum(told["histogram"]["pool"]) == 80 and "roc_auc" not in told["variants"][0]
    assert "n-grams: none are told" in "\n".join(lines(found)) and "Curves" not in render(found)
