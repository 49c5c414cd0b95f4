"""Personal data: what is found and what stays, what the actions do, and particles after masks and tags."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pii_set import sentences
from hanji.curation.recipe import CurationRecipe, Pii, Text
from hanji.curation.records import apply_edits
from hanji.curation.text.pii import find_hits, find_pii, pii_verdict
from hanji.curation.text.pii.checks import crn_sum_holds, is_brn, is_card, is_iban, rrn_sum_holds
from hanji.curation.text.pii.masks import ALL_MASKS, ENGLISH_TAGS, KIND_OF_FORM, KOREAN_TAGS, MASKS
from hanji.curation.text.pii.particles import agreeing, final_of, finals_wanted
from hanji.recipe import parse_recipe


@pytest.mark.parametrize(
    ("text", "written", "kind"),
    [
        ("메일은 gildong@mail.co.kr로 보내세요", "gildong@mail.co.kr", "email"),
        ("이메일gildong@naver.com으로", "gildong@naver.com", "email"),
        ("gildong (at) mail (dot) com", "gildong (at) mail (dot) com", "email"),
        ("gildong골뱅이naver닷컴으로", "gildong골뱅이naver닷컴", "email"),
        ("gildong＠naver.com", "gildong＠naver.com", "email"),
        ("write to a.b@mail.com.Then wait", "a.b@mail.com", "email"),
        ("전화 010-1234-5678입니다", "010-1234-5678", "phone"),
        ("０１０－１２３４－５６７８", "０１０－１２３４－５６７８", "phone"),
        ("010-1234-\n5678", "010-1234-\n5678", "phone"),
        ("공일공-일이삼사-오육칠팔", "공일공-일이삼사-오육칠팔", "phone"),
        ("전화 (02) 123-4567 로", "(02) 123-4567", "phone"),
        ("call +82-10-1234-5678 now", "+82-10-1234-5678", "phone"),
        ("call (212) 867-0123 now", "(212) 867-0123", "phone"),
        ("Tel: 852-2795 8795", "852-2795 8795", "phone"),
        ("문의 1588-1234", "1588-1234", "phone"),
        ("주민등록번호 900101-1234567", "900101-1234567", "rrn"),
        ("주민번호 9001011234567", "9001011234567", "rrn"),
        ("외국인등록번호 900101-5234567", "900101-5234567", "frn"),
        ("사업자등록번호 123-45-67891", "123-45-67891", "brn"),
        ("법인등록번호 110111-0000028", "110111-0000028", "crn"),
        ("card 4111 1111 1111 1111 ok", "4111 1111 1111 1111", "card"),
        ("Amex 378282246310005", "378282246310005", "card"),
        ("국민은행 123456-78-901234로 입금", "123456-78-901234", "account"),
        ("IBAN DE89 3704 0044 0532 0130 00 BIC X", "DE89 3704 0044 0532 0130 00", "account"),
        ("여권번호 M123A4567", "M123A4567", "passport"),
        ("운전면허 11-12-345678-90", "11-12-345678-90", "licence"),
        ("server 8.8.8.8 answers", "8.8.8.8", "ip"),
        ("2606:4700:4700::1111", "2606:4700:4700::1111", "ip"),
        ("SSN 123-45-6789", "123-45-6789", "ssn"),
        ("ITIN 912-70-1234", "912-70-1234", "itin"),
    ],
)
def test_personal_data_is_found_in_full_and_masked(text: str, written: str, kind: str) -> None:
    (hit,) = find_pii(text)
    assert (text[hit.start : hit.end], hit.reason) == (written, f"pii.{kind}")
    masked = apply_edits(text, [hit])
    assert written not in masked
    assert find_pii(masked) == []


@pytest.mark.parametrize(
    "text",
    [
        "1600-1650년의 그림",
        "version 1.2.3.4 of the driver",
        "주민등록번호가 991399-1234567 은 날짜가 아니다",
        "card 4111 1111 1111 1112 fails the sum",
        "icon@2x.png is a file",
        "return this@MainActivity.finish()",
        "git clone git@github.com:hanji/hanji.git",
        "[root@web1.prod.net app]# ls",
        "Message-ID: <1234@mail.gateway.net>",
        "2024-01-02 10:20:30",
        "the sum is 1234567890123456",
        "user@example.com and 192.0.2.7 and (212) 555-0123 belong to nobody",
        "8.8.8.0/24, 10.1.2.3 and 2001:db8::1",
        "1614556800000 ms",
        "ISSN 1533-4619, ISBN 978-89-364-3426-7",
        "사업자등록번호 123-45-67890",
        "std::vector::iterator, 12:34:56:78",
        "123456-78-901234 라는 숫자",
        "01021234567abcdef",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert find_pii(text) == []


def test_of_labelled_sentences_nearly_all_are_right() -> None:
    """The bar of `python -m benchmarks.pii`; here the whole set, so that a change that breaks a kind is seen."""
    wrong: list[str] = []
    labelled = sentences()
    assert len(labelled) >= 1000
    spans = 0
    for sentence in labelled:
        gold = {(start, end, kind) for start, end, kind in sentence.spans}
        spans += len(gold)
        got = {(hit.start, hit.end, hit.kind) for hit in find_hits(sentence.text)}
        wrong += [f"{kind} {sentence.text!r}" for _, _, kind in gold ^ got]
    assert len(wrong) <= 0.02 * spans, wrong


def test_what_a_mask_left_is_left_alone_in_every_labelled_sentence() -> None:
    for sentence in sentences():
        for action in ("mask", "tag"):
            masked = apply_edits(sentence.text, find_pii(sentence.text, Pii(default=action)))
            assert apply_edits(masked, find_pii(masked, Pii(default=action))) == masked


@settings(max_examples=300, derandomize=True)
@given(st.text("0123456789-. ()+@:abc가나.com공일", max_size=80))
def test_hits_are_in_order_apart_and_not_found_again(text: str) -> None:
    hits = find_pii(text)
    assert all(a.end <= b.start for a, b in pairwise(hits))
    assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)


_VALUES = (
    *("010-1234-5678", "a@naver.com", "900101-1234567", "국민은행 110-234-567890", "4111 1111 1111 1111"),
    *("02-123-4567", "서버 8.8.8.8", "SSN 123-45-6789", "전화 830-1234", "여권 M12345678", "1588-1234"),
    *("사업자 123-45-67891", "공일공-일이삼사-오육칠팔", "2001:4860::8888", "계좌 1234567890123"),
)
_BETWEEN = (
    "은 ",
    "을 ",
    "로 ",
    "과 ",
    " ",
    "\n",
    ", ",
    "(",
    ") ",
    "/ ",
    "입니다. ",
    " 전화 ",
    " 계좌 ",
    "이고 ",
)


@settings(max_examples=300, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(_VALUES), st.sampled_from(_BETWEEN)), max_size=6).map(
        lambda pairs: "".join(part for pair in pairs for part in pair)
    )
)
def test_masking_twice_is_masking_once(text: str) -> None:
    for action in ("mask", "tag"):
        wish = Pii(default=action)
        masked = apply_edits(text, find_pii(text, wish))
        assert apply_edits(masked, find_pii(masked, wish)) == masked


def test_checksums_agree_with_published_numbers() -> None:
    assert is_iban("GB82WEST12345698765432")
    assert is_iban("DE89370400440532013000")
    assert is_card("4111111111111111")
    assert is_card("378282246310005")
    assert is_brn("1248100998")  # as companies print it at the foot of their pages
    assert crn_sum_holds("1301110006246")
    assert not is_card("4111111111111112")
    assert not is_brn("1248100997")
    assert not rrn_sum_holds("9001011234567")


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


@pytest.mark.parametrize(
    "unit",
    (
        *(
            "1",
            "1-",
            "0 ",
            "1.",
            "@",
            "a@.",
            "a@b.",
            "::",
            "1:",
            "010-1234-5678 ",
            "a@naver.com ",
            "여권",
            "A1 ",
        ),
        *("계좌 123-", "a at b dot ", "골뱅이a", "4111 1111 1111 1112 ", "공일공", "(at)", "+1 ", "DE89 "),
    ),
)
def test_a_document_of_nothing_but_candidates_takes_linear_time(unit: str) -> None:
    def seconds(n: int) -> float:
        text = unit * (n // len(unit))
        start = time.process_time()
        find_pii(text)
        return time.process_time() - start

    seconds(1000)
    short, long = min(seconds(10_000) for _ in range(3)), min(seconds(80_000) for _ in range(2))
    # Eight times the text; sixty-four would be quadratic. A floor against the clock's grain.
    assert long < 20 * short + 0.05
