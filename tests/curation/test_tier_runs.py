"""Runs whose tiers have ensembles and quotas: against plain Python, in other partitions, decided again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from curation_corpus import article, ledger, make_recipe, shard_hashes, write_rows

from hanji.classifiers import training
from hanji.curation.decisions.rules import load_rules
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.redecide.again import decide_again
from hanji.curation.redecide.changes import changed
from hanji.curation.redecide.decided import open_run, read_documents
from hanji.curation.takedown.applying import take_down
from hanji.curation.tier_recipe import Tier
from hanji.curation.why import why
from hanji.errors import RecipeError
from hanji.recipe import parse_recipe
from hanji.stages import read_stages
from hanji.storage import Storage

TIERS: list[dict[str, Any]] = [
    {"name": "high", "languages": ["ko"], "min_bucket": 16},
    {"name": "high", "languages": ["en"], "per": "domain", "top_share": 0.2},
    {"name": "copied", "min_cluster_size": 2},
    {"name": "medium", "per": "domain", "tokens": 2500},
    {"name": "low"},
]
STAGES = [
    {"name": "stage1", "tokens": "1M", "blend": {"*/*/*": {"weight": 1, "max_epochs": 4}}},
    {"name": "stage2", "blend": {"ko/*/high": {"tokens": 5000, "upsample": {"table": {1: 1, 2: 3}}}}},
]
SALES = "대박 할인 최저가 구매 클릭 무료배송 쿠폰 이벤트 당첨"


def rows() -> Iterator[dict[str, Any]]:
    """Articles of many lengths, some with advertising, and a few near copies."""
    for language in ("ko", "en"):
        for number in range(44):
            text = article(language, number, 6 + number % 9)
            text += f"\n{SALES} {number}" * (number % 4)
            yield {"id": f"{language}-{number}", "text": text}
        for number in (3, 8):
            yield {
                "id": f"{language}-{number}-near",
                "text": article(language, number, 6 + number % 9) + " !",
            }


@dataclass(frozen=True)
class Made:
    base: Path
    run: Path
    recipe: CurationRecipe

    def recipe_at(self, name: str, **changes: Any) -> CurationRecipe:
        return self.recipe.model_copy(update={"run": str(self.base / name), **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.mktemp("tiers")
    for name, language, low in (
        ("edu", "ko", SALES),
        ("web", "ko", "ㅋㅋㅋ 그냥 그래"),
        ("en", "en", "click buy now"),
    ):
        seed = [{"label": "high", "text": article(language, 3000 + i)} for i in range(30)]
        seed += [{"label": "low", "text": f"{low} {i} {article(language, 4000 + i, 1)}"} for i in range(30)]
        training.train([write_rows(base / f"{name}.jsonl", seed)], base / f"{name}.bin", language)
    some = list(rows())
    for source in ("book", "page"):
        write_rows(base / source / "0.jsonl", some[source == "page" :: 2])
    recipe = make_recipe(
        base / "run",
        [],
        sources=[
            {"name": s, "format": "jsonl", "domain": domain, "paths": [str(base / s)]}
            for s, domain in (("book", "literature"), ("page", "web"))
        ],
        quality={
            "ko": [{"name": n, "path": str(base / f"{n}.bin")} for n in ("edu", "web")],
            "en": str(base / "en.bin"),
        },
        rules={"presets": {}},
        tiers=TIERS,
        stages=STAGES,
    )
    curate(recipe)
    return Made(base, base / "run", recipe)


def kept(run: Path) -> list[dict[str, Any]]:
    """The kept documents in the order of ids, with their tokens."""
    tokens = dict(duckdb.sql(f"SELECT document_id, tokens FROM '{run}/shards/**/*.docs.parquet'").fetchall())
    found = [row for row in ledger(run).values() if row["verdict"] == "kept"]
    return [row | {"tokens": tokens[row["id"]]} for row in sorted(found, key=lambda row: row["id"])]


def bucket(rows: list[dict[str, Any]], row: dict[str, Any], name: str) -> int:
    upto: int = sum(round(other[name] * 1_000_000) <= round(row[name] * 1_000_000) for other in rows)
    return 20 * (upto - 1) // len(rows)


def expected(rows: list[dict[str, Any]]) -> dict[str, str]:
    """The tiers of TIERS by hand."""
    korean = [row for row in rows if row["language"] == "ko"]
    buckets = {row["id"]: max(bucket(korean, row, n) for n in ("score_edu", "score_web")) for row in korean}
    tiers: dict[str, str] = {}
    for row in korean:
        assert row["score"] == buckets[row["id"]] / 19
        if buckets[row["id"]] >= 16:
            tiers[row["id"]] = "high"
    for group in sorted({(row["language"], row["domain"]) for row in rows}):
        mine = [row for row in rows if (row["language"], row["domain"]) == group]
        order = sorted(mine, key=lambda row: (-round(row["score"] * 1_000_000), row["id"]))
        if group[0] == "en":
            cut = round(order[max(1, int(0.2 * len(mine))) - 1]["score"] * 1_000_000)
            tiers |= {row["id"]: "high" for row in mine if round(row["score"] * 1_000_000) >= cut}
        for row in mine:
            if row["cluster_size"] > 1:
                tiers.setdefault(row["id"], "copied")
        filled = 0
        for row in order:
            if row["id"] not in tiers and filled < 2500:
                tiers[row["id"]] = "medium"
                filled += row["tokens"] if row["split"] == "train" else 0
    for row in rows:
        tiers.setdefault(row["id"], "low")
    return tiers


def test_tiers_are_those_that_plain_python_finds(made: Made) -> None:
    rows = kept(made.run)
    tiers = expected(rows)
    assert {row["id"]: row["tier"] for row in rows} == tiers
    assert set(tiers.values()) == {"high", "copied", "medium", "low"}
    assert 20 < list(tiers.values()).count("medium") < 60


@pytest.mark.slow
def test_workers_and_partitions_do_not_move_a_boundary(made: Made) -> None:
    engine = made.recipe.engine.model_copy(update={"workers": 2})
    other = made.recipe_at("cut", partitions=7, split_bytes=4_000, engine=engine)
    curate(other)
    assert shard_hashes(made.base / "cut") == shard_hashes(made.run)
    metrics = [json.loads((run / "report/metrics.json").read_text()) for run in (made.run, made.base / "cut")]
    assert metrics[0]["tier_cuts"] == metrics[1]["tier_cuts"]


def test_texts_are_encoded_once_and_give_the_same_shards_as_without_a_quota(
    made: Made, tmp_path: Path
) -> None:
    """A threshold that nothing meets, and a quota of a source that has nothing: only the steps differ."""
    for name, nothing in (("plain", {"min_score": 1.0}), ("quota", {"tokens": 1, "max_cluster_size": 1})):
        tiers = [
            Tier(name="none", min_occurrences=1000, **nothing),
            *made.recipe.tiers[:3],
            made.recipe.tiers[-1],
        ]
        shutil.copytree(made.run, tmp_path / name)
        recipe = made.recipe.model_copy(update={"run": str(tmp_path / name), "tiers": tiers})
        summary = curate(recipe)
        steps = {step["name"] for step in json.loads((tmp_path / name / "run.json").read_text())["steps"]}
        assert ("encode" in steps) == (name == "quota")
        assert not any("copied" in warning for warning in summary.warnings)
    assert shard_hashes(tmp_path / "plain") == shard_hashes(tmp_path / "quota")


def test_stages_stand_beside_the_shards_as_the_recipe_says(made: Made, tmp_path: Path) -> None:
    shards = Storage(str(made.run / "shards"))
    plan = read_stages(shards)
    assert plan is not None and [stage.length() for stage in plan.stages] == [1_000_000, 5000]
    entry = plan.stage("stage2").blend["ko/*/high"]
    assert entry.upsample is not None and entry.upsample.table == {1: 1, 2: 3}
    shutil.copytree(made.run, tmp_path / "run")
    before = (tmp_path / "run/shards/manifest.json").read_bytes()
    curate(made.recipe.model_copy(update={"run": str(tmp_path / "run"), "stages": None}))
    assert read_stages(Storage(str(tmp_path / "run/shards"))) is None
    assert (tmp_path / "run/shards/manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["tiers.medium.tokens=1200"],
        ["tiers=[{name: high, tokens: 3000}, {name: low, sources: [book], tokens: 900}, {name: low}]"],
    ],
)
def test_deciding_again_fills_quotas_as_a_run_does(made: Made, tmp_path: Path, changes: list[str]) -> None:
    shutil.copytree(made.run, tmp_path / "run")
    curate(changed(made.recipe, changes).model_copy(update={"run": str(tmp_path / "run")}))
    storage, facts, recipe = open_run(str(made.run))
    documents = read_documents(storage, facts, recipe)
    other = changed(recipe, changes)
    after = decide_again(documents, other, load_rules(other.rules))
    names = documents.tiers.names
    again = {
        documents.identity(row): names[code] for row, code in enumerate(after.tier.tolist()) if code >= 0
    }
    assert again == {row["id"]: row["tier"] for row in kept(tmp_path / "run")}


def test_a_takedown_leaves_the_tiers_of_all_others_alone(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.run, tmp_path / "run")
    rows = kept(made.run)
    gone = next(row["id"] for row in rows if row["tier"] == "medium" and row["cluster_size"] == 1)
    (tmp_path / "list.txt").write_text(gone)
    take_down(str(tmp_path / "run"), [str(tmp_path / "list.txt")], apply=True, erase=True)
    after = {row["id"]: row["tier"] for row in kept(tmp_path / "run")}
    assert after == {row["id"]: row["tier"] for row in rows if row["id"] != gone}
    encoded = duckdb.sql(
        f"SELECT sum(octet_length(encoded)) FROM '{tmp_path}/run/tokens/encoded/*.parquet' WHERE id = '{gone}'"
    )
    assert encoded.fetchall() == [(0,)]


def test_the_report_tells_of_cuts_and_stages_and_why_of_each_tier(made: Made) -> None:
    page = (made.run / "report/index.html").read_text(encoding="utf-8")
    for said in (
        "How the tiers were cut",
        "2500: met",
        "bucket 16 or above",
        "Stages of training",
        "by cluster_occ",
    ):
        assert said in page
    rows = kept(made.run)
    of = {
        tier: next(row for row in rows if row["tier"] == tier and row["language"] == "ko")
        for tier in ("high", "medium")
    }
    high, medium = (why(str(made.run), row["id"]) for row in of.values())
    assert f"tier       high: bucket {round(of['high']['score'] * 19)} (edu" in high
    assert "high         bucket 16 or above" in high
    assert "✗ high         bucket 16 or above" in medium
    assert "medium       the best 2500 tokens of each domain by score; filled at bucket" in medium


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiers": [{"name": "a", "min_bucket": 20}, {"name": "b"}]}, "none of the buckets of ko, 0 to 19"),
        (
            {"tiers": [{"name": "a", "languages": ["en"], "min_bucket": 3}, {"name": "b"}]},
            "none of its languages",
        ),
        (
            {"tiers": [{"name": "a", "sources": ["boo"]}, {"name": "b"}]},
            "no source 'boo'; there are: book, page",
        ),
        (
            {"tiers": [{"name": "a", "tokens": 5}, {"name": "a", "min_score": 1}, {"name": "b"}]},
            "stands several times",
        ),
        ({"tiers": [{"name": "a"}, {"name": "b"}]}, "only the last tier takes"),
        ({"tiers": [{"name": "a", "tokens": 5}]}, "the last tier takes the rest"),
        ({"tiers": [{"name": "a", "max_perplexity": 5}, {"name": "b"}]}, "asks for no perplexity"),
        (
            {
                "tiers": [{"name": "a", "languages": ["en"], "max_perplexity": 5}, {"name": "b"}],
                "perplexity": {"ko": {"model": "x", "sentencepiece": "y"}},
            },
            "tiers.a: perplexity has no model of its languages; there are models of: ko",
        ),
        ({"quality": {"ko": {}}, "tiers": [{"name": "b"}]}, "quality.ko: names no model"),
        ({"tiers": [{"name": "a", "tokens": 0}, {"name": "b"}]}, "greater than 0"),
        ({"ensembles": {"en": {}}}, "no several models"),
        ({"ensembles": {"ko": {"method": "mean", "weights": {"edi": 1}}}}, "no model 'edi'"),
        ({"ensembles": {"ko": {"weights": {"edu": 1}}}}, "weights belong to method: mean"),
        ({"quality": {"ko": [{"path": "x"}]}}, "a name and a path"),
        ({"stages": [{"name": "s", "blend": {"ko/*/hihg": 1}}]}, "no tier 'hihg'"),
        ({"stages": [{"name": "s", "blend": {"ko/high": 1}}]}, "no pattern"),
        (
            {"stages": [{"name": "s", "blend": {"ko/*/medium": 1, "ko/web/*": 1}}]},
            "stages.s: .* are equally specific and both match ko/web/medium",
        ),
        ({"stages": [{"name": "s", "blend": {"*/*/*": {"weight": 1, "tokens": 5}}}]}, "weight or tokens"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(
    made: Made, changes: dict[str, Any], message: str
) -> None:
    data = made.recipe.model_dump(mode="json") | changes
    with pytest.raises(RecipeError, match=message):
        parse_recipe(data, CurationRecipe)
