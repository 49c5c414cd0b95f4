"""Large compressed JSONL: rewritten into pieces, and everything comes out as if it had been read whole."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curation_corpus import corpus_rows, make_recipe, shard_hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.pipeline import curate, plan
from hanji.curation.recipe import CurationRecipe, Source
from hanji.curation.records import Record, document_id
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import Split, plan_splits
from hanji.curation.steps import rewrite
from hanji.curation.work import Attempt, Commit
from hanji.storage import Storage

ROWS = [{"id": str(i), "text": f"{i} 가나다 \u2028 " + "x" * (i % 90)} for i in range(900)]
LINES = b"\n".join(json.dumps(row, ensure_ascii=False).encode() for row in ROWS) + b"\n"
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gz": partial(gzip.compress, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": partial(pa.compress, codec="zstd", asbytes=True),
}


def recipe_of(path: Path) -> CurationRecipe:
    source = Source(name="s", format="jsonl", paths=[str(path)])
    return CurationRecipe(
        name="t", run=str(path.parent / "run"), sources=[source], split_bytes=9_000, rewrite_bytes=1
    )


def both_ways(path: Path) -> tuple[list[Record], list[Record], list[Split]]:
    """The records read from the file, those read from its pieces, and the pieces."""
    recipe = recipe_of(path)
    (source,) = recipe.sources
    (whole,) = plan_splits(recipe)
    assert rewrite.is_rewritten(whole, recipe.rewrite_bytes)
    run = Storage(recipe.run)
    attempt = Attempt(run, "rewrite", whole.name)
    outcome = rewrite.rewrite_file(attempt, whole, recipe.split_bytes)
    commit = Commit("rewrite", whole.name, "key", attempt.files, outcome.counts, outcome.info, 0.0)
    pieces = rewrite.with_pieces([whole], {whole.name: commit}, run)
    return (
        list(Reader(whole, source)),
        [record for piece in pieces for record in Reader(piece, source)],
        pieces,
    )


@pytest.mark.parametrize("ending", sorted(COMPRESSORS))
def test_pieces_give_the_records_of_the_file_with_their_places_in_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl.{ending}"
    # Blank lines are no records, but count for the places of those behind them; the last line has no end.
    path.write_bytes(COMPRESSORS[ending](LINES.replace(b"\n", b"\n \n\n", 40)[:-1]))
    whole, pieced, pieces = both_ways(path)
    assert len(pieces) > 5
    assert len({piece.name for piece in pieces}) == len(pieces)
    assert whole == pieced
    assert len(whole) == len(ROWS)
    assert [document_id("s", record) for record in whole] == [document_id("s", record) for record in pieced]
    assert [piece.start for piece in pieces[1:]] == [piece.stop for piece in pieces[:-1]]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damage_in_the_middle_is_the_same_failure_either_way(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    ending = data.draw(st.sampled_from(["gz", "bz2", "xz"]))
    packed = bytearray(COMPRESSORS[ending](LINES))
    place = data.draw(st.integers(0, len(packed) - 1))
    if data.draw(st.booleans()):
        del packed[place:]
    else:
        packed[place] ^= data.draw(st.integers(1, 255))
    if not packed:
        return
    path = tmp_path_factory.mktemp("rewrite") / f"a.jsonl.{ending}"
    path.write_bytes(packed)
    whole, pieced, _ = both_ways(path)
    assert whole == pieced


def test_a_compressed_file_without_a_line_is_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b""))
    whole, pieced, pieces = both_ways(path)
    assert whole == pieced == []
    assert len(pieces) == 1


def test_a_run_gives_the_same_shards_and_ledger_with_and_without_rewriting(tmp_path: Path) -> None:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in corpus_rows()).encode()
    path = tmp_path / "big.jsonl.gz"
    path.write_bytes(gzip.compress(data + b"{broken\n", mtime=0))
    runs = {}
    for name, rewrite_bytes in (("whole", None), ("pieces", 1)):
        recipe = make_recipe(tmp_path / name, [path], rewrite_bytes=rewrite_bytes, max_failed_share=0.1)
        planned = "\n".join(plan(recipe).lines())
        assert ("is first rewritten" in planned) == (name == "pieces")
        summary = curate(recipe)
        steps = {
            step["name"]: step for step in json.loads((tmp_path / name / "run.json").read_text())["steps"]
        }
        runs[name] = (summary, steps)
        again = curate(recipe)
        assert again.skipped == again.units
    assert shard_hashes(tmp_path / "whole") == shard_hashes(tmp_path / "pieces")
    assert "rewrite" not in runs["whole"][1]
    assert runs["pieces"][1]["rewrite"]["units"] == 1
    assert runs["pieces"][1]["read"]["units"] > 1
    assert ledger(tmp_path / "whole") == ledger(tmp_path / "pieces")
    assert "is first rewritten" not in "\n".join(
        plan(make_recipe(tmp_path / "pieces", [path], rewrite_bytes=1)).lines()
    )
    # A run that no longer rewrites is swept of the pieces.
    curate(make_recipe(tmp_path / "pieces", [path], rewrite_bytes=0, max_failed_share=0.1))
    assert not list((tmp_path / "pieces" / "rewritten").glob("*.parquet"))


def ledger(run: Path) -> list[dict[str, object]]:
    tables = [pq.read_table(path) for path in sorted((run / "ledger").glob("*.parquet"))]
    return sorted((row for table in tables for row in table.to_pylist()), key=lambda row: str(row["id"]))
