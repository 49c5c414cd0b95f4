"""In how many documents a removed line stands, looked up in relations/lines of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.records import TEXT
from hanji.curation.repeated.scanning import scan
from hanji.curation.work import newest_commits
from hanji.storage import Storage


def documents_with(run: Storage, lines: Sequence[str], language: str | None) -> list[int | None]:
    """For each line (a stretch of text whose first line with content counts) how many documents have it.

    None for a line that the run's last count did not find repeated.
    """
    found = scan(pa.array(lines, TEXT), pa.array([language] * len(lines), TEXT))
    first = np.minimum(found.bounds[:-1], max(len(found) - 1, 0))
    hashes = [
        int(found.hashes[place]) if begin < end else None
        for place, begin, end in zip(first, found.bounds[:-1], found.bounds[1:], strict=True)
    ]
    wanted = pa.array(sorted({value for value in hashes if value is not None}), pa.uint64())
    counts: dict[int, int] = {}
    for commit in newest_commits(run, "repeated-count"):
        table = run.read_table(commit.files["lines"].path, ["hash", "documents"])
        table = table.filter(pc.is_in(table["hash"], value_set=wanted))
        counts |= dict(zip(table["hash"].to_pylist(), table["documents"].to_pylist(), strict=True))
    return [None if value is None else counts.get(value) for value in hashes]
