"""What the report shows beside its samples: of duplicates the document they fell to, of takedowns nothing.

Samples are chosen range by range of ids (report/metrics.py); what they are compared with may be in another one,
so that is looked up here, for the few that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from hanji.curation.report.metrics import Partial
from hanji.curation.report.sides import align
from hanji.curation.work import Commit
from hanji.storage import Storage

MOST_ROWS = 5


def complete_samples(
    run: Storage, merged: Partial, gathered: Sequence[Commit], ledger: Sequence[Commit]
) -> None:
    """Add to samples of duplicates their twin, ``twin``, and take excerpts away that a takedown forbids.

    ``twin`` has id, source, url and path, and ``rows`` of both texts side by side: [left, right, folded lines],
    a side being a list of [whether it differs, words] (report/sides.py).
    """
    gone = _clusters_taken_down(run, ledger)
    for name, rule in merged["rules"].items():
        for sample in rule["samples"]:
            if name.startswith("takedown.") or sample["cluster"] in gone:
                sample |= {"excerpt": "", "taken_down": True}
            elif sample["duplicate_of"]:
                sample["twin"] = _twin(run, sample, gathered, ledger)
    for cluster in merged["clusters"]:
        if cluster["cluster"] in gone:
            cluster["excerpt"] = ""


def _clusters_taken_down(run: Storage, ledger: Sequence[Commit]) -> set[str]:
    """Clusters of which a takedown took a document: the others in it may hold the same text."""
    found: set[str] = set()
    for commit in ledger:
        if "undisturbed" in commit.info:
            for group in run.table_groups(commit.files["ledger"].path, ["step", "cluster"]):
                rows = group.filter(pc.equal(group["step"], "takedown"))
                found.update(rows["cluster"].drop_null().to_pylist())
    return found


def _twin(
    run: Storage, sample: dict[str, Any], gathered: Sequence[Commit], ledger: Sequence[Commit]
) -> dict[str, Any] | None:
    kept = _row(run, ledger, "ledger", sample["duplicate_of"])
    if kept is None:
        return None
    texts = [(_row(run, gathered, "text", one) or {}).get("text") for one in (sample["id"], kept["id"])]
    rows: list[Any] = []
    left_out = 0
    if texts[0] and texts[1]:
        aligned = align(texts[0], texts[1], MOST_ROWS)
        rows = [[list(row.left), list(row.right), row.folded] for row in aligned.rows]
        left_out = aligned.left_out
    return {name: kept[name] for name in ("id", "source", "url", "path")} | {
        "rows": rows,
        "left_out": left_out,
    }


def _row(run: Storage, commits: Sequence[Commit], logical: str, identity: str) -> dict[str, Any] | None:
    """The row of a document in tables by range of ids."""
    commit = commits[int(identity[:8], 16) * len(commits) >> 32]
    rows = run.find_rows(commit.files[logical].path, "id", identity).to_pylist()
    return rows[0] if rows else None
