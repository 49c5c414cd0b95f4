"""Contaminate: overlap of a split's texts with benchmarks, after the edits so far, and what the recipe does of it.

1. *benchmarks*: one unit that reads the items and the allow-list and writes contamination/index.
2. *contaminate*, by split: what is found is a row a document and item in relations/contamination; documents to
   drop get a verdict, stretches to mask become rows in edits/. A document that has a verdict already is not looked
   at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa

from hanji.curation.contamination import benchmarks, report
from hanji.curation.contamination.index import BenchmarkIndex, build_index
from hanji.curation.contamination.masks import mask_edits
from hanji.curation.contamination.matching import Overlap, overlaps
from hanji.curation.recipe import Contamination, Normalisation
from hanji.curation.records import EDITS, TEXT, Edit, edits_table
from hanji.curation.steps.texts import Group, SplitWork, groups, split_verdicts
from hanji.curation.verdicts import Verdict, verdicts_table
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.storage import Storage, Written

VERSION = 1
STEP = "contamination"
OVERLAPS = pa.schema(
    [
        ("id", TEXT),
        ("benchmark", TEXT),
        ("item", TEXT),
        # Units of the item that stand together in the document, and units that can count.
        ("share", pa.float64()),
        ("matched", pa.int64()),
        ("countable", pa.int64()),
        ("longest", pa.int64()),
        # Code points of the document, after the edits so far, that stretches of the item take.
        ("characters", pa.int64()),
        # "drop", "mask" or "report"; null below min_share.
        ("action", TEXT),
    ]
)


def index_benchmarks(attempt: Attempt, _: None, settings: Contamination, normal: Normalisation) -> Outcome:
    """Write the index of all items; hand on how many each benchmark has, and how many cannot be looked for."""
    items = [item for benchmark in settings.benchmarks for item in benchmarks.load_items(benchmark)]
    index = build_index(items, settings.ngrams, benchmarks.allowed_batches(settings.allow, normal), normal)
    attempt.write_bytes("index", "contamination", ".npz", index.to_bytes())
    return Outcome(info={"benchmarks": report.sizes(index)})


def contaminate_split(attempt: Attempt, work: SplitWork, settings: Contamination, indexed: Commit) -> Outcome:
    """Write relations/contamination, edits and verdicts of one split, with books of those without a verdict."""
    index = _index(attempt.run.root, indexed.files["index"])
    before = split_verdicts(attempt.run, work)
    deciding = _Deciding(settings, index)
    counts = {"in": 0, "kept": 0, "dropped": 0, "failed": 0}
    verdicts: dict[str, Verdict] = {}
    rows: list[dict[str, object]] = []
    sizes: list[int] = []
    reasons: Counter[str] = Counter()
    counted: set[str] = set()
    tally = report.Tally()
    with attempt.table_writer("edits", "edits", EDITS) as writer:
        for group in groups(attempt.run, work):
            edits: list[tuple[str, Edit]] = []
            ids: list[str] = group.ids.to_pylist()
            places: dict[str, int] = {}
            for place, identity in enumerate(ids):
                places.setdefault(identity, place)
            found: dict[str, list[Overlap]] = {}
            for overlap in overlaps(group.texts, index):
                identity = ids[overlap.document]
                if identity not in before and places[identity] == overlap.document:
                    found.setdefault(identity, []).append(overlap)
            for identity, some in found.items():
                verdict = deciding.verdict(some)
                if verdict is not None:
                    verdicts.setdefault(identity, verdict)
                else:
                    edits += [(identity, edit) for edit in deciding.edits(group, identity, some)]
                if identity in counted:  # of a document that stands in two groups, each has its edits
                    continue
                counted.add(identity)
                for overlap in some:
                    action = deciding.action(overlap)
                    tally.add(identity, index, overlap, action)
                    rows.append(_row(identity, index, overlap, action))
            looked_at = [identity for identity in ids if identity not in before]
            dropped = sum(identity in verdicts for identity in looked_at)
            counts["in"] += len(looked_at)
            counts["dropped"] += dropped
            counts["kept"] += len(looked_at) - dropped
            sizes.append(len(edits))
            reasons.update(edit.reason for _, edit in edits)
            writer.write(edits_table(edits))
    attempt.write_table("verdicts", "verdicts", verdicts_table(verdicts.items()))
    attempt.write_table("overlaps", "relations/contamination", pa.Table.from_pylist(rows, OVERLAPS))
    info = {"groups": sizes, "edits": dict(sorted(reasons.items())), "contamination": tally.facts()}
    return Outcome(counts, info)


def _row(identity: str, index: BenchmarkIndex, overlap: Overlap, action: str | None) -> dict[str, object]:
    return {
        "id": identity,
        "benchmark": index.benchmark(overlap.item),
        "item": index.ids[overlap.item],
        "share": overlap.share,
        "matched": overlap.matched,
        "countable": overlap.countable,
        "longest": overlap.longest,
        "characters": sum(end - start for start, end in overlap.spans),
        "action": action,
    }


class _Deciding:
    """What the recipe does of overlaps."""

    def __init__(self, settings: Contamination, index: BenchmarkIndex) -> None:
        self._index = index
        self._replacement = settings.replacement
        self._actions = {b.name: b.action or settings.action for b in settings.benchmarks}
        self._shares = {
            b.name: settings.min_share if b.min_share is None else b.min_share for b in settings.benchmarks
        }

    def action(self, overlap: Overlap) -> str | None:
        """drop, mask or report; None for an overlap below min_share."""
        benchmark = self._index.benchmark(overlap.item)
        return self._actions[benchmark] if overlap.share >= self._shares[benchmark] else None

    def verdict(self, some: Sequence[Overlap]) -> Verdict | None:
        """The verdict of a document by its largest overlap with a benchmark that drops."""
        dropping = [one for one in some if self.action(one) == "drop"]
        if not dropping:
            return None
        largest = min(dropping, key=lambda one: (-one.share, -one.matched, one.item))
        benchmark = self._index.benchmark(largest.item)
        rules = sorted({f"contamination.{self._index.benchmark(one.item)}" for one in dropping})
        detail = f"item {self._index.ids[largest.item]}: {largest.matched} of {largest.countable} units"
        return Verdict(
            "dropped",
            STEP,
            f"contamination.{benchmark}",
            largest.share,
            self._shares[benchmark],
            detail,
            tuple(rules),
        )

    def edits(self, group: Group, identity: str, some: Sequence[Overlap]) -> list[Edit]:
        """The stretches of a document to mask, as edits of its text before any edit."""
        masking = [one for one in some if self.action(one) == "mask"]
        spans = [
            (start, end, f"contamination.{self._index.benchmark(one.item)}")
            for one in masking
            for start, end in one.spans
        ]
        if not spans:
            return []
        text = group.texts[masking[0].document].as_py()
        return mask_edits(text, group.edits.get(identity, []), spans, STEP, self._replacement)


@lru_cache(maxsize=1)
def _index(root: str, written: Written) -> BenchmarkIndex:
    """The index of a run, read once a process."""
    return BenchmarkIndex.from_bytes(Storage(root).read_written(written))
