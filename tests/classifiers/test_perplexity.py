"""Perplexity: CCNet's normal form, its formula, cut-offs, and models read and trained."""

from __future__ import annotations

import gzip
import json
import math
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from curation_corpus import article
from hypothesis import given, settings
from hypothesis import strategies as st
from perplexity_models import SENTENCES, arpa_log10, write_models

from hanji.classifiers.perplexity import programs, scoring
from hanji.classifiers.perplexity.cutoffs import CCNET, exact_cutoffs
from hanji.classifiers.perplexity.normal import normalise
from hanji.classifiers.perplexity.scoring import PerplexityScorer
from hanji.errors import InputError, RecipeError, RunError

LETTERS = (
    "가한글ㅋABÉéñＡİßΣ ١٣５09\t\n\r\u0085\u00a0\u2028\u0301\u0323－—–…“”«»、。（）％►１.,!?-漢😀\u037e\u1fef"
)


def definition(text: str) -> str:
    """The normal form character by character, as CCNet's description has it."""
    marks = {"，": ",", "、": ",", "。": ".", "∶": ":", "：": ":", "？": "?", "！": "!", "（": "(", "）": ")"}
    marks |= {
        "；": ";",
        "–": "-",
        "━": "-",
        "►": "-",
        "—": " - ",
        "．": ". ",
        "～": "~",
        "…": "...",
        "％": "%",
    }
    marks |= {"〈": "<", "〉": ">", "【": "[", "】": "]"} | dict.fromkeys("„“”«»「」《》", '"')
    marks |= dict.fromkeys("´’", "'")
    made = []
    for character in unicodedata.normalize("NFD", text.strip().lower()):
        if unicodedata.category(character) == "Mn":
            continue
        made += "0" if unicodedata.category(character) == "Nd" else marks.get(character, character)
    return "".join(c for c in made if not (ord(c) < 32 or 127 <= ord(c) < 160))


@settings(max_examples=150, deadline=None)
@given(st.text(LETTERS, max_size=40) | st.text(max_size=30))
def test_the_normal_form_is_the_definition_read_character_by_character(text: str) -> None:
    assert normalise(text) == definition(text)


def test_a_document_becomes_one_line_and_hangul_comes_apart() -> None:
    assert normalise(" Café № ３5…\n“Hi”—x ") == 'cafe № 00..."hi" - x'
    assert normalise("한\n글") == unicodedata.normalize("NFD", "한글")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1e-3, 1e9) | st.just(math.nan) | st.just(12.5), max_size=80),
    st.floats(0, 1),
    st.integers(1, 5),
)
def test_cut_offs_are_the_sorted_perplexities_at_their_places(
    values: list[float], share: float, parts: int
) -> None:
    array = np.array(values, np.float64)
    (found,) = exact_cutoffs(lambda: np.array_split(array, parts), [share])
    ordered = np.sort(array[~np.isnan(array)])
    if not len(ordered):
        assert math.isnan(found)
        return
    assert found == ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    assert (ordered < found).sum() <= share * len(ordered)


def test_ccnets_cut_offs_are_upper_bounds_that_do_not_belong() -> None:
    assert CCNET["ko"].places(np.array([919.9, 920.0, 2129.9, 2130.0, np.nan])).tolist() == [0, 1, 1, 2, -1]
    assert CCNET["en"].places(np.array([339.0, 340.0, 520.0])).tolist() == [0, 1, 2]


def test_programs_that_are_not_there_are_told_with_the_command_that_builds_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InputError, match="hanji classifier build-lmplz"):
        programs.find("lmplz")
    with pytest.raises(InputError, match="cmake"):
        programs.build(tmp_path / "bin", tmp_path / "kenlm.tar.gz")


def test_a_program_that_fails_says_what_it_said() -> None:
    with pytest.raises(RunError, match=r"(?s)sh ended with 3:.*no such corpus"):
        programs.run(["sh", "-c", "echo no such corpus >&2; exit 3"])


def test_without_kenlm_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    model = tmp_path / "ko.arpa.bin"
    model.write_bytes(b"x")
    with pytest.raises(RecipeError, match=r"pip install 'hanji\[perplexity\]'"):
        PerplexityScorer(model, model)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("kenlm", reason="pip install 'hanji[perplexity]'")
    pytest.importorskip("sentencepiece", reason="pip install 'hanji[perplexity]'")
    return write_models(tmp_path_factory.mktemp("perplexity"))


TEXTS = (
    *SENTENCES[:4],
    "아주 다른 글 xyz 12, 34…\n둘째 줄.",
    "ㅋㅋㅋㅋ",
    "The Quick Brown FOX.",
    "한",
    "a\x00b <unk> </s> <s>",
)


def test_a_perplexity_is_what_the_arpa_file_gives_by_hand(models: tuple[Path, Path]) -> None:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(models[1]))
    found = PerplexityScorer(*models).score(TEXTS)
    for text, perplexity in zip(TEXTS, found.tolist(), strict=True):
        words = " ".join(pieces.encode(definition(text), out_type=str)).split()
        log10 = arpa_log10(models[0], words)
        assert perplexity == pytest.approx(10 ** (-log10 / (len(words) + 1)), rel=1e-5)


def test_a_perplexity_is_what_kenlm_says_word_by_word(models: tuple[Path, Path]) -> None:
    import kenlm
    import sentencepiece

    model = kenlm.Model(str(models[0]))
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(models[1]))
    found = PerplexityScorer(*models).score(pa.array(TEXTS, pa.large_string()))
    for text, perplexity in zip(TEXTS, found.tolist(), strict=True):
        logs = [log for log, *_ in model.full_scores(" ".join(pieces.encode(definition(text), out_type=str)))]
        assert perplexity == pytest.approx(10 ** (-sum(logs) / len(logs)), rel=1e-6)


def test_a_text_of_which_nothing_is_left_has_no_perplexity(models: tuple[Path, Path]) -> None:
    assert np.isnan(PerplexityScorer(*models).score(["", " \n ", "\u0301"])).all()
    assert PerplexityScorer(*models).score([]).shape == (0,)


def test_batches_do_not_change_a_perplexity(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PerplexityScorer(*models).score(TEXTS)
    monkeypatch.setattr(scoring, "_BATCH", 20)
    assert PerplexityScorer(*models).score(TEXTS).tolist() == whole.tolist()


def test_files_that_are_no_models_are_told(models: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"no model at all")
    with pytest.raises(InputError, match="not a KenLM model"):
        PerplexityScorer(other, models[1])
    with pytest.raises(InputError, match="not a SentencePiece model"):
        PerplexityScorer(models[0], other)
    with pytest.raises(InputError, match="no such model file"):
        PerplexityScorer(tmp_path / "none", models[1])


def _corpus(path: Path, rows: list[str]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text, "source": "book"}) + "\n" for text in rows)
    return path


@pytest.mark.slow
def test_training_gives_the_same_models_whatever_the_order_and_prefers_its_own_kind(tmp_path: Path) -> None:
    pytest.importorskip("kenlm", reason="pip install 'hanji[perplexity]'")
    try:
        programs.find("lmplz")
    except InputError as error:
        pytest.skip(str(error))
    from hanji.classifiers.perplexity.training import PerplexitySettings, train_perplexity
    from hanji.classifiers.texts import TextFile

    rows = [article("ko", number) for number in range(200)]
    files = [_corpus(tmp_path / "a.jsonl.gz", rows), _corpus(tmp_path / "b.jsonl.gz", rows[::-1])]
    made: list[Any] = []
    for place, (file, memory) in enumerate(zip(files, ("200M", "1G"), strict=True)):
        how = PerplexitySettings(vocabulary=120, order=5, memory=memory)
        output = tmp_path / f"model{place}"
        made.append(train_perplexity([TextFile(str(file))], output, "ko", how))
    first, second = made
    assert Path(first.model).read_bytes() == Path(second.model).read_bytes()
    assert Path(first.sentencepiece).read_bytes() == Path(second.sentencepiece).read_bytes()
    card = json.loads(Path(first.card).read_text())
    assert card["held_out"]["head"]["below"] == first.head < first.middle
    assert first.texts + first.held_out == 200
    scores = PerplexityScorer(first.model, first.sentencepiece).score(
        [article("ko", 999), "ㅋㅋ 클릭 여기 xx 123"]
    )
    assert scores[0] < scores[1] / 3
    with pytest.raises(
        RecipeError, match=r"vocabulary: 60000 pieces are too many for these texts: at most \d+"
    ):
        train_perplexity(
            [TextFile(str(files[0]))], tmp_path / "large", "ko", PerplexitySettings(vocabulary=60_000)
        )
    with pytest.raises(
        RecipeError, match=r"20 pieces are fewer than the letters of these texts: at least \d+"
    ):
        train_perplexity(
            [TextFile(str(files[0]))], tmp_path / "small", "ko", PerplexitySettings(vocabulary=20)
        )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
