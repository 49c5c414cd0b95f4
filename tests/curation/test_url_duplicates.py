"""URL duplicates: one normal form for the addresses of a page, and versions that fall by it with evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from curation_corpus import article, make_recipe, write_rows

from hanji.curation.dedup.urls import SITES, normal_urls, url_hashes, url_keys
from hanji.curation.pipeline import curate

FORMS = {
    "HTTP://www.Example.com:80/a/index.html#top": "example.com/a",
    "https://example.com/a/": "example.com/a",
    " https://example.com/a?utm_source=x&b=2&a=1&fbclid=q\n": "example.com/a?a=1&b=2",
    "https://example.com/a?gclid=1": "example.com/a",
    "https://example.com:8443/a": "example.com:8443/a",
    "http://user:word@Host.kr./x;jsessionid=AB12?x": "host.kr/x?x",
    "http://host.kr/index.php?id=3": "host.kr?id=3",
    "http://host.kr/%7ename/%ea%b0%80": "host.kr/~name/%EA%B0%80",
    "http://host.kr/~name/가": "host.kr/~name/%EA%B0%80",
    "http://host.kr/a+b?q=c+d": "host.kr/a+b?q=c%20d",
    "https://한글.kr/": "xn--bj0bj06e.kr",
    "https://XN--BJ0BJ06E.kr": "xn--bj0bj06e.kr",
    "http://host.kr/#!/post/1": "host.kr#!/post/1",
    "http://host.kr/?": "host.kr",
    "http://www.kr": "www.kr",
    "http://[2001:DB8::1]:80/": "[2001:db8::1]",
    "https://m.blog.naver.com/hanji_1/2212345678": "blog.naver.com/hanji_1/2212345678",
    "https://blog.naver.com/PostView.naver?blogId=hanji_1&logNo=2212345678&redirect=Dlog": (
        "blog.naver.com/hanji_1/2212345678"
    ),
    "https://news.naver.com/read.nhn?mode=LSD&oid=001&aid=0012345678": "n.news.naver.com/article/001/0012345678",
    "https://n.news.naver.com/mnews/article/001/0012345678?sid=100": "n.news.naver.com/article/001/0012345678",
    "https://news.v.daum.net/v/20240101120000123?f=o": "v.daum.net/v/20240101120000123",
    "https://hanji.tistory.com/m/12": "hanji.tistory.com/12",
    "https://hanji.tistory.com/m": "hanji.tistory.com",
    "https://gall.dcinside.com/board/view/?id=paper&no=33&page=2": "gall.dcinside.com/paper/33",
    "https://m.dcinside.com/board/paper/33": "gall.dcinside.com/paper/33",
    "https://ko.m.wikipedia.org/wiki/한지": "ko.wikipedia.org/wiki/%ED%95%9C%EC%A7%80",
}
APART = [
    ("https://board.kr/?mod=document&uid=12", "https://board.kr/?mod=document&uid=13"),
    ("https://board.kr/view?ref=1", "https://board.kr/view?ref=2"),
    ("https://a.kr/A", "https://a.kr/a"),
    ("https://m.a.kr/1", "https://a.kr/1"),
    ("https://blog.naver.com/hanji/1", "https://blog.naver.com/hanji/2"),
    ("https://a.kr/m/1", "https://a.kr/1"),
    ("https://a.kr:8080/", "https://a.kr:9090/"),
    ("https://a.kr/?p=1", "https://a.kr/?p=2"),
    ("https://www.tistory.com/m/x", "https://other.tistory.com/m/x"),
]


def selected(query: str) -> list[tuple[Any, ...]]:
    relation = duckdb.sql(query)
    assert relation is not None
    return relation.fetchall()


def test_addresses_of_one_page_have_one_normal_form() -> None:
    assert dict(zip(FORMS, normal_urls(pa.array(list(FORMS))).to_pylist(), strict=True)) == FORMS


def test_a_normal_form_is_its_own_normal_form() -> None:
    forms = [f"http://{form}" for form in FORMS.values()]
    assert normal_urls(pa.array(forms)).to_pylist() == list(FORMS.values())


def test_addresses_of_different_pages_stay_apart() -> None:
    for pair in APART:
        one, other = normal_urls(pa.array(pair)).to_pylist()
        assert one != other, pair


def test_what_is_no_address_of_the_web_has_no_normal_form() -> None:
    urls = pa.array([None, "", "ftp://a.kr/x", "mailto:x@a.kr", "http://", "그냥 글", "https://a.kr"])
    assert normal_urls(urls).to_pylist() == [None] * 6 + ["a.kr"]
    rows, hashes = url_hashes(urls)
    assert rows.tolist() == [6]
    assert hashes.tobytes() == url_keys(urls)[6].as_py()
    assert len(url_hashes(pa.array([], pa.large_string()))[0]) == 0


def test_every_rule_for_a_site_is_used_by_a_form_above() -> None:
    for pattern, _ in SITES:
        rest = [rule for rule in SITES if rule[0] != pattern]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hanji.curation.dedup.urls.SITES", rest)
            assert normal_urls(pa.array(list(FORMS))).to_pylist() != list(FORMS.values()), pattern


def version(base: str, changed: int, mark: str) -> str:
    """The article with as many of its first lines replaced by others."""
    lines = base.split("\n")
    return "\n".join([f"{mark} {line[::-1]}" for line in lines[:changed]] + lines[changed:])


def rows() -> list[dict[str, Any]]:
    base, list_page = article("ko", 1, 40), article("ko", 2)
    found = [
        {"id": f"version-{n}", "url": url, "text": version(base, n, "가나다"[n])}
        for n, url in enumerate(
            ["http://site.kr/1", "https://www.site.kr/1/?utm_source=mail", "https://site.kr/1#2"]
        )
    ]
    found[2]["text"] = version(found[1]["text"], 2, "다")
    found += [
        {"id": "front-1", "url": "http://site.kr/", "text": list_page},
        {"id": "front-2", "url": "http://site.kr", "text": article("ko", 3)},
        {"id": "elsewhere", "url": "http://other.kr/1", "text": version(base, 3, "라")},
    ]
    found += [
        {"id": f"set-{n}", "url": "http://data.kr/set", "text": article("ko", 100 + n)} for n in range(40)
    ]
    return found


def fates(run: Path) -> dict[str, tuple[Any, ...]]:
    query = (
        "SELECT d.key, verdict, l.rule, l.value, l.threshold, jaccard, t.key "
        f"FROM '{run}/ledger/*.parquet' l JOIN '{run}/documents/*.parquet' d USING (id) "
        f"LEFT JOIN '{run}/documents/*.parquet' t ON t.id = duplicate_of"
    )
    return {row[0]: row[1:] for row in selected(query)}


def dedup(**url: Any) -> dict[str, Any]:
    return {"dedup": {"url": url}, "rules": {"presets": {"ko": [], "en": []}}}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[Any, ...]]]:
    base = tmp_path_factory.mktemp("urls")
    path = write_rows(base / "in.jsonl", rows())
    curate(make_recipe(base / "run", [path], **dedup(min_jaccard=0.2)))
    return base / "run", fates(base / "run")


def test_versions_of_a_page_fall_to_the_one_that_is_kept_with_their_likeness(ran: Any) -> None:
    _, found = ran
    versions = {key: row for key, row in found.items() if key.startswith("version")}
    (kept,) = [key for key, row in versions.items() if row[0] == "kept"]
    fallen = [row for row in versions.values() if row[0] == "dropped"]
    assert len(fallen) == 2
    for _, rule, value, threshold, jaccard, to in fallen:
        assert to == kept
        assert value == jaccard
        if rule == "duplicates.url":
            assert 0.2 == threshold <= value < 0.7
        else:
            assert rule == "duplicates.near"
    assert {rule for _, rule, *_ in fallen} & {"duplicates.url"}


def test_one_address_with_unlike_texts_makes_no_duplicates(ran: Any) -> None:
    _, found = ran
    assert found["front-1"][0] == found["front-2"][0] == "kept"
    assert all(row[0] == "kept" for key, row in found.items() if key.startswith("set-"))


def test_likeness_without_the_address_has_to_reach_its_own_bar(ran: Any) -> None:
    _, found = ran
    assert found["elsewhere"][0] == "kept"


def test_edges_say_which_kind_they_are(ran: Any) -> None:
    run, _ = ran
    kinds = selected(f"SELECT kind, min(jaccard) FROM '{run}/relations/edges/*.parquet' GROUP BY kind")
    assert dict(kinds)["url"] >= 0.2
    assert set(dict(kinds)) <= {"url", "near"}


def test_without_the_kind_versions_stay(ran: Any, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "in.jsonl", rows()[::-1])
    curate(make_recipe(tmp_path / "run", [path], **dedup(enabled=False)))
    assert not any(row[1] == "duplicates.url" for row in fates(tmp_path / "run").values())


def test_versions_are_found_whatever_the_order_names_and_partitions(ran: Any, tmp_path: Path) -> None:
    _, expected = ran
    some = rows()[::-1]
    paths = [write_rows(tmp_path / f"{9 - part}.jsonl", some[part::4]) for part in range(4)]
    curate(make_recipe(tmp_path / "run", paths, partitions=7, **dedup(min_jaccard=0.2)))
    assert fates(tmp_path / "run") == expected
