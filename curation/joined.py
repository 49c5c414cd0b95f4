"""Documents of two runs joined by id: verdicts that moved, documents of one run alone, and drift, counted.

Documents pass by in stretches of ids, and what is kept of them is bounded: counters of a fixed size for each
signal, SAMPLES samples a reason, SURVIVORS survivors that wait to be looked up, and KEYS documents of one run
alone, by source and key.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation import drift
from hanji.curation.columns import flat
from hanji.curation.finished import FinishedRun
from hanji.curation.records import TEXT
from hanji.curation.signals import ratios
from hanji.curation.verdict_changes import OTHER, Side, Which, explain, signal_values, survivor_reason

SAMPLES = 3
SURVIVORS = 100_000
KEYS = 500_000
QUANTILES = {"p5": 0.05, "median": 0.5, "p95": 0.95}
EXTRA_SIGNALS = {"score": "quality score of the classifier"}
Json = dict[str, Any]


class Joined:
    """What is counted while the documents of both runs pass by."""

    def __init__(self, a: FinishedRun, b: FinishedRun) -> None:
        self.runs: dict[Which, FinishedRun] = {"A": a, "B": b}
        self.shared = self.unchanged = self.survivors = 0
        self.only: dict[Which, _Only] = {"A": _Only(), "B": _Only()}
        self.changes = _Changes()
        self.tiers: Counter[tuple[str, str, str]] = Counter()
        self.drift = _Drift()
        self._waiting: dict[Which, dict[str, list[tuple[str, Json]]]] = {"A": {}, "B": {}}
        self._looked_for = 0

    def add(self, a: pa.Table, b: pa.Table) -> None:
        """Count the documents of one stretch of ids."""
        place = pc.index_in(flat(a["id"]), value_set=flat(b["id"]))
        both_a = np.flatnonzero(pc.is_valid(place).to_numpy(zero_copy_only=False))
        both_b = place.drop_null().to_numpy()
        self.only["A"].add(a.take(_rest(both_a, len(a))))
        self.only["B"].add(b.take(_rest(both_b, len(b))))
        self.drift.add(a, b, both_a, both_b)
        self.shared += len(both_a)
        states = [_states(table).take(pa.array(rows)) for table, rows in ((a, both_a), (b, both_b))]
        changed = pc.not_equal(*states).to_numpy(zero_copy_only=False)
        same_a, same_b = both_a[~changed], both_b[~changed]
        self.unchanged += len(same_a)
        self._same(a.take(pa.array(same_a)), b.take(pa.array(same_b)))
        a, b = a.take(pa.array(both_a[changed])), b.take(pa.array(both_b[changed]))
        parts = [
            *(state.filter(pa.array(changed)) for state in states),
            *(flat(t["language"]) for t in (a, b)),
        ]
        keys = pc.binary_join_element_wise(
            *(pc.fill_null(part, "–") for part in parts), pa.scalar("\t", TEXT)
        ).dictionary_encode()
        groups = keys.indices.to_numpy()
        for number in range(len(keys.dictionary)):
            rows = pa.array(np.flatnonzero(groups == number))
            self._changed(a.take(rows), b.take(rows), *keys.dictionary[number].as_py().split("\t")[:2])

    def _same(self, a: pa.Table, b: pa.Table) -> None:
        """Documents with the same verdict: another tier, or another survivor."""
        tiers = [pc.fill_null(flat(table["ledger_tier"]), "") for table in (a, b)]
        moved = pc.not_equal(*tiers)
        for row in zip(
            a["language"].filter(moved).to_pylist(),
            *(tier.filter(moved).to_pylist() for tier in tiers),
            strict=True,
        ):
            self.tiers[row] += 1
        survivors = [pc.fill_null(flat(table["ledger_duplicate_of"]), "") for table in (a, b)]
        self.survivors += int(pc.sum(pc.not_equal(*survivors)).as_py() or 0)

    def _changed(self, a: pa.Table, b: pa.Table, state_a: str, state_b: str) -> None:
        """Documents of one verdict in A, another in B, and one language in each."""
        found = explain(self._side("A", a, state_a), self._side("B", b, state_b))
        sizes = pc.fill_null(b["ledger_text_bytes"], 0).to_pylist()
        fallen = a if found.cause == "A" else b
        for row, (reason, size) in enumerate(zip(found.reasons, sizes, strict=True)):
            states = (state_a, state_b)
            if reason is not None:
                if self.changes.count(states, reason, size):
                    self.changes.sample(states, reason, _sample(a, b, row, found.tell(row)))
            elif self._looked_for < SURVIVORS:
                self._looked_for += 1
                waiting = self._waiting[OTHER[found.cause]]
                survivor = fallen["ledger_duplicate_of"][row].as_py()
                entry = {"states": states, "bytes": size, "sample": _sample(a, b, row, "")}
                waiting.setdefault(survivor, []).append((b["id"][row].as_py(), entry))
            else:
                self.changes.count(states, "its survivor was not looked up", size)

    def _side(self, which: Which, rows: pa.Table, state: str) -> Side:
        return Side(self.runs[which], which, rows, state, _step(rows), rows["language"][0].as_py())

    def look_up_survivors(self) -> None:
        """Finish the changes of duplicates, whose reason is what became of their survivor in the other run."""
        for which, waiting in self._waiting.items():
            run = self.runs[which]
            by_partition: dict[int, list[str]] = {}
            for identity in sorted(waiting):
                by_partition.setdefault(run.partition_of(identity), []).append(identity)
            for number, identities in sorted(by_partition.items()):
                path = run.ledgers[number].files["ledger"].path
                table = run.storage.read_table(path, ["id", "verdict", "rule", "duplicate_of"])
                rows = table.filter(pc.is_in(table["id"], pa.array(identities, TEXT))).to_pylist()
                there = {row["id"]: row for row in rows}
                for identity in identities:
                    for duplicate, entry in waiting[identity]:
                        reason, said = survivor_reason(there.get(identity), duplicate, which)
                        self.changes.count(entry["states"], reason, entry["bytes"])
                        self.changes.sample(entry["states"], reason, entry["sample"] | {"moved": said})
            waiting.clear()

    def replaced(self) -> list[Json] | None:
        """Verdicts of documents whose record has the same source and key in the other run, but other content.

        None if there are too many documents that only one run has.
        """
        first, second = self.only["A"], self.only["B"]
        if first.full or second.full:
            return None
        shared = sorted(first.keys.keys() & second.keys.keys())
        found: dict[tuple[str, str], Json] = {}
        for key in shared:
            (id_a, state_a), (id_b, state_b) = first.keys[key], second.keys[key]
            row = found.setdefault(
                (state_a, state_b), {"verdicts": [state_a, state_b], "documents": 0, "samples": []}
            )
            row["documents"] += 1
            row["samples"] = sorted([*row["samples"], [id_a, id_b]])[:SAMPLES]
        return sorted(found.values(), key=lambda row: (-row["documents"], row["verdicts"]))


class _Only:
    """Documents that one run has and the other has not."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Json] = {}
        self.keys: dict[bytes, tuple[str, str]] = {}
        self.full = False

    def add(self, table: pa.Table) -> None:
        columns = ["id", "source", "key", "url", "path", "ledger_text_bytes"]
        rows = table.select(columns).to_pylist()
        for row, state in zip(rows, _states(table).to_pylist(), strict=True):
            cell = self._counts.setdefault(
                (row["source"], state),
                {"source": row["source"], "verdict": state, "documents": 0, "bytes": 0, "samples": []},
            )
            cell["documents"] += 1
            cell["bytes"] += row["ledger_text_bytes"] or 0
            if len(cell["samples"]) < SAMPLES:
                cell["samples"].append({"id": row["id"], "where": row["url"] or row["path"]})
            if row["key"] and not self.full:
                digest = hashlib.blake2b(f"{row['source']}\t{row['key']}".encode(), digest_size=16).digest()
                self.keys.setdefault(digest, (row["id"], state))
                self.full = len(self.keys) > KEYS

    def rows(self) -> list[Json]:
        return sorted(
            self._counts.values(), key=lambda row: (row["source"], -row["documents"], row["verdict"])
        )


class _Changes:
    """Documents by their verdicts in A and B and the reason, with the samples of the smallest ids."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], dict[str, Json]] = {}

    def count(self, states: tuple[str, str], reason: str, size: int) -> bool:
        """Count one; returns whether samples are still wanted, of documents that come in the order of ids."""
        cell = self._counts.setdefault(states, {}).setdefault(
            reason, {"reason": reason, "documents": 0, "bytes": 0, "samples": []}
        )
        cell["documents"] += 1
        cell["bytes"] += size
        return len(cell["samples"]) < SAMPLES

    def sample(self, states: tuple[str, str], reason: str, sample: Json) -> None:
        cell = self._counts[states][reason]
        cell["samples"] = sorted([*cell["samples"], sample], key=lambda one: one["id"])[:SAMPLES]

    def rows(self) -> list[Json]:
        """The most frequent changes first."""
        rows = []
        for states, reasons in self._counts.items():
            ordered = sorted(reasons.values(), key=lambda cell: (-cell["documents"], cell["reason"]))
            rows.append(
                {
                    "verdicts": list(states),
                    "documents": sum(cell["documents"] for cell in ordered),
                    "bytes": sum(cell["bytes"] for cell in ordered),
                    "reasons": ordered,
                }
            )
        return sorted(rows, key=lambda row: (-row["documents"], row["verdicts"]))


class _Drift:
    """The values of every signal in four populations: all of A, all of B, and those in both, as A and B have them.

    A document counts where it was read; among those in both, where both runs read it in the same language.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], np.ndarray] = {}
        self._changed: Counter[tuple[str, str]] = Counter()
        self._names = [*ratios.names(), *(name for name in EXTRA_SIGNALS if name not in ratios.names())]
        self._missing: dict[str, set[int]] = {}

    def add(self, a: pa.Table, b: pa.Table, both_a: np.ndarray, both_b: np.ndarray) -> None:
        languages = [_read_languages(table) for table in (a, b)]
        tables = [_measured(table) for table in (a, b)]
        paired = languages[0][both_a] == languages[1][both_b]
        both = (both_a[paired], both_b[paired])
        wanted = sorted({*languages[0], *languages[1]} - {""})
        masks = {language: [of_run == language for of_run in languages] for language in wanted}
        for name in self._names:
            values = [self._values(name, table, side) for side, table in enumerate(tables)]
            for language, mask in masks.items():
                counts = self._of(language, name)
                inside = mask[0][both[0]]
                for side, some in enumerate(values):
                    if some is not None:
                        counts[side] += drift.counters(some[mask[side]])
                        counts[2 + side] += drift.counters(some[both[side][inside]])
                if values[0] is not None and values[1] is not None:
                    first, second = values[0][both[0][inside]], values[1][both[1][inside]]
                    moved = (first != second) & ~(np.isnan(first) & np.isnan(second))
                    self._changed[language, name] += int(moved.sum())

    def _of(self, language: str, name: str) -> np.ndarray:
        key = (language, name)
        if key not in self._counts:
            self._counts[key] = np.zeros((4, drift.SIZE), np.int64)
        return self._counts[key]

    def _values(self, name: str, table: pa.Table, side: int) -> np.ndarray | None:
        if name in ratios.names():
            values = signal_values(name, table)
        elif name in table.column_names:
            values = pc.fill_null(table[name].cast(pa.float64()), np.nan).to_numpy()
        else:
            values = None
        if values is None and "language_score" in table.column_names:
            self._missing.setdefault(name, set()).add(side)
        return values

    def rows(self) -> list[Json]:
        """By language, the signals that moved most first."""
        rows = []
        for (language, name), counts in self._counts.items():
            missing = self._missing.get(name, set())
            if len(missing) == 2 or not counts.any():
                continue
            rows.append(
                {
                    "language": language,
                    "signal": name,
                    "missing_in": ["AB"[side] for side in sorted(missing)],
                    "changed": self._changed[language, name],
                    "all": _distance(counts[0], counts[1]),
                    "shared": _distance(counts[2], counts[3]),
                }
            )
        rank = {"all": 0.0, "shared": 0.0}
        return sorted(
            rows,
            key=lambda row: (
                row["language"],
                -max(row[which]["kolmogorov_smirnov"] or 0.0 for which in rank),
                row["signal"],
            ),
        )


def _distance(a: np.ndarray, b: np.ndarray) -> Json:
    found: Json = {"documents": [int(a.sum()), int(b.sum())]}
    found |= {name: [drift.quantile(some, share) for some in (a, b)] for name, share in QUANTILES.items()}
    found["kolmogorov_smirnov"] = drift.kolmogorov_smirnov(a, b)
    found["stability_index"] = drift.stability_index(a, b)
    return found


def _measured(table: pa.Table) -> pa.Table:
    """The table without columns that hold nothing: what no step measured. Of no document, no column is left."""
    return table.select([name for name in table.column_names if table[name].null_count < len(table)])


def _read_languages(table: pa.Table) -> np.ndarray:
    """The language of each document that was read; "" of others."""
    read = pc.equal(table["status"], "read")
    return np.array(pc.if_else(read, pc.fill_null(flat(table["language"]), ""), "").to_pylist(), object)


def _states(table: pa.Table) -> pa.Array:
    """ "kept", or the rule that a document fell to."""
    kept = pc.equal(table["ledger_verdict"], "kept")
    return flat(pc.if_else(kept, pa.scalar("kept", TEXT), pc.fill_null(table["ledger_rule"], "unknown")))


def _step(rows: pa.Table) -> str:
    step: str = rows["ledger_step"][0].as_py()
    return "kept" if step == "tiers" else step


def _rest(rows: np.ndarray, length: int) -> pa.Array:
    mask = np.ones(length, bool)
    mask[rows] = False
    return pa.array(np.flatnonzero(mask))


def _sample(a: pa.Table, b: pa.Table, row: int, moved: str) -> Json:
    found = {name: b[name][row].as_py() for name in ("id", "source", "language", "url", "path")}
    sizes = [table["ledger_text_bytes"][row].as_py() for table in (a, b)]
    return found | {"text_bytes": sizes, "moved": moved}
