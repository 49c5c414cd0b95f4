"""The same recipe on every engine: the same shards, sidecars and ledgers (``benchmarks.determinism`` has more)."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from curation_corpus import article, corpus_rows, make_recipe, write_rows

from benchmarks.determinism import LOCATORS, Outcome, outcome
from hanji.classifiers import training
from hanji.curation.engines import spark_start
from hanji.curation.pipeline import curate

needs_spark = pytest.mark.skipif(spark_start.why_not() is not None, reason=f"Spark: {spark_start.why_not()}")
LEAKS = {
    "ko": "철수는 시장에서 사과 일곱 개와 배 다섯 개를 샀는데, 집에 오는 길에 사과 두 개를 이웃 할머니께 드렸다.",
    "en": "Minji packed eleven blue crayons and nine red crayons into a tin box before the school trip, and lost "
    "four of the blue ones on the bus on the way home.",
}


def rows() -> list[dict[str, Any]]:
    """The small corpus, one record twice, and a benchmark's items in two more documents."""
    found = corpus_rows()
    found.append(found[7])
    for number, (language, leak) in enumerate(LEAKS.items()):
        text = article(language, 500 + number)
        found.append({"id": f"leak-{language}", "text": f"{text[:300]}\n{leak}\n{text[300:]}"})
    return found


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The same records in files of one order, and in other files with other names in another."""

    base: Path
    plain: list[Path]
    other: list[Path]

    def run(self, name: str, paths: list[Path], **changes: Any) -> Outcome:
        """Curate these files and say what came out."""
        leaks = self.base / "leaks.jsonl"
        contamination = {"benchmarks": [{"name": "leaks", "path": str(leaks)}]}
        models = {name: str(self.base / f"{name}.bin") for name in ("edu", "web")}
        tiers = [{"name": "high", "min_bucket": 15}, {"name": "medium", "tokens": 3000}, {"name": "low"}]
        curate(
            make_recipe(
                *(self.base / name, paths),
                contamination=contamination,
                quality={"ko": models, "en": str(self.base / "en.bin")},
                tiers=tiers,
                **changes,
            )
        )
        return outcome(self.base / name)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    base = tmp_path_factory.mktemp("engines")
    records = rows()
    write_rows(base / "leaks.jsonl", [{"id": language, "text": leak} for language, leak in LEAKS.items()])
    for name, language, low in (
        ("edu", "ko", "오늘 점심은 뭘 먹지"),
        ("web", "ko", "대박 할인 무료배송 쿠폰"),
        ("en", "en", "what is for lunch today"),
    ):
        seed = [{"label": "high", "text": article(language, 3000 + place)} for place in range(20)]
        seed += [{"label": "low", "text": f"{low} {place}"} for place in range(20)]
        training.train([write_rows(base / f"{name}.jsonl", seed)], base / f"{name}.bin", language)
    plain = [write_rows(base / "plain" / f"{place}.jsonl", records[place::3]) for place in range(3)]
    random.Random(4).shuffle(records)
    other = [
        write_rows(base / "by mail 한" / f"z{9 - place}.jsonl.gz", records[place::2]) for place in range(2)
    ]
    return Inputs(base, plain, other)


@pytest.fixture(scope="module")
def expected(inputs: Inputs) -> Outcome:
    """By one process of this machine."""
    made = inputs.run("first", inputs.plain)
    ledger = f"'{inputs.base}/first/ledger/*.parquet'"
    reasons = dict(duckdb.sql(f"SELECT step, count(*) FROM {ledger} GROUP BY step").fetchall())
    # The recipe does something in every stage that could go astray.
    assert reasons["duplicates"] >= 4 and reasons["contamination"] == 2 and reasons["tiers"] > 30
    assert duckdb.sql(f"SELECT count(*) FROM {ledger} WHERE occurrences = 2").fetchall() == [(1,)]
    assert len(made.shards) >= 12
    tiers = dict(duckdb.sql(f"SELECT tier, count(*) FROM {ledger} GROUP BY tier").fetchall())
    assert tiers["high"] > 3 and tiers["medium"] > 10 and tiers["low"] > 3
    return made


def test_processes_in_other_partitions_make_the_same(inputs: Inputs, expected: Outcome) -> None:
    engine = {"name": "local", "workers": 2}
    made = inputs.run("cut", inputs.plain[::-1], engine=engine, partitions=5, split_bytes=4_000)
    assert made.differences(expected, same_inputs=False) == []


@pytest.mark.ray
def test_ray_makes_the_same_from_renamed_inputs(inputs: Inputs, expected: Outcome) -> None:
    made = inputs.run("ray", inputs.other, engine={"name": "ray", "workers": 2})
    assert made.differences(expected, same_inputs=False) == []


@pytest.mark.spark
@needs_spark
def test_spark_makes_the_same_down_to_the_files_of_the_ledger(inputs: Inputs, expected: Outcome) -> None:
    made = inputs.run("spark", inputs.plain[::-1], engine={"name": "spark", "workers": 2})
    assert made.differences(expected, same_inputs=True) == []
    facts = json.loads((inputs.base / "spark/run.json").read_text())["engine"]
    assert facts["engine"] == "spark" and facts["master"].startswith("local[2")


def test_a_difference_would_be_seen(inputs: Inputs, expected: Outcome) -> None:
    """One character more in one document, and one rule that is stricter."""
    other = rows()
    other[9]["text"] += "!"
    path = write_rows(inputs.base / "changed.jsonl", other)
    changed = inputs.run("changed", [path]).differences(expected, same_inputs=False)
    assert {"ledger", "documents", "metrics"} <= set(changed)
    assert any(name.startswith("shards/") for name in changed)
    assert set(LOCATORS) == {"path", "offset"}


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.spark
@needs_spark
@pytest.mark.timeout(1800)
def test_every_engine_number_of_workers_and_order_makes_the_same() -> None:
    command = [sys.executable, "-m", "benchmarks.determinism", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=1700)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 runs, 0 differ from the first" in done.stdout
