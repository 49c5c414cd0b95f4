"""Repeated lines in the pipeline: counted over all splits, removed as edits, the same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from curation_corpus import article, make_recipe, write_rows
from pydantic import ValidationError

from hanji.curation.context import Context
from hanji.curation.engines.local import LocalEngine
from hanji.curation.measuring import Measuring
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe, RepeatedLines
from hanji.curation.sources.splits import plan_splits
from hanji.curation.steps import repeated
from hanji.curation.why import why
from hanji.progress import SilentProgress

NAV = "한지 마을 소식 | 공방 안내 | 오시는 길"
NOTICE = "이 글의 저작권은 한지 마을에 있으며 허락 없이 옮길 수 없다"
EDITION = "이 글은 마을 소식지 가을호에 실렸던 글이다"
SITE = 60


def selected(query: str) -> list[tuple[Any, ...]]:
    relation = duckdb.sql(query)
    assert relation is not None
    return relation.fetchall()


def site_rows() -> list[dict[str, Any]]:
    """Pages of a site with the same first and last lines, and an article in six copies with different ends."""
    rows = [
        {
            "id": f"page-{n}",
            "text": "\n".join([NAV, article("ko", n, 12), *([EDITION] if n < 5 else []), NOTICE]),
        }
        for n in range(SITE)
    ]
    copied = article("ko", 500, 16)
    rows += [
        {"id": f"mirror-{n}", "text": f"{copied}\n거울 사이트 {chr(0xAC00 + n)}에서 옮긴 글"}
        for n in range(6)
    ]
    rows.append({"id": "list", "text": f"{NAV}\n{NOTICE}\n{EDITION}\n" + "처음 보는 줄이다"})
    rows.append({"id": "only", "text": f"{NAV}\n\n{NOTICE}"})
    return rows


def recipe_of(run: Path, paths: Sequence[Path], lines: dict[str, Any], **changes: Any) -> CurationRecipe:
    recipe = make_recipe(run, list(paths), **changes)
    dedup = recipe.dedup.model_copy(update={"lines": RepeatedLines.model_validate({"enabled": True} | lines)})
    return recipe.model_copy(
        update={"dedup": dedup, "floor": recipe.floor.model_copy(update={"min_characters": 10})}
    )


def measured(recipe: CurationRecipe, workers: int = 1) -> tuple[Context, dict[str, str], dict[str, Any]]:
    """The context, edited texts and facts by record key, of a run that ends with the documents gathered."""
    engine = LocalEngine(workers)
    try:
        context = Context(recipe, engine, SilentProgress(), 1.0)
        measuring = Measuring(context)
        gathered = measuring.measure(measuring.read(plan_splits(recipe)))
    finally:
        engine.close()
    texts: dict[str, str] = {}
    facts: dict[str, Any] = {}
    for commit in gathered:
        rows = context.run.read_table(commit.files["facts"].path).to_pylist()
        facts |= {row["key"]: row for row in rows}
        keys = {row["id"]: row["key"] for row in rows}
        for row in context.run.read_table(commit.files["text"].path).to_pylist():
            texts[keys[row["id"]]] = row["text"]
    return context, texts, facts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    base = tmp_path_factory.mktemp("site")
    rows = site_rows()
    return base, [write_rows(base / "input" / f"{i}.jsonl", rows[i::3]) for i in range(3)]


@pytest.fixture(scope="module")
def marked(site: tuple[Path, list[Path]]) -> tuple[Path, Context, dict[str, str], dict[str, Any]]:
    run = site[0] / "run"
    return run, *measured(recipe_of(run, site[1], {}))


def test_lines_around_text_that_many_documents_have_are_removed(marked: Any) -> None:
    _, _, texts, _ = marked
    for n in range(SITE):
        assert texts[f"page-{n}"] == article("ko", n, 12)


def test_copies_count_once_so_a_mirrored_article_stays_whole(marked: Any) -> None:
    _, _, texts, _ = marked
    for n in range(6):
        assert texts[f"mirror-{n}"] == site_rows()[SITE + n]["text"]


def test_a_document_that_would_lose_most_of_itself_is_left_as_it_is(marked: Any) -> None:
    _, _, texts, facts = marked
    assert texts["list"].startswith(NAV)
    assert texts["only"] == f"{NAV}\n\n{NOTICE}"
    assert facts["only"]["verdict_status"] is None


def test_every_repeated_line_has_its_count_and_an_example(marked: Any) -> None:
    run, _, _, facts = marked
    rows = selected(f"SELECT language, documents, colour, example FROM '{run}/relations/lines/*.parquet'")
    ids = {row["id"] for row in facts.values()}
    # The pages, the list and the page of nothing else; the last two share their longest line with no page.
    assert sorted((language, count, colour) for language, count, colour, _ in rows) == [
        ("ko", 6, "yellow"),
        ("ko", SITE + 1, "red"),
        ("ko", SITE + 1, "red"),
    ]
    assert all(any(one.startswith(example) for one in ids) for *_, example in rows)


def test_signals_are_those_of_the_text_that_is_left(marked: Any) -> None:
    _, _, texts, facts = marked
    for n in range(SITE):
        assert facts[f"page-{n}"]["edited_bytes"] == len(texts[f"page-{n}"].encode())
        assert facts[f"page-{n}"]["characters"] == len(texts[f"page-{n}"])


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_do_not_depend_on_order_cuts_names_partitions_or_workers(
    site: tuple[Path, list[Path]], marked: Any, tmp_path: Path, workers: int
) -> None:
    _, _, expected, _ = marked
    rows = site_rows()
    random.Random(4).shuffle(rows)
    paths = [write_rows(tmp_path / f"renamed-{9 - i}.jsonl", rows[i::5]) for i in range(5)]
    recipe = recipe_of(tmp_path / "run", [*paths, paths[0]], {}, partitions=7, split_bytes=12_000)
    _, texts, _ = measured(recipe, workers)
    assert texts == expected
    edits = [
        selected(
            f"SELECT DISTINCT key, step, start, \"end\", reason FROM '{run}/edits/*.parquet' JOIN "
            f"(SELECT DISTINCT id, key FROM '{run}/documents/*.parquet') USING (id) "
            "WHERE step = 'repeated' ORDER BY ALL"
        )
        for run in (site[0] / "run", tmp_path / "run")
    ]
    assert edits[0] == edits[1] != []
    lines = [
        selected(f"SELECT * EXCLUDE example FROM '{run}/relations/lines/*.parquet' ORDER BY ALL")
        for run in (site[0] / "run", tmp_path / "run")
    ]
    assert lines[0] == lines[1]


def test_of_a_line_of_very_many_documents_a_few_tell_how_many_wherever_the_inputs_are_cut(
    site: tuple[Path, list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated, "MOST_DOCUMENTS", 20)
    whole = write_rows(tmp_path / "whole.jsonl", site_rows())
    found = []
    for name, paths, size in (("a", [whole], 10**6), ("b", site[1], 12_000)):
        _, texts, _ = measured(recipe_of(tmp_path / name, paths, {}, split_bytes=size))
        assert texts["page-9"] == article("ko", 9, 12)
        found.append(selected(f"SELECT * FROM '{tmp_path}/{name}/relations/lines/*.parquet' ORDER BY hash"))
    assert found[0] == found[1]
    # A standard error of about a quarter at 20 documents.
    assert all(SITE / 2 < count < SITE * 2 for _, _, count, colour, _ in found[0] if colour == "red")


@pytest.mark.parametrize("documents", [5, 127, 128, 3000, 200_000])
def test_documents_are_counted_up_to_a_number_and_estimated_above(documents: int) -> None:
    hashes = np.unique(np.random.default_rng(documents).integers(0, 2**64, documents, np.uint64))
    most = repeated.MOST_DOCUMENTS
    largest = hashes[:most][-1:]
    (found,) = repeated._documents(np.array([len(hashes)]), largest).tolist()
    assert found == documents if documents < most else 0.7 * documents < found < 1.3 * documents


def test_of_an_added_file_only_splits_whose_lines_change_colour_are_marked_again(
    site: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    _, paths = site
    measured(recipe_of(tmp_path / "run", paths, {}))
    more = write_rows(
        tmp_path / "more.jsonl", [{"id": "more", "text": f"{NAV}\n{article('ko', 900, 12)}\n{NOTICE}"}]
    )
    context, texts, _ = measured(recipe_of(tmp_path / "run", [*paths, more], {}))
    assert texts["more"] == article("ko", 900, 12)
    reports = {report.name: report for report in context.runner.reports}
    assert (reports["repeated"].units, reports["repeated"].skipped) == (4, 3)
    assert (reports["measure"].units, reports["measure"].skipped) == (4, 3)


def test_a_document_of_nothing_but_repeated_lines_is_a_row_of_the_ledger_with_a_reason(
    site: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    recipe = recipe_of(tmp_path / "run", site[1], {"max_share": 1.0})
    summary = curate(recipe)
    assert summary.kept + summary.dropped + summary.failed == summary.documents == len(site_rows())
    (row,) = selected(
        "SELECT id, verdict, step, rule, value, text_bytes "
        f"FROM '{tmp_path}/run/ledger/*.parquet' WHERE step = 'repeated'"
    )
    assert row[1:5] == ("dropped", "repeated", "repeated.empty", 2.0)
    assert row[5] == len(f"{NAV}\n\n{NOTICE}".encode())
    assert "repeated.empty" in why(str(tmp_path / "run"), row[0])
    metrics = json.loads((tmp_path / "run" / "report" / "metrics.json").read_text())
    # Of each page the two red lines, of five the yellow one; lists are no longer left alone.
    assert metrics["edits"]["s"]["repeated.red"] >= 2 * SITE
    assert metrics["edits"]["s"]["repeated.yellow"] >= 5
    assert "nothing but repeated lines" in (tmp_path / "run" / "report" / "index.html").read_text()
    query = f"SELECT id FROM '{tmp_path}/run/documents/*.parquet' WHERE key = 'page-1'"
    (page,) = selected(query)
    story = why(str(tmp_path / "run"), page[0])
    assert "repeated.red × 2" in story
    assert story.count(f"removed, a line of {SITE + 1} documents") == 2
    assert NAV in story


def test_only_the_domains_that_are_named_take_part(site: tuple[Path, list[Path]], tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path / "run", site[1], {"domains": ["news"]})
    context, texts, _ = measured(recipe)
    assert texts["page-1"].startswith(NAV)
    assert any("no source is of the domain news" in warning for warning in context.warnings)


def test_thresholds_are_checked() -> None:
    with pytest.raises(ValidationError, match="red 2 is below green 3"):
        RepeatedLines.model_validate({"thresholds": {"ko": {"green": 3, "red": 2}}})
    with pytest.raises(ValidationError, match="thresholds"):
        RepeatedLines.model_validate({"thresholds": {}})
