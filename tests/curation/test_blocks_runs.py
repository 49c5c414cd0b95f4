"""Whole runs with blocks: the books, the ledger, resuming, the report, and the same shards however cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from curation_corpus import article, corpus_rows, make_recipe, shard_hashes, write_rows

pytest.importorskip("datatrove", reason="pip install 'hanji[datatrove]'")
pytest.importorskip("spacy")

from hanji.curation.pipeline import curate
from hanji.curation.records import Edit, apply_edits
from hanji.curation.report.page import render
from hanji.curation.summary import CurationSummary
from hanji.curation.why import why
from hanji.errors import RunError

BLOCKS: list[dict[str, Any]] = [
    {"datatrove": "C4QualityFilter", "language": "en", "args": {"min_num_sentences": 3}},
    {"datatrove": "GopherQualityFilter", "language": "en", "args": {"min_doc_words": 60}},
    {"datatrove": "blocks_team.Replace", "args": {"pattern": "솥에", "by": "가마솥에"}},
    {"datatrove": "blocks_team.NoWord", "name": "seals", "args": {"word": "인장", "bad": "망가진"}},
]


def rows() -> list[dict[str, Any]]:
    """The small corpus, and documents that meet the blocks."""
    return [
        *corpus_rows(),
        {"id": "few words", "text": article("en", 60, 4)},
        {"id": "policy", "text": article("en", 61) + "\nRead on and you accept our cookie policy here."},
        {"id": "seal", "text": article("ko", 62) + " 인장이 찍혔다."},
        {"id": "broken", "text": article("ko", 63) + " 망가진 글이다."},
        {"id": "pii2", "text": article("ko", 64) + " 문의는 gildong@naver.com 으로."},
        {"id": "pii3", "text": article("ko", 65) + " 문의는 gildong@naver.com 으로. 인장이 찍혔다."},
    ]


def ledger(run: Path) -> dict[str, dict[str, Any]]:
    """Ledger rows by the record's own id."""
    keys = dict(duckdb.sql(f"SELECT id, key FROM '{run}/documents/*.parquet'").fetchall())
    relation = duckdb.sql(f"SELECT * FROM '{run}/ledger/*.parquet'")
    return {
        keys[row["id"]]: row
        for row in (dict(zip(relation.columns, values, strict=True)) for values in relation.fetchall())
    }


def steps(run: Path) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in json.loads((run / "run.json").read_text())["steps"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CurationSummary]:
    base = tmp_path_factory.mktemp("blocks")
    paths = [write_rows(base / "input" / f"{i}.jsonl", rows()[i::3]) for i in range(3)]
    recipe = make_recipe(
        base / "run", paths, blocks=BLOCKS, text={"pii": {"email": "drop"}}, max_failed_share=0.1
    )
    return base / "run", curate(recipe)


def test_the_ledger_tells_which_block_dropped_a_document_and_why(
    finished: tuple[Path, CurationSummary],
) -> None:
    run, summary = finished
    found = ledger(run)
    assert len(found) == len(rows()) == summary.documents
    told = {key: tuple(row[n] for n in ("verdict", "step", "rule", "detail")) for key, row in found.items()}
    assert told["few words"] == ("dropped", "blocks", "block.GopherQualityFilter", "gopher_short_doc")
    assert told["spam"] == ("dropped", "blocks", "block.C4QualityFilter", "too_few_sentences")
    assert told["seal"] == ("dropped", "blocks", "block.seals", "인장 stands 1 times")
    assert told["broken"] == ("failed", "blocks", "block-error", "seals: ValueError: cannot read 망가진")
    assert found["spam"]["failed_rules"][0] == "block.C4QualityFilter"
    assert any(rule.startswith("hanji_en.") for rule in found["spam"]["failed_rules"])
    assert summary.failed == 1
    assert summary.kept + summary.dropped + summary.failed == summary.documents


def test_personal_data_drops_a_document_before_any_block_is_asked(
    finished: tuple[Path, CurationSummary],
) -> None:
    found = ledger(finished[0])
    for key in ("pii", "pii2", "pii3"):
        assert (found[key]["verdict"], found[key]["step"], found[key]["rule"]) == (
            "dropped",
            "pii",
            "pii.email",
        )
        assert found[key]["value"] == 1
        assert found[key]["failed_rules"][0] == "pii.email"
        assert "block.seals" not in found[key]["failed_rules"]


def test_the_books_of_every_step_balance(finished: tuple[Path, CurationSummary]) -> None:
    done = steps(finished[0])
    for name in ("read", "edit", "blocks", "settle", "ledger"):
        step = done[name]
        assert step["rows_in"] == step["kept"] + step["dropped"] + step["failed"] > 0, name
    assert done["edit"]["rows_in"] == done["read"]["kept"]
    assert done["blocks"]["rows_in"] == done["edit"]["kept"]
    assert (done["edit"]["dropped"], done["blocks"]["dropped"], done["blocks"]["failed"]) == (3, 3, 1)


def test_what_blocks_change_is_edits_and_the_stored_text_stays(
    finished: tuple[Path, CurationSummary],
) -> None:
    run, _ = finished
    before = dict(
        duckdb.sql(f"SELECT id, text FROM '{run}/documents/*.parquet' WHERE text IS NOT NULL").fetchall()
    )
    after = dict(duckdb.sql(f"SELECT id, text FROM '{run}/gathered/text/*.parquet'").fetchall())
    edits: dict[str, list[Edit]] = {}
    query = f"SELECT id, step, start, \"end\", replacement, reason FROM '{run}/edits/*.parquet'"
    for identity, *fields in duckdb.sql(query).fetchall():
        edits.setdefault(identity, []).append(Edit(*fields))
    assert {identity: apply_edits(before[identity], edits.get(identity, [])) for identity in after} == after
    reasons = {edit.reason for some in edits.values() for edit in some if edit.step == "blocks"}
    assert reasons == {"block.C4QualityFilter", "block.Replace"}
    found = ledger(run)
    assert (
        "cookie policy" in before[found["policy"]["id"]]
        and "cookie policy" not in after[found["policy"]["id"]]
    )
    assert found["policy"]["text_bytes"] == len(after[found["policy"]["id"]].encode())
    asked = [row["id"] for row in found.values() if row["step"] != "pii" and row["verdict"] != "failed"]
    korean = [identity for identity in asked if "솥에" in (before.get(identity) or "") and identity in after]
    assert korean and all("가마솥에" in after[identity] for identity in korean)
    # What fell before, or failed, is as the blocks found it.
    assert "가마솥에" not in after[found["broken"]["id"]] + after[found["pii2"]["id"]]


def test_the_story_and_the_report_show_the_blocks(finished: tuple[Path, CurationSummary]) -> None:
    run, _ = finished
    found = ledger(run)
    story = why(str(run), found["few words"]["id"])
    assert "blocks     2 asked, 1 said no" in story
    assert (
        "✗ block.GopherQualityFilter" in story and "dropped at blocks by block.GopherQualityFilter" in story
    )
    assert "block.seals" not in story
    assert "failed at blocks by block-error: seals: ValueError" in why(str(run), found["broken"]["id"])
    assert "changed the text in" in why(str(run), found["ko-7"]["id"])
    dropped = why(str(run), found["pii2"]["id"])
    assert (
        "dropped at pii by pii.email: 1" in dropped and "blocks " not in dropped and "gildong@" not in dropped
    )
    page = render(json.loads((run / "report" / "metrics.json").read_text()))
    for shown in ("block.seals", "인장 stands 1 times", "passed the blocks", "fell to blocks", "block-error"):
        assert shown in page, shown


def test_a_run_without_blocks_has_no_such_step_and_no_such_column(tmp_path: Path, corpus: list[Path]) -> None:
    curate(make_recipe(tmp_path / "run", corpus))
    assert "blocks" not in steps(tmp_path / "run")
    assert not (tmp_path / "run" / "verdicts").exists()
    page = render(json.loads((tmp_path / "run" / "report" / "metrics.json").read_text()))
    assert "passed the blocks" not in page and "fell to blocks" not in page


def test_shards_are_the_same_however_the_inputs_are_cut(
    tmp_path: Path, finished: tuple[Path, CurationSummary]
) -> None:
    paths = [write_rows(tmp_path / "other" / f"{i}.jsonl", rows()[::-1][i::2]) for i in range(2)]
    changes: dict[str, Any] = {"blocks": BLOCKS, "text": {"pii": {"email": "drop"}}, "max_failed_share": 0.1}
    curate(make_recipe(tmp_path / "run", paths, split_bytes=3_000, partitions=5, **changes))
    assert shard_hashes(tmp_path / "run") == shard_hashes(finished[0])


def test_workers_build_the_blocks_of_their_own(
    tmp_path: Path, finished: tuple[Path, CurationSummary]
) -> None:
    paths = [write_rows(tmp_path / "input" / f"{i}.jsonl", rows()[i::3]) for i in range(3)]
    changes: dict[str, Any] = {"blocks": BLOCKS, "text": {"pii": {"email": "drop"}}, "max_failed_share": 0.1}
    curate(make_recipe(tmp_path / "run", paths, engine={"name": "local", "workers": 2}, **changes))
    assert shard_hashes(tmp_path / "run") == shard_hashes(finished[0])


def test_another_argument_asks_the_blocks_again_and_reads_nothing(tmp_path: Path, corpus: list[Path]) -> None:
    def run(word: str, by: str = "가마솥에") -> dict[str, dict[str, Any]]:
        blocks = [
            {"datatrove": "blocks_team.Replace", "args": {"pattern": "솥에", "by": by}},
            {"datatrove": "blocks_team.NoWord", "args": {"word": word, "most": 2}},
        ]
        curate(make_recipe(tmp_path / "run", corpus, blocks=blocks))
        return steps(tmp_path / "run")

    def done(made: dict[str, dict[str, Any]], name: str) -> int:
        return int(made[name]["units"] - made[name]["skipped"])

    run("창호에")
    again = run("창호에")
    assert all(done(again, name) == 0 for name in again)
    other = run("방망이로")
    assert done(other, "read") == done(other, "edit") == 0
    assert done(other, "blocks") == other["blocks"]["units"]
    # Verdicts changed and no text did: what measures texts has nothing to do.
    assert done(other, "measure") == done(other, "sign") == 0
    assert done(other, "judge") > 0
    assert {row["rule"] for row in ledger(tmp_path / "run").values()} >= {"block.NoWord"}
    texts = run("방망이로", "작은 솥에")
    assert done(texts, "read") == done(texts, "edit") == 0
    assert done(texts, "measure") > 0


def test_too_many_documents_that_a_block_cannot_judge_fail_the_run(
    tmp_path: Path, corpus: list[Path]
) -> None:
    blocks = [{"datatrove": "blocks_team.NoWord", "args": {"word": "없음", "bad": "닥나무"}}]
    with pytest.raises(
        RunError, match=r"source s: \d+ of \d+ documents failed \(block-error × \d+\), more than"
    ):
        curate(make_recipe(tmp_path / "run", corpus, blocks=blocks))
