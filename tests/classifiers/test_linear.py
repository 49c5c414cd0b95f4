"""Scores of the compiled linear model are fastText's own; models of other kinds are left to fastText."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.classifiers import fasttext_model
from hanji.classifiers.fasttext_file import read_model
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.linear import LinearModel
from hanji.classifiers.preparing import PREPARATIONS, prepare, training_line
from hanji.classifiers.quality import QualityScorer
from hanji.errors import InputError
from hanji.jobs import sample

SEED = Path(sample.__file__).parent / "seed"
# What the two sides could see differently: white space of all kinds, label-like words, ends, case, ranges' edges.
PIECES = [
    *(" ", "\t", "\n", "\r\n", "\v", "\f", "\0", "\x1c", "\x1d", "\x1e", "\x1f", "\x7f", "\x85", "\xa0"),
    *("\u1680", "\u2000", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"),
    *("__label__high", "__label__", "__label_", "x__label__low", "</s>", "</s>x", "<s>"),
    *(
        "The",
        "THE",
        "tea",
        "tide",
        "Mixed09Case",
        "é",
        "ÀÉ",
        "naïve",
        "ß",
        "İ",
        "\u212a",
        "-",
        "...",
        "“",
        "”",
    ),
    *(
        "가",
        "힣",
        "\uabff",
        "\ud7a4",
        "ㄱ",
        "ㅣ",
        "ㆎ",
        "조석은",
        "달이",
        "바닷물을",
        "漢",
        "字",
        "かな",
        "1",
        "２",
    ),
    *("😀", "\U0001f000", "\U0001fb00", "\U00010000", "。", "\uff01", "\uff5b", "\xb7", "\xd7", "\xb5"),
]


def write_lines(path: Path, language: str, preparation: str, names: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for line in (SEED / f"{language}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            for label in names[row["label"]].split(","):
                file.write(training_line(label, row["text"], preparation))
    return path


@cache
def directory() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="hanji-linear-"))


@cache
def model(language: str, preparation: str, names: str = "high low", **_: Any) -> Path:
    """A model with strong opinions, so that differences show."""
    high, low = names.split(" ")
    name = f"{language}-{preparation}-{names.replace(' ', '-').replace(',', '+')}"
    lines = write_lines(directory() / f"{name}.txt", language, preparation, {"high": high, "low": low})
    path = directory() / f"{name}.bin"
    ngrams = 3 if preparation == "syllables" else 2
    fasttext_model.train(lines, path, Training(lr=0.5, dim=16, epoch=30, word_ngrams=ngrams, bucket=5000))
    return path


def by_fasttext(path: Path, text: str, preparation: str) -> dict[str, float]:
    """Label → probability as fastText prints it."""
    loaded = fasttext.load_model(str(path))
    return {
        name.removeprefix("__label__"): probability
        for probability, name in loaded.f.predict(prepare(text, preparation) + "\n", -1, 0.0, "strict")
    }


texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join),
    st.text(max_size=80),
)


@pytest.mark.parametrize(("language", "preparation"), [("en", "dclm"), ("ko", "syllables"), ("ko", "dclm")])
def test_probabilities_are_those_of_fasttext(language: str, preparation: str) -> None:
    path = model(language, preparation)
    found = read_model(path)
    assert found is not None
    linear = LinearModel(found)
    oracle: Any = fasttext.load_model(str(path)).f

    @settings(max_examples=400, deadline=None)
    @given(st.lists(texts, min_size=1, max_size=4))
    def check(several: list[str]) -> None:
        array = pa.array(["before", *several, "after"], pa.large_string()).slice(1, len(several))
        mine = linear.probabilities(array, preparation)
        for row, text in zip(mine, several, strict=True):
            theirs = {n: p for p, n in oracle.predict(prepare(text, preparation) + "\n", -1, 0.0, "strict")}
            for label, probability in zip(linear.labels, row, strict=True):
                assert abs(probability + 1e-5 - theirs[f"__label__{label}"]) < 1e-6, text

    check()


def test_scores_are_those_of_dclm() -> None:
    """The oracle is DCLM's own way: the better label's probability, or one less it if that is the other label."""
    path = model("en", "dclm", "hq cc")
    oracle: Any = fasttext.load_model(str(path)).f
    scorer = QualityScorer(path)
    assert scorer.label == "hq"
    rows = [json.loads(line)["text"] for line in (SEED / "en.jsonl").read_text("utf-8").splitlines()]
    rng = random.Random(0)
    rows += ["\n".join(rng.sample(rows, 3)) + " \u3000\n" for _ in range(100)]
    rows += [" ".join(rng.sample(" ".join(rows[:200]).split(), 7)) for _ in range(200)]
    for text, score in zip(rows, scorer.score(rows), strict=True):
        ((probability, label),) = oracle.predict(" ".join(text.strip().splitlines()) + "\n", 1, 0.0, "strict")
        wanted = 1 - probability if label == "__label__cc" else probability
        assert abs(score - min(max(wanted, 0.0), 1.0)) < 1e-6


def test_models_of_more_labels_have_a_score_for_theirs() -> None:
    path = model("en", "dclm", "high,fine low")
    scorer = QualityScorer(path)
    rows = ["The tide is drawn by the moon.", "Click here now and get 90% off!!!", ""]
    wanted = [by_fasttext(path, text, "dclm")["high"] for text in rows]
    assert len(scorer.labels) == 3 and np.allclose(scorer.score(rows), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("character n-grams", {"minn": 2, "maxn": 4}),
        ("hierarchical softmax", {"loss": "hs"}),
        ("one against all", {"loss": "ova"}),
        ("quantised", {}),
    ],
)
def test_other_models_are_left_to_fasttext(tmp_path: Path, what: str, more: dict[str, Any]) -> None:
    lines = write_lines(tmp_path / "lines.txt", "en", "dclm", {"high": "high", "low": "low"})
    with fasttext_model._zeroed_memory():  # or fastText begins with whatever memory held
        trained = fasttext.train_supervised(
            str(lines), dim=16, epoch=30, bucket=2000, thread=1, verbose=0, wordNgrams=2, **more
        )
    path = tmp_path / "m.bin"
    if what == "quantised":
        trained.quantize(str(lines), retrain=False)
    trained.save_model(str(path))
    assert read_model(path) is None
    rows = ["A telescope gathers light.", "Click here now and get 90% off!!!", "</s> x"]
    for text, score in zip(rows, QualityScorer(path).score(rows), strict=True):
        ((probability, label),) = trained.f.predict(text + "\n", 1, 0.0, "strict")
        wanted = 1 - probability if label == "__label__low" else probability
        if what != "one against all":  # there a label's probability says nothing of the other's
            assert abs(score - min(max(wanted, 0.0), 1.0)) < 3e-5


def test_a_model_trained_on_single_words_has_no_buckets(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "lines.txt", "en", "dclm", {"high": "high", "low": "low"})
    fasttext_model.train(lines, tmp_path / "m.bin", Training(dim=8, word_ngrams=1))
    scores = QualityScorer(tmp_path / "m.bin").score(["A telescope gathers light.", ""])
    wanted = by_fasttext(tmp_path / "m.bin", "A telescope gathers light.", "dclm")["high"]
    assert abs(scores[0] - wanted) < 3e-5


def test_the_training_line_and_the_kernel_see_the_same_syllables_however_they_are_spaced() -> None:
    text = "오늘은 날씨가 좋아서, 산책을 했다! 漢字 ㅋㅋ"
    joined = text.replace(" ", "")
    assert PREPARATIONS["syllables"](text) == PREPARATIONS["syllables"](joined)
    scorer = QualityScorer(model("ko", "syllables"), preparation="syllables")
    one, other, wide = scorer.score([text, joined, text.replace(" ", " \u3000\n ")])
    assert one == other == wide


def test_words_that_look_like_labels_label_nothing() -> None:
    assert training_line("low", "__label__high is a __label__x y__label__z", "dclm").split() == [
        "__label__low",
        "is",
        "a",
        "y__label__z",
    ]


@pytest.mark.parametrize("cut", [0, 7, 60, 200, 4000])
def test_a_file_that_is_cut_or_is_something_else_is_named(tmp_path: Path, cut: int) -> None:
    whole = model("en", "dclm").read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[:cut])
    (tmp_path / "other.bin").write_bytes(b"x" * 500)
    for name in ("cut.bin", "other.bin"):
        with pytest.raises(InputError, match=f"{name}: not a fastText model"):
            QualityScorer(tmp_path / name)


def test_a_model_without_a_label_of_good_texts_is_refused_and_a_card_can_name_one(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    path.write_bytes(model("en", "dclm", "books forum").read_bytes())
    with pytest.raises(InputError, match="has no label 'high' or 'hq'; its labels are: "):
        QualityScorer(path)
    assert QualityScorer(path, label="books").label == "books"
    path.with_suffix(".json").write_text('{"language": "en", "high": "books", "preparation": "dclm"}')
    named = QualityScorer(path)
    assert named.label == "books" and named.identity() == f"{named.sha256}-books-dclm"
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(InputError, match="not a model card"):
        QualityScorer(path)
