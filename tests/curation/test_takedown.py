"""Takedown: what a list names leaves the shards with what is truly like it, and nothing else moves."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curation_corpus import article, make_recipe, shard_hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.engines.local import LocalEngine
from hanji.curation.exchange import Sent, Stretch, receive_each, send
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe, MinHash, Takedown
from hanji.curation.records import LEDGER, TEXT
from hanji.curation.shards.tokenizer import Encoder
from hanji.curation.shards.verify import verify_shards
from hanji.curation.steps.takedown import FOUND, MEMBERS, Taken, pair
from hanji.curation.steps.takedown import take_down as taking_down
from hanji.curation.takedown.applying import take_down
from hanji.curation.takedown.lists import KINDS, TakedownList, address_key, joined, parse_list
from hanji.curation.takedown.search import Search, search
from hanji.curation.why import why
from hanji.curation.work import Attempt, Commit, Runner, newest_commits
from hanji.errors import InputError, RecipeError, UnreadableError
from hanji.manifest import read_manifest
from hanji.progress import SilentProgress
from hanji.storage import Storage
from hanji.training.data.checks import check_shards
from hanji.training.data.stream import TokenStream

SHARDS = {"tokenizer": {"vocab_size": 600}, "valid_share": 0.2, "shard_tokens": 2000}
LIST = "http://ko.example/3\nhttp://en.example/7 DMCA 12\nhost:mirror.example\nhttp://ko.example/5\n"


def parsed(text: str) -> TakedownList:
    return parse_list(text.encode(), "list.txt")


# -- lists -------------------------------------------------------------------------------------------------


def test_a_list_names_documents_by_id_address_beginning_and_host() -> None:
    identity = "0123456789abcdef" * 2
    entries = parsed(
        f"# from legal\n\n{identity.upper()}  order 7\nhttps://Example.com/a?b=1#x\nhost:spam.example.org\n"
        'prefix:http://www.blog.kr/user/\n{"url": "http://한글.kr/%EC%A2%85%EC%9D%B4", "reason": "r"}\n'
    )
    assert [entry.kind for entry in entries.entries] == ["id", "url", "url", "prefix", "host"]
    urls = [
        ("http://elsewhere.example/", "id"),
        ("http://www.example.com:80/a?b=1", "url"),
        ("example.com/a?b=1", "url"),
        ("https://user@한글.kr/종이", "url"),
        ("http://xn--bj0bj06e.kr/%C1%BE%C0%CC", "url"),
        ("http://a.SPAM.example.org/x", "host"),
        ("https://blog.kr/user/1", "prefix"),
        ("http://blog.kr/use", None),
        ("http://example.com/A?b=1", None),
        ("http://xspam.example.org/", None),
        (None, None),
    ]
    ids = [identity] + ["f" * 32] * (len(urls) - 1)
    found, hits = entries.match(column(ids), column([url for url, _ in urls]))
    kinds = [None if place < 0 else entries.entries[place].kind for place in found.tolist()]
    assert kinds == [kind for _, kind in urls]
    assert hits == set(range(5))


def column(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, TEXT)])


HOSTS = st.sampled_from(["a.kr", "www.a.kr", "b.a.kr", "c.com", "x--a.kr"])
PATHS = st.sampled_from(["", "/", "/p", "/p/q", "/p?x=1", "/한지", "/%ED%95%9C%EC%A7%80"])
URLS = st.builds(
    lambda scheme, host, path: f"{scheme}{host}{path}",
    st.sampled_from(["http://", "https://", "HTTP://", "//", ""]),
    HOSTS,
    PATHS,
)
GIVEN = st.one_of(
    st.builds(lambda host, path: f"http://{host}{path}", HOSTS, PATHS),
    st.builds(lambda host, path: f"prefix:http://{host}{path}", HOSTS, PATHS),
    st.builds(lambda host: f"host:{host}", HOSTS),
)


@given(st.lists(GIVEN, max_size=6), st.lists(st.none() | URLS, max_size=12))
def test_matching_a_column_is_matching_each_address(lines: list[str], urls: list[str | None]) -> None:
    entries = parsed("\n".join(lines))
    found, _ = entries.match(column(["0" * 32] * len(urls)), column(urls))
    for url, place in zip(urls, found.tolist(), strict=True):
        key = "" if url is None else address_key(url)
        named = [
            (KINDS.index(entry.kind), -len(entry.key), number)
            for number, entry in enumerate(entries.entries)
            if url is not None
            and (
                (entry.kind == "url" and key == entry.key)
                or (entry.kind == "prefix" and key.startswith(entry.key))
                or (entry.kind == "host" and f".{key.partition('/')[0]}".endswith(f".{entry.key}"))
            )
        ]
        assert place == (min(named)[2] if named else -1)


def test_wrong_lines_are_named_by_their_numbers() -> None:
    with pytest.raises(RecipeError) as raised:
        parsed(
            'http://fine.kr/\nabc\n{"ulr": "x"}\nhost:com\nexample.com\n{"id": "12"}\nhost:a.b/c\n'
            '{"url": "http://a.kr/", "id": "12"}\n{"url": \n{"host": "a.kr", "duplicates": "no"}\n'
        )
    said = str(raised.value)
    assert said.startswith("list.txt: line 2: 'abc' is neither an id")
    assert "line 3: unknown field 'ulr'; allowed: id, url, prefix, host, reason, duplicates" in said
    for number, words in {
        4: "no whole host name",
        5: "write host:example.com",
        6: "an id is 32 hexadecimal digits",
        7: "a host has no path",
        8: "give one of",
        9: "not valid JSON",
        10: "duplicates is true or false",
    }.items():
        assert words in said.split(f"line {number}: ")[1].split("\n")[0]
    assert "line 1:" not in said


def test_lists_that_mean_the_same_are_the_same() -> None:
    lines = ["http://a.kr/x reason", "host:b.kr", "prefix:http://c.kr/d", '{"id": "%s"}' % ("a" * 32)]
    one = parsed("\n".join(lines))
    other = joined([parsed(line) for line in [*reversed(lines), "https://www.a.kr/x#y"]])
    assert one.sha256 == other.sha256 and one == other
    assert parse_list(one.to_bytes(), "again") == one
    only = one.only_listed()
    assert parse_list(only.to_bytes(), "again") == only != one
    assert joined([only, one]) == one, "of two entries the one that takes duplicates along stands"


def test_a_takedown_keeps_the_columns_that_the_run_measured_beside_the_ledgers(tmp_path: Path) -> None:
    run = Storage(str(tmp_path))
    ids = [f"{number:032x}" for number in range(3)]
    row: dict[str, Any] = dict.fromkeys(LEDGER.names) | {"step": "tiers", "verdict": "kept", "tier": "high"}
    table = pa.Table.from_pylist([row | {"id": one} for one in ids], LEDGER)
    for name in ("perplexity", "score_web"):
        table = table.append_column(name, pa.array([1.0, 2.0, 3.0]))
    named = pa.table({"id": ids[1:2], "entry": [0], "rule": ["takedown.id"], "detail": ["x"]}).cast(FOUND)
    written = run.write_table("named.parquet", named)
    commit = Commit("takedown-find", "p00000", "", {"named": written}, {}, {}, 0.0)
    after = taking_down(run, table, Taken(commit, None), MinHash())
    assert after.schema == table.schema
    assert after["verdict"].to_pylist() == ["kept", "dropped", "kept"]
    assert after.select(["id", "tier", "perplexity", "score_web"]).equals(
        table.select(["id", "tier", "perplexity", "score_web"])
    )


# -- runs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, shared_corpus: list[Path]) -> Path:
    """A run that takes nothing down. Tests work on copies."""
    run = tmp_path_factory.mktemp("finished") / "run"
    curate(recipe(run, shared_corpus))
    return run


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory, finished: Path) -> tuple[Path, Any]:
    """The run after LIST was taken down, and what the command knew."""
    run = copied(finished, tmp_path_factory.mktemp("taken"))
    return run, take_down(str(run), [listed(run.parent)], apply=True)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return copied(finished, tmp_path)


def copied(run: Path, directory: Path) -> Path:
    return Path(shutil.copytree(run, directory / "run", copy_function=shutil.copy2))


def recipe(run: Path, source: list[Path], **changes: Any) -> CurationRecipe:
    return make_recipe(run, source, shards=SHARDS, **changes)


def listed(directory: Path, text: str = LIST) -> str:
    path = directory / "list.txt"
    path.write_text(text, "utf-8")
    return str(path)


def ledger(run: Path) -> dict[str, dict[str, Any]]:
    """Ledger rows by the record's own id."""
    keys = dict(duckdb.sql(f"SELECT id, key FROM '{run}/documents/*.parquet'").fetchall())
    found = duckdb.sql(f"SELECT * FROM '{run}/ledger/*.parquet'")
    names = found.columns
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {keys[row["id"]]: row for row in rows}


def in_shards(run: Path) -> set[str]:
    found = duckdb.sql(f"SELECT document_id FROM '{run}/shards/**/*.docs.parquet'").fetchall()
    return {row[0] for row in found}


def files(run: Path) -> dict[str, bytes]:
    """Every file of a run, but for that of its lock."""
    paths = [path for path in run.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def test_a_look_changes_nothing_and_tells_the_ranges_of_tokens(run: Path, tmp_path: Path) -> None:
    before = files(run)
    found = take_down(str(run), [listed(tmp_path, LIST + "http://nowhere.example/\n")])
    after = files(run)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[0] for name in set(after) - set(before)} <= {"takedown", "commits", "exchange"}
    states = {one.entry.given: dict(one.states) for one in found.effects.entries}
    assert states["http://nowhere.example/"] == {} and states["mirror.example"] == {"in the shards": 2}
    assert states["http://ko.example/5"] == {"dropped at duplicates by duplicates.near": 1}

    manifest, _ = read_manifest(str(run / "shards"))
    encoder = Encoder(run / "shards" / manifest.tokenizer.file)
    texts = dict(duckdb.sql(f"SELECT id, text FROM '{run}/gathered/text/*.parquet'").fetchall())
    rows = found.effects.leaving.to_pylist()
    assert len(rows) == 4
    for row in rows:
        tokens = np.fromfile(run / "shards" / f"{row['shard']}.bin", manifest.dtype)
        mine = tokens[row["token_start"] : row["token_end"]].tolist()
        assert mine == [*encoder.encode([texts[row["id"]]]).ids.tolist(), manifest.tokenizer.eod_id]
        sidecar = pq.read_table(run / "shards" / f"{row['shard']}.docs.parquet")
        assert sidecar["document_id"][row["row"]].as_py() == row["id"]
    for shard in found.effects.shards:
        assert sum(end - start for start, end in shard.tokens_ranges) == shard.lost_tokens
        assert sum(end - start for start, end in shard.rows) == shard.lost_documents
    assert sum(cell[1] for cell in found.effects.components().values()) == sum(
        row["token_end"] - row["token_start"] for row in rows
    )


def test_only_shards_that_hold_a_listed_document_change(finished: Path, taken: tuple[Path, Any]) -> None:
    run, done = taken
    before, after = shard_hashes(finished), shard_hashes(run)
    assert before["tokenizer"] == after["tokenizer"]
    gone = {row["id"] for row in done.effects.leaving.to_pylist()}
    assert in_shards(finished) - in_shards(run) == gone and in_shards(run) < in_shards(finished)
    changed = {shard.prefix for shard in done.effects.shards}
    lost = {path for path in before if path not in after}
    assert lost == {f"{prefix}{end}" for prefix in changed for end in (".bin", ".idx", ".docs.parquet")}
    becomes = {shard.becomes for shard in done.effects.shards}
    new = {path for path in after if path not in before}
    assert new == {f"{prefix}{end}" for prefix in becomes for end in (".bin", ".idx", ".docs.parquet")}
    assert {str(p.relative_to(run / "shards")) for p in (run / "shards").rglob("*.bin")} <= set(after)
    assert len(changed) < done.effects.all_shards / 2

    assert verify_shards(str(run / "shards")).problems == []
    old, _ = read_manifest(str(finished / "shards"))
    manifest, _ = read_manifest(str(run / "shards"))
    assert old.takedown is None and "takedown" not in (finished / "shards/manifest.json").read_text()
    assert manifest.takedown is not None and manifest.takedown.of == old.curation != manifest.curation
    assert manifest.takedown.documents == len(gone)
    assert json.loads((run / "run.json").read_text())["curation"] == manifest.curation


def test_a_tokenizer_file_that_is_gone_or_another_one_now_changes_no_other_shard(
    run: Path, tmp_path: Path, shared_corpus: list[Path]
) -> None:
    file = tmp_path / "tokenizer.json"
    shutil.copy(run / "shards/tokenizer.json", file)
    given = {**SHARDS, "tokenizer": {"file": str(file)}}
    curate(make_recipe(run, shared_corpus, shards=given))
    before, _ = read_manifest(str(run / "shards"))
    other = json.loads(file.read_text("utf-8"))
    other["model"]["merges"] = other["model"]["merges"][:20]
    file.write_text(json.dumps(other), "utf-8")
    done = take_down(str(run), [listed(tmp_path, "http://ko.example/3\n")], apply=True)
    assert done.manifest.tokenizer == before.tokenizer
    kept = {shard.bin.sha256 for part in done.manifest.components for shard in part.shards}
    were = {shard.bin.sha256 for part in before.components for shard in part.shards}
    assert len(kept - were) == 1
    file.unlink()
    take_down(str(run), [listed(tmp_path, "http://en.example/7\n")], apply=True)
    rows = ledger(run)
    assert not in_shards(run) & {rows[key]["id"] for key in ("ko-3", "en-7")}


def test_a_trainer_reads_what_is_left_in_the_order_it_had(finished: Path, taken: tuple[Path, Any]) -> None:
    run, done = taken
    gone = {row["id"] for row in done.effects.leaving.to_pylist()}
    old, old_storage = read_manifest(str(finished / "shards"))
    new, new_storage = read_manifest(str(run / "shards"))
    check_shards(new, new_storage, hashes="hashes")
    for before, after in zip(old.components, new.components, strict=True):
        stream = TokenStream(before, old_storage, old.dtype)
        kept, start = [], 0
        for shard in before.shards:
            sidecar = pq.read_table(finished / "shards" / shard.docs.path)
            for identity, tokens in zip(
                *(sidecar[c].to_pylist() for c in ("document_id", "tokens")), strict=True
            ):
                if identity not in gone:
                    kept.append(stream.read(start, tokens))
                start += tokens
        now = TokenStream(after, new_storage, new.dtype)
        assert np.array_equal(now.read(0, len(now)), np.concatenate(kept))


def test_the_list_in_the_recipe_gives_the_same_bytes(
    run: Path, taken: tuple[Path, Any], shared_corpus: list[Path], tmp_path: Path
) -> None:
    summary = curate(recipe(run, shared_corpus, takedown=listed(tmp_path)))
    assert summary.skipped > summary.units / 2
    other = taken[0]
    assert shard_hashes(run) == shard_hashes(other)
    assert (run / "shards/manifest.json").read_bytes() == (other / "shards/manifest.json").read_bytes()
    assert ledger(run) == ledger(other)
    # This run keeps no list of its own: without the recipe's the documents come back.
    gone = in_shards(run)
    curate(recipe(run, shared_corpus))
    assert gone < in_shards(run)


def test_what_was_taken_down_stays_gone_whatever_the_recipe_says(
    taken: tuple[Path, Any], shared_corpus: list[Path], tmp_path: Path
) -> None:
    run = copied(taken[0], tmp_path)
    before = shard_hashes(run)
    again = curate(recipe(run, shared_corpus))
    assert again.skipped == again.units, "the command left something to do"
    assert shard_hashes(run) == before
    # Nor does it come back when the rest is decided anew.
    tiers = [{"name": "best", "min_score": 0.9}, {"name": "others"}]
    other = curate(recipe(run, shared_corpus, tiers=tiers))
    assert other.kept == again.kept and other.components.keys() != again.components.keys()
    assert not in_shards(run) & {row["id"] for row in taken[1].effects.leaving.to_pylist()}


def test_the_books_balance_and_say_which_entry_took_a_document(
    finished: Path, taken: tuple[Path, Any]
) -> None:
    before, rows = ledger(finished), ledger(taken[0])
    assert before.keys() == rows.keys()
    assert rows["en-7"]["rule"] == "takedown.url" and rows["en-7"]["detail"] == "http://en.example/7: DMCA 12"
    assert rows["ko-copy"]["rule"] == "takedown.host" and rows["ko-copy"]["tier"] == "all"
    for key, row in rows.items():
        if row["step"] != "takedown":
            assert row == before[key]
        else:
            assert row["verdict"] == "dropped"
            assert (row["tier"] is not None) == (before[key]["verdict"] == "kept")


def test_a_kept_twin_of_a_listed_document_goes_with_evidence(finished: Path, taken: tuple[Path, Any]) -> None:
    # ko-5 fell to ko-near, which holds its text: the text is to go, so the twin goes.
    assert ledger(finished)["ko-near"]["verdict"] == "kept"
    rows = ledger(taken[0])
    twin = rows["ko-near"]
    assert (twin["step"], twin["rule"]) == ("takedown", "takedown.duplicate")
    assert twin["duplicate_of"] == rows["ko-5"]["id"] and twin["jaccard"] == twin["value"] > twin["threshold"]
    assert rows["ko-5"]["rule"] == "takedown.url" and rows["ko-5"]["tier"] is None


def test_what_fell_to_a_listed_document_does_not_come_back(finished: Path, taken: tuple[Path, Any]) -> None:
    assert ledger(finished)["ko-3"]["duplicate_of"] == ledger(finished)["ko-copy"]["id"]
    assert {row["verdict"] for key, row in ledger(taken[0]).items() if key in ("ko-3", "en-3")} == {"dropped"}


def test_only_the_listed_leave_when_asked_and_their_twins_are_told(run: Path, tmp_path: Path) -> None:
    rows = ledger(run)
    text = "http://ko.example/5\n"
    found = take_down(str(run), [listed(tmp_path, text)], apply=True, duplicates=False)
    assert len(found.effects.leaving) == 0 and found.effects.shards == []
    (stays,) = found.effects.stay.to_pylist()
    assert stays["id"] == rows["ko-near"]["id"] and stays["jaccard"] > 0.9
    assert ledger(run)["ko-near"]["verdict"] == "kept"
    more = take_down(str(run), [listed(tmp_path, text)], apply=True)
    assert [row["id"] for row in more.effects.leaving.to_pylist()] == [rows["ko-near"]["id"]]


def test_takedowns_add_up(taken: tuple[Path, Any], tmp_path: Path) -> None:
    run = copied(taken[0], tmp_path)
    more = take_down(str(run), [listed(tmp_path, "http://en.example/9\nhttp://en.example/7\n")], apply=True)
    assert [dict(one.states) for one in more.effects.entries] == [
        {"taken down before": 1},
        {"in the shards": 1},
    ]
    assert in_shards(taken[0]) - in_shards(run) == {ledger(run)["en-9"]["id"]}
    assert verify_shards(str(run / "shards")).problems == []


@pytest.mark.parametrize(
    "where", ["write_ledger", "ShardWriting.write", "reporting.summary", "erasing.erase"]
)
def test_what_was_cut_short_is_done_by_the_same_command(
    where: str, run: Path, taken: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, erase = f"hanji.curation.takedown.applying.{where}", where == "erasing.erase"

    class Dead(Exception): ...

    def dies(*_: Any, **__: Any) -> None:
        raise Dead

    with monkeypatch.context() as patched, pytest.raises(Dead):
        patched.setattr(name, dies)
        take_down(str(run), [listed(tmp_path)], apply=True, erase=erase)
    again = take_down(str(run), [listed(tmp_path)], apply=True, erase=erase)
    # What was still in the shards is told, wherever the first try ended.
    assert len(again.effects.leaving) == (4 if where in ("write_ledger", "ShardWriting.write") else 0)
    assert bool(again.effects.shards) == bool(len(again.effects.leaving))
    assert shard_hashes(run) == shard_hashes(taken[0])
    assert erase or ledger(run) == ledger(taken[0])
    assert verify_shards(str(run / "shards")).problems == []


def test_a_component_of_which_nothing_is_left_is_none(run: Path, tmp_path: Path) -> None:
    english = [row["id"] for row in ledger(run).values() if row["language"] == "en"]
    done = take_down(str(run), [listed(tmp_path, "\n".join(english))], apply=True)
    manifest, _ = read_manifest(str(run / "shards"))
    assert {component.language for component in manifest.components} == {"ko"}
    assert "" in {shard.becomes for shard in done.effects.shards}
    assert verify_shards(str(run / "shards")).problems == []
    assert not list((run / "shards" / "en").rglob("*.bin"))


def texts_in(run: Path) -> str:
    """All text that the run's tables, exchange files and JSON hold, for looking for some."""
    found: list[str] = []
    for path in run.rglob("*"):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found += [str(v) for name in table.column_names for v in table[name].to_pylist() if v is not None]
        elif path.suffix in (".json", ".html", ".jsonl"):
            found.append(path.read_text("utf-8"))
        if path.parent.parent.name == "commits":
            found += exchanged(Storage(run), Commit.read(Storage(run), str(path.relative_to(run))))
    return "\n".join(found)


def exchanged(run: Storage, commit: Commit) -> Iterator[str]:
    """What the exchange files of a unit hold and can be read of."""
    for channel, written in commit.files.items():
        if not written.path.endswith(".arrows"):
            continue
        schema, entries = Sent.of(commit, channel).read_index(run)
        for entry in entries:
            at, length, rows = (int(entry[name]) for name in ("offset", "length", "rows"))
            part = Stretch(written.path, at, length, rows, entry["digest"].tobytes().hex(), schema)
            with contextlib.suppress(UnreadableError):
                yield str([table.to_pylist() for table in receive_each(run, [part])])


def test_erasing_leaves_no_copy_of_the_texts(run: Path, shared_corpus: list[Path], tmp_path: Path) -> None:
    named = ("ko-3", "en-7", "ko-5", "ko-copy", "ko-near", "en-copy", "en-3")
    sentences = [
        article("ko", 3).split("\n")[2],
        article("en", 7).split("\n")[2],
        article("ko", 5).split("\n")[2],
    ]
    before = texts_in(run)
    assert all(sentence in before for sentence in sentences)
    held = "\n".join(
        text
        for commit in newest_commits(Storage(run), "gather-send")
        for text in exchanged(Storage(run), commit)
    )
    assert sentences[0] in held.replace("\\n", "\n"), "the exchange carries texts, and this test reads them"
    rows = ledger(run)
    done = take_down(str(run), [listed(tmp_path)], apply=True, erase=True)
    assert done.erased is not None and done.erased.documents == len(named)
    after = texts_in(run)
    assert not [sentence for sentence in sentences if sentence in after]
    assert article("ko", 8).split("\n")[2] in after
    assert {key for key, row in ledger(run).items() if row["step"] == "takedown"} == set(named)
    assert verify_shards(str(run / "shards")).problems == []
    shards = shard_hashes(run)
    # The run goes on as if nothing had been done to its files, and they are what its records say.
    again = curate(recipe(run, shared_corpus), verify=True)
    assert again.skipped == again.units and shard_hashes(run) == shards
    assert "text" in why(str(run), rows["ko-8"]["id"])
    assert "text       it was erased" in why(str(run), rows["ko-near"]["id"])


def test_the_report_and_why_tell_of_a_takedown(taken: tuple[Path, Any]) -> None:
    run, _ = taken
    metrics = json.loads((run / "report/metrics.json").read_text())
    ends = {key.rpartition("\t")[2] for key in metrics["funnel"]}
    assert "takedown" in ends and metrics["rules"]["takedown.host"]["count"] == 2
    shown = {s["excerpt"] for name, r in metrics["rules"].items() if "takedown" in name for s in r["samples"]}
    assert shown == {""}
    page = (run / "report/index.html").read_text("utf-8")
    assert "taken down" in page and article("en", 7)[:40] not in page
    story = why(str(run), "http://en.example/7")
    assert "dropped at takedown by takedown.url: http://en.example/7: DMCA 12" in story
    assert "would be kept otherwise, tier all" in story
    copy = why(str(run), "http://ko.example/3")
    assert "takedown.url" in copy and "in shard" not in copy
    fell = why(str(run), "http://en.example/3")
    assert "taken down since (mirror.example)" in fell and "equal lines" in fell


def test_what_is_not_a_finished_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        take_down(str(tmp_path / "nothing"), [listed(tmp_path)])
    with pytest.raises(RecipeError, match="the list cannot be read"):
        take_down(str(run), [str(tmp_path / "no-list.txt")])
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"finished": False}))
    with pytest.raises(InputError, match="has not finished"):
        take_down(str(run), [listed(tmp_path)])
    facts["step_versions"]["write"] -= 1
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="another version of the steps write"):
        take_down(str(run), [listed(tmp_path)])


def test_a_recipe_may_name_lists_shortly() -> None:
    assert Takedown.model_validate("a.txt") == Takedown(lists=["a.txt"])
    assert Takedown.model_validate(["a.txt", "b.txt"]).lists == ["a.txt", "b.txt"]


# -- twins -------------------------------------------------------------------------------------------------


def made(tmp_path: Path, documents: list[dict[str, Any]], partitions: int) -> tuple[Runner, list[Any]]:
    """What was settled and gathered of documents, as a run would hold it."""
    run = Storage(tmp_path / "search")
    runner = Runner(run, LocalEngine(1), SilentProgress(), None)
    homes: list[tuple[Commit, Commit]] = []
    for number in range(partitions):
        mine = [d for d in documents if int(d["id"][:8], 16) * partitions >> 32 == number]
        tables = {
            "settled": pa.table(
                {
                    n: pa.array([d.get(n) for d in mine], TEXT)
                    for n in ("id", "url", "cluster", "language", "step", "verdict")
                }
            ),
            "text": pa.table({n: pa.array([d[n] for d in mine], TEXT) for n in ("id", "text")}),
        }
        commits = []
        for logical, table in tables.items():
            attempt = Attempt(run, logical, f"p{number:05d}")
            attempt.write_table(logical, f"tables/{logical}", table)
            commits.append(Commit(logical, f"p{number:05d}", "", attempt.files, {}, {}, 0.0))
        homes.append((commits[0], commits[1]))
    return runner, homes


@given(seed=st.integers(0, 10_000), partitions=st.sampled_from([1, 3]))
@settings(max_examples=5, deadline=None)
def test_a_kept_document_goes_only_if_it_is_truly_like_a_listed_one_of_its_cluster(
    tmp_path_factory: pytest.TempPathFactory, seed: int, partitions: int
) -> None:
    rng = random.Random(seed)
    documents = []
    for number in range(24):
        base = article("en", rng.randrange(4), 8).split("\n")
        text = "\n".join(base if rng.random() < 0.6 else [*base[1:], article("en", 50 + number, 4)])
        kept = rng.random() < 0.7
        documents.append(
            {
                "id": f"{rng.getrandbits(128):032x}",
                "url": f"http://{rng.choice('ab')}.example/{number}",
                "cluster": rng.choice(["c0" * 16, "f0" * 16, None]),
                "language": "en",
                "verdict": "kept" if kept else "dropped",
                "step": "tiers" if kept else "rules",
                "text": text,
            }
        )
    entries = parsed("\n".join(d["url"] for d in rng.sample(documents, 4)))
    runner, homes = made(tmp_path_factory.mktemp("twins"), documents, partitions)
    minhash = MinHash()
    found = search(runner, entries, minhash, [g for _, g in homes], [s for s, _ in homes])
    assert twins_of(runner.run, found) == expected_twins(documents, entries, minhash)


def test_texts_too_short_to_be_compared_go_if_they_are_the_same(tmp_path: Path) -> None:
    fixed = {"cluster": "c0" * 16, "language": "en", "verdict": "kept", "step": "tiers"}
    documents = [
        {"id": f"{number:x}" * 32, "url": f"http://a.example/{number}", **fixed, "text": text}
        for number, text in enumerate(["Two words", "two\nWORDS", "other words", "two words"])
    ]
    runner, homes = made(tmp_path, documents, 3)
    lists = parsed("http://a.example/0"), parsed("http://a.example/0").only_listed()
    found, alone = (
        search(runner, one, MinHash(), [g for _, g in homes], [s for s, _ in homes]) for one in lists
    )
    assert twins_of(runner.run, found) == {"1" * 32: ("0" * 32, 1.0), "3" * 32: ("0" * 32, 1.0)}
    assert twins_of(runner.run, alone) == {}


def test_of_a_cluster_too_large_the_first_listed_are_compared_and_the_rest_told(tmp_path: Path) -> None:
    rows = [("c0" * 16, "en", f"{number:032x}") for number in range(12)]
    run = Storage(tmp_path)
    parts = []
    for channel, some in (("named", rows[:5]), ("members", rows[4:])):
        attempt = Attempt(run, "standing", channel)
        table = pa.table(dict(zip(MEMBERS.names, map(list, zip(*some, strict=True)), strict=True)), MEMBERS)
        index = send(attempt, channel, table, np.zeros(len(table), np.int64))
        commit = Commit("standing", channel, "", attempt.files, {}, {channel: index}, 0.0)
        schema, entries = Sent.of(commit, channel).read_index(run)
        entry = entries[0]
        at, length, count = (int(entry[name]) for name in ("offset", "length", "rows"))
        path = commit.files[channel].path
        parts.append([Stretch(path, at, length, count, entry["digest"].tobytes().hex(), schema)])
    for most, compared, left_out in ((1000, 35, 0), (15, 14, 3), (1, 7, 4)):
        outcome = pair(Attempt(run, "pair", "p00000"), (0, parts[0], parts[1]), 1, most)
        assert (outcome.info["compared"], outcome.info["left_out"]) == (compared, left_out)
    listed = TakedownList(())
    assert "4 listed documents were not compared" in Search([], 4).warnings(listed)[0]


def twins_of(run: Storage, found: Search) -> dict[str, tuple[str, float]]:
    tables = [run.read_table(one.twins.files["twins"].path) for one in found.taken if one.twins]
    twins = [row for table in tables for row in table.to_pylist()]
    assert len({row["id"] for row in twins}) == len(twins)
    return {row["id"]: (row["duplicate_of"], round(row["jaccard"], 9)) for row in twins}


def expected_twins(
    documents: list[dict[str, Any]], entries: TakedownList, minhash: MinHash
) -> dict[str, tuple[str, float]]:
    """By plain sets of word 5-grams."""
    named = {entry.given for entry in entries.entries}

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = text.casefold().replace(".", " ").split()
        return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}

    expected = {}
    for one in documents:
        if one["url"] in named or one["verdict"] != "kept" or one["cluster"] is None:
            continue
        alike = []
        for other in documents:
            if other["url"] in named and other["cluster"] == one["cluster"]:
                a, b = shingles(one["text"]), shingles(other["text"])
                jaccard, containment = len(a & b) / len(a | b), len(a & b) / min(len(a), len(b))
                if jaccard >= minhash.min_jaccard or containment >= minhash.min_containment:
                    alike.append((-jaccard, -containment, other["id"]))
        if alike:
            expected[one["id"]] = (min(alike)[2], round(-min(alike)[0], 9))
    return expected
