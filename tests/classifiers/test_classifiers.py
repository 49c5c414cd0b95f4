"""Language identification and quality classifiers: right, repeatable, and clear about bad files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanji.classifiers import quality, training
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.language import LanguageIdentifier, find_lid
from hanji.classifiers.preparing import pieces
from hanji.classifiers.texts import TextFile, text_hash
from hanji.curation.recipe import LanguageModels
from hanji.errors import InputError, RecipeError, RunError
from hanji.jobs import sample

SEED = Path(sample.__file__).parent / "seed"


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier(LanguageModels())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸다.", "ko"),
        ("We borrowed a book from the library and it rained in the evening.", "en"),
        ("今日は良い天気ですね。散歩に行きましょう。", "ja"),
        ("Der Hafen friert im Winter zu und die Boote liegen still.", "de"),
        ("파이썬 asyncio event loop 에서 await 를 쓰는 방법을 설명한다", "ko"),
        ("12345 !!! ???", "und"),
        ("", "und"),
    ],
)
def test_languages_are_identified(identifier: LanguageIdentifier, text: str, language: str) -> None:
    (guess,) = identifier.identify([text])
    assert guess.language == language and 0 <= guess.score <= 1


def test_declarations_of_human_rights_are_told_apart(identifier: LanguageIdentifier, data_dir: Path) -> None:
    with gzip.open(data_dir / "lid_udhr.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    wanted = {"ko": "ko", "en": "en", "kor": "ko", "eng": "en"}
    truth = [wanted.get(row["lang"], "other") for row in rows]
    found = [guess.language for guess in identifier.identify([row["text"] for row in rows])]
    for language in ("ko", "en"):
        missed = [t for t, f in zip(truth, found, strict=True) if t == language and f != language]
        assert not missed


def test_a_model_with_another_hash_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / find_lid().name
    copy.write_bytes(find_lid().read_bytes() + b"x")
    with pytest.raises(InputError, match="sha256"):
        LanguageIdentifier(LanguageModels(model=str(copy)))


def test_the_same_seed_texts_make_the_same_model_byte_for_byte(tmp_path: Path) -> None:
    dirty = [np.full(200_000, 7.7) for _ in range(20)]  # freed memory that is not zero
    first = training.train([SEED / "ko.jsonl"], tmp_path / "a.bin", "ko")
    del dirty
    training.train([SEED / "ko.jsonl"], tmp_path / "b.bin", "ko")
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()
    assert first.counts == {"high": 120, "low": 120}
    card = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert card["language"] == "ko" and card["held_out"]["auc"] == pytest.approx(first.auc)


def test_a_training_that_ends_in_nan_is_tried_with_lower_rates_and_the_card_says_so(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = replace(training.default_training("ko"), lr=100.0, dim=8, bucket=100, epoch=2)
    assert (settings.threads, settings.seed) == (1, 0)
    report = training.train([SEED / "ko.jsonl"], tmp_path / "m.bin", "ko", settings)
    card = json.loads((tmp_path / "m.json").read_text("utf-8"))
    assert card["training"]["lr"] < 100 and card["notes"] == report.notes
    assert report.notes[0] == "learning rate 100 failed (Encountered NaN.); trying 50"
    assert np.isfinite(quality.QualityScorer(tmp_path / "m.bin").score(["조석은 달이 만든다."])).all()
    with pytest.raises(RunError, match="fastText found no rate that works: learning rate 1e\\+10 failed"):
        training.train([SEED / "ko.jsonl"], tmp_path / "n.bin", "ko", replace(settings, lr=1e10))


def test_where_every_text_is_held_out_that_is_said_and_no_model_written(tmp_path: Path) -> None:
    aside = (text for text in map(str, range(1000)) if text_hash(text)[8] < training.HELD_OUT_BYTES)
    rows = [{"text": next(aside), "label": label} for label in ("high", "low")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(RecipeError, match="no text is left to train on"):
        training.train([tmp_path / "rows.jsonl"], tmp_path / "m.bin", "en")
    assert not (tmp_path / "m.bin").exists()


@given(st.text(st.sampled_from("ab가 \n\u3000"), max_size=60), st.integers(1, 20))
def test_pieces_are_a_text_without_white_space_at_the_cuts(text: str, characters: int) -> None:
    cut = list(pieces(text, characters))
    assert all(0 < len(piece) <= characters for piece in cut) or cut == [text]
    assert "".join("".join(cut).split()) == "".join(text.split())
    # No word is cut in two that fits into a piece.
    words = text.split()
    if max(map(len, words), default=0) <= characters:
        assert [word for piece in cut for word in piece.split()] == words
    assert list(pieces(text, 0)) == [text]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_articles_score_above_advertising(tmp_path: Path, language: str) -> None:
    from dataclasses import replace

    settings = replace(training.default_training(language), epoch=60)
    report = training.train([SEED / f"{language}.jsonl"], tmp_path / "m.bin", language, settings)
    assert report.auc > 0.95
    scorer = quality.QualityScorer(tmp_path / "m.bin")
    good = {
        "ko": "밀물과 썰물은 달이 바닷물을 끌어당겨서 생긴다.",
        "en": "A telescope gathers light.",
    }
    bad = {
        "ko": "지금 바로 신청하시면 90% 할인 혜택을 드립니다!!!",
        "en": "Click here now and get 90% off!!!",
    }
    high, low = scorer.score([good[language], bad[language]])
    assert high > low


def test_korean_scores_do_not_depend_on_spacing(tmp_path: Path) -> None:
    training.train([SEED / "ko.jsonl"], tmp_path / "m.bin", "ko")
    scorer = quality.QualityScorer(tmp_path / "m.bin")
    spaced, joined = scorer.score(["오늘은 날씨가 좋아서 산책을 했다", "오늘은날씨가 좋아서산책을했다"])
    assert spaced == joined


def test_files_of_one_label_each_and_a_bound_on_both(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (SEED / "en.jsonl").read_text("utf-8").splitlines()]
    for label in ("high", "low"):
        lines = [json.dumps({"text": row["text"]}) for row in rows if row["label"] == label]
        (tmp_path / f"{label}.jsonl").write_text("\n".join(lines), "utf-8")
    by_label = {label: [tmp_path / f"{label}.jsonl"] for label in ("high", "low")}
    same = training.train([], tmp_path / "a.bin", "en", by_label=by_label)
    training.train([SEED / "en.jsonl"], tmp_path / "b.bin", "en")
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()
    assert same.counts == {"high": 120, "low": 120}
    assert training.train([], tmp_path / "c.bin", "en", by_label=by_label, most=50).counts == {
        "high": 50,
        "low": 50,
    }


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ('{"text": "a", "label": "high"}\n{"text": "b"}\n', InputError, r"rows.jsonl:2: no field 'label'"),
        ('{"text": "a", "label": "high"}\nnot json\n', InputError, r"rows.jsonl:2: not a JSON object"),
        (
            '{"text": "a", "label": "two words"}\n',
            InputError,
            r"rows.jsonl:1: label: 'two words' is not allowed",
        ),
        ('{"text": "a", "label": "\\ud800"}\n', InputError, r"rows.jsonl:1: label: '.ud800' is not allowed"),
        ('{"text": 3, "label": "low"}\n', InputError, r"rows.jsonl:1: text is text, not int"),
        ("[" * 100_000 + "\n", InputError, r"rows.jsonl:1: not a JSON object"),
        ('{"text": "a", "label": "low"}\n', RecipeError, r"labelled 'high' and others; found: low × 1"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, content: str, error: type[Exception], message: str) -> None:
    (tmp_path / "rows.jsonl").write_text(content, "utf-8")
    with pytest.raises(error, match=message):
        training.train([tmp_path / "rows.jsonl"], tmp_path / "m.bin", "ko")
    assert not (tmp_path / "m.bin").exists()


def test_a_damaged_gz_file_is_named_with_the_line_before_the_damage(tmp_path: Path) -> None:
    content = bytearray(gzip.compress("".join(f'{{"text": "{n * n}"}}\n' for n in range(30_000)).encode()))
    content[len(content) // 2 :: 7] = b"\xff" * len(content[len(content) // 2 :: 7])
    (tmp_path / "rows.jsonl.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"rows.jsonl.gz: .*, after line \d+|rows.jsonl.gz:\d+: not a JSON"):
        list(TextFile(str(tmp_path / "rows.jsonl.gz")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": float("inf")}, "rate: inf is not allowed"),
        ({"lr": 0.0}, "rate: 0.0 is not allowed"),
        ({"bucket": 3_000_000_000}, "bucket: 3000000000 is not allowed"),
        ({"seed": -1}, "seed: -1 is not allowed"),
    ],
)
def test_settings_that_fasttext_cannot_have_are_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Training(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["m", "m.json", "file/m.bin", "directory.bin"])
def test_a_path_that_no_model_can_have_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory.bin").mkdir()
    with pytest.raises(RecipeError, match=name):
        training.train([SEED / "ko.jsonl"], tmp_path / name, "ko")
    assert not (tmp_path / "m.json").exists()


def test_a_bound_far_below_what_there_is_leaves_a_tenth_held_out_and_the_rest_to_train_on(
    tmp_path: Path,
) -> None:
    rows = [{"text": f"문장 {n} 하늘", "label": "high"} for n in range(100)]
    rows += [{"text": f"광고 {n} 할인", "label": "low"} for n in range(4000)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    report = training.train([tmp_path / "rows.jsonl"], tmp_path / "m.bin", "ko", most=100)
    assert report.counts == {"high": 100, "low": 100} and 8 <= report.held_out <= 40
    assert report.auc == 1.0
