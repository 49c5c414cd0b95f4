"""Perplexity and domains in a run: columns, rules, components, the story of a document, the report."""

from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from curation_corpus import article, corpus_rows, ledger, make_recipe, shard_hashes, write_rows
from perplexity_models import write_models

from hanji.classifiers.domains.scoring import DomainScorer
from hanji.classifiers.domains.training import train_domains
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.perplexity.cutoffs import exact_cutoffs
from hanji.classifiers.perplexity.scoring import PerplexityScorer
from hanji.classifiers.texts import TextFile
from hanji.curation.perplexities import run_cutoffs
from hanji.curation.pipeline import curate, plan
from hanji.curation.redecide.changes import changed
from hanji.curation.redecide.decided import open_run
from hanji.curation.whatif import what_if
from hanji.curation.why import why
from hanji.errors import InputError, RecipeError


def facts(run: Path) -> dict[str, dict[str, Any]]:
    relation = duckdb.sql(f"SELECT * FROM '{run}/gathered/facts/*.parquet' ORDER BY id")
    rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    return {row["id"]: row for row in rows}


def texts(run: Path) -> dict[str, str]:
    return dict(duckdb.sql(f"SELECT id, text FROM '{run}/gathered/text/*.parquet'").fetchall())


@pytest.fixture(scope="module")
def corpus_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("scored")
    rows = corpus_rows()
    return [write_rows(base / f"{i}.jsonl", rows[i::3]) for i in range(3)]


@pytest.fixture(scope="module")
def domain_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes even articles for news and odd ones for crafts: it knows them by heart, which is what a test needs."""
    base = tmp_path_factory.mktemp("domains")
    labelled = [
        {"text": article("ko", number), "label": ("news", "crafts")[number % 2], "source": str(number)}
        for number in range(24)
    ]
    path = write_rows(base / "labelled.jsonl", labelled)
    how = Training(lr=2.0, dim=8, epoch=200, word_ngrams=5, bucket=100_000)
    train_domains([TextFile(str(path))], base / "ko.bin", "ko", how, hold_out="nothing")
    return base / "ko.bin"


def has_kenlm() -> bool:
    return all(find_spec(name) is not None for name in ("kenlm", "sentencepiece"))


needs_kenlm = pytest.mark.skipif(not has_kenlm(), reason="pip install 'hanji[perplexity]'")


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path] | None:
    return write_models(tmp_path_factory.mktemp("language-model")) if has_kenlm() else None


def asked(
    domain_model: Path, language_model: tuple[Path, Path] | None, apply: str = "component", most: float = 1e6
) -> dict[str, Any]:
    """The fields of a recipe with domains, and with a rule over perplexity where KenLM is installed."""
    fields: dict[str, Any] = {"domains": {"ko": str(domain_model), "apply": apply, "min_probability": 0.8}}
    if language_model is not None:
        model, pieces = map(str, language_model)
        rule = {"name": "tail", "signal": "perplexity", "keep": f"<= {most:.2f}", "why": "unlike good prose"}
        fields["perplexity"] = {"ko": {"model": model, "sentencepiece": pieces}}
        fields["rules"] = {"own": {"ko": [rule]}}
    return fields


@pytest.fixture(scope="module")
def placed(
    tmp_path_factory: pytest.TempPathFactory,
    corpus_files: list[Path],
    domain_model: Path,
    language_model: tuple[Path, Path] | None,
) -> Path:
    run = tmp_path_factory.mktemp("placed") / "run"
    curate(make_recipe(run, corpus_files, **asked(domain_model, language_model)))
    return run


def test_a_document_goes_where_its_predicted_domain_says_if_that_is_probable_enough(
    placed: Path, domain_model: Path
) -> None:
    scorer = DomainScorer(domain_model)
    written = texts(placed)
    seen = set()
    for identity, row in facts(placed).items():
        if row["status"] != "read" or row["language"] != "ko":
            assert row["predicted_domain"] is None and row["domain_probability"] is None
            assert row["domain"] == "web"
            continue
        (name,), (probability,) = scorer.predict([written[identity]])
        assert (row["predicted_domain"], row["domain_probability"]) == (name.as_py(), probability)
        assert row["domain"] == (name.as_py() if probability >= 0.8 else "web")
        seen.add(row["domain"])
    assert {"news", "crafts"} <= seen
    for row in ledger(placed).values():
        assert row["domain"] == facts(placed)[row["id"]]["domain"]
    manifest = json.loads((placed / "shards/manifest.json").read_text())
    assert {(c["language"], c["domain"]) for c in manifest["components"]} >= {
        ("ko", "news"),
        ("ko", "crafts"),
    }
    # What was read keeps the domain of its source.
    read = duckdb.sql(f"SELECT DISTINCT domain FROM '{placed}/documents/*.parquet'").fetchall()
    assert read == [("web",)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_cuts_change_no_shard(
    placed: Path,
    corpus_files: list[Path],
    domain_model: Path,
    language_model: tuple[Path, Path] | None,
    tmp_path: Path,
    workers: int,
) -> None:
    whole = write_rows(
        tmp_path / "whole.jsonl",
        [json.loads(line) for path in corpus_files for line in path.read_text("utf-8").splitlines()],
    )
    engine = {"name": "local", "workers": workers}
    fields = asked(domain_model, language_model)
    curate(make_recipe(tmp_path / "run", [whole], engine=engine, split_bytes=9_000, **fields))
    assert shard_hashes(tmp_path / "run") == shard_hashes(placed)


def test_a_column_decides_nothing_and_without_domains_a_run_is_as_before(
    placed: Path,
    corpus_files: list[Path],
    domain_model: Path,
    language_model: tuple[Path, Path] | None,
    undisturbed: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(placed, tmp_path / "run")
    curate(make_recipe(tmp_path / "run", corpus_files, **asked(domain_model, language_model, "column")))
    steps = {one["name"]: one for one in json.loads((tmp_path / "run/run.json").read_text())["steps"]}
    assert steps["score"]["skipped"] == steps["score"]["units"] > 0  # the models said it all before
    assert (
        "predicted_domain" in pq.read_schema(next((tmp_path / "run/gathered/facts").glob("*.parquet"))).names
    )
    assert shard_hashes(tmp_path / "run") == shard_hashes(undisturbed)
    plain = pq.read_schema(next((undisturbed / "gathered/facts").glob("*.parquet"))).names
    assert not {"perplexity", "predicted_domain", "domain_probability"} & set(plain)


def test_why_and_the_report_tell_the_predicted_domain(placed: Path) -> None:
    moved = next(row for row in facts(placed).values() if row["domain"] == "crafts")
    told = why(str(placed), moved["id"])
    assert re.search(r"domain     crafts \(0\.\d{3}\), in place of web of its source", told)
    page = (placed / "report/index.html").read_text("utf-8")
    shown = page[page.index('<section id="domains">') :]
    shown = shown[: shown.index("</section>")]
    assert "Korean: predicted domains" in shown and "crafts" in shown and "at least 0.8" in shown
    assert "English" not in shown
    metrics = json.loads((placed / "report/metrics.json").read_text())
    counted = metrics["signals"]["predicted_domains"]["ko"]["s"]
    read = [row for row in facts(placed).values() if row["status"] == "read" and row["language"] == "ko"]
    assert sum(counted.values()) == len(read)


def test_a_recipe_with_models_that_cannot_be_used_says_which(
    corpus_files: list[Path], domain_model: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(
        RecipeError, match=r"domains\.ko: .*no such model file; `hanji classifier train-domain`"
    ):
        plan(make_recipe(run, corpus_files, domains={"ko": "nowhere.bin"}))
    with pytest.raises(RecipeError, match=r"domains\.en: .*a model for ko, as its card says, and not for en"):
        plan(make_recipe(run, corpus_files, domains={"en": str(domain_model)}))
    shutil.copyfile(domain_model, tmp_path / "d.bin")
    card = json.loads(domain_model.with_suffix(".json").read_text("utf-8"))
    (tmp_path / "d.json").write_text(json.dumps(card | {"sha256": "0"}), "utf-8")
    with pytest.raises(RecipeError, match=r"domains\.ko: .*d\.json: the card of another model"):
        plan(make_recipe(run, corpus_files, domains={"ko": str(tmp_path / "d.bin")}))
    with pytest.raises(RecipeError, match="give the model of a language"):
        make_recipe(run, corpus_files, domains={"apply": "component"})
    own = {"ko": [{"name": "tail", "signal": "perplexity", "keep": "<= 2130", "why": "unlike good prose"}]}
    with pytest.raises(RecipeError, match=r"own\.tail \(for ko\) judges perplexity.*perplexity\.ko"):
        plan(make_recipe(run, corpus_files, rules={"presets": {}, "own": own}))


@needs_kenlm
def test_perplexities_stand_beside_the_facts_of_the_languages_that_have_a_model(
    placed: Path, language_model: tuple[Path, Path]
) -> None:
    scorer = PerplexityScorer(*language_model)
    written = texts(placed)
    rows = facts(placed)
    korean = [row for row in rows.values() if row["status"] == "read" and row["language"] == "ko"]
    assert len(korean) > 20
    expected = scorer.score([written[row["id"]] for row in korean])
    assert [row["perplexity"] for row in korean] == expected.tolist()
    assert all(row["perplexity"] is None for row in rows.values() if row["language"] != "ko")
    first = korean[0]
    assert f"perplexity {first['perplexity']:.1f}" in why(str(placed), first["id"])
    bins = json.loads((placed / "report/metrics.json").read_text())["signals"]["bins"]
    assert sum(bins["ko"]["perplexity"]["s"].values()) == len(korean) and "perplexity" not in bins["en"]


@needs_kenlm
def test_a_runs_cut_offs_are_its_exact_percentiles(placed: Path, undisturbed: Path) -> None:
    kept = {row["id"] for row in ledger(placed).values() if row["verdict"] == "kept"}
    values = [row["perplexity"] for row in facts(placed).values() if row["perplexity"] and row["id"] in kept]
    found = run_cutoffs(str(placed), (0.3, 0.6))
    assert list(found) == ["ko"] and found["ko"].documents == len(values)
    assert found["ko"].cuts == exact_cutoffs(lambda: [np.array(values)])
    everything = run_cutoffs(str(placed), (0.3, 0.6), kept=False)
    assert everything["ko"].documents > len(values)
    with pytest.raises(InputError, match="no perplexity"):
        run_cutoffs(str(undisturbed), (0.3, 0.6))


@needs_kenlm
def test_a_rule_over_perplexity_drops_the_tail_as_whatif_foretold(
    placed: Path,
    corpus_files: list[Path],
    domain_model: Path,
    language_model: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    cut = round(run_cutoffs(str(placed), (0.5,), kept=False)["ko"].cuts[0], 2)
    foretold = what_if(str(placed), [f"own.tail={cut}"]).differences.reasons["own.tail"]
    shutil.copytree(placed, tmp_path / "run")
    curate(make_recipe(tmp_path / "run", corpus_files, **asked(domain_model, language_model, most=cut)))
    rows = facts(tmp_path / "run")
    fallen = {row["id"] for row in ledger(tmp_path / "run").values() if row["rule"] == "own.tail"}
    assert fallen == {identity for identity, row in rows.items() if (row["perplexity"] or 0) > cut}
    assert foretold == (0, len(fallen)) and fallen


@needs_kenlm
def test_tiers_by_perplexity_are_exact_shares_of_the_kept_documents(placed: Path, tmp_path: Path) -> None:
    tiers = ["{name: head, best_perplexity_share: 0.3}", "{name: middle, tokens: 2000, best_by: perplexity}"]
    change = f"tiers=[{', '.join(tiers)}, {{name: tail}}]"
    _, _, recipe = open_run(str(placed))
    shutil.copytree(placed, tmp_path / "run")
    other = changed(recipe, [change]).model_copy(update={"run": str(tmp_path / "run")})
    curate(other)
    foretold = {one.name: one.after.documents for one in what_if(str(placed), [change]).differences.tiers}
    rows = [row for row in ledger(tmp_path / "run").values() if row["verdict"] == "kept"]
    by_tier: dict[str, list[float]] = {}
    for row in rows:
        if row["language"] == "ko":
            by_tier.setdefault(row["tier"], []).append(row["perplexity"])
        else:
            assert row["tier"] == "tail" and row["perplexity"] is None
    korean = sum(map(len, by_tier.values()))
    assert len(by_tier["head"]) == int(0.3 * korean) and len(by_tier["middle"]) > 3
    assert max(by_tier["head"]) < min(by_tier["middle"])
    assert max(by_tier["middle"]) < min(by_tier.get("tail", [float("inf")]))
    assert foretold["ko/head"] == len(by_tier["head"]) and foretold["ko/middle"] == len(by_tier["middle"])
    one = next(row["id"] for row in rows if row["tier"] == "head")
    assert "head         the 30.0 % of the lowest perplexity; cut at perplexity" in why(
        str(tmp_path / "run"), one
    )
