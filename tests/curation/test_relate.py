"""Relating: the same edges whatever the cuts, no more memory or messages than it says, and no pair lost."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from curation_corpus import make_recipe, shard_hashes

from hanji.curation.columns import pieces
from hanji.curation.context import Context
from hanji.curation.dedup.shingles import likeness, shingle_sets, signatures
from hanji.curation.delivery import receiving_units
from hanji.curation.engines.local import LocalEngine
from hanji.curation.exchange import receive, send
from hanji.curation.ids import codes, from_halves, heads, packed, unpacked
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.relating import relate
from hanji.curation.steps import cluster
from hanji.curation.steps import relate as steps
from hanji.curation.steps.gather import languages_digest
from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit, task_with
from hanji.errors import RunError
from hanji.progress import SilentProgress
from hanji.recipe import parse_recipe
from hanji.storage import Storage, Written


def recipe_of(path: Path, **settings: object) -> CurationRecipe:
    sources = [{"name": "s", "format": "text", "paths": ["unused"]}]
    return parse_recipe({"name": "relate", "run": str(path), "sources": sources, **settings}, CurationRecipe)


def names(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    high, low = rng.integers(0, 2**64, (2, count), np.uint64)
    found: list[str] = unpacked(from_halves(high, low)).to_pylist()
    return found


# -- ids ----------------------------------------------------------------------------------------------------


def test_ids_keep_their_order_and_value_when_they_are_packed() -> None:
    some = names(500)
    ids = packed(pa.chunked_array([some[:200], some[200:]], pa.large_string()))
    assert unpacked(ids).to_pylist() == some
    assert unpacked(ids.slice(7, 3)).to_pylist() == some[7:10]
    assert heads(ids).tolist() == heads(pa.array(some)).tolist() == [int(name[:8], 16) for name in some]
    distinct, (left, right) = codes(ids, packed(pa.array(some[::-1] + some[:5])))
    assert unpacked(distinct).to_pylist() == sorted(some)
    assert [sorted(some)[code] for code in left] == some
    assert [sorted(some)[code] for code in right] == some[::-1] + some[:5]


def test_ids_whose_upper_halves_are_equal_are_told_apart() -> None:
    high = np.array([5, 5, 5, 1], np.uint64)
    low = np.array([9, 2, 9, 4], np.uint64)
    distinct, (code,) = codes(from_halves(high, low))
    assert code.tolist() == [2, 1, 2, 0] and len(distinct) == 3


@pytest.mark.parametrize("wrong", ["abc", "G" * 32, "A" * 32, "0" * 33])
def test_what_is_no_id_is_refused(wrong: str) -> None:
    with pytest.raises(RunError, match="document id"):
        packed(pa.array(["0" * 32, wrong]))


def test_pieces_hold_no_more_than_they_may_or_one() -> None:
    assert pieces(np.array([3, 3, 3, 10, 1]), 6) == [(0, 2), (2, 3), (3, 4), (4, 5)]
    assert pieces(np.array([], np.int64), 6) == []
    assert pieces(np.array([0, 0, 0]), 0) == [(0, 3)]


@pytest.mark.parametrize(
    ("documents", "size", "partitions"),
    [(5, 1_000, 16), (2_000_000, 300_000_000, 32), (1_000, 64 << 26, 64), (10**10, 10**13, 65_536)],
)
def test_partitions_follow_from_what_was_read(
    tmp_path: Path, documents: int, size: int, partitions: int
) -> None:
    recipe = recipe_of(tmp_path)
    reads = [
        Commit(
            "read", f"u{n}", "", {"documents": Written("x", size // 2, "")}, {"in": documents // 2}, {}, 0.0
        )
        for n in range(2)
    ]
    context = Context(recipe, LocalEngine(1), SilentProgress(), 1.0)
    context.settle_partitions(reads)
    assert context.partitions == partitions
    given = Context(recipe_of(tmp_path, partitions=3), LocalEngine(1), SilentProgress(), 1.0)
    given.settle_partitions(reads)
    assert given.partitions == 3


# -- pairs --------------------------------------------------------------------------------------------------


def run_of(path: Path) -> Runner:
    return Runner(Storage(path), LocalEngine(1), SilentProgress(), None)


def send_buckets(attempt: Attempt, table: pa.Table) -> Outcome:
    return Outcome(info={"buckets": send(attempt, "buckets", table, np.zeros(len(table), np.int64))})


def paired(path: Path, table: pa.Table, partitions: int) -> tuple[Commit, list[pa.Table], list[pa.Table]]:
    """The commit of *pair*, and by partition the pairs and what is wanted."""
    runner = run_of(path)
    sent = runner.map(Step("buckets", 1, send_buckets), [Unit("u", 0, table)])
    step = Step("pair", 1, task_with(steps.pair, partitions))
    (commit,) = runner.map(step, receiving_units(runner, "pair", sent, "buckets", 1))
    received = []
    for channel, schema in (("pairs", steps.PAIRS), ("wanted", steps.WANTED)):
        units = receiving_units(runner, "x", [commit], channel, partitions)
        received.append([receive(runner.run, unit.work[1], schema) for unit in units])
    return commit, received[0], received[1]


def buckets(hashes: list[int], language: list[int], ids: list[str]) -> pa.Table:
    return pa.table(
        [
            pa.array(hashes, pa.uint64()),
            pa.array([0] * len(ids), pa.uint64()),
            pa.array(language, pa.uint8()),
            packed(pa.array(ids)),
        ],
        schema=steps.BUCKETS,
    )


def test_a_bucket_becomes_a_star_around_its_smallest_id(tmp_path: Path) -> None:
    rng = random.Random(3)
    some = names(60)
    rows = [(rng.randrange(40), steps.NEAR + rng.randrange(2), rng.choice(some)) for _ in range(300)]
    _, pairs, wanted = paired(tmp_path, buckets(*map(list, zip(*rows, strict=True))), 4)
    expected = set()
    for key in {row[:2] for row in rows}:
        members = sorted({row[2] for row in rows if row[:2] == key})
        expected |= {(members[0], other, key[1]) for other in members[1:]}
    smallest = {(a, b): min(lang for x, y, lang in expected if (x, y) == (a, b)) for a, b, _ in expected}
    found = {
        (a, b): language
        for table in pairs
        for a, b, language in zip(
            unpacked(table["a"]).to_pylist(),
            unpacked(table["b"]).to_pylist(),
            table["language"].to_pylist(),
            strict=True,
        )
    }
    assert found == smallest
    assert sum(map(len, pairs)) == len(found)
    asked = {
        (name, home)
        for table in wanted
        for name, home in zip(unpacked(table["id"]).to_pylist(), table["home"].to_pylist(), strict=True)
    }
    assert asked == {(a, int(b[:8], 16) * 4 >> 32) for a, b in found}


def test_a_hot_bucket_asks_for_its_text_once_for_each_partition(tmp_path: Path) -> None:
    some = names(50_000)
    commit, pairs, wanted = paired(
        tmp_path, buckets([7] * len(some), [steps.NEAR] * len(some), some), partitions=8
    )
    assert commit.info["largest_bucket"] == 50_000
    assert sum(map(len, pairs)) == 49_999
    assert max(map(len, pairs)) < 2 * 50_000 / 8
    assert sum(map(len, wanted)) == 8
    assert {name for table in pairs for name in unpacked(table["a"]).to_pylist()} == {min(some)}


# -- from texts to clusters ---------------------------------------------------------------------------------

WORDS = [f"w{number}" for number in range(500)]


def documents(seed: int) -> list[tuple[str, str, str]]:
    """(id, language, text), a third of them like another one."""
    rng = random.Random(seed)
    texts: list[tuple[str, str]] = []
    for _ in range(120):
        language = rng.choice(["en", "ko"])
        text = " ".join(rng.choices(WORDS, k=rng.randrange(10, 80)))
        texts.append((language, text))
        if rng.random() < 0.3:
            words = text.split()
            words[rng.randrange(len(words))] = "other"
            texts += [(language, " ".join(words))] * rng.choice([1, 1, 3])
    return [(name, *text) for name, text in zip(names(len(texts), seed), texts, strict=True)]


def write_home(attempt: Attempt, rows: list[tuple[str, str, str]]) -> Outcome:
    ids, spoken, texts = (pa.array(column, pa.large_string()) for column in zip(*rows, strict=True))
    status = pa.array(["read"] * len(rows), pa.large_string())
    facts = pa.table({"id": ids, "language": spoken, "status": status, "url": pa.nulls(len(rows), ids.type)})
    attempt.write_table("facts", "gathered/facts", facts)
    attempt.write_table("text", "gathered/text", pa.table({"id": ids, "text": texts}))
    return Outcome(info={"languages": languages_digest(facts)})


def related(
    path: Path, rows: list[tuple[str, str, str]], partitions: int, **settings: object
) -> tuple[list[dict[str, object]], dict[str, str], Runner]:
    """(verified edges sorted by (b, a), the cluster of each document, the runner)."""
    recipe = recipe_of(path, partitions=partitions, **settings)
    context = Context(recipe, LocalEngine(1), SilentProgress(), 1.0)
    homes: list[list[tuple[str, str, str]]] = [[] for _ in range(partitions)]
    for row in sorted(rows):
        homes[int(row[0][:8], 16) * partitions >> 32].append(row)
    assert all(homes)
    gathered = context.runner.map(
        Step("gather", 1, write_home), [Unit(f"p{n:05d}", home, home) for n, home in enumerate(homes)]
    )
    edges, clusters = relate(context, gathered)
    run = context.run
    found = pa.concat_tables([run.read_table(commit.files["edges"].path) for commit in edges])
    named = pa.concat_tables([run.read_table(commit.files["clusters"].path) for commit in clusters])
    order = [("b", "ascending"), ("a", "ascending")]
    return (
        found.sort_by(order).to_pylist(),
        dict(zip(named["id"].to_pylist(), named["cluster"].to_pylist(), strict=True)),
        context.runner,
    )


def expected_edges(rows: list[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """Pairs (smallest of a bucket, other) that are alike, by comparing everything in memory."""
    settings = CurationRecipe.model_fields["dedup"].default.minhash
    found: set[tuple[str, str]] = set()
    for language in ("en", "ko"):
        some = sorted(row for row in rows if row[1] == language)
        texts = pa.array([text for _, _, text in some], pa.large_string())
        signed = signatures(texts, settings.shingles[language], settings)
        sets = shingle_sets(texts, settings.shingles[language])
        for band in range(settings.bands):
            members: dict[int, list[int]] = {}
            for place, value in enumerate(signed.bands[:, band].tolist()):
                members.setdefault(value, []).append(place)
            for first, *others in members.values():
                for other in others:
                    jaccard, containment = likeness(sets, np.array([first]), np.array([other]))
                    if jaccard[0] >= settings.min_jaccard or containment[0] >= settings.min_containment:
                        found.add((some[first][0], some[other][0]))
    by_text: dict[str, list[str]] = {}
    for name, _, text in sorted(rows):
        by_text.setdefault(text, []).append(name)
    return found | {(first, other) for first, *others in by_text.values() for other in others}


def test_edges_do_not_depend_on_partitions_or_on_how_many_texts_are_taken_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = documents(5)
    edges, clusters, _ = related(tmp_path / "one", rows, 1)
    assert {(edge["a"], edge["b"]) for edge in edges} == expected_edges(rows)
    assert {edge["kind"] for edge in edges} == {"exact", "near"}
    monkeypatch.setattr(steps, "PIECE_BYTES", 300)
    monkeypatch.setattr(cluster, "JOINED_EDGES", 1)
    for partitions in (1, 6):
        assert related(tmp_path / f"small-{partitions}", rows, partitions)[:2] == (edges, clusters)


def test_one_document_that_is_added_compares_again_only_where_it_reaches(tmp_path: Path) -> None:
    rows = [row for row in documents(9) if row[0] != "f" * 32]
    related(tmp_path, rows, 8)
    lonely = ("f" * 32, "en", "nothing of this stands anywhere else in the world of these texts " * 3)
    _, _, runner = related(tmp_path, [*rows, lonely], 8)
    done = {report.name: report.units - report.skipped for report in runner.reports}
    # Its home is signed again; no other partition has anything new to attach or verify.
    assert done["sign"] == 1 and done["verify"] == 1 and done["cluster"] == 0


def test_texts_of_which_another_language_is_said_are_related_anew(tmp_path: Path) -> None:
    rows = documents(9)
    related(tmp_path / "run", rows, 2)
    others = [(name, {"en": "ko", "ko": "en"}[language], text) for name, language, text in rows]
    again = related(tmp_path / "run", others, 2)[:2]
    assert again == related(tmp_path / "fresh", others, 2)[:2]
    assert {(edge["a"], edge["b"]) for edge in again[0]} == expected_edges(others)


@pytest.mark.slow
def test_documents_of_60_megabytes_are_related(tmp_path: Path) -> None:
    page = " ".join(random.Random(0).choices(WORDS, k=12_500_000))
    few = names(3)
    rows = [(few[0], "en", page), (few[1], "en", f"{page} more"), (few[2], "en", "short and alone")]
    edges, clusters, _ = related(tmp_path, rows, 1)
    assert [(edge["a"], edge["b"]) for edge in edges] == [tuple(sorted(few[:2]))]
    assert len(clusters) == 2


def test_exchange_files_go_as_soon_as_they_were_received_where_the_recipe_says_so(tmp_path: Path) -> None:
    rows = documents(2)
    kept = related(tmp_path / "kept", rows, 3)[:2]
    assert related(tmp_path / "gone", rows, 3, keep_exchange=False)[:2] == kept
    assert any((tmp_path / "kept" / "exchange").rglob("*.arrows"))
    assert not any((tmp_path / "gone" / "exchange").rglob("*.arrows"))
    # Started again, all is sent again, and what was received is believed.
    assert related(tmp_path / "gone", rows, 3, keep_exchange=False)[:2] == kept


def test_a_run_that_keeps_no_exchange_and_chooses_its_partitions_makes_the_same_shards(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path
) -> None:
    recipe = make_recipe(tmp_path / "run", shared_corpus, keep_exchange=False, partitions=None)
    curate(recipe)
    assert shard_hashes(tmp_path / "run") == shard_hashes(undisturbed)
    assert not any((tmp_path / "run" / "exchange").rglob("*.arrows"))
    curate(recipe)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["recipe"]["partitions"] == 16
    again = {step["name"]: step["units"] - step["skipped"] for step in facts["steps"]}
    assert again["gather-send"] > 0 and again["sign"] > 0
    for name in ("read", "measure", "gather", "verify", "cluster", "settle", "ledger", "shard"):
        assert again[name] == 0, name
    assert shard_hashes(tmp_path / "run") == shard_hashes(undisturbed)
