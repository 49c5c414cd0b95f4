"""Personal data: what is found, what stays, and how long that takes. Actions: test_pii_actions."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pii_set import sentences
from hanji.curation.recipe import Pii
from hanji.curation.records import apply_edits
from hanji.curation.text.pii import find_hits, find_pii
from hanji.curation.text.pii.checks import crn_sum_holds, is_brn, is_card, is_iban, rrn_sum_holds


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
