"""Korean morphemes: counted as datatrove counts its words, bounded, and only where a rule asks for them."""

from __future__ import annotations

import json
import random
import sys
import time
import unicodedata
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curation_corpus import corpus_rows, make_recipe, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.decisions.rules import load_rules
from hanji.curation.pipeline import curate, plan
from hanji.curation.recipe import Rules
from hanji.curation.signals import morphemes, ratios
from hanji.curation.signals.text import SIGNALS
from hanji.curation.steps import morphemes as step
from hanji.errors import RecipeError

pytest.importorskip("kiwipiepy", reason="pip install 'hanji[korean]'")
filters = pytest.importorskip("datatrove.pipeline.filters.gopher_repetition_filter")
PRESET = "fineweb2_kor_Hang"


def datatrove_counts(words: list[str]) -> dict[str, int]:
    """What datatrove's filters make of words, by its own functions where it has any."""
    from datatrove.utils.text import PUNCTUATION_SET

    content = [word for word in words if any(c not in PUNCTUATION_SET for c in word)]
    return {
        "kiwi_words": len(words),
        "kiwi_content_words": len(content),
        "kiwi_content_word_characters": sum(map(len, content)),
        "kiwi_alphabetic_words": sum(any(c.isalpha() for c in word) for word in words),
        "kiwi_stop_words": len(set(words) & set(morphemes.STOP_WORDS)),
        **{
            f"kiwi_top_{n}_gram_characters": filters.find_top_duplicate(filters.get_n_grams(words, n))
            if len(words) >= n
            else 0
            for n in (2, 3, 4)
        },
        **{f"kiwi_duplicate_{n}_gram_characters": filters.find_all_duplicate(words, n) for n in range(5, 11)},
    }


def surfaces(text: str, spans: tuple[np.ndarray, np.ndarray]) -> list[str]:
    pieces = [text[start:end].strip() for start, end in zip(*spans, strict=True)]
    return [piece for piece in pieces if piece]


def measured(text: str) -> dict[str, int]:
    return morphemes.measure(pa.array([text], pa.large_string())).to_pylist()[0]


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), max_size=80)


@settings(max_examples=200, deadline=None)
@given(st.text("가나다 의는\n.,…ab1漢\u3000😀", max_size=60), spans)
def test_any_words_are_counted_as_datatrove_counts_them(text: str, drawn: list[tuple[int, int]]) -> None:
    starts = np.array([min(start, len(text)) for start, _ in drawn], np.int32)
    ends = np.array([min(start + length, len(text)) for start, length in drawn], np.int32)
    words = surfaces(text, (starts, ends))
    # datatrove joins words by spaces to compare them; that words hold spaces themselves is another matter.
    if any(" " in word for word in words):
        return
    found = morphemes.counts([text], [(starts, ends)]).to_pylist()[0]
    assert {name: found[name] for name in datatrove_counts(words)} == datatrove_counts(words)


def test_kiwis_words_are_the_stretches_that_its_morphemes_cover() -> None:
    text = "나는 어제 도서관에서 책을 읽었다.\n비가 와서 길이 미끄러웠다. " * 8
    spans = morphemes.morphemes(text)
    assert spans is not None
    words = surfaces(text, spans)
    assert {"도서관", "에서", "책", "을", "."} <= set(words)
    found = measured(text)
    assert {name: found[name] for name in datatrove_counts(words)} == datatrove_counts(words)
    assert found["kiwi_characters"] == len(text)


def test_two_morphemes_in_one_syllable_are_two_words() -> None:
    spans = morphemes.morphemes("공부했다")
    assert spans is not None
    assert surfaces("공부했다", spans) == ["공부", "했", "했", "다"]


def test_decomposed_text_is_counted_as_composed() -> None:
    text = "한지는 닥나무 껍질로 만드는 우리 종이다."
    assert measured(unicodedata.normalize("NFD", text)) == measured(text)


def test_positions_count_code_points_beyond_the_basic_plane() -> None:
    text = "😀😀 학교에 𠀀 갔다"
    spans = morphemes.morphemes(text)
    assert spans is not None
    assert "학교" in surfaces(text, spans)


def test_a_text_without_words_has_no_counts() -> None:
    table = morphemes.measure(pa.array(["", " \n\t "], pa.large_string()))
    assert table.column_names == list(morphemes.COLUMNS)
    assert [sum(row.values()) for row in table.to_pylist()] == [0, 4]
    assert len(morphemes.measure(pa.array([], pa.large_string()))) == 0


@given(st.text("가나 \n", max_size=200))
def test_pieces_cover_a_text_once_and_are_small(text: str) -> None:
    text *= 200
    pieces = list(morphemes.pieces(text))
    assert "".join(text[first:last] for first, last in pieces) == text
    assert all(0 < last - first <= morphemes.PIECE for first, last in pieces)


def test_a_text_is_cut_at_a_line_end_else_at_a_space() -> None:
    line = "가" * 5000
    assert list(morphemes.pieces(f"{line}\n{line}")) == [(0, 5001), (5001, 10_001)]
    assert list(morphemes.pieces(f"{line} {line}")) == [(0, 5001), (5001, 10_001)]


def test_cutting_a_long_text_at_line_ends_changes_no_word() -> None:
    rng = random.Random(7)
    words = ["한지는", "닥나무", "껍질로", "만드는", "종이다", "겨울에", "벤", "나무를", "찐다"]
    text = "\n".join(" ".join(rng.choices(words, k=12)) + "." for _ in range(250))
    assert len(list(morphemes.pieces(text))) > 1
    whole = [token.span for token in morphemes._kiwi().tokenize(text, oov_handling="rule")]
    spans = morphemes.morphemes(text)
    assert spans is not None
    assert list(zip(*(column.tolist() for column in spans), strict=True)) == whole


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1" * 100_000, id="digits"),
        pytest.param("1," * 50_000, id="digits and commas"),
        pytest.param("가" * 50_000, id="one syllable"),
        pytest.param("나는을에" * 12_000, id="no spaces"),
        pytest.param("a" * 100_000, id="latin"),
        pytest.param("\x00\x01가\x1f" * 20_000, id="controls"),
        pytest.param("ㅋ" * 100_000, id="jamo"),
        pytest.param("\u1100" * 50_000, id="initials"),
        pytest.param("가\u0301" * 30_000, id="combining"),
        pytest.param("👨‍👩‍👧" * 10_000, id="joined emoji"),
        pytest.param("\u2028가\ufeff" * 20_000, id="separators"),
        pytest.param('"(' * 30_000, id="quotes and brackets"),
    ],
)
def test_no_text_hangs_or_crashes_kiwi(text: str) -> None:
    started = time.process_time()
    found = measured(text)
    assert found["kiwi_words"] >= 1
    assert found["kiwi_unread"] == 0
    # 50 microseconds a character are the slowest that was seen; the loading of Kiwi and its kernels comes on top.
    assert time.process_time() - started < 60


def test_a_token_longer_than_16_bits_keeps_its_length() -> None:
    """Kiwi alone says that a number of 100,000 digits is 34,464 long."""
    assert measured("1" * 100_000)["kiwi_content_word_characters"] == 100_000


def test_a_text_too_long_for_kiwi_is_split_at_white_space_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(morphemes, "MAX_CHARACTERS", 20)
    text = "가나 다라마.\n" * 5 + "\u3000끝"
    found = measured(text)
    assert found["kiwi_unread"] == 1
    assert {name: found[name] for name in datatrove_counts(text.split())} == datatrove_counts(text.split())


def test_the_preset_has_the_published_thresholds() -> None:
    rules = {rule.name.partition(".")[2]: rule for rule in load_rules(Rules(presets={"ko": [PRESET]}))["ko"]}
    assert rules["duplicate_lines"].threshold == 0.374
    assert [rules[f"top_{n}_gram"].threshold for n in (2, 3, 4)] == [0.282, 0.228, 0.185]
    assert [rules[f"duplicate_{n}_gram"].threshold for n in range(5, 11)] == [
        *(0.201, 0.184, 0.168),
        *(0.154, 0.14, 0.127),
    ]
    assert (rules["punctuated_lines"].op, rules["punctuated_lines"].threshold) == (">=", 0.062)
    assert rules["newlines"].threshold == 0.196
    assert rules["alphabetic"].threshold == 0.791
    assert len(morphemes.STOP_WORDS) == 21
    assert {"kiwi_words", "kiwi_mean_word_length"} <= set(ratios.names())


def test_without_kiwi_the_recipe_says_what_to_install(
    tmp_path: Path, corpus: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    recipe = make_recipe(tmp_path / "run", corpus, rules={"presets": {"ko": [PRESET]}})
    with pytest.raises(RecipeError, match=r"fineweb2_kor_Hang.*pip install 'hanji\[korean\]'"):
        plan(recipe)
    plan(make_recipe(tmp_path / "other", corpus))


def test_morphemes_are_for_korean_alone() -> None:
    with pytest.raises(RecipeError, match=r"top_2_gram \(for en\)"):
        step.are_needed(load_rules(Rules(presets={"en": [PRESET], "ko": []})))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("morphemes")
    paths = [write_rows(base / "input" / f"{i}.jsonl", corpus_rows()[i::3]) for i in range(3)]
    rules = {"presets": {"ko": [PRESET], "en": ["gopher"]}}
    curate(make_recipe(base / "run", paths, rules=rules))
    return base / "run"


def test_korean_documents_are_judged_by_their_morphemes(judged: Path) -> None:
    facts = f"'{judged}/gathered/facts/*.parquet'"
    korean = duckdb.sql(f"SELECT min(kiwi_words) FROM {facts} WHERE language = 'ko'").fetchall()
    other = duckdb.sql(
        f"SELECT count(*), count(kiwi_words), count(words) FROM {facts} WHERE language = 'en'"
    ).fetchall()
    assert korean[0][0] > 0
    assert other[0][0] > 0 and other[0][1] == 0 and other[0][2] > 0
    ledger = f"'{judged}/ledger/*.parquet'"
    kept = duckdb.sql(f"SELECT count(*) FROM {ledger} WHERE language = 'ko' AND verdict = 'kept'").fetchall()
    rules = duckdb.sql(
        f"SELECT DISTINCT rule FROM {ledger} WHERE language = 'ko' AND step = 'rules'"
    ).fetchall()
    assert kept[0][0] > 0
    assert all(name.startswith(PRESET) for (name,) in rules)


def test_a_run_whose_rules_judge_no_morphemes_has_none(tmp_path: Path, corpus: list[Path]) -> None:
    summary = curate(make_recipe(tmp_path / "run", corpus, rules={"presets": {"ko": ["hanji_ko"]}}))
    assert summary.kept > 0
    assert not (tmp_path / "run/signals/morphemes").exists()
    facts = pq.read_schema(next((tmp_path / "run/gathered/facts").glob("*.parquet")))
    assert not [name for name in facts.names if name.startswith(morphemes.PREFIX)]
    assert set(SIGNALS) <= set(facts.names)
    steps = [one["name"] for one in json.loads((tmp_path / "run/run.json").read_text())["steps"]]
    assert "morphemes" not in steps and "measure" in steps


def test_morphemes_are_counted_once_however_often_it_is_decided(judged: Path, tmp_path: Path) -> None:
    paths = sorted((judged.parent / "input").glob("*.jsonl"))
    rules = {"presets": {"ko": [PRESET], "en": ["gopher"]}, "thresholds": {f"{PRESET}.min_words": 1}}
    curate(make_recipe(judged, paths, rules=rules))
    steps = {one["name"]: one for one in json.loads((judged / "run.json").read_text())["steps"]}
    assert steps["morphemes"]["skipped"] == steps["morphemes"]["units"] > 0
