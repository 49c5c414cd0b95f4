"""Deciding in runs: guards of deduplication, clusters in sidecars; the ledger's rows against plain Python."""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from curation_corpus import article, ledger, make_recipe, write_rows

from hanji.curation.decisions import survivors
from hanji.curation.decisions.rules import Rule, load_rules
from hanji.curation.ids import packed
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe, Dedup
from hanji.curation.records import LEDGER, TEXT
from hanji.curation.redecide.again import decide_again
from hanji.curation.redecide.changes import changed
from hanji.curation.redecide.decided import open_run, read_documents
from hanji.curation.steps.decide import _judged, _settled, split_of
from hanji.curation.steps.survive import FATES
from hanji.curation.verdicts import VERDICT_FACTS
from hanji.errors import RunError
from hanji.recipe import parse_recipe

RULES = {
    "presets": {"ko": [], "en": []},
    "own": {"ko": [{"name": "many", "signal": "words", "keep": "<= 175", "why": "long"}]},
}


def rows() -> dict[str, list[dict[str, Any]]]:
    """A source of texts, among them pages of one template, and one of copies of its texts, exact and near."""
    first = [{"id": str(n), "text": article("ko", n, 16), "date": "2020"} for n in range(24)]
    copies = [{"id": f"copy-{n}", "text": first[n]["text"].replace(". ", ".  ")} for n in range(8)]
    near = [{"id": f"near-{n}", "text": first[n]["text"].rsplit(" ", 3)[0]} for n in range(8, 16)]
    template = article("ko", 500, 14)
    pages = [
        {"id": f"page-{n}", "text": f"{template}\n{article('ko', 600 + n, 1 + n % 3)}"} for n in range(14)
    ]
    twice = [{"id": "twice", "text": article("ko", 700, 10)}] * 3 + [
        {"id": "once", "text": article("ko", 700, 10)}
    ]
    return {"original": [*first, *pages, *twice], "mirror": [*copies, *near]}


def recipe(base: Path, run: str, **dedup: Any) -> CurationRecipe:
    for name, some in rows().items():
        write_rows(base / name / "0.jsonl", some)
    changes: dict[str, Any] = {
        "sources": [
            {"name": name, "format": "jsonl", "paths": [str(base / name)]} for name in ("original", "mirror")
        ],
        "dedup": {"max_cluster": 10} | dedup,
        "rules": RULES,
    }
    return make_recipe(base / run, [], **changes)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("decide")
    curate(recipe(base, "run"))
    return base


def metrics(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report" / "metrics.json").read_text("utf-8"))
    return found


def check_decided_again(run: Path, changes: list[str]) -> None:
    """What-if's answer to the changes is what a run with them decides; the run is one with them afterwards."""
    storage, facts, known = open_run(str(run))
    documents = read_documents(storage, facts, known)
    again = changed(known, changes)
    after = decide_again(documents, again, load_rules(again.rules))
    before = ledger(run)
    curate(again)
    expected = ledger(run)
    assert before != expected
    for row in range(len(documents)):
        mine = expected[documents.identity(row)]
        original = int(after.original[row])
        assert (documents.identity(original) if original >= 0 else None) == mine["duplicate_of"]
        reason = documents.reasons.names[after.reason[row]]
        assert reason == ("kept" if mine["verdict"] == "kept" else mine["rule"])


def syllables(text: str) -> set[str]:
    """Runs of 8 letters and digits without what stands between them, in NFC and without regard to case."""
    letters = [c for c in unicodedata.normalize("NFC", text).casefold() if c.isalnum()]
    return {"".join(letters[place : place + 8]) for place in range(max(1, len(letters) - 7))}


def test_every_fallen_document_has_a_kept_twin_and_no_cluster_loses_all(base: Path) -> None:
    rows = ledger(base / "run")
    texts = dict(duckdb.sql(f"SELECT id, text FROM '{base}/run/gathered/text/*.parquet'").fetchall())
    fell = [row for row in rows.values() if row["step"] == "duplicates"]
    assert len(fell) > 20
    for row in fell:
        twin = rows[row["duplicate_of"]]
        assert twin["verdict"] == "kept" and twin["cluster"] == row["cluster"]
        one, other = syllables(texts[row["id"]]), syllables(texts[twin["id"]])
        jaccard, containment = (
            len(one & other) / len(one | other),
            len(one & other) / min(len(one), len(other)),
        )
        assert (row["jaccard"], row["containment"]) == pytest.approx((jaccard, containment), abs=0.01)
        assert jaccard >= 0.7 or containment >= 0.9
    passing = {
        row["cluster"] for row in rows.values() if row["step"] in ("duplicates", "tiers") and row["cluster"]
    }
    assert passing == {row["cluster"] for row in rows.values() if row["verdict"] == "kept" and row["cluster"]}


def test_the_report_says_what_each_source_lost_to_whom(base: Path) -> None:
    told = metrics(base / "run")
    fell = [row for row in ledger(base / "run").values() if row["step"] == "duplicates"]
    by_id = ledger(base / "run")
    for source, loss in told["duplicates"]["sources"].items():
        mine = [row for row in fell if row["source"] == source]
        assert loss["lost"] == len(mine) == told["duplicate_loss"][source][0]
        assert loss["standing"] == told["duplicate_loss"][source][1]
        assert loss["rules"] == Counter(row["rule"] for row in mine)
        assert loss["to"] == Counter(by_id[row["duplicate_of"]]["source"] for row in mine)
    lost = {source for source, loss in told["duplicates"]["sources"].items() if loss["lost"] > 0}
    assert lost == {row["source"] for row in fell}
    page = (base / "run" / "report" / "index.html").read_text("utf-8")
    assert "Who lost most" in page and "to documents of" in page


def test_a_cluster_of_more_than_the_allowed_is_told_with_its_sources_and_likeness(base: Path) -> None:
    told = metrics(base / "run")
    over = told["duplicates"]["oversized"]
    (cluster,) = over["largest"]
    assert (over["clusters"], over["documents"], cluster["documents"]) == (1, 14, 14)
    assert cluster["sources"] == {"original": 14} and cluster["other_sources"] == 0
    edges = duckdb.sql(
        f"SELECT e.jaccard, e.a, e.b FROM '{base}/run/relations/edges/*.parquet' e "
        f"JOIN '{base}/run/relations/clusters/*.parquet' c ON c.id = e.a WHERE c.cluster = '{cluster['cluster']}'"
    ).fetchall()
    assert cluster["jaccard"] == np.quantile([e[0] for e in edges], (0, 0.25, 0.5, 0.75, 1)).round(4).tolist()
    assert cluster["least_alike"] == sorted(min(edges)[1:])
    (warning,) = (one for one in told["warnings"] if "max_cluster" in one)
    assert "the largest 14" in warning and "original (14)" in warning
    page = (base / "run" / "report" / "index.html").read_text("utf-8")
    assert "Clusters of more than 10 documents" in page and cluster["cluster"][:12] in page


def test_an_oversized_cluster_can_keep_its_near_duplicates(base: Path) -> None:
    summary = curate(recipe(base, "run", max_cluster_action="keep"))
    assert any("their near-duplicates kept" in warning for warning in summary.warnings)
    after = ledger(base / "run")
    large = [row for row in after.values() if row["cluster_size"] == 14]
    assert len(large) == 14 and not any(row["step"] == "duplicates" for row in large)
    check_decided_again(base / "run", ["own.many=154"])
    curate(recipe(base, "run"))
    before = ledger(base / "run")
    assert sum(row["step"] == "duplicates" for row in before.values() if row["cluster_size"] == 14) > 7
    assert all(after[one] == row for one, row in before.items() if row["cluster_size"] != 14)


def test_a_source_that_loses_most_is_an_alarm_and_can_stop_the_run(base: Path) -> None:
    stopped = recipe(base, "stopped", max_source_loss=0.5, on_source_loss="fail")
    with pytest.raises(
        RunError, match=r"source mirror lost 16 of its 16 passing .* fell to .*original \("
    ) as raised:
        curate(stopped)
    assert "duplicates.exact (8)" in str(raised.value) and "dedup.on_source_loss=warn" in str(raised.value)
    assert not list((base / "stopped").rglob("*.bin"))
    assert sum(row["source"] == "mirror" for row in ledger(base / "stopped").values()) == 16
    warned = curate(recipe(base, "stopped", max_source_loss=0.5))
    (warning,) = (one for one in warned.warnings if "max_source_loss" in one)
    assert warning in str(raised.value) and warning in metrics(base / "stopped")["warnings"]
    assert warning[:30] in (base / "stopped/report/index.html").read_text("utf-8")
    assert warned.skipped > warned.units / 2


def test_sidecars_hold_the_cluster_and_its_size_in_documents_and_records(base: Path) -> None:
    rows = ledger(base / "run")
    members = Counter(row["cluster"] for row in rows.values() if row["cluster"])
    records: Counter[str] = Counter()
    for row in rows.values():
        if row["cluster"]:
            records[row["cluster"]] += row["occurrences"]
    columns = "document_id, occurrences, cluster, cluster_size, cluster_occurrences"
    found = duckdb.sql(f"SELECT {columns} FROM '{base}/run/shards/**/*.docs.parquet'").fetchall()
    assert len(found) == sum(row["verdict"] == "kept" for row in rows.values())
    for identity, occurrences, cluster, size, total in found:
        row = rows[identity]
        assert (occurrences, cluster) == (row["occurrences"], row["cluster"])
        assert size == (members[cluster] if cluster else 1)
        assert total == (records[cluster] if cluster else occurrences)
    assert (2, 4) in {(size, total) for *_, size, total in found}  # "twice" stands three times, and "once"


def test_a_bounded_walk_is_the_same_in_any_partitions_and_decided_again(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survivors, "MOST_COMPARED", 1)
    settings = {"minhash": {"min_jaccard": 0.75, "min_containment": 0.97}}
    curate(recipe(base, "bounded", **settings))
    assert metrics(base / "bounded")["duplicates"]["bounded"] > 0
    other = parse_recipe(
        recipe(tmp_path, "cut", **settings).model_dump(mode="json") | {"partitions": 1},
        CurationRecipe,
    )
    curate(other)
    assert ledger(tmp_path / "cut") == {
        identity: row | {"path": ledger(tmp_path / "cut")[identity]["path"]}
        for identity, row in ledger(base / "bounded").items()
    }
    check_decided_again(tmp_path / "cut", ["own.many=154"])


# -- the ledger's rows -------------------------------------------------------------------------------------


def tables(rng: random.Random, count: int) -> tuple[pa.Table, pa.Table]:
    """Facts of documents as *gather* leaves them, and what became of them in clusters."""
    facts: list[dict[str, Any]] = []
    fates: list[dict[str, Any]] = []
    for number in range(count):
        status = rng.choice(["read", "read", "read", "dropped", "failed"])
        read = status == "read"
        verdict = read and rng.random() < 0.3
        names = rng.sample(["pii.card", "block.x"], rng.randint(1, 2)) if verdict else None
        facts.append(
            {
                "id": f"{number:032x}",
                "source": rng.choice("ab"),
                "domain": "web",
                "status": status,
                "language": rng.choice(["ko", "en"]) if read else rng.choice([None, "de"]),
                "url": rng.choice([None, "http://x.example"]),
                "date": rng.choice([None, "2024"]),
                "path": "p",
                "offset": number,
                "occurrences": rng.randint(1, 3),
                "payload_bytes": rng.randint(0, 99),
                "text_bytes": rng.choice([0, 7]),
                "edited_bytes": rng.randint(0, 99) if read else None,
                "rule": None if read else "floor.x",
                "value": None if read else 1.5,
                "threshold": None if read else 2.0,
                "detail": rng.choice([None, "why"]) if not read else None,
                "score": rng.choice([None, 0.5]) if read else None,
                "words": rng.randint(0, 9) if read else None,
                "hash_symbols": rng.randint(0, 3) if read else None,
                "verdict_status": rng.choice(["dropped", "failed"]) if verdict else None,
                "verdict_step": "pii" if verdict else None,
                "verdict_rule": names[0] if names else None,
                "verdict_value": rng.choice([None, 2.5]) if verdict else None,
                "verdict_threshold": None,
                "verdict_detail": rng.choice([None, "detail"]) if verdict else None,
                "verdict_rules": names,
            }
        )
        fell = read and rng.random() < 0.3
        clustered = fell or rng.random() < 0.2
        fates.append(
            {
                "id": f"{number:032x}",
                "cluster": f"{number // 5:032x}" if clustered else None,
                "cluster_size": 4 if clustered else None,
                "cluster_occurrences": 6 if clustered else None,
                "duplicate_of": f"{number + 1:032x}" if fell else None,
                "kind": rng.choice(["exact", "near", "url"]) if fell else None,
                "jaccard": rng.choice([0.6, 0.8, 1.0]) if fell else None,
                "containment": 0.95 if fell else None,
            }
        )
    types = dict(zip(VERDICT_FACTS.names, VERDICT_FACTS.types, strict=True))
    types |= dict(zip(LEDGER.names, LEDGER.types, strict=True))
    types |= {name: pa.int64() for name in ("edited_bytes", "words", "hash_symbols")} | {"status": TEXT}
    table = pa.table({name: pa.array([f[name] for f in facts], types[name]) for name in facts[0]})
    text = pa.table({name: [fate[name] for fate in fates] for name in FATES.names})
    columns = {
        name: packed_or_null(text[name]) if FATES.field(name).type == pa.binary(16) else text[name]
        for name in FATES.names
    }
    return table, pa.table(columns).cast(FATES)


def packed_or_null(column: pa.ChunkedArray) -> pa.Array:
    filled = column.cast(TEXT).fill_null("0" * 32)
    return pa.array(
        [
            one if known else None
            for one, known in zip(packed(filled).to_pylist(), column.is_valid().to_pylist(), strict=True)
        ],
        pa.binary(16),
    )


def expected_row(
    fact: dict[str, Any], fate: dict[str, Any], rules: list[Rule], settings: Dedup
) -> dict[str, Any]:
    """One row of the ledger, as the pages on it say."""
    row = {name: fact.get(name) for name in LEDGER.names}
    row["text_bytes"] = fact["edited_bytes"] if fact["status"] == "read" else fact["text_bytes"]
    row["failed_rules"] = list(fact["verdict_rules"] or [])
    row["cluster_size"] = fate["cluster_size"] or 1
    row["cluster_occurrences"] = fate["cluster_occurrences"] or fact["occurrences"]
    row["cluster"] = fate["cluster"]
    broken = []
    if fact["status"] == "read":
        broken = [rule for rule in rules if not rule.keeps(float(fact[rule.signal]))]
        row["failed_rules"] += [rule.name for rule in broken]
    if fact["status"] != "read":
        row["verdict"], row["step"] = fact["status"], "read" if fact["status"] == "failed" else "floor"
    elif fact["verdict_status"]:
        row["verdict"] = fact["verdict_status"]
        row |= {name: fact[f"verdict_{name}"] for name in ("step", "rule", "value", "threshold", "detail")}
    elif broken:
        row |= {"verdict": "dropped", "step": "rules", "rule": broken[0].name}
        row |= {"value": float(fact[broken[0].signal]), "threshold": broken[0].threshold}
    elif fate["duplicate_of"]:
        row |= {"verdict": "dropped", "step": "duplicates"}
        row |= {name: fate[name] for name in ("duplicate_of", "jaccard", "containment")}
        near = fate["jaccard"] >= settings.minhash.min_jaccard
        row["rule"], row["value"], row["threshold"] = {
            "exact": ("duplicates.exact", 1.0, 1.0),
            "url": ("duplicates.url", fate["jaccard"], settings.url.min_jaccard),
            "near": ("duplicates.near", fate["jaccard"], settings.minhash.min_jaccard)
            if near
            else ("duplicates.contained", fate["containment"], settings.minhash.min_containment),
        }[fate["kind"]]
    else:
        row |= {"verdict": "kept", "step": "tiers"}
        row["split"] = split_of(row["cluster"] or row["id"], 0.3)
    return row


@pytest.mark.parametrize("seed", range(4))
def test_the_ledgers_rows_are_those_of_plain_python(seed: int) -> None:
    facts, fate = tables(random.Random(seed), 300 if seed else 0 + 1)
    own = {
        "ko": [("a", "words", ">=", 4.0), ("b", "hash_symbols", "<=", 1.0)],
        "en": [("c", "words", "<=", 5.0)],
    }
    rules = {
        language: [Rule(name, signal, op, threshold, "") for name, signal, op, threshold in some]  # type: ignore[arg-type]
        for language, some in own.items()
    }
    settings = Dedup()
    made = _settled(facts, _judged(facts, rules), fate, settings, 0.3)
    assert made.schema.equals(LEDGER)
    text = [
        {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
        for row in fate.to_pylist()
    ]
    wanted = [
        expected_row(fact, end, rules.get(fact["language"], []), settings)
        for fact, end in zip(facts.to_pylist(), text, strict=True)
    ]
    assert made.to_pylist() == wanted
