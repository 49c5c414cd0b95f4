"""hanji classifier as a person uses it: texts from files and runs, models that a curation and a job take along."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from curation_corpus import corpus_rows, make_recipe, write_rows

from hanji.classifiers.quality import QualityScorer
from hanji.classifiers.texts import TextFile
from hanji.curation.context import Context
from hanji.curation.engines.local import LocalEngine
from hanji.curation.measuring import Measuring
from hanji.curation.pipeline import curate
from hanji.curation.sources.splits import plan_splits
from hanji.errors import RecipeError
from hanji.jobs import doctor, sample
from hanji.jobs.classifier_texts import KeptDocuments, text_sources
from hanji.jobs.package import make_package
from hanji.progress import SilentProgress

SEED = Path(sample.__file__).parent / "seed"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("run")
    curate(make_recipe(home / "run", [write_rows(home / "rows.jsonl", corpus_rows())]))
    return home / "run"


def test_exactly_one_distribution_owns_the_module_fasttext() -> None:
    assert set(metadata.packages_distributions()["fasttext"]) == {"fasttext"}


def test_the_doctor_sees_a_second_owner_of_fasttext_by_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"fasttext": ["fasttext", "some-other-wheel"]}
    monkeypatch.setattr(doctor.metadata, "packages_distributions", lambda: owners)
    (finding,) = doctor._fasttext()
    assert finding.state == "wrong" and "fasttext, some-other-wheel" in finding.detail
    assert "pip uninstall fasttext some-other-wheel" in finding.remedy


def test_the_kept_documents_of_a_run_are_its_texts(run: Path) -> None:
    ledger = pa.concat_tables(pq.read_table(path) for path in sorted((run / "ledger").rglob("*.parquet")))
    rows = [row for row in ledger.to_pylist() if row["verdict"] == "kept" and row["language"] == "ko"]
    (source,) = text_sources("--high", [str(run)], "ko", "high")
    assert isinstance(source, KeptDocuments)
    texts = list(source)
    assert len(texts) == len(rows) > 0 and {text.label for text in texts} == {"high"}
    name = json.loads((run / "run.json").read_text("utf-8"))["recipe"]["sources"][0]["name"]
    asked = [(str(run), "ko"), (str(run), "ko"), (f"{run}:{name}", "ko"), (str(run), "en")]
    hashes = [text_sources("--pool", [one], language)[0].identity() for one, language in asked]
    assert hashes[0] == hashes[1] == source.identity() and len(set(hashes)) == 3
    with pytest.raises(RecipeError, match="'gone' is no source of the run"):
        list(text_sources("--high", [f"{run}:gone"], "ko")[0])
    with pytest.raises(RecipeError, match=r"--pool: .*: a directory that is no run"):
        text_sources("--pool", [str(run.parent)], "ko")
    with pytest.raises(RecipeError, match=r"--pool: .*neither a run nor a file of texts"):
        text_sources("--pool", ["notes.txt"], "ko")


def test_a_run_and_a_parquet_file_are_good_and_random_texts(hanji: object, run: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (SEED / "ko.jsonl").read_text("utf-8").splitlines()]
    low = [row["text"] for row in rows if row["label"] == "low"]
    pq.write_table(
        pa.table({"text": low, "url": ["https://www.shop.example/a"] * len(low)}), tmp_path / "low.parquet"
    )
    ended = hanji(  # type: ignore[operator]
        *(
            "classifier",
            "train",
            "--high",
            run,
            "--low",
            "low.parquet",
            "--high-label",
            "hq",
            "--low-label",
            "cc",
        ),
        *("--language", "ko", "-o", "q.bin", "--epochs", 2),
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    card = json.loads((tmp_path / "q.json").read_text("utf-8"))
    assert card["high"] == "hq" and set(card["labels"]) == {"hq", "cc"} and card["preparation"] == "syllables"
    assert {row["name"] for row in card["data"]} == {str(run), "low.parquet"}
    assert QualityScorer(tmp_path / "q.bin").label == "hq"
    assert {text.site for text in TextFile(str(tmp_path / "low.parquet"))} == {"shop.example"}


def test_the_pool_of_an_evaluation_has_the_documents_and_tokens_of_the_runs_shards(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hanji.classifiers.training import train
    from hanji.jobs.cli import run as hanji_in_process
    from hanji.manifest import read_manifest

    train([SEED / "ko.jsonl"], tmp_path / "m.bin", "ko")
    asked = [str(tmp_path / "m.bin"), "--pool", str(run), "--ngrams", "0", "--samples", "0", "--quiet"]
    assert hanji_in_process(["classifier", "evaluate", *asked, "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    manifest, _ = read_manifest(str(run / "shards"))
    korean = [component for component in manifest.components if component.language == "ko"]
    pool = found["texts"]["pool"]
    assert pool["texts"] == sum(one.documents for one in korean) > 0
    assert (pool["tokens"], pool["bytes"]) == (sum(o.tokens for o in korean), sum(o.bytes for o in korean))
    assert manifest.tokenizer.sha256[:16] in found["tokens"]


def test_a_score_follows_the_models_bytes_and_the_way_texts_are_prepared(tmp_path: Path) -> None:
    """What the score step's fingerprint holds changes with the model's file and with its card."""
    from hanji.classifiers.training import train

    train([SEED / "ko.jsonl"], tmp_path / "m.bin", "ko")
    rows = write_rows(tmp_path / "rows.jsonl", corpus_rows()[:5])
    recipe = make_recipe(tmp_path / "run", [rows]).model_copy(
        update={"quality": {"ko": str(tmp_path / "m.bin")}}
    )

    def identity() -> object:
        return Context(recipe, LocalEngine(1), SilentProgress(), 1.0).model_identities["ko"]

    first = identity()
    card = json.loads((tmp_path / "m.json").read_text("utf-8"))
    (tmp_path / "m.json").write_text(json.dumps(card | {"preparation": "dclm"}), "utf-8")
    other_card = identity()
    shutil.copyfile(tmp_path / "m.bin", tmp_path / "n.bin")
    train([SEED / "ko.jsonl"], tmp_path / "m.bin", "ko", most=50)
    assert len({first, other_card, identity()}) == 3
    assert np.isfinite(QualityScorer(tmp_path / "n.bin").score(["글"])).all()


def test_a_worker_loads_a_model_once_and_another_model_scores_again(tmp_path: Path) -> None:
    from hanji.classifiers.linear import linear_model
    from hanji.classifiers.training import train

    rows = write_rows(tmp_path / "rows.jsonl", corpus_rows())
    model = tmp_path / "q.bin"
    recipe = make_recipe(tmp_path / "run", [rows]).model_copy(
        update={"quality": {"ko": str(model)}, "split_bytes": 4_000}
    )

    def scored_units() -> set[str]:
        linear_model.cache_clear()
        measuring = Measuring(Context(recipe, LocalEngine(1), SilentProgress(), 1.0))
        measuring.measure(measuring.read(plan_splits(recipe)))
        return {path.name for path in (tmp_path / "run" / "commits" / "score").iterdir()}

    train([SEED / "ko.jsonl"], model, "ko")
    first = scored_units()
    loaded = linear_model.cache_info()
    assert len(first) > 1
    # One process does all units: it read the file once, and asked for it for the fingerprint and wherever a unit
    # has Korean texts.
    assert loaded.misses == 1 and loaded.hits > 1
    train([SEED / "ko.jsonl"], model, "ko", most=50)
    again = scored_units() - first
    assert len(again) == len(first)
    assert scored_units() - first == again


def test_a_job_takes_the_card_of_a_model_along(tmp_path: Path) -> None:
    from hanji.classifiers.training import train

    train([SEED / "ko.jsonl"], tmp_path / "q.bin", "ko")
    (tmp_path / "shared").mkdir()
    rows = write_rows(tmp_path / "shared" / "rows.jsonl", corpus_rows()[:5])
    recipe = make_recipe(tmp_path / "shared" / "run", [rows]).model_dump(mode="json", exclude_defaults=True)
    recipe |= {"quality": {"ko": str(tmp_path / "q.bin")}}
    recipe.pop("engine", None)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    package = make_package(
        tmp_path / "recipe.yaml", [], tmp_path / "package", shared=[str(tmp_path / "shared")]
    )
    (model,) = Path(package.directory).rglob("*-q.bin")
    assert QualityScorer(model).preparation == "syllables"
