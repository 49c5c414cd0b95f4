"""Files of a run that are lost, cut short or changed behind its back are noticed, named and made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow.parquet as pq
import pytest
from curation_corpus import make_recipe, shard_hashes
from faults import same_as, steps
from flaky import Flaky

from hanji import trouble
from hanji.curation import pipeline
from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.summary import CurationSummary
from hanji.curation.work import Commit, ForgottenError
from hanji.manifest import read_manifest


def flip(path: Path, share: float = 0.4) -> None:
    """Other bytes of the same number: three bits turned, at a share of the file's length."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0b00010101
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def a_file(run: Path, pattern: str) -> Path:
    """The largest file that matches."""
    return max(run.glob(pattern), key=lambda path: path.stat().st_size)


def without(run: Path, *names: str) -> None:
    """Forget steps, so that the next start does them again and reads what is before them."""
    for name in names:
        shutil.rmtree(run / "commits" / name)


def done_again(run: Path) -> dict[str, int]:
    done: dict[str, int] = {}
    for step in steps(run):
        done[step["name"]] = done.get(step["name"], 0) + step["units"] - step["skipped"]
    return {name: count for name, count in done.items() if count}


@pytest.fixture
def copy(tmp_path: Path, undisturbed: Path) -> Path:
    """A finished run to damage."""
    shutil.copytree(undisturbed, tmp_path / "run")
    return tmp_path / "run"


def again(run: Path, corpus: list[Path], **options: Any) -> CurationSummary:
    return curate(make_recipe(run, corpus), LocalEngine(1), **options)


# (what is damaged, the step that made it, steps that are done again and so read it)
READ: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "documents": ("documents/*.parquet", "read", ("edit",)),
    "edits": ("edits/*.parquet", "edit", ("measure",)),
    "gathered text": ("gathered/text/*.parquet", "gather", ("sign",)),
    "gathered facts": ("gathered/facts/*.parquet", "gather", ("judge",)),
    "exchange": ("exchange/gather-send.facts/*", "gather-send", ("gather",)),
    "exchange of texts": ("exchange/attach.texts/*", "attach", ("verify",)),
    "edges": ("relations/edges/*.parquet", "verify", ("cluster-start",)),
    "ledger": ("ledger/*.parquet", "ledger", ("tokenise",)),
    "tokenizer": ("tokenizer/*.json", "tokenizer", ("tokenise",)),
    "tokens": ("exchange/tokenise.tokens/*", "tokenise", ("shard",)),
}


# A column that those steps read; nobody notices what nobody reads.
COLUMNS = {
    "documents": "text",
    "edits": "id",
    "gathered text": "text",
    "gathered facts": "language",
    "edges": "a",
    "ledger": "id",
}


def in_column(path: Path, column: str) -> float:
    """Where in a file the data of a column is, as a share of its length."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    (chunk,) = [c for c in map(group.column, range(group.num_columns)) if c.path_in_schema == column]
    start: int = chunk.dictionary_page_offset or chunk.data_page_offset
    place = start + chunk.total_compressed_size * 6 // 10
    return float(place / path.stat().st_size)


QUICK = {"gathered text", "exchange of texts", "tokenizer"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in READ]
)
def test_changed_bytes_are_noticed_by_who_reads_them_and_made_again(
    copy: Path, shared_corpus: list[Path], undisturbed: Path, name: str
) -> None:
    pattern, step, readers = READ[name]
    damaged = a_file(copy, pattern)
    flip(damaged, in_column(damaged, COLUMNS[name]) if name in COLUMNS else 0.4)
    without(copy, *readers)
    summary = again(copy, shared_corpus)
    (warning,) = [one for one in summary.warnings if "made again" in one]
    assert str(damaged) in warning
    assert f"made again by the step {step}" in warning
    same_as(copy, undisturbed)


@pytest.mark.parametrize(
    "share", [0.93, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.001, 0.999))]
)
def test_a_damaged_header_or_footer_is_noticed_too(
    copy: Path, shared_corpus: list[Path], undisturbed: Path, share: float
) -> None:
    damaged = a_file(copy, "gathered/facts/*.parquet")
    flip(damaged, share)
    without(copy, "judge")
    again(copy, shared_corpus)
    same_as(copy, undisturbed)


def lose(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("how", [lose, cut])
def test_what_is_gone_or_cut_short_is_done_again_and_nothing_else(
    copy: Path, shared_corpus: list[Path], undisturbed: Path, how: Callable[[Path], None]
) -> None:
    how(a_file(copy, "gathered/text/*.parquet"))
    how(a_file(copy, "shards/**/*.bin"))
    how(
        a_file(copy, "exchange/verify*/*")
        if list(copy.glob("exchange/verify*/*"))
        else a_file(copy, "tokens/*")
    )
    again(copy, shared_corpus)
    done = done_again(copy)
    assert done["gather"] == done["shard"] == 1
    assert sum(done.values()) == 3
    same_as(copy, undisturbed)


@pytest.mark.parametrize(
    "how", ["cut", "other numbers", *(pytest.param(h, marks=pytest.mark.slow) for h in ("no JSON", "a list"))]
)
def test_a_damaged_commit_record_is_forgotten_and_its_unit_done_again(
    copy: Path, shared_corpus: list[Path], undisturbed: Path, how: str
) -> None:
    for step in ("settle", "verify"):
        record = a_file(copy, f"commits/{step}/*.json")
        text = record.read_text()
        if how == "cut":
            record.write_text(text[: len(text) // 2])
        elif how == "no JSON":
            record.write_bytes(b"\x00" * len(text.encode()))
        elif how == "other numbers":
            changed = text.replace('"bytes": ', '"bytes": 1', 1)
            assert json.loads(changed)
            record.write_text(changed)
        else:
            record.write_text('["a list"]\n')
    again(copy, shared_corpus)
    assert done_again(copy) == {"settle": 1, "verify": 1}
    same_as(copy, undisturbed)


def test_verify_finds_changed_bytes_that_nobody_would_have_read(
    copy: Path, shared_corpus: list[Path], undisturbed: Path
) -> None:
    for pattern in ("signals/text/*.parquet", "shards/**/*.bin", "exchange/settle*/*", "exchange/judge*/*"):
        if list(copy.glob(pattern)):
            flip(a_file(copy, pattern))
    assert not done_again(undisturbed) or again(copy, shared_corpus).skipped
    again(copy, shared_corpus, verify=True)
    done = done_again(copy)
    assert done["measure"] == done["shard"] == 1
    assert sum(done.values()) in (3, 4)
    same_as(copy, undisturbed)


def test_a_file_that_is_damaged_again_and_again_ends_the_run_by_its_name(
    copy: Path, shared_corpus: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rotten(LocalEngine):
        """A disk that turns bits in every ledger."""

        def run(self, task: Any, items: Any, *arguments: Any) -> Any:
            for index, result in super().run(task, items, *arguments):
                if isinstance(result, Commit) and result.step == "ledger":
                    flip(copy / result.files["ledger"].path)
                yield index, result

    monkeypatch.setattr(pipeline, "HEALINGS", 3)
    without(copy, "ledger", "tokenise")
    with pytest.raises(ForgottenError, match=r"ledger/p0000.*the step ledger makes it again"):
        curate(make_recipe(copy, shared_corpus), Rotten(1))


def test_a_store_that_keeps_failing_loses_nothing_and_blames_no_document(
    monkeypatch: pytest.MonkeyPatch, shared_corpus: list[Path], undisturbed: Path
) -> None:
    """Every fifth request fails, for inputs and for the run, with what an HTTP client raises."""
    monkeypatch.setattr(trouble, "PAUSES", (0.0, 0.0, 0.0))
    Flaky.register()
    paths = []
    for path in shared_corpus:
        Flaky().pipe_file(f"flaky://input/{path.name}", path.read_bytes())
        paths.append(f"flaky://input/{path.name}")
    Flaky.every, Flaky.then = 5, aiohttp.ServerDisconnectedError
    sources = [{"name": "s", "format": "jsonl", "paths": paths}]
    summary = curate(make_recipe("flaky://run", [], sources=sources), LocalEngine(1))
    Flaky.every = None
    assert Flaky.requests > 500
    assert summary.failed == 0
    manifest, _ = read_manifest("flaky://run/shards")
    hashes = {f.path: f.sha256 for c in manifest.components for s in c.shards for f in (s.bin, s.idx, s.docs)}
    expected = shard_hashes(undisturbed)
    assert hashes == {path: expected[path] for path in hashes}
    assert len(hashes) == len(expected) - 1
