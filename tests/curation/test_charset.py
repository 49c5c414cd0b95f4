"""Bytes to characters: labels, decoders and prescan of the standard, wrong labels, two charsets, broken bytes."""

from __future__ import annotations

import codecs
import hashlib
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.text.charset import Decoded, decode
from hanji.curation.text.charset_codecs import decode_tolerantly
from hanji.curation.text.charset_labels import ENCODINGS, OTHERS, codec_for
from hanji.curation.text.prescan import PRESCAN_BYTES, prescan, stated_codec

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 우리는 집으로 돌아왔다."
STANDARD = [
    line.split("\t")
    for line in (Path(__file__).parent / "encoding_standard.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
LABELS = [(encoding, label) for kind, encoding, label in STANDARD if kind == "label"]
UPPER_BYTES = {encoding: codes.split(" ") for kind, encoding, codes in STANDARD if kind == "bytes"}
# blake2b over what the standard's decoder makes of each byte and each pair with a space after it, a line each,
# in the order of the bytes. Made with an implementation of the standard in another language.
PAIRS = {
    "euc-kr": "a9ff93eaf3e8a44d2ac18dcec55c569d",
    "big5": "da93e9289a9523faa3a2f430d7922c14",
    "shift_jis": "ddff91e7128c21bbcc353a1da0968ee8",
    "gb18030": "ea99cd9879e251a8c5df4374d9449ec9",
    "euc-jp": "d06865fef56b6d0117da6267b8a82065",
}
# Pairs for which Python's table has one character in two places.
LEFT_OVER = {"big5": (b"\xa2\x41", b"\xa2\x42")}


def test_all_228_labels_of_the_standard_mean_what_it_says() -> None:
    assert len(LABELS) == 228
    codecs_of = {encoding: codec for encoding, codec, _ in ENCODINGS}
    assert set(codecs_of) == {encoding for encoding, _ in LABELS}
    for encoding, label in LABELS:
        for written in (label, label.upper(), f" {label}\n", f'"{label}"'):
            assert codec_for(written) == codecs_of[encoding]
    ours = {label for _, _, labels in ENCODINGS for label in labels.split()}
    assert ours == {label for _, label in LABELS}
    assert not ours & {label for _, labels in OTHERS for label in labels.split()}


@pytest.mark.parametrize("encoding", sorted(UPPER_BYTES))
def test_a_single_byte_encoding_has_the_characters_of_the_standard(encoding: str) -> None:
    codec = codec_for(encoding)
    assert codec is not None
    text = decode_tolerantly(bytes(range(256)), codec)
    assert text[:128] == bytes(range(128)).decode("ascii")
    assert [f"{ord(char):04X}" for char in text[128:]] == UPPER_BYTES[encoding]


@pytest.mark.parametrize("encoding", sorted(PAIRS))
def test_every_pair_of_bytes_is_decoded_as_the_standard_has_it(encoding: str) -> None:
    codec = codec_for(encoding)
    assert codec is not None
    digest = hashlib.blake2b(digest_size=16)
    for lead in range(0x80, 0x100):
        for data in (bytes((lead,)), *(bytes((lead, trail)) for trail in range(0x21, 0x100))):
            if data not in LEFT_OVER.get(encoding, ()):
                digest.update(decode_tolerantly(data + b" ", codec).encode() + b"\n")
    assert digest.hexdigest() == PAIRS[encoding]


def test_euc_kr_holds_all_of_cp949() -> None:
    pairs = [bytes((lead, trail)) for lead in range(0x81, 0xFF) for trail in range(0x41, 0xFF)]
    characters = [decode_tolerantly(pair, "cp949") for pair in pairs]
    known = {char for char in characters if len(char) == 1 and char != "\ufffd"}
    assert len(known) == 17_048
    assert sum("가" <= char <= "힣" for char in known) == 2_350 + 8_822


def test_what_the_standard_has_beyond_pairs() -> None:
    assert decode_tolerantly(b"\x8f\xb0\xa1", "euc_jp") == "\u4e02"
    assert decode_tolerantly(b"\x84\x31\xa4\x37\x84\x31", "gb18030") == "\ufffd\ufffd"
    assert decode_tolerantly(b"\x81\x30\xff\x30", "gb18030") == "\ufffd0\ufffd0"
    assert decode_tolerantly(b"\x81\x30\x81", "gb18030") == "\ufffd"
    assert decode_tolerantly(b"\x81\x30\x81\x30", "gb18030") == "\x80"
    assert decode_tolerantly(b"\x1b$B$3\x1b(I1\x1b(J\\", "iso2022_jp") == "こｱ¥"
    assert (
        decode_tolerantly(b"abc", "replacement") == "\ufffd" and decode_tolerantly(b"", "replacement") == ""
    )


def test_a_label_that_means_nothing_is_passed_over() -> None:
    assert codec_for("klingon") is None and codec_for(None) is None and codec_for("") is None
    found = decode(KOREAN.encode(), "klingon")
    assert (found.text, found.source, found.declared) == (KOREAN, "detected", "klingon")


def test_the_order_is_bom_then_header_then_meta_then_detection() -> None:
    page = f"<meta charset=euc-kr><p>{KOREAN}"
    assert decode(codecs.BOM_UTF8 + page.encode(), "euc-kr").source == "bom"
    assert decode(page.encode("cp949"), "euc-kr").source == "http"
    assert decode(page.encode("cp949"), None).source == "meta"
    assert decode(KOREAN.encode("cp949"), None).source == "detected"
    for data in (codecs.BOM_UTF16_LE + KOREAN.encode("utf-16-le"), KOREAN.encode("cp949"), KOREAN.encode()):
        assert decode(data).text == KOREAN


@pytest.mark.parametrize(
    ("head", "label"),
    [
        (b'<meta charset="euc-kr">', "euc-kr"),
        (b"<META HTTP-EQUIV=Content-Type CONTENT='text/html; charset=ks_c_5601-1987'>", "ks_c_5601-1987"),
        (b"<meta content='text/html; charset = \"euc-kr\" ' http-equiv=content-type>", "euc-kr"),
        (b'<!-- <meta charset="shift_jis"> --><meta charset=utf-8>', "utf-8"),
        (b"<!--><meta charset=big5>", "big5"),
        (b"<!-- <meta charset=big5>", None),
        (b'<?xml version="1.0" encoding="euc-kr"?><html>', "euc-kr"),
        (b'<?xml version="1.0" encoding="euc-kr"?><meta charset=utf-8>', "utf-8"),
        (b'  <?xml version="1.0" encoding="euc-kr"?>', None),
        (b'<meta name="description" content="charset=utf-7">', None),
        (b'<meta content="text/html; charset=euc-kr">', None),
        (b"<a title='<meta charset=big5>'><meta charset=euc-kr>", "euc-kr"),
        (b"<meta charset=klingon><meta charset=euc-kr>", "euc-kr"),
        (b"<meta charset=klingon>", "klingon"),
        (b"<metadata charset=big5>", None),
        (b"<meta/charset=big5/>", "big5/"),
        (b"<meta charset = 'big5'/>", "big5"),
        (b"<meta charset=big5 charset=euc-kr>", "big5"),
        (b'<meta charset="big5>', None),
        (b"<meta charset=big5", None),
        (b"</div charset=x><!doctype html><meta charset=big5>", "big5"),
        (b"<meta http-equiv=refresh content='text/html; charset=big5'>", None),
        (b"<p>no meta", None),
    ],
)
def test_the_prescan_finds_what_a_page_says_of_itself(head: bytes, label: str | None) -> None:
    assert prescan(head) == label


def test_a_meta_element_behind_a_long_script_is_found() -> None:
    script = b"<script>" + b"var menu = 'x';\n" * 600 + b"</script>"
    assert 1024 < len(script) < PRESCAN_BYTES
    assert prescan(script + b"<meta charset=euc-kr>") == "euc-kr"
    assert prescan(b" " * PRESCAN_BYTES + b"<meta charset=euc-kr>") is None


def test_what_cannot_be_said_in_ascii_is_not_believed() -> None:
    assert stated_codec("utf-16") == "utf-8" and stated_codec("utf-16be") == "utf-8"
    assert stated_codec("x-user-defined") == "cp1252"
    assert decode(f"<meta charset=utf-16>{KOREAN}".encode()).charset == "utf-8"


@pytest.mark.parametrize(
    "said", ["utf-8", "iso-8859-1", "gb2312", "big5", "shift_jis", "windows-1251", "utf-16"]
)
def test_a_label_that_korean_bytes_contradict_is_overruled(said: str) -> None:
    found = decode(KOREAN.encode("cp949"), said)
    assert found == Decoded(KOREAN, "cp949", "mislabelled-http", 0, said)
    said_inside = decode(f"<meta charset={said}><p>".encode() + KOREAN.encode("cp949"))
    if said != "utf-16":  # which means utf-8 there
        assert (said_inside.source, said_inside.declared) == ("mislabelled-meta", said)


@pytest.mark.parametrize("said", ["euc-kr", "iso-8859-1", "shift_jis", "iso-2022-kr"])
def test_utf8_under_another_label_is_utf8(said: str) -> None:
    found = decode(KOREAN.encode(), said)
    assert (found.text, found.charset) == (KOREAN, "utf-8")
    assert decode(codecs.BOM_UTF8 + KOREAN.encode("cp949")).source == "mislabelled-bom"


def test_english_with_quotation_marks_of_windows_is_not_korean() -> None:
    text = "It’s “quoted” – and it isn’t Korean."
    assert decode(text.encode("cp1252"), "euc-kr").text == text
    assert decode("<p>two\u00a0words</p>".encode(), "euc-kr").text == "<p>two\u00a0words</p>"


@pytest.mark.parametrize("encoding", ["iso2022_kr", "iso2022_jp", "hz"])
def test_seven_bit_charsets_are_read_whatever_the_label(encoding: str) -> None:
    text = {"iso2022_kr": "한국어 문장입니다.", "iso2022_jp": "日本語の文章です。", "hz": "这是中文。"}[
        encoding
    ]
    data = text.encode(encoding)
    for label in (None, "utf-8", "iso-2022-kr", "hz-gb-2312"):
        found = decode(data, label)
        if encoding != "hz" or label in ("iso-2022-kr", "hz-gb-2312"):
            assert (found.text, found.charset) == (text, encoding)


def test_johab_is_read_only_where_it_is_certain() -> None:
    assert decode(KOREAN.encode("johab"), "johab").text == KOREAN
    assert decode(KOREAN.encode("johab")).charset == "johab"
    assert decode(KOREAN.encode("cp949"), "johab").charset == "cp949"


def test_utf16_without_a_byte_order_mark_is_known_by_its_zeros() -> None:
    page = f"<html><head><title>제목</title></head><body><p>{KOREAN}</p></body></html>"
    for encoding in ("utf-16-le", "utf-16-be"):
        found = decode(page.encode(encoding))
        assert (found.text, found.charset) == (page, encoding)
        assert decode(page.encode(encoding), "utf-16le").replaced == 0 or encoding == "utf-16-be"


@pytest.mark.parametrize(("outer", "inner"), [("utf-8", "cp949"), ("cp949", "utf-8")])
def test_a_page_in_two_charsets_is_read_in_both(outer: str, inner: str) -> None:
    label = "euc-kr" if outer == "cp949" else outer
    head = f"<meta charset={label}><ul><li>자유게시판</li><li>공지사항</li><li>회원가입 안내</li></ul>\n"
    body = f"<p>{KOREAN}</p><p>그</p><p>a < b</p>\n<p>이 글은 다른 부호로 쓰였다.</p>"
    found = decode(head.encode(outer) + body.encode(inner))
    assert (found.text, found.charset, found.source, found.replaced) == (head + body, outer, "meta", 0)
    assert found.mixed == sum(char > "\x7f" for char in body)


def test_a_page_in_one_charset_is_not_mixed() -> None:
    for text in (KOREAN, "漢字(한자) 媛人 二乙 뷁 똠방각하 “인용” ㄱ자 ①②", "café — naïve"):
        assert decode(text.encode(), "utf-8").mixed == 0
        assert decode(text.encode("cp949", "ignore"), "euc-kr").mixed == 0


def test_a_title_cut_off_in_the_middle_of_a_character_stays_utf8() -> None:
    page = f"<title>{KOREAN}</title>".encode() + "<p>글 제목이 잘".encode()[:-1] + f"</p>{KOREAN}".encode()
    found = decode(page, "utf-8")
    assert (found.replaced, found.mixed) == (1, 0)


def test_quotation_marks_of_windows_pasted_into_a_page_in_utf8_are_read() -> None:
    page = "<p>© 2009 — “Title”</p>".encode() + b"<p>It\x92s a \x93na\xefve\x94 page \x96 isn\x92t it</p>"
    found = decode(page, "utf-8")
    assert found.text == "<p>© 2009 — “Title”</p><p>It’s a “naïve” page – isn’t it</p>"
    assert (found.charset, found.mixed, found.replaced) == ("utf-8", 6, 0)
    cut = decode("<p>제목 abc 글".encode()[:-1] + b"...</p><p>" + KOREAN.encode(), "utf-8")
    assert (cut.mixed, cut.replaced) == (0, 1)


def test_a_broken_byte_costs_one_character_of_utf8() -> None:
    data = KOREAN.encode()
    for place in (7, 12):
        start = len(KOREAN[:place].encode())
        found = decode(data[:start] + b"\xff" + data[start:], "utf-8")
        assert (found.charset, found.replaced) == ("utf-8", 1)
        assert found.text == f"{KOREAN[:place]}\ufffd{KOREAN[place:]}"


@pytest.mark.parametrize("byte", [b"\xff", b"\x80", b"\xb0", b"\xc7"])
def test_a_byte_too_many_costs_no_other_character_of_cp949(byte: bytes) -> None:
    text = "우리나라대한민국만세"
    page = f"<p>{KOREAN}</p>{text}<p>{KOREAN}</p>"
    start = len(page[: page.index(text) + 4].encode("cp949"))
    data = page.encode("cp949")
    found = decode(data[:start] + byte + data[start:], "euc-kr")
    assert found.replaced == 1
    assert found.text.replace("\ufffd", "") == page


def test_a_byte_too_few_costs_one_character_of_cp949() -> None:
    page = f"<p>{KOREAN}</p>우리나라대한민국만세<p>{KOREAN}</p>"
    data = page.encode("cp949")
    place = len(page[: page.index("대한")].encode("cp949"))
    for lost in (place, place + 1):
        found = decode(data[:lost] + data[lost + 1 :], "euc-kr")
        assert found.replaced == 1
        assert abs(len(found.text) - len(page)) <= 1
        assert found.text.startswith(page[: page.index("나라")]) and found.text.endswith(
            page[page.index("민국") :]
        )


def test_the_tag_after_a_lead_byte_stays_a_tag() -> None:
    found = decode(f"<p>{KOREAN}".encode("cp949") + b"\xb0</p>", "euc-kr")
    assert found.text == f"<p>{KOREAN}\ufffd</p>"


def test_japanese_in_euc_is_not_taken_for_korean_letters() -> None:
    text = "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"
    assert decode(text.encode("euc_jp")).text == text


BYTES = st.one_of(
    st.binary(max_size=400),
    st.lists(
        st.one_of(
            st.sampled_from([KOREAN, "漢字", "뷁", "ㅋㅋ", "<p>", "é", "“", "日本語の", "\n", " "]).flatmap(
                lambda text: st.sampled_from(
                    [text.encode(), text.encode("cp949", "ignore"), text.encode("utf-16-le")]
                )
            ),
            st.binary(max_size=4),
            st.sampled_from(
                [b"\x1b$)C\x0e", b"\x0f", b"\x1b$B", b"\x1b(B", b"~{", b"<!--", b"<meta charset=", b"<?xml "]
            ),
        ),
        max_size=12,
    ).map(b"".join),
)
SAID = st.sampled_from([None, *sorted({encoding for encoding, _ in LABELS}), "johab", "nonsense", ""])


@settings(max_examples=400, deadline=None)
@given(BYTES, SAID, st.booleans())
def test_decoding_never_raises_and_counts_what_it_replaced(
    data: bytes, label: str | None, markup: bool
) -> None:
    found = decode(data, label, markup=markup)
    found.text.encode("utf-8")
    assert found.replaced == found.text.count("\ufffd")
    assert 0 <= found.mixed <= len(found.text)
    assert found.source.removeprefix("mislabelled-") in ("bom", "http", "meta", "detected")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["utf-8", "cp949"]))
def test_korean_in_its_charset_comes_back_as_it_was(text: str, encoding: str) -> None:
    text = f"{KOREAN}\n{text}".encode(encoding, "ignore").decode(encoding)
    assert (
        decode(text.encode(encoding), "euc-kr" if encoding == "cp949" else "utf-8", markup=False).text == text
    )


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 200), st.sampled_from(["utf-8", "cp949", "utf-16-le", "iso2022_kr"]))
def test_a_page_that_is_cut_off_loses_its_last_character_alone(cut: int, encoding: str) -> None:
    label = {"cp949": "euc-kr", "iso2022_kr": "iso-2022-kr", "utf-16-le": "utf-16"}.get(encoding, encoding)
    data = (KOREAN * 3).encode(encoding)
    found = decode(data[: len(data) - cut], label, markup=False)
    assert found.text.rstrip("\ufffd\x00") in KOREAN * 3 or found.replaced <= 1


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["utf-8", "cp949"]),
    st.integers(0, 10_000),
    st.sampled_from(["lost", "added", "changed"]),
    st.integers(0x80, 0xFF),
)
def test_a_broken_byte_touches_nothing_beyond_its_word(
    encoding: str, place: int, fault: str, byte: int
) -> None:
    words = f"{KOREAN} 漢字 뷁 똠방각하 ㅋㅋ".split(" ")
    page = "<meta charset={}><p>{}</p>".format(
        "euc-kr" if encoding == "cp949" else encoding, " ".join(words * 2)
    )
    data = page.encode(encoding)
    upper = [position for position, value in enumerate(data) if value >= 0x80]
    position = upper[place % len(upper)]
    kept = position + (fault != "added")
    found = decode(data[:position] + (b"" if fault == "lost" else bytes((byte,))) + data[kept:])
    before, after = data[:position].rpartition(b" ")[0], data[position:].partition(b" ")[2]
    assert found.text.startswith(before.decode(encoding)) and found.text.endswith(after.decode(encoding))
    # As many as the standard has for a sequence of UTF-8 with a foreign byte in it.
    assert found.replaced <= 4 and found.mixed == 0


@pytest.mark.parametrize(
    "unit",
    [
        *(
            b"\x81",
            b"\xff",
            b"\xb0",
            b"\xea",
            b"\xea\xb0\x80\xff",
            b"\xb0\xa1\xff",
            b"<",
            b"<meta ",
            b"<!--",
            b"<a ",
        ),
        *(
            b"\xb0\xa1a\x81",
            b"a\xff",
            b"\xea\xb0\x80\xea\xb0\x80\xea\xb0\x80\xff ",
            b"\x1b$",
            b"~{",
            b"\x00\xff",
            b"='",
        ),
    ],
)
def test_time_grows_with_the_page_and_not_with_its_square(unit: bytes) -> None:
    def seconds(size: int, label: str) -> float:
        data = unit * (size // len(unit))
        started = time.process_time()
        decode(data, label)
        return time.process_time() - started

    for label in ("euc-kr", "utf-8"):
        small, large = min(seconds(40_000, label) for _ in range(3)), seconds(640_000, label)
        assert large < 16 * 6 * max(small, 0.002)


def test_every_korean_page_of_the_data_is_read_without_a_lost_character(data_dir: Path) -> None:
    pages = sorted((data_dir / "html_raw_httpd_ko_euckr").iterdir())
    assert len(pages) > 100
    for path in (*pages, data_dir / "ko_literature_kim_yujeong_euckr.txt"):
        data = path.read_bytes()
        truth = data.decode("cp949")
        for label in (None, "iso-8859-1", "utf-8"):
            found = decode(data, label, markup=path.suffix != ".txt")
            assert (found.text, found.replaced, found.charset) == (truth, 0, "cp949"), (path.name, label)
