"""Language of text: by script, by English evidence, by the model; mixed and odd texts included."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.classifiers import fasttext_model, language_english, language_korean
from hanji.classifiers.fasttext_model import Prediction
from hanji.classifiers.language import LanguageIdentifier, find_lid, windows
from hanji.classifiers.language_scripts import HAN, HANGUL, JAMO, KANA, LATIN, WHOLE, segments, survey
from hanji.curation.recipe import LanguageModels

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 바람이 불었으나 우리는 오래 걸었다. "
ENGLISH = "We borrowed a book from the library, and in the evening it rained while the wind was blowing. "
GERMAN = "Wir holten ein Buch aus der Bücherei, und am Abend regnete es, während der Wind über das Dorf zog. "
CODE = "for (int i = 0; i < items.size(); i++) {\n    total += items.get(i).getPrice() * rate;\n}\n"


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier(LanguageModels())


@pytest.mark.parametrize(
    ("text", "language", "detail"),
    [
        # Mixed and code-mixed.
        (KOREAN * 10 + "\n" + ENGLISH * 4, "ko", "mixed en"),
        (ENGLISH * 10 + "\n" + KOREAN * 6, "en", "mixed ko"),
        (ENGLISH * 30 + "\n" + GERMAN * 12, "en", "mixed de"),
        (KOREAN + "\n" + CODE * 12, "ko", None),
        ("쿠버네티스의 Pod와 Deployment를 kubectl apply 명령으로 배포하고 rollout status를 확인한다.", "ko", None),
        ("The poet Kim Sowol (김소월) wrote Azaleas (진달래꽃) when he was a young man in Kwaksan.", "en", None),
        (GERMAN * 5 + " 서울", "de", None),
        # Korean in its other forms.
        ("ㅋㅋㅋㅋㅋㅋ ㅠㅠ ㅇㅇ ㄱㅅ", "ko", None),
        ("ᄂᆞᆷ이 ᄒᆞᆫ 마ᄅᆞᆯ ᄯᅡ라 ᄒᆞ고 나랏 말ᄊᆞ미 中國에 달아 文字와로 서르 ᄉᆞᄆᆞᆺ디 아니ᄒᆞᆯᄊᆡ", "ko", "ko-Kore"),
        ("혼저 옵서예. 무사 경 햄수과? 난 서귀포서 와수다. 경허난 어떵 허코 마씸.", "ko", None),
        ("大韓民國의 主權은 國民에게 있고 모든 權力은 國民으로부터 나온다.", "ko", "ko-Kore"),
        ("annyeonghaseyo jeoneun hakgyoeseo hangugeoreul gongbuhago itseumnida joayo", "ko-Latn", "ko-Latn"),
        ("annyŏnghaseyo chŏnŭn hakkyoesŏ han’gugŏrŭl kongbuhago issŭmnida choayo", "ko-Latn", "ko-Latn"),
        # Others.
        ("中国人民从图书馆借了一本书，晚上下起了雨，风也刮得很大。", "zh", None),
        ("図書館で本を借りて読みました。夕方には雨が降りました。", "ja", None),
        ("ソウル(서울)は韓国の首都であり、人口が最も多い都市である。漢江が流れている。", "ja", None),
    ],
)  # fmt: skip
def test_languages_and_what_is_mixed_in(
    identifier: LanguageIdentifier, text: str, language: str, detail: str | None
) -> None:
    (guess,) = identifier.identify([text])
    assert guess.language == language
    assert guess.score >= 0.5 or language not in ("ko", "en")
    assert (guess.detail or "").startswith(detail or "") and (detail or not guess.detail)


NORTH = (
    "우리 나라의 로동계급은 력사적인 당대회를 앞두고 새로운 혁신을 일으키고있다. 녀성들도 기술을 리용하여 "
    "생산을 늘이고있으며 그 리유는 련합기업소의 생산이 정상화되였기때문이다. 공장은 훌륭하게 개건되여 "
    "래년에는 더 큰 성과가 이룩될것이다."
)
SOUTH = (
    "우리나라의 노동자들은 역사적인 대회를 앞두고 새로운 혁신을 일으키고 있다. 여성들도 기술을 이용하여 "
    "생산을 늘리고 있으며 그 이유는 연합 기업의 생산이 정상화되었기 때문이다. 공장은 훌륭하게 되어 "
    "내년에는 더 큰 성과가 있을 것이다."
)


def test_the_orthography_of_the_north_is_korean_and_named(identifier: LanguageIdentifier) -> None:
    north, south, quoting = identifier.identify([NORTH, SOUTH, SOUTH + " 로동신문은 녀성의 력사를 다루었다."])
    assert (north.language, north.detail) == ("ko", "ko-KP")
    assert (south.language, south.detail) == ("ko", None)
    assert (quoting.language, quoting.detail) == ("ko", None)


@pytest.mark.parametrize("share", [0.2, 0.35, 0.65, 0.8])
def test_a_mixed_document_is_the_larger_and_tells_the_smaller(
    identifier: LanguageIdentifier, share: float
) -> None:
    size = 40_000
    english = (ENGLISH * 500)[: int(size * share)]
    korean = (KOREAN * 900)[: int(size * (1 - share) / 2.3)]
    for text in (english + "\n" + korean, korean + "\n" + english):
        (guess,) = identifier.identify([text])
        assert guess.language == ("en" if share > 0.5 else "ko")
        found = re.fullmatch(r"mixed (en|ko) (0\.\d\d)", guess.detail or "")
        assert found and float(found.group(2)) == pytest.approx(min(share, 1 - share), abs=0.1)


def test_a_single_paragraph_is_judged_by_sentences(identifier: LanguageIdentifier) -> None:
    (guess,) = identifier.identify([" ".join((KOREAN * 8 + ENGLISH * 5).split())])
    assert guess.language == "ko" and (guess.detail or "").startswith("mixed en 0.")


texts = st.lists(
    st.one_of(
        st.text(max_size=300),
        st.text(st.characters(min_codepoint=0x80, blacklist_categories=[]), max_size=100),
        st.lists(st.sampled_from([KOREAN, ENGLISH, GERMAN, CODE, "\n", "漢字", "ㅋ", "\ud800"])).map("".join),
    ),
    max_size=6,
)  # fmt: skip


@given(texts)
@settings(max_examples=200, deadline=None)
def test_a_batch_is_identified_as_its_texts_one_by_one(texts: list[str]) -> None:
    identifier = LanguageIdentifier(LanguageModels())
    together = identifier.identify(texts)
    assert together == [identifier.identify([text])[0] for text in texts]
    assert all(0.0 <= guess.score <= 1.0 and guess.language for guess in together)


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_scripts_are_counted_as_a_loop_counts_them(text: str) -> None:
    counts = survey(text).counts
    assert counts[HANGUL] == sum("가" <= c <= "힣" for c in text)
    assert counts[LATIN] == sum(bool(re.match("[A-Za-zＡ-Ｚａ-ｚ]", c)) for c in text)
    assert counts[KANA] == sum(
        c.isalpha() and bool(re.match("[\u3041-\u30ff\uff66-\uff9f]", c)) for c in text
    )
    in_han = "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0010ffff]"
    assert counts[HAN] == sum(bool(re.match(in_han, c)) and (c.isalpha() or ord(c) > 0x1FFFF) for c in text)
    assert counts[1:].sum() >= sum(c.isalpha() for c in text)


@given(st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_segments_are_the_whole_text_and_weigh_what_it_does(text: str) -> None:
    found = survey(text)
    bounds, masses = segments(found)
    assert "".join(text[a:b] for a, b in pairwise(bounds)) == text
    assert masses.sum(axis=0) == pytest.approx(found.mass)


def test_long_texts_are_counted_in_bounded_stretches() -> None:
    found = survey(KOREAN * 10_000 + "abc" * 20_000)
    assert len(found.text) <= WHOLE + 10
    assert found.counts[LATIN] and found.counts[HANGUL] and not found.counts[JAMO]


@given(st.text(max_size=30_000))
@settings(max_examples=50, deadline=None)
def test_windows_are_stretches_from_the_beginning_to_the_end(text: str) -> None:
    parts = windows(text)
    assert text.startswith(parts[0]) and text.endswith(parts[-1]) and len(parts) <= 8


class _OneWord:
    """A model that always says the same: what a decision is without it."""

    sha256 = "0"

    def __init__(self, *labels: tuple[str, float]) -> None:
        self._said = [Prediction(label, probability) for label, probability in labels]

    def best(self, texts: list[str], count: int) -> list[list[Prediction]]:
        return [self._said[:count] for _ in texts]


def _with_model(monkeypatch: pytest.MonkeyPatch, model: _OneWord, glotlid: str | None) -> LanguageIdentifier:
    monkeypatch.setattr(fasttext_model, "load", lambda path, expected=None: model)
    return LanguageIdentifier(LanguageModels(glotlid=glotlid))


def test_hangul_and_plain_english_need_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = _with_model(monkeypatch, _OneWord(), None)
    guesses = identifier.identify([KOREAN * 4, ENGLISH * 4])
    assert [guess.language for guess in guesses] == ["ko", "en"]


def test_what_a_model_takes_for_english_stands_a_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = _with_model(monkeypatch, _OneWord(("en", 0.95), ("hus", 0.01)), None)
    (guess,) = identifier.identify(
        ["xatxan u pulel an xo k'al ti inik ani ti uxum ti k'ayum t'ujub in ejtal "]
    )
    assert guess.language == "hus"


def test_one_file_is_another_identifier_where_it_is_taken_for_glotlid() -> None:
    file = str(find_lid())
    one, other = (LanguageIdentifier(LanguageModels(**{field: file})) for field in ("model", "glotlid"))
    assert one.identity() != other.identity()


def test_glotlid_is_asked_about_all_latin_text_and_its_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = _with_model(monkeypatch, _OneWord(("eng_Latn", 0.9), ("sco_Latn", 0.05)), "model.bin")
    assert identifier.identify([ENGLISH])[0].language == "en"
    identifier = _with_model(monkeypatch, _OneWord(("sco_Latn", 0.99), ("deu_Latn", 0.01)), "model.bin")
    scots = "The bairns gaed doun tae the burn an fund that the watter wis gey cauld the day. "
    assert identifier.identify([scots])[0].language == "sco_Latn"
    assert identifier.identify([KOREAN])[0].language == "ko"


def test_the_trigram_table_holds_chances_that_add_up() -> None:
    levels = language_english.levels()
    assert levels.shape == (27**3,) and levels.max() == language_english.LEVELS
    chances = 2.0 ** (-language_english.BITS * levels.astype(float)).reshape(27 * 27, 27)
    # Each is rounded to half a level, and the least to the last level.
    assert np.all((chances.sum(axis=1) > 0.5) & (chances.sum(axis=1) < 2.0))
    then = [ord(letter) - 96 for letter in "the"]
    assert levels[then[0] * 729 + then[1] * 27 + then[2]] <= 1


def test_a_trigram_table_is_made_of_the_plain_words_of_texts() -> None:
    plain = language_english.table_of(["the cat sat", "on the mat"])
    assert plain == language_english.table_of(["the CAT `x_y` sat", "on https://a.b/c the {b} mat"])
    assert plain != language_english.table_of(["the dog sat", "on the mat"])


def test_declarations_are_not_taken_for_english_or_korean(
    identifier: LanguageIdentifier, data_dir: Path
) -> None:
    del data_dir
    from benchmarks.language_corpus import APART, declarations

    snippets: dict[str, list[str]] = defaultdict(list)
    for language, _, text in declarations():
        flat = " ".join(text.split())
        snippets[language] += [flat[at : at + 200] for at in range(0, min(len(flat), 2_000) - 199, 200)]
    called = {
        language: np.mean([guess.language in ("ko", "en") for guess in identifier.identify(parts)])
        for language, parts in snippets.items()
        if parts and language not in APART
    }
    assert called.pop("ko") == called.pop("en") == 1.0
    assert len(called) > 100 and np.mean(list(called.values())) < 0.005


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_evidence_is_finite_for_any_text(text: str) -> None:
    assert np.isfinite(language_english.judge(text).log_odds)
    assert 0.0 <= language_korean.romanised(text) <= 1.0
    assert language_korean.northern(text) in (True, False)


def test_the_model_is_found_and_named(identifier: LanguageIdentifier) -> None:
    assert find_lid().is_file() and len(identifier.identity()) == 64
