"""A finished run, opened to be compared: its recipe, metrics, rules, and its documents by range of ids."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.decisions.rules import Rule, preset_rules, presets
from hanji.curation.work import Commit, newest_commits
from hanji.errors import HanjiError, InputError
from hanji.storage import Storage

OF_LEDGER = (
    *("verdict", "step", "rule", "value", "threshold", "detail", "failed_rules", "text_bytes", "tier"),
    *("duplicate_of", "jaccard", "containment"),
)
"""What the ledger adds to the facts of a document, as columns ``ledger_…``."""
HEADS = 1 << 32


@dataclass(frozen=True)
class FinishedRun:
    """A run that is through. ``run_json`` and ``metrics`` as they lie in it; commits by range of ids, in order."""

    storage: Storage
    run_json: Mapping[str, Any]
    metrics: Mapping[str, Any]
    ledgers: list[Commit]
    gathered: list[Commit]

    @property
    def recipe(self) -> Mapping[str, Any]:
        recipe: Mapping[str, Any] = self.run_json["recipe"]
        return recipe

    @property
    def partitions(self) -> int:
        return len(self.ledgers)

    @cached_property
    def rules(self) -> dict[str, dict[str, Rule]]:
        """The rules that judged, by language and name, with the run's own thresholds.

        Runs from before the report knew a rule's signal take it from the presets of today; a rule whose signal
        is not known that way is left out.
        """
        known = _known_rules()
        found: dict[str, dict[str, Rule]] = {}
        for language, rules in self.metrics["rules_applied"].items():
            of_language = found.setdefault(language, {})
            for rule in rules:
                if "signal" in rule:
                    of_language[rule["name"]] = Rule(**rule)
                elif rule["name"] in known:
                    now = known[rule["name"]]
                    of_language[rule["name"]] = Rule(
                        now.name, now.signal, now.op, rule["threshold"], rule["description"]
                    )
        return found

    def documents(self, number: int) -> pa.Table:
        """Facts and what the ledger says of the documents of one range of ids, sorted by id.

        Raises InputError if the two do not hold the same documents.
        """
        facts = self.storage.read_table(self.gathered[number].files["facts"].path)
        ledger = self.storage.read_table(self.ledgers[number].files["ledger"].path, ["id", *OF_LEDGER])
        if not facts["id"].equals(ledger["id"]):
            raise InputError(
                f"{self.storage.describe()}: facts and ledger of the range {number} differ in their documents; "
                "`hanji curate` with its recipe mends that"
            )
        for name in OF_LEDGER:
            facts = facts.append_column(f"ledger_{name}", ledger[name])
        return facts.combine_chunks()

    def texts(self, identities: Iterable[str]) -> dict[str, str]:
        """The edited texts of some documents, from the row groups they are in; those without one are left out."""
        wanted: dict[int, list[str]] = {}
        for identity in sorted(set(identities)):
            wanted.setdefault(self.partition_of(identity), []).append(identity)
        found: dict[str, str] = {}
        for number, mine in sorted(wanted.items()):
            path = self.gathered[number].files["text"].path
            with self.storage.table(path) as file:
                place = file.schema_arrow.get_field_index("id")
                for group in range(file.num_row_groups):
                    known = file.metadata.row_group(group).column(place).statistics
                    if known is None or any(known.min <= identity <= known.max for identity in mine):
                        rows = file.read_row_group(group, ["id", "text"])
                        rows = rows.filter(pc.is_in(rows["id"], pa.array(mine, rows["id"].type)))
                        found |= dict(zip(rows["id"].to_pylist(), rows["text"].to_pylist(), strict=True))
        return found

    def partition_of(self, identity: str) -> int:
        """The range of ids in which a document is, or would be."""
        return int(identity[:8], 16) * self.partitions >> 32


def open_finished(path: str) -> FinishedRun:
    """Open a run. Raises InputError if the directory is no curation run, or one that has not finished."""
    storage = Storage(path)
    if not storage.exists("run.json"):
        raise InputError(f"{storage.describe('run.json')}: not a run directory (it has no run.json)")
    facts = _json(storage, "run.json")
    if not isinstance(facts, dict) or facts.get("recipe", {}).get("kind") != "curation":
        raise InputError(f"{storage.describe()}: not a curation run; `hanji compare` knows no other kind")
    if not facts.get("finished"):
        raise InputError(f"{storage.describe()}: the run has not finished; `hanji curate` goes on with it")
    ledgers = {commit.unit: commit for commit in newest_commits(storage, "ledger")}
    gathered = {commit.unit: commit for commit in newest_commits(storage, "gather")}
    units = sorted(ledgers)
    missing = [unit for unit in units if unit not in gathered]
    if len(units) != facts["recipe"]["partitions"] or missing:
        raise InputError(
            f"{storage.describe('commits')}: not the {facts['recipe']['partitions']} ranges of ids that its "
            "recipe asks for; `hanji curate` with its recipe mends that"
        )
    metrics = _json(storage, "report/metrics.json")
    return FinishedRun(storage, facts, metrics, [ledgers[u] for u in units], [gathered[u] for u in units])


def _json(storage: Storage, path: str) -> Any:
    try:
        return json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise InputError(f"{storage.describe(path)}: is not valid JSON: {error}") from None


def _known_rules() -> dict[str, Rule]:
    known: dict[str, Rule] = {}
    for name in presets():
        try:
            known |= {rule.name: rule for rule in preset_rules(name)}
        except HanjiError:  # a preset that this installation cannot read tells nothing of an old run
            continue
    return known


def stretch_bounds(a: FinishedRun, b: FinishedRun) -> list[int]:
    """Where a partition of either run begins, by the first 32 bits of ids, and where the last one ends."""
    cuts = {-(-number * HEADS // run.partitions) for run in (a, b) for number in range(run.partitions)}
    return [*sorted(cuts), HEADS]


def side_by_side(a: FinishedRun, b: FinishedRun) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The documents of both runs, in pieces that hold the same stretch of ids, in the order of ids.

    The runs may have different numbers of partitions; one partition of each is in memory at a time.
    """
    readers = _Reader(a), _Reader(b)
    bounds = stretch_bounds(a, b)
    for low, high in pairwise(bounds):
        yield readers[0].stretch(low, high), readers[1].stretch(low, high)


class _Reader:
    def __init__(self, run: FinishedRun) -> None:
        self._run = run
        self._number = -1
        self._table = pa.table({})

    def stretch(self, low: int, high: int) -> pa.Table:
        """Documents whose ids begin with 32 bits in [low, high), which lie in one partition."""
        number = low * self._run.partitions >> 32
        if number != self._number:
            self._number, self._table = number, self._run.documents(number)
        ids = self._table["id"]
        first, last = (
            bisect_left(range(len(ids)), f"{head:08x}", key=lambda row: ids[row].as_py()[:8])
            if head < HEADS
            else len(ids)
            for head in (low, high)
        )
        return self._table.slice(first, last - first)
