"""The sample corpus: made again byte for byte, and read, judged and told of as its truth says."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.summary import CurationSummary
from hanji.curation.why import why
from hanji.jobs import sample
from hanji.jobs.sample import make_corpus
from hanji.recipe import load_recipe

HERE = Path(sample.__file__).parent
RECIPE = HERE.parent / "recipes" / "demo.yaml"


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / "truth.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CurationSummary]:
    """The demo's recipe without its classifiers, which its truth does not depend on."""
    directory = tmp_path_factory.mktemp("sample") / "run"
    paths = json.dumps([str(HERE / name) for name in ("corpus.warc.gz", "broken.warc.gz")])
    overrides = [f"run={directory}", "quality={}", f"sources.sample-web.paths={paths}"]
    return directory, curate(load_recipe(RECIPE, CurationRecipe, overrides), LocalEngine(workers=1))


@pytest.fixture(scope="module")
def ledger(run: tuple[Path, CurationSummary]) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(run[0] / "ledger").to_pylist()
    return {row["url"]: row for row in rows}


def test_the_generator_makes_the_files_that_are_in_the_repository() -> None:
    for name, made in make_corpus.make().items():
        kept = (HERE / name).read_bytes()
        if name == "corpus.warc.gz":  # another zlib may pack the same bytes otherwise
            assert gzip.decompress(made) == gzip.decompress(kept)
        elif not name.endswith(".gz"):
            assert made == kept, name


def test_it_has_what_the_web_has(truth: list[dict[str, Any]]) -> None:
    kinds = Counter(row["kind"] for row in truth)
    assert sum(kinds.values()) > 400
    languages = Counter(row.get("language") for row in truth)
    assert languages["ko"] >= 150 and languages["en"] >= 150
    assert {"mirror", "edited", "advertising", "machine", "persons", "other-language"} <= set(kinds)


def test_every_page_becomes_what_the_truth_says(
    truth: list[dict[str, Any]], ledger: dict[str, dict[str, Any]]
) -> None:
    wrong = []
    for row in truth:
        if row["expected"] in ("kept", "dropped", "failed"):
            found = ledger[row["url"]]
            if found["verdict"] != row["expected"]:
                wrong.append((row["url"], row["expected"], found["verdict"], found["rule"], found["detail"]))
    assert wrong == []
    assert len(ledger) == sum("url" in row for row in truth)


def test_of_an_original_and_its_copy_exactly_one_is_kept(
    truth: list[dict[str, Any]], ledger: dict[str, dict[str, Any]]
) -> None:
    clusters: dict[str, list[str]] = defaultdict(list)
    for row in truth:
        if row["expected"] == "one":
            clusters[row["cluster"]].append(ledger[row["url"]]["verdict"])
    assert len(clusters) == 30
    assert all(sorted(verdicts) == ["dropped", "kept"] for verdicts in clusters.values())


def test_texts_in_every_charset_are_read(
    truth: list[dict[str, Any]], run: tuple[Path, CurationSummary]
) -> None:
    rows = pq.read_table(run[0] / "documents", columns=["url", "text"]).to_pylist()
    texts = {row["url"]: row["text"] for row in rows}
    for row in truth:
        if "needle" in row:
            assert row["needle"] in texts[row["url"]], row["kind"]


def test_no_invented_person_reaches_the_texts_that_are_kept(
    truth: list[dict[str, Any]], run: tuple[Path, CurationSummary]
) -> None:
    secrets = [row["secret"] for row in truth if "secret" in row]
    assert len(secrets) == 10
    tables = [pq.read_table(path) for path in sorted((run[0] / "gathered").rglob("*.parquet"))]
    kept = "\n".join(
        text for table in tables if "text" in table.column_names for text in table["text"].to_pylist() if text
    )
    assert not any(secret in kept for secret in secrets)
    assert "4111 1111" not in kept and "email@mail.example" in kept


def test_records_that_are_no_documents_are_counted_by_reason(
    truth: list[dict[str, Any]], run: tuple[Path, CurationSummary]
) -> None:
    expected = sum(row["expected"] == "skipped" for row in truth) + 2  # and the warcinfo of each file
    metrics = json.loads((run[0] / "report/metrics.json").read_text("utf-8"))
    skipped = metrics["skipped_records"]["sample-web"]
    assert sum(skipped.values()) == expected and skipped["HTTP status 404"] == 1


def test_the_story_of_a_page_with_a_hostile_url_can_be_asked(run: tuple[Path, CurationSummary]) -> None:
    from hanji.jobs.sample.oddities import HOSTILE_URL

    assert "kept" in why(str(run[0]), HOSTILE_URL)


def test_the_seed_is_labelled_evenly() -> None:
    for language in ("ko", "en"):
        rows = [
            json.loads(line) for line in (HERE / f"seed/{language}.jsonl").read_text("utf-8").splitlines()
        ]
        labels = Counter(row["label"] for row in rows)
        assert labels == {"high": 120, "low": 120}
        assert len({row["text"] for row in rows}) > 200
