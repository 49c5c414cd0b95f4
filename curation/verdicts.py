"""Verdicts that a measuring step gives a document: it is dropped, or failed, before any rule judges it.

A step writes those of a split to ``verdicts/``; documents without one are not in it. ``gather`` carries the
first verdict of each document into its facts, and ``judge`` takes it before the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from hanji.curation.records import TEXT


@dataclass(frozen=True)
class Verdict:
    """Why a document goes no further: ``status`` and ``step`` as in the ledger, and the rule.

    ``value`` and ``threshold`` are None where the rule compares no number; ``rules`` are all the rules that
    the step found broken, ``rule`` among them, and empty for a failure.
    """

    status: Literal["dropped", "failed"]
    step: str
    rule: str
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None
    rules: tuple[str, ...] = ()


_TYPES: dict[str, pa.DataType] = {
    "status": TEXT,
    "step": TEXT,
    "rule": TEXT,
    "value": pa.float64(),
    "threshold": pa.float64(),
    "detail": TEXT,
    "rules": pa.list_(TEXT),
}
VERDICTS = pa.schema([("id", TEXT), *_TYPES.items()])
VERDICT_FACTS = pa.schema([(f"verdict_{name}", kind) for name, kind in _TYPES.items()])


def verdicts_table(verdicts: Iterable[tuple[str, Verdict]]) -> pa.Table:
    """(document id, verdict) pairs as an Arrow table with schema VERDICTS."""
    pairs = list(verdicts)
    columns: dict[str, list[Any]] = {"id": [identity for identity, _ in pairs]}
    for name in _TYPES:
        columns[name] = [getattr(verdict, name) for _, verdict in pairs]
    return pa.table({name: pa.array(columns[name], VERDICTS.field(name).type) for name in VERDICTS.names})


def first_verdicts(tables: Sequence[pa.Table]) -> dict[str, dict[str, Any]]:
    """Rows by document id, each document's from the first table that has one."""
    found: dict[str, dict[str, Any]] = {}
    for table in tables:
        for row in table.to_pylist():
            found.setdefault(row["id"], row)
    return found


def verdict_facts(ids: Sequence[str], found: dict[str, dict[str, Any]]) -> pa.Table:
    """The verdicts of these documents as columns with schema VERDICT_FACTS, one row an id, null for none."""
    columns = []
    for field in VERDICT_FACTS:
        name = field.name.removeprefix("verdict_")
        if found:
            values = [found[identity][name] if identity in found else None for identity in ids]
            columns.append(pa.array(values, field.type))
        else:
            columns.append(pa.nulls(len(ids), field.type))
    return pa.Table.from_arrays(columns, schema=VERDICT_FACTS)
