"""The report: the same whatever the order of the parts, and safe to open whatever the pages held."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from curation_corpus import article, make_recipe, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.pipeline import curate
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


@given(st.randoms(use_true_random=False), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_merging_does_not_depend_on_the_order_of_the_parts(rng: random.Random, parts: int) -> None:
    import pyarrow as pa

    rows = [ledger_row(number) for number in range(40)]
    texts = {row["id"]: f"text of {row['id']}" for row in rows}
    tokens = pa.table({"id": pa.array(list(texts), pa.large_string()), "tokens": pa.array([5] * 40)})

    def summary(groups: list[list[dict[str, Any]]]) -> dict[str, Any]:
        made = [
            figures.summarise(pa.Table.from_pylist(group), lambda ids: {i: texts[i] for i in ids}, tokens)
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
