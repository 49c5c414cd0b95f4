"""What a model goes by, attributed to n-grams of texts: sums are its scores, lists those of a plain count."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hanji.classifiers import fasttext_model
from hanji.classifiers.evaluating.ngrams import Reader, explained, weightiest
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.linear import FLOOR, linear_model
from hanji.classifiers.preparing import prepare, training_line
from hanji.classifiers.quality import QualityScorer
from hanji.jobs import sample

SEED = Path(sample.__file__).parent / "seed"
KINDS = [("en", "dclm", 2), ("ko", "syllables", 3), ("ko", "eojeol", 2), ("en", "dclm", 1)]


@cache
def directory() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="hanji-ngrams-"))


def rows(language: str) -> list[tuple[str, bool]]:
    found = [json.loads(line) for line in (SEED / f"{language}.jsonl").read_text("utf-8").splitlines()]
    return [(row["text"], row["label"] == "high") for row in found[::5]]


@cache
def reader(language: str, preparation: str, ngrams: int, third: str = "") -> tuple[Reader, QualityScorer]:
    """A model with so few rows for n-grams that each holds many of them."""
    path = directory() / f"{language}-{preparation}-{ngrams}{third}.bin"
    lines = path.with_suffix(".txt")
    with lines.open("w", encoding="utf-8") as file:
        for number, (text, good) in enumerate(rows(language)):
            label = "high" if good else third if third and number % 4 == 1 else "low"
            file.write(training_line(label, text, preparation))
    fasttext_model.train(lines, path, Training(lr=0.5, dim=8, epoch=20, word_ngrams=ngrams, bucket=300))
    status = path.stat()
    linear = linear_model(str(path), status.st_size, status.st_mtime_ns)
    assert linear is not None
    return Reader(linear, "high", preparation), QualityScorer(path, "high", preparation)


def fasttext_hash(word: str) -> int:
    h = 2166136261
    for byte in word.encode():
        h = ((h ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return h - (1 << 32) if h >= 1 << 31 else h


def plain_features(
    text: str, of: Reader, ngrams: int, known: list[str]
) -> Iterator[tuple[tuple[str, ...], int]]:
    """(words, row) of each feature, in Python, as fastText's Dictionary::getLine has them."""
    words = [*prepare(text, of.preparation).split(), "</s>"]
    for at, word in enumerate(words):
        if word in known:
            yield (word,), known.index(word)
        chain = fasttext_hash(word)
        for end in range(at + 1, min(len(words), at + ngrams)):
            chain = (chain * 116049371 + fasttext_hash(words[end])) % (1 << 64)
            yield tuple(words[at : end + 1]), len(known) + chain % (of.model.rows - len(known))


@pytest.mark.parametrize(("language", "preparation", "ngrams"), KINDS)
def test_the_lists_are_those_of_a_plain_count_though_many_ngrams_share_a_row(
    language: str, preparation: str, ngrams: int
) -> None:
    of, scorer = reader(language, preparation, ngrams)
    import fasttext

    known = fasttext.load_model(str(scorer.path)).f.getVocab("strict")[0]
    some = rows(language)
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    uses: dict[tuple[str, ...], int] = defaultdict(int)
    texts: dict[tuple[str, ...], set[int]] = defaultdict(set)
    of_row: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    row_of: dict[tuple[str, ...], int] = {}
    for number, (text, _) in enumerate(some):
        features = list(plain_features(text, of, ngrams, known))
        for ngram, row in features:
            sums[ngram] += of.weights[row] / len(features)
            uses[ngram] += 1
            texts[ngram].add(number)
            of_row[row].add(ngram)
            row_of[ngram] = row
    assert ngrams == 1 or max(map(len, of_row.values())) > 10

    def batches() -> Iterator[tuple[list[str], np.ndarray]]:
        for start in range(0, len(some), 7):
            part = some[start : start + 7]
            yield [text for text, _ in part], np.array([good for _, good in part])

    found = weightiest(of, batches, 15)
    assert found["texts"] == len(some)
    joined = {" ".join(ngram).replace(" ", ""): ngram for ngram in sums}

    def plain(row: dict[str, Any]) -> tuple[str, ...]:
        return joined[row["ngram"].replace(" ", "")]

    for name, sign in (("up", 1), ("down", -1)):
        best = sorted((sign * value for value in sums.values() if sign * value > 0), reverse=True)[:15]
        assert [sign * row["contribution"] * len(some) for row in found[name]] == pytest.approx(best)
    least = found["least_texts"]
    for name, sign in (("heaviest_up", 1), ("heaviest_down", -1)):
        weights = [
            sign * of.weights[row_of[ngram]]
            for ngram in sums
            if len(texts[ngram]) >= least
            and uses[ngram] * 2 >= sum(uses[other] for other in of_row[row_of[ngram]])
        ]
        best = sorted((weight for weight in weights if weight > 0), reverse=True)[:15]
        assert [sign * row["weight"] for row in found[name]] == pytest.approx(best)
    for name in ("up", "down", "heaviest_up", "heaviest_down"):
        for row in found[name]:
            ngram = plain(row)
            assert (row["uses"], row["texts"]) == (uses[ngram], len(texts[ngram]))
            assert row["good"] == sum(some[number][1] for number in texts[ngram])
            assert row["row_ngrams"] == len(of_row[row_of[ngram]])


@pytest.mark.parametrize(("language", "preparation", "ngrams"), KINDS)
def test_contributions_add_up_to_the_score(language: str, preparation: str, ngrams: int) -> None:
    of, scorer = reader(language, preparation, ngrams)
    texts = [text for text, _ in rows(language)]
    texts += ["", " \n", "x __label__high y", "a </s> b", "\ud800 lone", "가나다\u3000라 ABC abc 12"]
    features = of.features(texts)
    odds = np.bincount(features.text, of.weights[features.rows], len(texts)) / features.counts
    wanted = 1 / (1 + np.exp(-odds))
    assert abs(scorer.score(texts) - wanted).max() < 2 * FLOOR
    reasons = explained(of, texts[0], 10_000)
    assert sum(one["contribution"] for one in reasons) == pytest.approx(odds[0])
    sizes = [abs(one["contribution"]) for one in reasons]
    assert sizes == sorted(sizes, reverse=True)


def test_ngrams_are_shown_as_a_person_reads_them() -> None:
    of, _ = reader("ko", "syllables", 3)
    shown = {one["ngram"] for one in explained(of, "달이 뜬다. open source 책", 100)}
    assert {"달이", "달이뜬", "open source", "open source책", "책 </s>", "다."} <= shown
    hidden = reader("en", "dclm", 2)[0]
    shown = {one["ngram"] for one in explained(hidden, "red\x1b[31m \u202eevil", 100)}
    assert shown and not any("\x1b" in one or "\u202e" in one for one in shown)


def test_with_more_labels_a_weight_is_that_against_the_mean_of_the_others() -> None:
    of, scorer = reader("en", "dclm", 2, "fine")
    assert len(scorer.labels) == 3
    row = of.model._weights[17].astype(float)
    place = of.model.labels.index("high")
    others = [value for one, value in enumerate(row) if one != place]
    assert of.weights[17] == pytest.approx(row[place] - sum(others) / 2)
