"""The classifier of domains: figures, probabilities as fastText has them, one model whatever the order."""

from __future__ import annotations

import json
import math
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from curation_corpus import article

from hanji.classifiers.domains.figures import confusion, f1, macro_f1, of_labels
from hanji.classifiers.domains.scoring import DomainScorer
from hanji.classifiers.domains.training import train_domains
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.preparing import prepare
from hanji.classifiers.texts import TextFile
from hanji.classifiers.trained_on import read_trained_on
from hanji.errors import InputError, RecipeError

KINDS = {
    "legal": "제{n}조 원고의 상고를 기각한다. 민법 제{n}조에 따라 피고는 손해를 배상할 책임이 있다. 판결한다.",
    "commerce": "오늘만 특가 {n}원! 무료 배송 최저가 추천 상품 리뷰 {n}개, 할인 쿠폰 받고 지금 구매하세요.",
    "news": "{n}일 서울에서 기자 회견이 열렸다. 정부는 새 대책 {n}가지를 발표했다고 연합뉴스가 전했다.",
}
HOW = Training(lr=0.5, dim=8, epoch=15, word_ngrams=2, bucket=2000)


def rows() -> list[dict[str, str]]:
    return [
        {"text": f"{text.format(n=n)} {article('ko', n, 2)}", "label": label, "source": f"{label}{n % 12}"}
        for label, text in KINDS.items()
        for n in range(48)
    ]


def write(path: Path, some: list[dict[str, str]]) -> TextFile:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some), "utf-8")
    return TextFile(str(path))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("domains")
    report = train_domains([write(base / "all.jsonl", rows())], base / "ko.bin", "ko", HOW)
    assert report.macro_f1 > 0.9 and report.held_out > 0
    return base / "ko.bin"


def test_probabilities_are_those_of_fasttext_for_three_labels(model: Path) -> None:
    texts = [row["text"] for row in rows()[::11]] + ["판결", "특가 무료 배송", "전혀 다른 말 ABC", ""]
    scorer = DomainScorer(model)
    assert scorer._linear is not None and sorted(scorer.labels) == sorted(KINDS)
    found = scorer.probabilities(texts)
    loaded = fasttext.load_model(str(model))
    for text, row in zip(texts, found, strict=True):
        told = loaded.f.predict(prepare(text, "syllables") + "\n", -1, 0.0, "strict")
        by_label = {name.removeprefix("__label__"): probability - 1e-5 for probability, name in told}
        assert dict(zip(scorer.labels, row, strict=True)) == pytest.approx(by_label, abs=1e-5)


def test_the_domain_is_the_most_probable_label_and_nothing_for_what_the_model_does_not_know(
    model: Path,
) -> None:
    names, probability = DomainScorer(model).predict([*(text.format(n=3) for text in KINDS.values())])
    assert names.to_pylist() == list(KINDS)
    assert (probability > 0.5).all() and (probability <= 1).all()
    # Chunks and slices of a column are read where they lie.
    column = pa.array(["x", *(text.format(n=3) for text in KINDS.values())], pa.large_string()).slice(1)
    again, same = DomainScorer(model).predict(column)
    assert again.to_pylist() == list(KINDS) and same.tolist() == probability.tolist()


def test_the_same_texts_give_the_same_model_whatever_their_order(model: Path, tmp_path: Path) -> None:
    some = rows()[::-1]
    files = [write(tmp_path / "b.jsonl", some[:70]), write(tmp_path / "a.jsonl", some[70:])]
    train_domains(files, tmp_path / "ko.bin", "ko", HOW)
    assert (tmp_path / "ko.bin").read_bytes() == model.read_bytes()
    card, other = (
        json.loads(path.with_suffix(".json").read_text("utf-8")) for path in (model, tmp_path / "ko.bin")
    )
    assert card["labels"] == other["labels"] == {"commerce": 48, "legal": 48, "news": 48}
    assert card["held_out"] == other["held_out"] and card["preparation"] == "syllables"


def test_held_out_sites_are_in_no_training(tmp_path: Path) -> None:
    source = write(tmp_path / "all.jsonl", rows())
    whole = train_domains([source], tmp_path / "whole.bin", "ko", HOW, hold_out="nothing")
    assert whole.held_out == 0 and math.isnan(whole.macro_f1)
    assert json.loads((tmp_path / "whole.json").read_text("utf-8"))["held_out"]["macro_f1"] is None
    by_site = train_domains([source], tmp_path / "site.bin", "ko", HOW, hold_out="sites")
    known = read_trained_on(tmp_path / "site.bin")
    assert known is not None and len(known.texts) == 144 - by_site.held_out
    assert all(known.has_site(text.site) == known.has_text(text) for text in source)
    # A site has four texts, and all of them are on one side.
    assert by_site.held_out % 4 == 0 and sum(map(sum, by_site.table)) == by_site.held_out


def test_one_label_is_not_enough(tmp_path: Path) -> None:
    source = write(tmp_path / "one.jsonl", [row for row in rows() if row["label"] == "news"])
    with pytest.raises(RecipeError, match="needs two or more; found: news"):
        train_domains([source], tmp_path / "one.bin", "ko", HOW)
    with pytest.raises(InputError, match="no such model file"):
        DomainScorer(tmp_path / "none.bin")


def test_figures_are_those_counted_by_hand() -> None:
    labels = ["a", "b", "c"]
    table = confusion(["a", "a", "a", "b", "b"], ["a", "a", "b", "b", ""], labels)
    assert table.tolist() == [[2, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    assert f1(table).tolist()[:2] == pytest.approx([0.8, 0.5]) and np.isnan(f1(table)[2])
    assert macro_f1(table) == pytest.approx(0.65)
    assert of_labels(table, labels)["b"] == {"texts": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert of_labels(table, labels)["c"] == {"texts": 0, "precision": None, "recall": None, "f1": None}
