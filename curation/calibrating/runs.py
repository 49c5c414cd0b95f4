"""Finished runs: their signals are measured already, their documents chosen by source and language.

Left out, and counted, is what rules never judge: records that were not read, what fell to a floor, a block or
personal data. Near-duplicates (the run's clusters) count as one document.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.calibrating.documents import EXCERPTS, Excerpt, Find, Part, one_line, signal_values
from hanji.curation.work import Commit, newest_commits
from hanji.errors import RecipeError
from hanji.storage import Storage


def is_run(path: str) -> bool:
    """Whether a path is a directory that a curation wrote."""
    return Storage(path).exists("run.json")


def read_run(
    option: str,
    path: str,
    sources: Sequence[str],
    language: str,
    signals: Sequence[str],
    min_characters: int,
    most: int | None,
) -> Iterator[Part]:
    """The documents of a run in one language, a part for each source and range of ids.

    ``sources`` empty takes all. Raises RecipeError naming the option for a run that has not finished, a source
    that it does not have, or a signal that it did not measure.
    """
    run = Storage(path)
    facts = json.loads(run.read_bytes("run.json"))
    if not facts.get("finished"):
        raise RecipeError(f"{option}: {path}: the run has not finished; `hanji curate` goes on with it")
    there = [source["name"] for source in facts["recipe"]["sources"]]
    for source in sources:
        if source not in there:
            raise RecipeError(
                f"{option}: {path}: {source!r} is no source of the run; there are: {', '.join(there)}"
            )
    ledgers = {commit.unit: commit for commit in newest_commits(run, "ledger")}
    for commit in newest_commits(run, "gather"):
        table = run.read_table(commit.files["facts"].path)
        chosen = table.filter(pc.is_in(table["source"], pa.array(sources or there, table["source"].type)))
        for source in sorted(pc.unique(chosen["source"]).to_pylist()):
            mine = chosen.filter(pc.equal(chosen["source"], source))
            part = _part(run, source, mine, ledgers[commit.unit], commit, language, signals, min_characters)
            yield part.smallest(most)


def _part(
    run: Storage,
    source: str,
    facts: pa.Table,
    ledger: Commit,
    gathered: Commit,
    language: str,
    signals: Sequence[str],
    min_characters: int,
) -> Part:
    left_out: Counter[str] = Counter()

    def drop(reason: str, bad: pa.ChunkedArray) -> None:
        nonlocal facts
        kept = facts.filter(pc.invert(pc.fill_null(bad, True)))
        left_out[reason] += len(facts) - len(kept)
        facts = kept

    # A document of another language mostly fell to the floor: it is first of all in another language.
    drop("unreadable", pc.equal(facts["status"], "failed"))
    drop("another language", pc.not_equal(facts["language"], language))
    drop("fell before the rules", pc.not_equal(facts["status"], "read"))
    drop("fell before the rules", pc.is_valid(facts["verdict_status"]))
    drop("too short", pc.less(facts["characters"], min_characters))
    ids = facts["id"].combine_chunks() if len(facts) else pa.array([], pa.large_string())
    clusters = run.read_table(ledger.files["ledger"].path, ["id", "cluster"])
    place = pc.index_in(facts["id"], value_set=clusters["id"].combine_chunks())
    identity = pc.coalesce(clusters["cluster"].take(place), facts["id"])
    hashes = np.array([int(one[:16], 16) for one in identity.to_pylist()], np.uint64)
    excerpts: dict[int, Excerpt | Find] = {}
    for row in np.argsort(hashes, kind="stable")[:EXCERPTS].tolist():
        where = facts["url"][row].as_py() or facts["path"][row].as_py()
        path = gathered.files["text"].path
        excerpts[int(hashes[row])] = partial(_excerpt, run, path, ids[row].as_py(), where)
    return Part(
        source,
        hashes,
        facts["edited_bytes"].fill_null(0).to_numpy(),
        signal_values(signals, facts, f"the run {run.describe()}"),
        excerpts,
        left_out,
    )


def _excerpt(run: Storage, path: str, identity: str, where: str) -> Excerpt:
    found = run.find_rows(path, "id", identity)["text"].to_pylist()
    return Excerpt(one_line(found[0] if found else ""), f"{where} ({identity[:12]})")
