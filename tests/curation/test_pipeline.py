"""Whole runs: every document accounted for, the same shards whatever the circumstances."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from curation_corpus import article, corpus_rows, make_recipe, shard_hashes, write_rows

from hanji.classifiers import training
from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate, plan
from hanji.curation.recipe import CurationRecipe
from hanji.curation.records import apply_edits
from hanji.curation.shards.tokenizer import Encoder
from hanji.curation.shards.verify import verify_shards
from hanji.curation.steps import gather, read
from hanji.curation.steps.texts import edits_by_id
from hanji.curation.summary import CurationSummary
from hanji.curation.text.making import Made, Raw
from hanji.curation.text.sandbox import Sandbox
from hanji.curation.why import why
from hanji.errors import InputError, RecipeError, RunError
from hanji.manifest import read_manifest
from hanji.storage import Storage


def ledger(run: Path, where: str = "true") -> list[dict[str, Any]]:
    query = f"SELECT * FROM '{run}/ledger/*.parquet' WHERE {where} ORDER BY id"
    names = [column[0] for column in duckdb.sql(query).description]
    return [dict(zip(names, row, strict=True)) for row in duckdb.sql(query).fetchall()]


def by_key(run: Path) -> dict[str, dict[str, Any]]:
    """Ledger row by the record's own id."""
    keys = dict(duckdb.sql(f"SELECT id, key FROM '{run}/documents/*.parquet'").fetchall())
    return {keys[row["id"]]: row for row in ledger(run)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CurationSummary]:
    base = tmp_path_factory.mktemp("finished")
    rows = corpus_rows()
    paths = [write_rows(base / "input" / f"{i}.jsonl", rows[i::3]) for i in range(3)]
    return base / "run", curate(make_recipe(base / "run", paths))


def test_every_document_has_a_ledger_row_with_a_reason(finished: tuple[Path, CurationSummary]) -> None:
    run, summary = finished
    rows = by_key(run)
    assert len(rows) == len(corpus_rows()) == summary.documents
    assert rows["short"]["rule"] == "floor.min_characters"
    assert rows["de"]["rule"] == "floor.languages"
    assert rows["spam"]["step"] == "rules"
    assert rows["spam"]["failed_rules"]
    assert all(row["rule"] for row in rows.values() if row["verdict"] != "kept")
    assert summary.kept + summary.dropped + summary.failed == summary.documents


def test_a_copy_falls_to_the_document_that_is_kept(finished: tuple[Path, CurationSummary]) -> None:
    rows = by_key(finished[0])
    for language in ("ko", "en"):
        pairs = {f"{language}-copy": f"{language}-3", f"{language}-near": f"{language}-5"}
        for copy, original in pairs.items():
            one, other = rows[copy], rows[original]
            assert one["cluster"] == other["cluster"]
            dropped, kept = (one, other) if one["verdict"] == "dropped" else (other, one)
            assert kept["verdict"] == "kept"
            assert dropped["duplicate_of"] == kept["id"]
            assert dropped["jaccard"] >= 0.7 or dropped["containment"] >= 0.9


def test_shards_read_back_through_megatron_and_hold_the_kept_texts(
    finished: tuple[Path, CurationSummary],
) -> None:
    run, summary = finished
    report = verify_shards(str(run / "shards"))
    assert report.problems == []
    assert "IndexedDataset" in report.reader
    assert report.tokens == summary.tokens > 0
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    manifest, _ = read_manifest(str(run / "shards"))
    encoder = Encoder(run / "shards" / manifest.tokenizer.file)
    texts = dict(duckdb.sql(f"SELECT id, text FROM '{run}/gathered/text/*.parquet'").fetchall())
    seen = set()
    for component in manifest.components:
        for shard in component.shards:
            ids = [
                r[0]
                for r in duckdb.sql(f"SELECT document_id FROM '{run}/shards/{shard.docs.path}'").fetchall()
            ]
            dataset = IndexedDataset(str(run / "shards" / shard.prefix))
            for place, identity in enumerate(ids):
                tokens = dataset[place].tolist()
                assert tokens[-1] == manifest.tokenizer.eod_id
                assert tokens[:-1] == encoder.encode([texts[identity]]).ids.tolist()
                seen.add(identity)
    assert seen == {row["id"] for row in ledger(run, "verdict = 'kept'")}


def test_no_personal_data_reaches_the_shards(finished: tuple[Path, CurationSummary]) -> None:
    run, _ = finished
    texts = [r[0] for r in duckdb.sql(f"SELECT text FROM '{run}/gathered/text/*.parquet'").fetchall()]
    assert any("email@mail.example" in text and "010-0000-0002로" in text for text in texts)
    assert not any("gildong@" in text or "010-2345-6789" in text for text in texts)


def test_the_stored_text_is_the_text_before_edits(finished: tuple[Path, CurationSummary]) -> None:
    run, _ = finished
    import pyarrow as pa
    import pyarrow.parquet as pq

    edits = edits_by_id(
        pa.concat_tables([pq.read_table(p) for p in sorted((run / "edits").glob("*.parquet"))])
    )
    before = dict(
        duckdb.sql(f"SELECT id, text FROM '{run}/documents/*.parquet' WHERE text IS NOT NULL").fetchall()
    )
    after = dict(duckdb.sql(f"SELECT id, text FROM '{run}/gathered/text/*.parquet'").fetchall())
    assert edits
    for identity, text in after.items():
        assert apply_edits(before[identity], edits.get(identity, [])) == text


def test_no_twin_of_a_held_out_document_is_trained_on(finished: tuple[Path, CurationSummary]) -> None:
    rows = ledger(finished[0], "verdict = 'kept'")
    split_of_cluster: dict[str, set[str]] = {}
    for row in rows:
        split_of_cluster.setdefault(row["cluster"] or row["id"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in split_of_cluster.values())
    assert {row["split"] for row in rows} == {"train", "valid"}


def test_a_second_run_does_nothing_and_changes_nothing(tmp_path: Path, corpus: list[Path]) -> None:
    recipe = make_recipe(tmp_path / "run", corpus)
    first = curate(recipe)
    hashes = shard_hashes(tmp_path / "run")
    second = curate(recipe)
    assert second.skipped == second.units == first.units
    assert shard_hashes(tmp_path / "run") == hashes
    assert plan(recipe).done == len(plan(recipe).splits)


def test_other_thresholds_read_and_measure_nothing_again(tmp_path: Path, corpus: list[Path]) -> None:
    curate(make_recipe(tmp_path / "run", corpus))
    curate(make_recipe(tmp_path / "run", corpus, rules={"thresholds": {"hanji_ko.min_words": 100000}}))
    steps = {step["name"]: step for step in json.loads((tmp_path / "run" / "run.json").read_text())["steps"]}
    for name in ("read", "edit", "measure", "gather", "sign", "verify", "cluster"):
        assert steps[name]["skipped"] == steps[name]["units"], name
    assert steps["judge"]["skipped"] < steps["judge"]["units"]
    assert not ledger(tmp_path / "run", "verdict = 'kept' AND language = 'ko'")
    assert len(ledger(tmp_path / "run")) == len(corpus_rows())


def variants(tmp_path: Path, corpus: list[Path]) -> dict[str, CurationRecipe]:
    rows = corpus_rows()
    random.Random(5).shuffle(rows)
    shuffled = [write_rows(tmp_path / "other" / f"z{9 - i}.jsonl.gz", rows[i::2]) for i in range(2)]
    return {
        "reordered and renamed inputs": make_recipe(tmp_path / "a", shuffled),
        "other partitions and splits": make_recipe(tmp_path / "b", corpus, partitions=7, split_bytes=3_000),
        "two processes": make_recipe(tmp_path / "c", corpus, engine={"name": "local", "workers": 2}),
    }


def test_shards_are_the_same_whatever_the_order_cut_or_number_of_workers(
    tmp_path: Path, corpus: list[Path], finished: tuple[Path, CurationSummary]
) -> None:
    expected = shard_hashes(finished[0])
    for name, recipe in variants(tmp_path, corpus).items():
        curate(recipe)
        assert shard_hashes(Path(recipe.run)) == expected, name


KILLED = """
import sys
from pathlib import Path
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
if __name__ == "__main__":
    curate(CurationRecipe.model_validate_json(Path(sys.argv[1]).read_text()))
"""


@pytest.mark.parametrize("after", ["edit", "verify", "shard"])
def test_a_run_killed_half_way_and_started_again_makes_the_same_shards(
    tmp_path: Path, corpus: list[Path], finished: tuple[Path, CurationSummary], after: str
) -> None:
    """SIGKILL to the driver once a step has committed something; then the run is started again."""
    recipe = make_recipe(tmp_path / "run", corpus)
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    (tmp_path / "driver.py").write_text(KILLED)
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "recipe.json")], start_new_session=True
    )
    commits = tmp_path / "run" / "commits" / after
    deadline = time.monotonic() + 120
    while driver.poll() is None and not list(commits.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert list(commits.glob("*.json")), "the run ended before it was killed"
    summary = curate(recipe)
    assert summary.skipped > 0
    assert shard_hashes(tmp_path / "run") == shard_hashes(finished[0])
    assert verify_shards(str(tmp_path / "run" / "shards")).problems == []


def test_one_more_input_file_reads_only_itself(tmp_path: Path, corpus: list[Path]) -> None:
    curate(make_recipe(tmp_path / "run", corpus))
    more = write_rows(tmp_path / "input" / "more.jsonl", [{"id": "new", "text": article("ko", 777)}])
    curate(make_recipe(tmp_path / "run", [*corpus, more]))
    steps = {step["name"]: step for step in json.loads((tmp_path / "run" / "run.json").read_text())["steps"]}
    for name in ("read", "edit", "measure"):
        assert steps[name]["units"] - steps[name]["skipped"] == 1, name
    assert by_key(tmp_path / "run")["new"]["verdict"] == "kept"


def test_the_same_record_twice_is_one_document_that_occurs_twice(tmp_path: Path, corpus: list[Path]) -> None:
    shutil.copy(corpus[0], corpus[0].with_name("again.jsonl"))
    summary = curate(make_recipe(tmp_path / "run", [*corpus, corpus[0].with_name("again.jsonl")]))
    assert summary.documents == len(corpus_rows())
    assert summary.records > summary.documents
    assert sum(row["occurrences"] for row in ledger(tmp_path / "run")) == summary.records


def test_too_many_failed_records_fail_the_run_with_their_reasons(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": 3}\n' + json.dumps({"text": article("en", 1)}) + "\n")
    with pytest.raises(RunError, match=r"source s: 1 of 2 records failed \(field-type × 1\)"):
        curate(make_recipe(tmp_path / "run", [path]))
    summary = curate(make_recipe(tmp_path / "run", [path], max_failed_share=0.6))
    assert summary.failed == 1
    assert ledger(tmp_path / "run", "verdict = 'failed'")[0]["rule"] == "field-type"


def test_a_sample_is_the_same_documents_whatever_the_order(tmp_path: Path, corpus: list[Path]) -> None:
    one = curate(make_recipe(tmp_path / "one", corpus), sample=0.5)
    other = curate(make_recipe(tmp_path / "other", corpus[::-1], split_bytes=5_000), sample=0.5)
    assert 10 < one.documents < 45
    assert one.run.endswith("one-sample-0.5")
    ids = [[row["id"] for row in ledger(Path(summary.run))] for summary in (one, other)]
    assert ids[0] == ids[1]


def test_scores_make_tiers(tmp_path: Path, corpus: list[Path]) -> None:
    rows = [{"label": "high", "text": article("ko", 1000 + i)} for i in range(40)]
    rows += [
        {"label": "low", "text": f"대박 할인 최저가 구매 클릭 {i} 무료배송 쿠폰 이벤트 당첨"}
        for i in range(40)
    ]
    seed = write_rows(tmp_path / "seed.jsonl", rows)
    training.train([seed], tmp_path / "ko.bin", "ko")
    tiers = [{"name": "high", "top_share": 0.25}, {"name": "low"}]
    summary = curate(
        make_recipe(tmp_path / "run", corpus, quality={"ko": str(tmp_path / "ko.bin")}, tiers=tiers)
    )
    kept = ledger(tmp_path / "run", "verdict = 'kept' AND language = 'ko'")
    high = [row["score"] for row in kept if row["tier"] == "high"]
    low = [row["score"] for row in kept if row["tier"] == "low"]
    assert min(high) >= max(low)
    assert len(high) >= len(kept) // 4
    english = ledger(tmp_path / "run", "verdict = 'kept' AND language = 'en'")
    assert {row["tier"] for row in english} == {"low"}
    assert any("no quality classifier for en" in warning for warning in summary.warnings)


def test_the_story_of_a_document_can_be_asked_by_id_and_by_url(
    finished: tuple[Path, CurationSummary],
) -> None:
    run, _ = finished
    rows = by_key(run)
    story = why(str(run), rows["pii"]["id"])
    assert "pii.email" in story
    assert "gildong@" not in story
    assert rows["spam"]["rule"] in why(str(run), rows["spam"]["id"][:10])
    assert rows["ko-7"]["id"] in why(str(run), "http://ko.example/7")
    with pytest.raises(InputError, match="no document has the id"):
        why(str(run), "http://nowhere.example/")


def test_a_run_can_live_behind_a_url(corpus: list[Path], finished: tuple[Path, CurationSummary]) -> None:
    curate(make_recipe("memory://run-behind-a-url", corpus))
    manifest, _ = read_manifest("memory://run-behind-a-url/shards")
    hashes = {s.bin.path: s.bin.sha256 for c in manifest.components for s in c.shards}
    expected = shard_hashes(finished[0])
    assert hashes
    assert all(expected[path] == digest for path, digest in hashes.items())
    assert Storage("memory://run-behind-a-url").exists("report/index.html")


def test_a_missing_model_and_an_unknown_rule_are_refused_before_anything_runs(
    tmp_path: Path, corpus: list[Path]
) -> None:
    with pytest.raises(RecipeError, match=r"quality\.ko: .*none\.bin: no such model"):
        curate(make_recipe(tmp_path / "run", corpus, quality={"ko": str(tmp_path / "none.bin")}))
    with pytest.raises(RecipeError, match=r"rules\.thresholds: 'gopher\.nonsense'"):
        curate(make_recipe(tmp_path / "run", corpus, rules={"thresholds": {"gopher.nonsense": 1}}))
    assert not (tmp_path / "run" / "documents").exists()


def test_a_file_changed_behind_its_date_is_noticed_when_inputs_are_verified(
    tmp_path: Path, corpus: list[Path]
) -> None:
    recipe = make_recipe(tmp_path / "run", corpus, verify_inputs=True)
    first = curate(recipe)
    assert curate(recipe).skipped == first.units
    before = corpus[0].stat()
    data = corpus[0].read_bytes()
    corpus[0].write_bytes(data.replace("한지는".encode(), "한지도".encode(), 1))
    os.utime(corpus[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert curate(recipe).skipped < first.units


def test_of_one_record_read_twice_the_reading_that_succeeded_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Sandbox.make

    def make_or_time_out(self: Sandbox, raws: Sequence[Raw]) -> list[Made]:
        # The first file has one record, the other one six.
        late = Made(error="extract-timeout: more than 20 seconds of processor time")
        return [late] if len(raws) == 1 else make(self, raws)

    monkeypatch.setattr(Sandbox, "make", make_or_time_out)
    rows = [{"id": str(number), "text": article("ko", number)} for number in range(6)]
    paths = [write_rows(tmp_path / "first.jsonl", rows[:1]), write_rows(tmp_path / "second.jsonl", rows)]
    recipe = make_recipe(tmp_path / "run", paths, max_failed_share=0.5)
    summary = curate(recipe, LocalEngine(1))
    assert (summary.records, summary.documents, summary.kept, summary.failed) == (7, 6, 6, 0)


def test_groups_of_any_size_give_the_same_shards(
    finished: tuple[Path, CurationSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "GROUP_ROWS", 7)
    monkeypatch.setattr(gather, "SEND_ROWS", 10)
    run = tmp_path / "run"
    curate(make_recipe(run, [write_rows(tmp_path / "rows.jsonl", corpus_rows())]), LocalEngine(1))
    assert shard_hashes(run) == shard_hashes(finished[0])
    with pq.ParquetFile(next((run / "documents").glob("*.parquet"))) as file:
        assert file.num_row_groups > 1
