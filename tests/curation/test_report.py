"""The report: the same whatever the order of the parts, and safe to open whatever the pages held."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from curation_corpus import article, make_recipe, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.pipeline import curate
from hanji.curation.records import LEDGER
from hanji.curation.report import counting
from hanji.curation.report import metrics as figures
from hanji.curation.report.metrics import OTHER, funnel_rows
from hanji.curation.report.page import render

HOSTILE = "<script>alert(1)</script>"
URL = 'https://bad.example/"><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run over pages whose URLs and texts are attacks."""
    base = tmp_path_factory.mktemp("report")
    rows = [
        {
            "id": f"{language}{number}",
            "url": f"https://good.example/{number}",
            "text": article(language, number),
        }
        for number in range(12)
        for language in ("ko", "en")
    ]
    short = (
        f"{HOSTILE} 짧은 글이지만 바닥은 넘는 글이다. 연락은 hong@mail.co.kr 로 하면 된다. {HOSTILE} 그렇다."
    )
    rows += [
        {"id": f"x{number}", "url": f"{URL}{number}", "text": f"{short} {number}"} for number in range(5)
    ]
    rows += [{"id": "js", "url": "javascript:alert(3)", "text": f"{short} 끝"}]
    rows += [
        {"id": "ja", "url": "https://ja.example/", "text": "今日は良い天気ですね。散歩に行きましょう。" * 9}
    ]
    curate(make_recipe(base / "run", [write_rows(base / "rows.jsonl", rows)]))
    loaded: dict[str, Any] = json.loads((base / "run/report/metrics.json").read_text("utf-8"))
    return loaded


def test_what_pages_say_is_text_and_never_markup(metrics: dict[str, Any]) -> None:
    page = render(metrics)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page.lower()
    # Every attribute is one that the page kit writes.
    tags = re.findall(r"<([a-zA-Z][^<>]*)>", page)
    assert not [tag for tag in tags if "onerror" in tag and "title=" not in tag and "href=" not in tag]
    for tag in tags:
        assert not re.search(r"\s(?:on\w+)\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
    assert 'href="javascript:' not in page


def test_the_page_forbids_itself_everything_but_its_own_styles(metrics: dict[str, Any]) -> None:
    page = render(metrics)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy and "default-src 'none'" in policy.group(1) and "script-src" not in policy.group(1)
    assert not re.search(r'\b(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css|woff2?)"', page)


def test_excerpts_do_not_show_personal_data(metrics: dict[str, Any]) -> None:
    assert "hong@mail.co.kr" not in json.dumps(metrics, ensure_ascii=False)
    assert "email@mail.example" in render(metrics)


def test_names_that_are_markup_are_text_too(metrics: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(metrics).replace("https://good.example", "https://<b>good"))
    changed["name"] = HOSTILE
    changed["warnings"] = [HOSTILE]
    assert "<script" not in render(changed).lower()


def test_the_funnel_balances_and_folds_unwanted_languages(metrics: dict[str, Any]) -> None:
    rows = funnel_rows(metrics)
    assert {row["language"] for row in rows} >= {"ko", "en", OTHER}
    assert sum(row["read"][0] for row in rows) == metrics["documents"]
    assert sum(row["kept"][0] for row in rows) == metrics["verdicts"]["kept"]
    for row in rows:
        counts = [row[step][0] for step in figures.STEPS]
        assert counts == sorted(counts, reverse=True)


def counted_row_by_row(rows: list[dict[str, Any]], tokens: int) -> dict[str, Any]:
    """Some of the counts of :func:`counting.count`, document by document."""
    told: dict[str, Any] = {name: {} for name in ("funnel", "components", "rules", "scores", "loss")}
    told["jaccard"] = [0] * counting.JACCARD_BINS
    for row in sorted(rows, key=lambda row: str(row["id"])):
        kept, language, size = row["verdict"] == "kept", row["language"] or "–", row["text_bytes"] or 0
        amounts = (1, size, tokens if kept else 0)
        ends = "kept" if kept else row["step"]
        cells = [(told["funnel"], f"{row['source']}\t{language}\t{ends}")]
        if kept:
            cells.append((told["components"], f"{language}/{row['domain']}/{row['tier']}/{row['split']}"))
        for cells_of, key in cells:
            cells_of[key] = [a + b for a, b in zip(cells_of.get(key, (0, 0, 0)), amounts, strict=True)]
        if kept and row["score"] is not None:
            bins = told["scores"].setdefault(language, {}).setdefault(row["tier"], [0] * counting.SCORE_BINS)
            bins[min(int(row["score"] * counting.SCORE_BINS), counting.SCORE_BINS - 1)] += 1
        if not kept:
            rule = told["rules"].setdefault(row["rule"] or "unknown", [0, 0, []])
            rule[0] += 1
            rule[1] += size
            rule[2] = [*rule[2], row["id"]][: counting.SAMPLES]
        if ends == "duplicates":
            told["jaccard"][min(int(row["jaccard"] * counting.JACCARD_BINS), counting.JACCARD_BINS - 1)] += 1
        if ends in ("duplicates", "kept"):
            lost, stood = told["loss"].get(row["source"], (0, 0))
            told["loss"][row["source"]] = [lost + (ends == "duplicates"), stood + 1]
    return told


@pytest.mark.parametrize("seed", range(3))
def test_counts_by_columns_are_those_of_row_by_row(seed: int) -> None:
    rng = random.Random(seed)
    rows = [ledger_row(number) for number in range(60)] if seed else []
    for row in rows:
        row |= {"language": rng.choice(["ko", "en", None]), "score": rng.choice([None, 0.0, 0.5, 1.0])}
        row["cluster"] = rng.choice([None, row["cluster"]])
        if row["verdict"] == "dropped" and rng.random() < 0.5:
            row |= {"step": "duplicates", "rule": "duplicates.near", "jaccard": rng.choice([0.7, 1.0])}
        if row["verdict"] == "failed":
            row |= {"rule": None, "text_bytes": rng.choice([None, 0])}
    rng.shuffle(rows)
    kept = [row["id"] for row in rows if row["verdict"] == "kept"]
    tokens = pa.table(
        {"id": pa.array(kept, pa.large_string()), "tokens": pa.array([5] * len(kept), pa.int64())}
    )
    made = counting.count(pa.Table.from_pylist(rows, schema=LEDGER), tokens)
    expected = counted_row_by_row(rows, 5)
    for name in ("funnel", "components", "scores", "jaccard"):
        assert made[name] == expected[name], name
    assert made["duplicate_loss"] == expected["loss"]
    assert {
        name: [rule["count"], rule["bytes"], [sample["id"] for sample in rule["samples"]]]
        for name, rule in made["rules"].items()
    } == expected["rules"]
    sizes = {row["cluster"] for row in rows if row["cluster"]}
    assert [cluster["cluster"] for cluster in made["clusters"]] == sorted(sizes)[: counting.TOP_CLUSTERS]
    for cluster in made["clusters"]:
        assert cluster["id"] == min(row["id"] for row in rows if row["cluster"] == cluster["cluster"])


@given(st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_merging_does_not_depend_on_the_order_of_the_parts(rng: random.Random, parts: int) -> None:
    rows = [ledger_row(number) for number in range(40)]
    texts = {row["id"]: f"text of {row['id']}" for row in rows}
    tokens = pa.table({"id": pa.array(list(texts), pa.large_string()), "tokens": pa.array([5] * 40)})

    def summary(groups: list[list[dict[str, Any]]]) -> dict[str, Any]:
        made = [
            figures.summarise(
                pa.Table.from_pylist(group, schema=LEDGER), lambda ids: {i: texts[i] for i in ids}, tokens
            )
            for group in groups
            if group
        ]
        return figures.merge(made)

    whole = summary([rows])
    shuffled = rows[:]
    rng.shuffle(shuffled)
    assert json.dumps(summary([shuffled[i::parts] for i in range(parts)]), sort_keys=True) == json.dumps(
        whole, sort_keys=True
    )


def ledger_row(number: int) -> dict[str, Any]:
    verdict = ("kept", "dropped", "failed")[number % 3]
    return {
        "id": f"{number * 7919:032x}", "source": f"s{number % 2}", "domain": "web", "language": "ko",
        "url": f"https://x.example/{number}", "path": "p", "occurrences": 1, "payload_bytes": 10,
        "text_bytes": 100 + number, "verdict": verdict, "offset": number,
        "step": {"kept": "tiers", "dropped": "rules", "failed": "read"}[verdict],
        "rule": None if verdict == "kept" else f"{verdict}.r{number % 5}", "value": float(number), "threshold": 3.0,
        "detail": None, "failed_rules": [], "score": number / 40, "tier": "low" if verdict == "kept" else None,
        "cluster": f"{number // 4:032x}", "cluster_size": 4, "duplicate_of": None, "jaccard": None,
        "containment": None, "split": "train" if verdict == "kept" else None, "date": None,
    }  # fmt: skip


def test_a_run_from_the_command_line_rewrites_the_page(metrics: dict[str, Any], tmp_path: Path) -> None:
    from hanji.curation.report.page import write_report
    from hanji.storage import Storage

    write_report(Storage(tmp_path), metrics)
    assert (tmp_path / "report/index.html").read_text("utf-8") == render(metrics)
