"""The educational filter's iterations: they find, they keep to their quota, and they give the same again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hanji.classifiers import fasttext_model
from hanji.classifiers.educational import Iterating, Trained, train_educational
from hanji.classifiers.educational_choosing import place_taken
from hanji.classifiers.figures import at_threshold, best_recall, drift, roc_auc
from hanji.classifiers.quality import QualityScorer
from hanji.classifiers.texts import Text, TextFile, text_hash
from hanji.classifiers.training import default_training
from hanji.errors import InputError, RecipeError
from hanji.jobs import sample

SEED = Path(sample.__file__).parent / "seed"
SETTINGS = replace(default_training("ko"), epoch=40, lr=0.3, bucket=5000, dim=8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextFile]:
    """Few good seeds, a pool with one large and many small sites of good texts, and held-out texts of others."""
    directory = tmp_path_factory.mktemp("edu")
    rows = [json.loads(line) for line in (SEED / "ko.jsonl").read_text("utf-8").splitlines()]
    high = [row["text"] for row in rows if row["label"] == "high"]
    low = [row["text"] for row in rows if row["label"] == "low"]

    def write(name: str, *groups: tuple[str, list[str], str]) -> TextFile:
        path = directory / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for label, texts, site in groups:
                for place, text in enumerate(texts):
                    row = {"text": text, "label": label, "url": f"https://{site.format(place % 5)}/{place}"}
                    file.write(json.dumps(row) + "\n")
        return TextFile(str(path))

    return {
        "seeds": write("seeds", ("high", high[:8], "seed{}.kr"), ("low", low[:50], "junk{}.kr")),
        "pool": write(
            "pool",
            ("high", high[8:60], "large.kr"),
            ("high", high[60:90], "small{}.kr"),
            ("low", low[50:90], "shop{}.kr"),
            ("high", high[:2], "seed0.kr"),  # seeds that stand in the pool, too
            ("high", high[90:91], "aside1.kr"),  # of a held-out site
        ),
        "held_out": write("held_out", ("high", high[90:], "aside{}.kr"), ("low", low[90:], "ads{}.kr")),
    }


def iterate(files: dict[str, TextFile], output: Path, **how: float) -> Trained:
    return train_educational(
        [files["seeds"]],
        [files["pool"]],
        output,
        held_out=[files["held_out"]],
        how=Iterating(**{"iterations": 4, "quota": 5, "add_from": 0.2, "least_change": 0, **how}),  # type: ignore[arg-type]
        settings=SETTINGS,
    )


@pytest.fixture(scope="module")
def made(files: dict[str, TextFile], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return iterate(files, tmp_path_factory.mktemp("made") / "out")


def added(made: Trained, number: int, label: str = "high") -> list[dict[str, object]]:
    path = Path(made.directory) / f"iteration-{number}" / "added.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row for row in rows if row["as"] == label]


def test_most_texts_that_are_found_are_good(made: Trained) -> None:
    first, last = made.iterations[0], made.iterations[-1]
    assert first.high == 8 and last.high > 16
    found = sum(one.added for one in made.iterations)
    assert sum(one.added * (one.added_right or 0) for one in made.iterations) >= 0.8 * found
    assert made.held_out == {"high": 30, "low": 30}


def test_no_site_gets_more_than_its_quota_in_an_iteration(made: Trained) -> None:
    for one in made.iterations:
        sites, others = (
            Counter(row["source"] for row in added(made, one.number, label)) for label in ("high", "low")
        )
        assert max((*sites.values(), *others.values()), default=0) == one.most_of_a_site <= 5
        assert (sum(sites.values()), len(sites)) == (one.added, one.added_sites)
        assert sum(others.values()) == one.added_low
    # 52 of the pool's 82 good texts are of one site.
    assert made.iterations[-1].largest_site < 0.4


def test_nothing_is_added_twice_or_of_held_out_sites_and_growth_is_bounded(
    made: Trained, files: dict[str, TextFile]
) -> None:
    every = [
        row["id"]
        for one in made.iterations
        for label in ("high", "low")
        for row in added(made, one.number, label)
    ]
    assert len(every) == len(set(every))
    seeds = {text_hash(text.text).hex() for text in files["seeds"]}
    assert not seeds & set(every)
    assert not {row["source"] for one in made.iterations for row in added(made, one.number)} & set(
        made.held_out_sites
    )
    for one, following in zip(made.iterations, made.iterations[1:], strict=False):
        assert following.high == one.high + one.added <= 2 * one.high
        assert following.low == one.low + one.added_low and one.added_low <= one.added


def test_the_same_texts_give_the_same_bytes_whatever_their_order(
    made: Trained, files: dict[str, TextFile], tmp_path: Path
) -> None:
    for name, source in files.items():
        lines = Path(source.path).read_text("utf-8").splitlines(keepends=True)
        (tmp_path / f"{name}.jsonl").write_text("".join(reversed(lines)), "utf-8")
    again = iterate({name: TextFile(str(tmp_path / f"{name}.jsonl")) for name in files}, tmp_path / "out")
    assert again.iterations == made.iterations
    for number in range(1, len(made.iterations) + 1):
        for name in ("model.bin", "added.jsonl"):
            one, other = (Path(m.directory) / f"iteration-{number}" / name for m in (made, again))
            assert one.read_bytes() == other.read_bytes()


def test_the_card_says_what_was_done_and_the_model_scores(made: Trained) -> None:
    card = json.loads(Path(made.card).read_text("utf-8"))
    assert card["taken"] == made.best and len(card["iterations"]) == len(made.iterations)
    assert card["held_out"]["sites"] == made.held_out_sites and len(card["data"]) == 3
    assert "human" not in json.dumps(card)
    scorer = QualityScorer(made.model)
    assert scorer.preparation == "syllables" and scorer.label == "high"
    assert QualityScorer(Path(made.directory) / "iteration-1" / "model.bin").preparation == "syllables"


def test_the_figures_of_an_iteration_are_those_of_its_finished_model(
    made: Trained, files: dict[str, TextFile]
) -> None:
    texts = {text_hash(text.text).hex(): text.text for text in files["pool"]}
    for one in made.iterations:
        scorer = QualityScorer(Path(made.directory) / f"iteration-{one.number}" / "model.bin")
        for label in ("high", "low"):
            rows = added(made, one.number, label)
            scores = scorer.score([texts[str(row["id"])] for row in rows])
            assert scores.tolist() == [row["score"] for row in rows]
    pool = [text.text for text in files["pool"] if text.text not in {t.text for t in files["seeds"]}]
    last = QualityScorer(Path(made.directory) / f"iteration-{len(made.iterations)}" / "model.bin")
    kept = made.iterations[-1].pool_kept
    assert kept == pytest.approx((last.score([t for t in pool if t not in _aside(files)]) >= 0.5).mean())


def _aside(files: dict[str, TextFile]) -> set[str]:
    sites = {text.site for text in files["held_out"]}
    return {text.text for text in files["pool"] if text.site in sites}


def test_iterations_end_when_nothing_is_found(files: dict[str, TextFile], tmp_path: Path) -> None:
    made = iterate(files, tmp_path / "out", add_from=1.0)
    assert len(made.iterations) == 1 and made.stopped == "nothing more was found in the pool"
    made = iterate(files, tmp_path / "other", least_change=1.0)
    assert len(made.iterations) == 2 and made.stopped.endswith("of the pool's texts changed sides")


def test_a_run_that_ends_in_nan_is_told_in_the_iteration(
    files: dict[str, TextFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fasttext_model._train_once

    def diverges_at_first(lines: object, settings: object, rate: float) -> object:
        if rate > 0.15:
            raise RuntimeError("Encountered NaN.")
        return real(lines, settings, rate)  # type: ignore[arg-type]

    monkeypatch.setattr(fasttext_model, "_train_once", diverges_at_first)
    (one,) = iterate(files, tmp_path / "out", iterations=1).iterations
    assert one.rate == 0.15 and one.notes == ["learning rate 0.3 failed (Encountered NaN.); trying 0.15"]


def test_sites_are_held_out_by_themselves_and_what_cannot_be_is_named(
    files: dict[str, TextFile], tmp_path: Path
) -> None:
    made = train_educational(
        [files["seeds"]],
        [files["pool"]],
        tmp_path / "out",
        how=Iterating(iterations=1, held_out_share=0.6),
        settings=SETTINGS,
    )
    assert len(made.held_out_sites) == 6 and set(made.held_out) == {"high", "low"}
    high = TextFile(files["seeds"].path, "high")
    with pytest.raises(RecipeError, match="texts labelled 'low' are of one site"):
        train_educational([high, _Few()], [], tmp_path / "a")
    with pytest.raises(RecipeError, match="held out: labels: a classifier needs texts labelled 'high'"):
        train_educational([files["seeds"]], [], tmp_path / "b", held_out=[_Few()])
    with pytest.raises(RecipeError, match="growth: nan is not allowed"):
        Iterating(growth=float("nan"))
    with pytest.raises(RecipeError, match="others_per_found"):
        Iterating(others_per_found=float("inf"))
    with pytest.raises(RecipeError, match="is not empty"):
        train_educational([files["seeds"]], [], tmp_path / "out")


class _Few:
    """Texts of one site."""

    name = "few"

    def identity(self) -> str:
        return "few"

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield from (Text(f"광고 {place}", "low", "one.kr") for place in range(3))


def test_figures_are_those_of_their_definitions() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.3
    scores = np.round(np.clip(truth * 0.2 + rng.random(300) * 0.8, 0, 1), 2)  # with ties
    pairs = [(a > b) + (a == b) / 2 for a in scores[truth] for b in scores[~truth]]
    assert roc_auc(truth, scores) == pytest.approx(np.mean(pairs))
    found = best_recall(truth, scores, 0.8)
    by_hand = [at_threshold(truth, scores, t) for t in np.unique(scores)]
    assert found is not None and found.recall == max(t.recall for t in by_hand if t.precision >= 0.8)
    assert best_recall(truth, -scores, 0.99) is None
    kept = at_threshold(truth, scores, 0.5)
    hits = int((truth & (scores >= 0.5)).sum())
    assert kept.precision == hits / kept.kept and kept.recall == hits / truth.sum()
    assert drift(scores, scores) == 0 < drift(scores, scores * 0.5)


def test_labels_of_a_pool_that_mean_something_else_are_none(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "label": "high"},
        {"text": "b", "label": {"hate": 1}},
        {"text": "c", "label": "none"},
    ]
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [text.label for text in TextFile(str(path), labels=("high", "low"))] == ["high", None, None]
    with pytest.raises(InputError, match=r"pool.jsonl:2: label: .* is not allowed"):
        list(TextFile(str(path)))


@pytest.mark.parametrize(
    ("recalls", "areas", "good", "place"),
    [
        ([1.0, 1.0, 1.0], [0.9999, 0.9998, 0.9997], 50, 2),  # the last of those that are alike
        ([0.90, 0.97, 0.96, 0.80], [0.9] * 4, 200, 2),  # within one standard error, 0.012, of 0.97
        ([0.90, 0.97, 0.95, 0.80], [0.9] * 4, 200, 1),
        ([0.90, 0.97, 0.95, 0.80], [0.9] * 4, 50, 2),  # fewer texts tell less
        ([0.0, 0.0, 0.0], [0.6, 0.7, 0.5], 50, 1),
    ],
)
def test_the_last_iteration_that_cannot_be_told_from_the_best_is_taken(
    recalls: list[float], areas: list[float], good: int, place: int
) -> None:
    assert place_taken(recalls, areas, good) == place
