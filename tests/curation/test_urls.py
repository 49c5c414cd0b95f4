"""Rules on URLs: how addresses are read, lists of UT1's form, allow-lists, words, keys. The lists are our own."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanji.curation.recipe import UrlList, Urls
from hanji.curation.sources.urls import UrlRules, UrlVerdict
from hanji.curation.sources.urls.address import ascii_host, parse
from hanji.curation.sources.urls.tables import Table, digests
from hanji.errors import InputError

CATEGORIES = ["adult", "gambling", "spam"]


def listed(*paths: Path | str, categories: list[str] | None = None, **settings: object) -> UrlRules:
    block = [UrlList(path=str(path), categories=categories or []) for path in paths]
    return UrlRules(Urls.model_validate({"words": [], "block": block, **settings}))


def verdict(rules: UrlRules, url: str | None) -> tuple[str, str] | None:
    found = rules.judge(url)
    return None if found is None else (found.rule, found.detail)


@pytest.fixture
def ut1(tmp_path: Path) -> Path:
    """A directory of categories as UT1 publishes them."""
    root = tmp_path / "blacklists"
    files = {
        "adult/domains": "bad.example\n10.1.2.3\n",
        "adult/urls": "mixed.example/adult\nmixed.example/video/1?id=7\n",
        "adult/expressions": "(^|[-.])kissing[0-9]+\\.\n",
        "gambling/domains": "# a comment\n\nbet.example\nbad.example\n",
        "gambling/usage": "black\n",
        "README": "not a category\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("http://Example.COM/A/b?C=d#e", "example.com", "/A/b?C=d"),
        ("https://user:pa@ss@www.example.com.:8443/x", "www.example.com", "/x"),
        ("//example.com/x", "example.com", "/x"),
        ("example.com", "example.com", ""),
        ("example.com:8080/x", "example.com", "/x"),
        ("http:\\\\example.com\\x", "example.com", "/x"),
        ("http://[2001:db8::1]:80/x", "[2001:db8::1]", "/x"),
        ("http://[::1", "[::1]", ""),
        ("http://exa%6Dple.com/", "example.com", "/"),
        ("http://한지.한국/책", "xn--9b6b95s.xn--3e0b707e", "/책"),
        ("http://XN--9B6B95S.xn--3e0b707e/", "xn--9b6b95s.xn--3e0b707e", "/"),
        ("http://ｅｘａｍｐｌｅ。com/", "example.com", "/"),
        ("  http://example.com/ a\n", "example.com", "/a"),
        ("dns:example.com", "", "example.com"),
        ("mailto:a@example.com", "", "a@example.com"),
        ("http://", "", ""),
        ("", "", ""),
    ],
)
def test_an_address_is_read_from_urls_of_every_form(url: str, host: str, path: str) -> None:
    address = parse(url)
    assert (address.host, address.path) == (host, path)


def test_both_spellings_of_a_korean_host_are_one() -> None:
    assert ascii_host("한지.한국") == "xn--9b6b95s.xn--3e0b707e" == "한지.한국".encode("idna").decode()
    assert (
        parse("http://한지.한국/").readable_host
        == "한지.한국"
        == parse("http://xn--9b6b95s.xn--3e0b707e").readable_host
    )
    assert parse("http://a.kr/%ED%95%9C%EC%A7%80").readable_path == "/한지"
    assert parse("http://a.kr/%C7%D1%C1%F6").readable_path == "/한지"  # CP949


@given(st.text(max_size=60) | st.text("htp:/\\[]@%.?#가xn-1 ", max_size=40))
def test_no_url_raises(url: str) -> None:
    rules = UrlRules(Urls(blocked=["bad.example"]))
    for text in (url, f"http://{url}", f"http://{url}.bad.example/{url}"):
        found = rules.judge(text)
        assert found is None or isinstance(found, UrlVerdict)


@pytest.mark.parametrize("packed", ["plain", "gz", "tar.gz"])
def test_a_list_of_categories_blocks_hosts_below_urls_and_expressions(ut1: Path, packed: str) -> None:
    path = ut1
    if packed == "gz":
        for file in ut1.glob("*/domains"):
            file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    elif packed == "tar.gz":
        path = ut1.parent / "blacklists.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(ut1, "blacklists")
    rules = listed(path)
    assert verdict(rules, "http://bad.example/") == ("url.domain", "adult: bad.example")
    assert verdict(rules, "https://WWW.Bad.Example.:443/x") == ("url.domain", "adult: bad.example")
    assert verdict(rules, "http://a.b.bad.example/x") == ("url.domain", "adult: bad.example")
    assert verdict(rules, "http://10.1.2.3/x") == ("url.domain", "adult: 10.1.2.3")
    assert verdict(rules, "http://bet.example") == ("url.domain", "gambling: bet.example")
    assert verdict(rules, "http://www.mixed.example/Adult/page?x=1") == (
        "url.url",
        "adult: mixed.example/adult",
    )
    assert verdict(rules, "http://mixed.example/video/1?id=7") == (
        "url.url",
        "adult: mixed.example/video/1?id=7",
    )
    assert verdict(rules, "http://my-kissing12.example/")[0] == "url.url"  # type: ignore[index]
    for url in (
        "http://notbad.example/",
        "http://bad.example.org/",
        "http://mixed.example/",
        "http://mixed.example/adults",
        "http://mixed.example/video/1?id=8",
        "http://example/",
        None,
        "",
    ):
        assert rules.judge(url) is None


def test_categories_are_chosen_and_named_in_order(ut1: Path) -> None:
    rules = listed(ut1, categories=["gambling"])
    assert verdict(rules, "http://bad.example/") == ("url.domain", "gambling: bad.example")
    assert rules.judge("http://mixed.example/adult") is None
    assert verdict(listed(ut1, categories=["gambling", "adult"]), "http://bad.example/") == (
        "url.domain",
        "gambling: bad.example",
    )
    assert verdict(listed(ut1 / "gambling"), "http://bet.example/") == ("url.domain", "gambling: bet.example")
    with pytest.raises(InputError, match="no category warez"):
        listed(ut1, categories=["warez"]).judge("http://a.example")


def test_a_plain_file_holds_hosts_and_urls_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(
        "\ufeff# hosts\r\nBad.Example\r\n*.wild.example   # with a remark\n\nhttps://www.page.example/a/\n"
        "0.0.0.0 sink.example\n나쁜곳.한국\nuser.example:8080\n"
    )
    rules = listed(path)
    for url, entry in {
        "http://bad.example/": "bad.example",
        "http://x.wild.example/": "wild.example",
        "http://wild.example/": "wild.example",
        "http://sink.example": "sink.example",
        "http://user.example/": "user.example",
    }.items():
        assert verdict(rules, url) == ("url.domain", f"mine: {entry}")
    assert verdict(rules, "http://page.example/a/b") == ("url.url", "mine: page.example/a")
    assert rules.judge("http://page.example/ab") is None and rules.judge("http://hosts/") is None
    assert verdict(rules, "http://나쁜곳.한국/책")[0] == "url.domain"  # type: ignore[index]
    packed = tmp_path / "mine.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert verdict(listed(packed), "http://bad.example/") == ("url.domain", "mine: bad.example")


def test_a_list_may_lie_at_an_fsspec_url() -> None:
    with fsspec.open("memory://lists/black/adult/domains", "wb") as file:
        file.write(b"bad.example\n")
    assert verdict(listed("memory://lists/black"), "http://bad.example/") == (
        "url.domain",
        "adult: bad.example",
    )
    assert listed("memory://lists/black").identity()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"good.example\ntwo words.example\n", "line 2: 'two words.example' is not one host or URL"),
        (b"good.example\n\n\x00\x01\n", "line 3: .* is not one host or URL"),
        (b"good.example\n||adblock.example^\n", "line 2: .* names no host"),
        (b"/only/a/path\n", "line 1: .* names no host"),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"bad\.txt, {message}"):
        listed(path).judge("http://a.example/")


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such list"):
        listed(tmp_path / "absent.txt").judge("http://a.example/")
    (tmp_path / "half.txt.gz").write_bytes(gzip.compress(b"bad.example\n" * 100)[:20])
    with pytest.raises(InputError, match="not a whole gzip file"):
        listed(tmp_path / "half.txt.gz").judge("http://a.example/")
    (tmp_path / "half.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="not a whole tar archive"):
        listed(tmp_path / "half.tar.gz").judge("http://a.example/")
    (tmp_path / "black" / "adult").mkdir(parents=True)
    with pytest.raises(InputError, match="has no category"):
        listed(tmp_path / "black").judge("http://a.example/")
    (tmp_path / "black" / "adult" / "expressions").write_text("fine\n(open\n")
    with pytest.raises(InputError, match=r"expressions, line 2: '\(open' is no regular expression"):
        listed(tmp_path / "black").judge("http://a.example/")
    with pytest.raises(InputError, match=r"urls\.allowed: '/x' names no host"):
        listed(allowed=["/x"]).judge("http://a.example/")


def test_an_allow_list_wins_over_every_block_rule(ut1: Path, tmp_path: Path) -> None:
    allow = tmp_path / "allow.txt"
    allow.write_text("good.bad.example\nmixed.example/adult/art\n")
    rules = UrlRules(
        Urls(
            block=[UrlList(path=str(ut1))], allow=[UrlList(path=str(allow))], allowed=["casino.example.ac.kr"]
        )
    )
    assert rules.judge("http://good.bad.example/") is None
    assert rules.judge("http://mixed.example/adult/art/1") is None
    assert rules.judge("http://casino.example.ac.kr/") is None
    assert rules.judge("http://bad.example/") is not None
    assert rules.judge("http://mixed.example/adult") is not None


def test_only_allowed_reads_what_the_allow_lists_name() -> None:
    rules = UrlRules(Urls(allowed=["good.example", "half.example/good"], only_allowed=True))
    assert rules.judge("http://www.good.example/x") is None
    assert rules.judge("http://half.example/good/x") is None
    assert verdict(rules, "http://half.example/") == ("url.not_allowed", "half.example")
    assert verdict(rules, "nonsense") == ("url.not_allowed", "nonsense")
    assert rules.judge(None) is None


def test_hosts_blocked_in_the_recipe_name_it() -> None:
    rules = UrlRules(Urls(words=[], blocked=["bad.example", "half.example/bad"]))
    assert verdict(rules, "http://a.bad.example/") == ("url.domain", "recipe: bad.example")
    assert verdict(rules, "http://half.example/bad/x") == ("url.url", "recipe: half.example/bad")
    assert rules.judge("http://bbad.example/") is None


@pytest.mark.parametrize(
    ("category", "url"),
    [
        ("adult", "http://free-porn-tube.example/"),
        ("adult", "http://something.xxx/"),
        ("adult", "http://hot-milf.example.com/"),
        ("adult", "http://sex-and-escorts.example/nude"),
        ("adult", "http://cams.example/sex/nude"),
        ("adult", "http://국산야동.example/"),
        ("adult", "http://example.com/출장안마-강남"),
        ("adult", "http://example.com/%EC%B6%9C%EC%9E%A5%EC%95%88%EB%A7%88"),
        ("adult", "http://xn--hy1b07t1yigng.com/"),
        ("gambling", "http://best-online-casino.example/"),
        ("gambling", "http://casino.example.com/"),
        ("gambling", "http://win.casino/"),
        ("gambling", "http://totosite-king.example/"),
        ("gambling", "http://mttoto.example/"),
        ("gambling", "http://안전놀이터.example/"),
        ("gambling", "http://blog.example/먹튀검증업체"),
        ("gambling", "http://blog.example/토토/카지노"),
        ("gambling", "http://blog.example/toto/casino"),
        ("spam", "http://buy-viagra-now.example/"),
        ("spam", "http://무직자대출.example/"),
        ("spam", "http://blog.example/소액결제현금화-추천"),
    ],
)
def test_hosts_and_paths_of_spam_fall_to_words(category: str, url: str) -> None:
    url = url.replace("xn--hy1b07t1yigng", "xn--" + "야동사이트".encode("punycode").decode())
    found = UrlRules(Urls()).judge(url)
    assert found is not None and found.rule == "url.words"
    assert found.detail.startswith(f"{category}: ")
    others = [name for name in CATEGORIES if name != category]
    assert UrlRules(Urls.model_validate({"words": others})).judge(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://www.essex.ac.uk/",
        "https://www.sussex.gov.uk/adult-education",
        "https://middlesex.edu/nursing",
        "https://www.scunthorpe.example/",
        "https://analytics.example.com/dashboard",
        "https://therapist.example.com/find",
        "https://specialist.example.com/socialist",
        "https://en.wikipedia.example/wiki/Sexism",
        "https://www.hancock.example/peacock",
        "https://moby-dick.example/",
        "https://nursing.example.ac.kr/성인간호학",
        "https://hospital.example.kr/성인병/안내",
        "https://lib.example.ac.kr/대출/반납",
        "https://bank.example.co.kr/대출/예금",
        "https://news.example.com/2023/05/macau-casino-revenue-grows-again",
        "https://news.example.com/society/porn-addiction-study-finds-no-harm",
        "https://news.example.kr/온라인-카지노-단속-결과-발표",
        "https://news.example.kr/article?title=카지노",
        "https://health.example.org/sex-education",
        "https://docs.example.org/slot/usage",
        "https://fish.example.org/bass",
        "https://movie.example.kr/토토로",
        "https://math.example.kr/사다리꼴",
        "https://kids.example.kr/어린이놀이터",
        "https://office.example.kr/출장비",
        "https://island.example.kr/안마도",
        "https://alphabet.example/diabetes/tibet",
        "https://planningpoker.example/",
        "https://classic.example/assessment",
        "https://cumulus.example/document/cucumber",
        "https://grape.example/therapeutic",
    ],
)
def test_words_within_words_and_in_headlines_do_not_block(url: str) -> None:
    assert UrlRules(Urls()).judge(url) is None


def test_a_word_list_of_ones_own_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("# mine\n[strict]\nspamword 스팸말\n[tld]\nspam\n[safe]\nspamwordless\n")
    rules = UrlRules(Urls(words=[], word_files=[str(path)]))
    assert verdict(rules, "http://my-spamwords.example/") == ("url.words", "mine: spamword")
    assert verdict(rules, "http://스팸말.example/") == ("url.words", "mine: 스팸말")
    assert verdict(rules, "http://a.spam/") == ("url.words", "mine: .spam")
    assert rules.judge("http://spamwordless.example/") is None
    for text, message in {
        "word\n": "line 1: words come after a line such as",
        "[strict]\n[strange]\n": r"line 2: \[strange\] is none of",
        "[hard]\nfine\na/b\n": "line 3: 'a/b' has characters",
    }.items():
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            UrlRules(Urls(words=[], word_files=[str(path)])).judge("http://a.example")
    with pytest.raises(InputError, match="cannot be read"):
        UrlRules(Urls(word_files=[str(tmp_path / "absent.txt")])).judge("http://a.example")


def test_the_identity_follows_settings_and_contents(ut1: Path, tmp_path: Path) -> None:
    def identity(**settings: object) -> str:
        return UrlRules(Urls.model_validate(settings)).identity()

    block = [{"path": str(ut1)}]
    first = identity(block=block)
    assert identity(block=block) == first != identity()
    moved = ut1.rename(tmp_path / "moved")
    assert identity(block=[{"path": str(moved)}]) == first
    assert identity(block=[{"path": str(moved), "categories": ["adult"]}]) != first
    assert identity(block=[{"path": str(moved)}], only_allowed=True) != first
    assert identity(block=[{"path": str(moved)}], words=["adult"]) != first
    assert identity(blocked=["bad.example"]) != identity()
    (moved / "adult" / "domains").write_text("other.example\n")
    assert identity(block=[{"path": str(moved)}]) != first


def test_a_list_that_changed_is_read_again_in_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("one.example\n")
    assert listed(path).judge("http://one.example") is not None
    path.write_text("two.example\nthree.example\n")
    assert listed(path).judge("http://one.example") is None
    assert listed(path).judge("http://two.example") is not None


def test_lines_are_found_again_across_the_borders_of_what_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hanji.curation.sources.urls import lists

    monkeypatch.setattr(lists, "_CHUNK", 64)
    hosts = [f"host{number}.example" for number in range(200)]
    path = tmp_path / "many.txt"
    path.write_text("\n".join(hosts))
    rules = listed(path)
    assert all(rules.judge(f"http://{host}/") for host in hosts)
    path.write_text("\n".join([*hosts, "two words", "more.example"]))
    with pytest.raises(InputError, match="line 201:"):
        listed(path).judge("http://a.example")


@given(
    st.lists(st.binary(min_size=1, max_size=12), max_size=60), st.lists(st.binary(max_size=12), max_size=20)
)
def test_a_table_has_its_entries_and_no_others(entries: list[bytes], others: list[bytes]) -> None:
    half = len(entries) // 2
    table = Table(["first", "second"], [(1, digests(entries[half:])), (0, digests(entries[:half]))])
    assert len(table) == len(set(entries))
    for entry in entries:
        assert table.category(entry) == ("first" if entry in entries[:half] else "second")
    for other in set(others) - set(entries):
        assert table.category(other) is None


def test_a_table_takes_little_more_than_nine_bytes_an_entry() -> None:
    entries = [f"host{number}.example".encode() for number in range(200_000)]
    table = Table(["adult"], [(0, digests(entries))])
    assert table.nbytes <= 9 * len(entries) + 300_000
    assert table.category(entries[0]) == "adult"
