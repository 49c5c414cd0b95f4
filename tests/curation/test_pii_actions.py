"""What is done with personal data: masks, tags, drops, and the particles that follow masks and tags."""

from __future__ import annotations

import pytest

from hanji.curation.recipe import CurationRecipe, Pii, Text
from hanji.curation.records import apply_edits
from hanji.curation.text.pii import find_pii, pii_verdict
from hanji.curation.text.pii.masks import ALL_MASKS, ENGLISH_TAGS, KIND_OF_FORM, KOREAN_TAGS, MASKS
from hanji.curation.text.pii.particles import agreeing, final_of, finals_wanted
from hanji.recipe import parse_recipe


@pytest.mark.parametrize(
    ("word", "final"),
    [
        ("010-1234-5670", "consonant"),
        ("010-1234-5671", "rieul"),
        ("010-1234-5672", "vowel"),
        ("a@naver.com", "consonant"),
        ("a@snu.ac.kr", "rieul"),
        ("a@kr.org", "vowel"),
        ("<전화번호>", "vowel"),
        ("<이메일>", "rieul"),
        ("123 (본점)", "consonant"),
        ("", "vowel"),
    ],
)
def test_the_last_sound_is_the_one_that_is_read_aloud(word: str, final: str) -> None:
    assert final_of(word) == final


@pytest.mark.parametrize("form", sorted(MASKS))
def test_each_mask_ends_in_the_sound_it_stands_for_and_is_nobodys(form: str) -> None:
    assert {final: final_of(mask) for final, mask in MASKS[form].items()} == {
        "consonant": "consonant",
        "rieul": "rieul",
        "vowel": "vowel",
    }
    assert form in KIND_OF_FORM
    for mask in MASKS[form].values():
        assert mask in ALL_MASKS
        for context in (
            "전화 {}로",
            "계좌번호 {}",
            "주민등록번호 {} 확인",
            "SSN {}",
            "IP {}",
            "여권 {}",
            "면허 {}",
        ):
            assert find_pii(context.format(mask)) == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("010-1234-5678은 제 번호", "010-0000-0001은 제 번호"),
        ("010-1234-5679는 제 번호", "010-0000-0002는 제 번호"),
        ("010-1234-5676으로 전화", "010-0000-0000으로 전화"),
        ("010-1234-5677로 전화", "010-0000-0001로 전화"),
        # The writer's slip is put right: 칠 takes 을.
        ("010-1234-5677를 눌러", "010-0000-0002를 눌러"),
        ("a@naver.com과 b@snu.ac.kr을", "email@example.com과 email@mail.example을"),
        ("a@kt.org라고 쓴다", "email@example.org라고 쓴다"),
        ("'010-1234-5670'이나 다른", "'010-0000-0000'이나 다른"),
    ],
)
def test_a_mask_fits_the_particle_that_follows(text: str, masked: str) -> None:
    assert apply_edits(text, find_pii(text)) == masked


@pytest.mark.parametrize(
    "particle", ["은", "는", "이", "가", "을", "를", "과", "와", "으로", "로", "이나", "나"]
)
@pytest.mark.parametrize("last", "0123456789")
def test_after_a_mask_every_particle_is_one_that_its_sound_allows(particle: str, last: str) -> None:
    text = f"번호는 010-1234-567{last}{particle} 끝"
    (edit,) = find_pii(text)
    assert final_of(edit.replacement) in finals_wanted(text, edit.end)


@pytest.mark.parametrize(
    ("text", "tagged"),
    [
        ("010-1234-5678은 제 번호", "<전화번호>는 제 번호"),
        ("010-1234-5679는 제 번호", "<전화번호>는 제 번호"),
        ("010-1234-5676으로 전화", "<전화번호>로 전화"),
        ("a@naver.com으로 보내", "<이메일>로 보내"),
        ("a@naver.org를 써", "<이메일>을 써"),
        ("a@naver.org라고 써", "<이메일>이라고 써"),
        ("주민번호 900101-1234567이 맞다", "주민번호 <주민등록번호>가 맞다"),
        ("전화(02-123-4560)으로", "전화(<전화번호>)로"),
        ("010-1234-5678입니다", "<전화번호>입니다"),
        ("서버 8.8.8.8이며", "서버 <IP주소>며"),
    ],
)
def test_a_tag_takes_the_particle_along(text: str, tagged: str) -> None:
    assert apply_edits(text, find_pii(text, Pii(default="tag"))) == tagged


def test_tags_are_in_the_language_of_the_document() -> None:
    text = "call 212-867-0123 or a@mail.com"
    assert apply_edits(text, find_pii(text, Pii(default="tag"))) == "call <PHONE> or <EMAIL>"
    assert apply_edits(text, find_pii(text, Pii(default="tag"), "ko")) == "call <전화번호> or <이메일>"
    assert set(KOREAN_TAGS) == set(ENGLISH_TAGS) == set(Pii().actions())


def test_agreement_leaves_words_that_only_begin_like_particles() -> None:
    assert agreeing("010은행", 3, "vowel") == (3, "")
    assert agreeing("8이라는 수", 1, "vowel") == (4, "라는")
    assert agreeing("8이다", 1, "vowel") == (1, "")


def test_actions_are_set_by_kind_and_off_kinds_are_still_told_apart() -> None:
    text = "카드 4111 1111 1111 1111, 전화 010-1234-5678"
    assert [edit.reason for edit in find_pii(text, Pii(card="off"))] == ["pii.phone"]
    assert find_pii(text, Pii(default="off")) == []
    only = find_pii(text, Pii(default="off", card="tag"))
    assert [edit.replacement for edit in only] == ["<카드번호>"]


def test_a_document_falls_for_a_kind_that_is_to_be_dropped() -> None:
    text = "900101-1234567, 910101-1234567, 4111 1111 1111 1111, a@naver.com"
    wish = Pii(rrn="drop", card="drop")
    edits = find_pii(text, wish)
    assert pii_verdict(edits, wish) == ("pii.rrn", 2)
    assert pii_verdict(edits, Pii()) is None
    # Should the document be kept in spite of it, nothing of it is readable.
    assert "900101" not in apply_edits(text, edits)
    assert pii_verdict(find_pii("nothing", wish), wish) is None


@pytest.mark.parametrize("written", ["off", False, {"default": "off"}])
def test_one_word_sets_all_kinds_as_before(written: object) -> None:
    assert Text.model_validate({"pii": written}).pii == Pii(default="off")
    recipe = parse_recipe(
        {"name": "r", "run": "run", "sources": [{"name": "s", "format": "text", "paths": ["x"]}]},
        CurationRecipe,
        ["text.pii=off" if written == "off" else "text.pii.email=off"],
    )
    assert recipe.text.pii.action("email") == "off"
    assert recipe.text.pii.default == ("off" if written == "off" else "mask")
