"""hanji classifier evaluate on perplexity models: alone, beside a classifier, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from perplexity_models import SENTENCES, write_models

from hanji.classifiers import training
from hanji.classifiers.cards import check_place
from hanji.classifiers.evaluating.asked import Asked
from hanji.classifiers.evaluating.evaluate import evaluate
from hanji.classifiers.evaluating.measure import WITHOUT
from hanji.classifiers.evaluating.models import open_models
from hanji.classifiers.evaluating.page import render
from hanji.classifiers.evaluating.variants import VARIANTS
from hanji.classifiers.perplexity.cutoffs import CCNET
from hanji.classifiers.perplexity.scoring import PerplexityScorer
from hanji.classifiers.texts import TextFile
from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256
from hanji.jobs.commands.classifier_evaluate import evaluate as command
from hanji.jobs.commands.classifier_evaluate_lines import lines

KOREAN = [sentence for sentence in SENTENCES if "가" <= sentence[0] <= "힣"]
OTHER = (
    "ㅋㅋㅋ 이거 진짜 대박",
    "최저가 무료 배송 클릭 클릭",
    "아니 왜 이래 ㅠㅠ 별로다",
    "쿠폰 받고 바로 사자 xx",
)


def rows_of(sentences: Sequence[str], label: str, count: int) -> list[dict[str, Any]]:
    """A sentence and some of the words of all of them, so that no two perplexities are equal; on seven sites."""
    draw = np.random.Generator(np.random.PCG64(sum(label.encode())))
    words = " ".join((*KOREAN, *OTHER)).split()
    return [
        {
            "text": " ".join([sentences[n % len(sentences)], *draw.choice(words, 2 + n % 11)]),
            "label": label,
            "url": f"https://{label}{n % 7}.kr/{n}",
        }
        for n in range(count)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> TextFile:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return TextFile(str(path))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A perplexity model ko.arpa.bin with ko.sp.model and no card, a classifier q.bin, texts and a pool."""
    pytest.importorskip("kenlm", reason="pip install 'hanji[perplexity]'")
    pytest.importorskip("sentencepiece", reason="pip install 'hanji[perplexity]'")
    home = tmp_path_factory.mktemp("perplexity")
    arpa, pieces = write_models(home)
    shutil.move(arpa, home / "ko.arpa.bin")
    shutil.move(pieces, home / "ko.sp.model")
    # Some of either kind are labelled as the other, so that there are mistakes.
    rows = [*rows_of(KOREAN, "high", 34), *rows_of(OTHER, "high", 6)]
    rows += [*rows_of(OTHER, "low", 44), *rows_of(KOREAN, "low", 6)]
    write(home / "labelled.jsonl", rows)
    write(home / "pool.jsonl", [*rows_of(KOREAN, "web", 60), *rows_of(OTHER, "shop", 60)])
    write(home / "seeds.jsonl", [row | {"url": f"https://seed{n % 9}.kr/"} for n, row in enumerate(rows)])
    settings = replace(training.default_training("ko"), epoch=2, bucket=500, dim=4)
    training.train([home / "seeds.jsonl"], home / "q.bin", "ko", settings)
    return home


@pytest.fixture(scope="module")
def account(home: Path) -> dict[str, Any]:
    """The perplexity model beside the classifier."""
    return evaluate(
        open_models([home / "ko.sp.model", home / "q.bin"], "ko"),
        [TextFile(str(home / "labelled.jsonl"))],
        [TextFile(str(home / "pool.jsonl"))],
        Asked(split="none", samples=2, ngrams=3),
    )


def perplexities(home: Path, name: str) -> tuple[list[dict[str, Any]], np.ndarray]:
    rows = [json.loads(line) for line in (home / f"{name}.jsonl").read_text("utf-8").splitlines()]
    scorer = PerplexityScorer(home / "ko.arpa.bin", home / "ko.sp.model")
    return rows, scorer.score([row["text"] for row in rows])


def area(good: np.ndarray, others: np.ndarray) -> float:
    """Share of pairs in which the good text has the lower perplexity, ties half."""
    less = good[:, None] < others[None, :]
    return float((less + (good[:, None] == others[None, :]) / 2).mean())


def test_a_lower_perplexity_is_better_in_every_figure(home: Path, account: dict[str, Any]) -> None:
    model = account["models"][0]
    rows, values = perplexities(home, "labelled")
    good = np.array([row["label"] == "high" for row in rows])
    assert model["figures"]["roc_auc"] == pytest.approx(area(values[good], values[~good]), abs=1e-12)
    assert model["figures"]["roc_auc"] > 0.6
    ranked = np.argsort(values, kind="stable")
    assert len(np.unique(values)) == len(values)  # so that precision at each rank is the curve
    precision = np.cumsum(good[ranked]) / np.arange(1, len(values) + 1)
    assert model["figures"]["average_precision"] == pytest.approx(precision[good[ranked]].mean(), abs=1e-12)
    kept = values <= model["threshold"]
    at = model["figures"]["at_threshold"]
    assert (at["precision"], at["recall"]) == (good[kept].mean(), kept[good].mean())
    (row,) = model["confusion"]["rows"]
    assert (row["hits"], row["wrong"]) == ((kept & good).sum(), (kept & ~good).sum())
    assert row["median_perplexity"] == np.median(values)
    assert (
        model["curves"]["threshold"][0] == values.min() and model["curves"]["threshold"][-1] == values.max()
    )
    long = np.array([len(row["text"]) < 100 for row in rows])
    assert model["lengths"][0]["median_of_good"] == np.median(values[good & long])
    assert model["lengths"][0]["kept_share"] == kept[long].mean()
    worst = max(values[~kept & good])
    assert model["mistakes"]["missed"][0]["scores"] == [worst]
    assert model["mistakes"]["wrong"][0]["scores"] == [min(values[kept & ~good])]


def test_thresholds_are_perplexities_and_percentiles_those_of_the_pool(
    home: Path, account: dict[str, Any]
) -> None:
    model = account["models"][0]
    _, pool = perplexities(home, "pool")
    ordered = np.sort(pool)
    assert model["threshold"] == ordered[71]  # keeps 60 % of 120
    for row in model["thresholds"]:
        assert row["documents"] == (pool <= row["threshold"]).sum()
        if row["share"] is not None:
            assert row["threshold"] == ordered[max(0, int(row["share"] * len(pool)) - 1)]
    found = model["buckets"]
    assert (found["head"], found["middle"]) == (ordered[36], ordered[72])
    assert [row["documents"] for row in found["rows"]] == [36, 36, 48]
    rows, values = perplexities(home, "labelled")
    good = np.array([row["label"] == "high" for row in rows])
    assert found["rows"][0]["good"] == (good & (values < found["head"])).sum()
    assert found["rows"][2]["others"] == (~good & (values >= found["middle"])).sum()
    (source,) = found["by_source"]
    assert source["median_perplexity"] == np.median(pool) and source["tail"] == 0.4


def test_variants_are_scored_anew(home: Path, account: dict[str, Any]) -> None:
    model = account["models"][0]
    rows, values = perplexities(home, "labelled")
    good = np.array([row["label"] == "high" for row in rows])
    scorer = PerplexityScorer(home / "ko.arpa.bin", home / "ko.sp.model")
    for told in model["variants"]:
        changed = scorer.score([VARIANTS[told["variant"]](row["text"]) for row in rows])
        assert told["roc_auc"] == pytest.approx(area(changed[good], changed[~good]), abs=1e-12)
        assert told["ratios"] == np.percentile(changed / values, [10, 50, 90]).tolist()
        assert told["crossing"] == ((changed <= model["threshold"]) != (values <= model["threshold"])).mean()


def test_beside_a_classifier_each_is_told_in_its_own_numbers(home: Path, account: dict[str, Any]) -> None:
    perplexity, quality = account["models"]
    assert perplexity["calibration"] is None and perplexity["ngrams"] is None
    assert quality["calibration"] is not None and "left_out" not in quality
    last = account["sides"]["agreements"][-1]
    assert last["thresholds"] == [perplexity["threshold"], quality["threshold"]]
    _, pool = perplexities(home, "pool")
    assert last["both"] + last["only_a"] == (pool <= perplexity["threshold"]).sum()
    (tenth,) = [row for row in account["sides"]["agreements"] if row["share"] == 0.1]
    assert tenth["thresholds"][0] == np.sort(pool)[11]
    sample = account["sides"]["samples"]["a_higher"][0]
    assert sample["scores"][0] in pool and 0 <= sample["scores"][1] <= 1
    alone = evaluate(
        open_models([home / "q.bin"]),
        [TextFile(str(home / "labelled.jsonl"))],
        [TextFile(str(home / "pool.jsonl"))],
        Asked(split="none", samples=2, ngrams=3),
    )
    assert alone["models"][0] == quality
    page, said = render(account), "\n".join(lines(account))
    for shown in (page, said):
        assert "perplexity ≤" in shown and "left out" in shown and "a perplexity is no probability" in shown
        assert f"below {perplexity['buckets']['head']:.6g}" in shown and "median" in shown
    assert page.count("Reliability") == 2 and "log10 of perplexity" in page  # one chart, with its title


def test_an_evaluation_does_not_depend_on_the_order_of_rows_or_files(home: Path, tmp_path: Path) -> None:
    models = open_models([home / "ko.arpa.bin"], "ko")
    accounts = []
    for step in (1, -1):
        directory = tmp_path / str(step)
        directory.mkdir()
        files = {
            name: [
                write(directory / f"{name}{part}.jsonl", perplexities(home, name)[0][part::2][::step])
                for part in range(2)
            ]
            for name in ("labelled", "pool")
        }
        asked = Asked(split="none", samples=3)
        accounts.append(evaluate(models, files["labelled"][::step], files["pool"][::step], asked))
    assert accounts[0] | {"data": 0, "key": 0} == accounts[1] | {"data": 0, "key": 0}


def test_a_model_is_known_by_either_file_its_card_or_what_these_begin_with(
    home: Path, tmp_path: Path
) -> None:
    for name in ("ko.arpa.bin", "ko.sp.model"):
        shutil.copyfile(home / name, tmp_path / name)
    with pytest.raises(RecipeError, match="has no card that names its language; give --language ko or en"):
        open_models([tmp_path / "ko.arpa.bin"])
    (model,) = open_models([tmp_path / "ko.arpa.bin"], "ko")
    command(
        model=str(tmp_path / "ko.arpa.bin"),
        language="ko",
        pool=[str(home / "pool.jsonl")],
        quiet=True,
        samples=0,
    )
    card = json.loads((tmp_path / "ko.json").read_text("utf-8"))
    assert card["kind"] == "perplexity" and not (tmp_path / "ko.arpa.json").exists()
    assert card["sentencepiece_sha256"] == file_sha256(tmp_path / "ko.sp.model") != card["sha256"]
    (one,) = card["evaluations"]
    assert one["data"] == [
        {"name": "pool.jsonl", "hash": file_sha256(home / "pool.jsonl"), "used_as": "pool"}
    ]
    assert one["figures"]["head of the pool: perplexity below"] > 0
    assert card["sentencepiece_sha256"] in (tmp_path / "ko.md").read_text("utf-8")
    for name in ("ko.arpa.bin", "ko.sp.model", "ko.json", "ko"):
        (again,) = open_models([tmp_path / name])
        assert (again.path, again.scorer.sha256) == (model.path, model.scorer.sha256)


def test_without_a_pool_the_threshold_is_the_cut_off_of_the_card_or_ccnets(
    home: Path, tmp_path: Path
) -> None:
    labelled = [TextFile(str(home / "labelled.jsonl"))]
    asked = Asked(split="none", samples=0)
    (told,) = evaluate(open_models([home / "ko.arpa.bin"], "ko"), labelled, [], asked)["models"]
    assert told["threshold"] == CCNET["ko"].middle
    for name in ("ko.arpa.bin", "ko.sp.model"):
        shutil.copyfile(home / name, tmp_path / name)
    held_out = {"head": {"below": 3.5}, "middle": {"below": 7.25}}
    card = {"kind": "perplexity", "language": "ko", "held_out": held_out, "normal_form": "0-1.0"}
    (tmp_path / "ko.json").write_text(json.dumps(card), "utf-8")
    found = evaluate(open_models([tmp_path / "ko"]), labelled, [], asked)
    assert found["models"][0]["threshold"] == 7.25
    assert any("normal form 0-1.0" in warning for warning in found["warnings"])


def test_a_text_without_a_perplexity_ranks_last_and_that_is_said(home: Path, tmp_path: Path) -> None:
    rows = [*rows_of(KOREAN, "high", 5), *rows_of(OTHER, "low", 5)]
    rows.append({"text": "\u0301\u0301", "label": "low", "url": "https://x.kr/"})
    source = [write(tmp_path / "rows.jsonl", rows)]
    found = evaluate(open_models([home / "ko.arpa.bin"], "ko"), source, source, Asked(split="none"))
    (model,) = found["models"]
    assert model["without"] == {"good": 0, "others": 1, "pool": 1}
    assert any("no perplexity for 1 of others, 1 of pool" in warning for warning in found["warnings"])
    assert model["curves"]["threshold"][-1] == WITHOUT and model["lengths"][0]["texts"] == 11
    assert sum(row["documents"] for row in model["buckets"]["rows"]) == 10
    assert sum(model["histogram"]["pool"]) == 10
    json.dumps(found, allow_nan=False)


POOL = ["pool.jsonl"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"threshold": 0.5}, RecipeError, "--threshold: 0.5 is not allowed: a perplexity, above 1"),
        ({"at": [0.7]}, RecipeError, "--at: 0.7 is not allowed: a perplexity, above 1"),
        ({"model": "q.bin", "at": [700.0]}, RecipeError, "--at: 700 is not allowed: a score, 0 to 1"),
        ({"model2": "q.bin", "at": [-1.0]}, RecipeError, "a score, 0 to 1 or a perplexity, above 1"),
        ({"model": "half.arpa.bin"}, InputError, "half.sp.model: no such model file"),
        ({"model": "pool.json"}, InputError, "pool.json: no such model file"),
        ({"language": "en", "pool": ["pool.jsonl"]}, RecipeError, "the model is for English"),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(home)
    (home / "half.arpa.bin").write_bytes(b"x")
    with pytest.raises(error, match=message):
        command(**{"model": "ko", "language": "ko", "pool": POOL, "quiet": True, "card": False, **asked})


def test_a_score_and_a_perplexity_may_be_asked_for_together(home: Path) -> None:
    models = open_models([home / "ko", home / "q.bin"], "ko", threshold=20.0)
    asked = Asked(values=(0.7, 30.0), samples=0, ngrams=0)
    told = evaluate(models, [], [TextFile(str(home / "pool.jsonl"))], asked)["models"]
    values = [{row["threshold"] for row in one["thresholds"] if row["share"] is None} for one in told]
    assert values == [{20.0, 30.0}, {0.5, 0.7}]


def test_without_kenlm_the_error_says_how_to_install_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hanji.classifiers.perplexity import scoring

    monkeypatch.setitem(sys.modules, "kenlm", None)
    scoring._kenlm.cache_clear()
    with pytest.raises(RecipeError, match=r"pip install 'hanji\[perplexity\]'"):
        command(model=str(home / "ko"), language="ko", pool=[str(home / "pool.jsonl")], quiet=True)


def test_a_card_of_another_pair_of_files_is_refused(home: Path, tmp_path: Path) -> None:
    for name in ("ko.arpa.bin", "ko.sp.model"):
        shutil.copyfile(home / name, tmp_path / name)
    card = {"kind": "perplexity", "language": "ko", "sentencepiece_sha256": "f00d"}
    (tmp_path / "ko.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(
        InputError, match=r"ko\.json: the card of another model: its sentencepiece_sha256 is f00d"
    ):
        open_models([tmp_path / "ko"])


def test_a_classifier_and_a_perplexity_model_cannot_share_a_card(home: Path, tmp_path: Path) -> None:
    (tmp_path / "ko.json").write_text(json.dumps({"kind": "perplexity", "language": "ko"}), "utf-8")
    check_place(tmp_path / "ko.arpa.bin", "perplexity")
    with pytest.raises(RecipeError, match=r"give ko\.bin another name"):
        training.train([home / "seeds.jsonl"], tmp_path / "ko.bin", "ko")
    (tmp_path / "ko.json").write_text(json.dumps({"kind": "quality", "language": "ko"}), "utf-8")
    with pytest.raises(RecipeError, match=r"give ko\.arpa\.bin another name"):
        check_place(tmp_path / "ko.arpa.bin", "perplexity")
