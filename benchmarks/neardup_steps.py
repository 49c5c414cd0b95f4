"""Near-duplicate removal alone, from JSON lines to JSON lines, by the steps of a run.

Reading and writing are steps of the benchmark; between them stand ``gather``, relating and deciding as a run has
them, with its runner, exchanges, commit records and ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.context import Context
from hanji.curation.deciding import decide
from hanji.curation.delivery import receiving_units
from hanji.curation.engines.base import Engine
from hanji.curation.exchange import id_partition, send
from hanji.curation.recipe import CurationRecipe
from hanji.curation.records import Record, document_id
from hanji.curation.relating import relate
from hanji.curation.signals.text import SIGNALS
from hanji.curation.steps.gather import FACTS, TEXTS, receive_partition
from hanji.curation.work import Attempt, Commit, Outcome, Step, Unit, task_with
from hanji.curation.writing import ShardWriting
from hanji.progress import SilentProgress
from hanji.recipe import parse_recipe


class Clock(SilentProgress):
    """Wall-clock seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._step, self._begun = "", time.perf_counter()

    def step(self, name: str, total: int, done: int) -> None:
        now = time.perf_counter()
        if self._step:
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._begun
        self._step, self._begun = name, now


@dataclass(frozen=True)
class Removal:
    """What was done and how long it took: documents, how many of them fell, and the seconds of each step.

    ``ledger`` and ``names`` (ids in the files by document id) are read when they are asked for.
    """

    documents: int
    dropped: int
    seconds: float
    by_step: dict[str, float]
    ledger: Callable[[], pa.Table]
    names: Callable[[], dict[str, str]]


def recipe_of(run: Path, partitions: int, dedup: dict[str, Any] | None = None) -> CurationRecipe:
    """A recipe that removes duplicates with the defaults, by no other rule."""
    return parse_recipe(
        {
            "name": "neardup",
            "run": str(run),
            "sources": [{"name": "documents", "format": "jsonl", "paths": ["unused"]}],
            "rules": {"presets": {"ko": [], "en": []}},
            "tiers": [{"name": "all"}],
            "partitions": partitions,
            # No document here has a URL.
            "dedup": dedup or {"url": {"enabled": False}},
        },
        CurationRecipe,
    )


def remove_duplicates(recipe: CurationRecipe, files: Sequence[Path], engine: Engine) -> Removal:
    """Kept documents of JSON lines files (``id``, ``text``, ``lang``) into ``kept/`` of the run."""
    clock = Clock()
    started = time.perf_counter()
    context = Context(recipe, engine, clock, 1.0)
    runner, partitions = context.runner, context.partitions
    load_step = Step("load", 1, task_with(load, partitions))
    loaded = runner.map(load_step, [Unit(path.stem, str(path), str(path)) for path in files])
    texts = receiving_units(runner, "gather", loaded, "text", partitions)
    units = receiving_units(
        runner,
        "gather",
        loaded,
        "facts",
        partitions,
        extra=[unit.inputs for unit in texts],
        works=[unit.work[1] for unit in texts],
    )
    gathered = runner.map(Step("gather", 1, task_with(receive_partition, False, [])), units)
    edges, clusters = relate(context, gathered)
    writing = ShardWriting(recipe, context.run, runner, context.takedown)
    ledger, _ = decide(context, gathered, edges, clusters, writing.count_tokens)
    pairs = list(zip(gathered, ledger, strict=True))
    runner.map(Step("keep", 1, keep), [Unit(g.unit, [g.content(), r.content()], (g, r)) for g, r in pairs])
    clock.step("", 0, 0)
    seconds = time.perf_counter() - started
    run = context.run
    return Removal(
        sum(commit.counts["in"] for commit in ledger),
        sum(commit.counts["dropped"] for commit in ledger),
        seconds,
        clock.seconds,
        lambda: pa.concat_tables([run.read_table(commit.files["ledger"].path) for commit in ledger]),
        lambda: _names(files),
    )


def _identity(path: str, number: int, row: dict[str, Any]) -> str:
    return document_id("documents", Record(row["id"], path, number, text=row["text"]))


def _names(files: Sequence[Path]) -> dict[str, str]:
    """The ids in the files by document id."""
    names = {}
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                row = orjson.loads(line)
                names[_identity(str(path), number, row)] = row["id"]
    return names


def load(attempt: Attempt, path: str, partitions: int) -> Outcome:
    """Send texts and facts of a JSON lines file to the homes of their ids."""
    columns: dict[str, list[Any]] = {"id": [], "language": [], "text": [], "offset": [], "edited_bytes": []}
    ids, spoken, payloads = columns["id"], columns["language"], columns["text"]
    with Path(path).open("rb") as file:
        for number, line in enumerate(file):
            row = orjson.loads(line)
            text = row["text"].encode()
            ids.append(document_id("documents", Record(row["id"], path, number, text=text)))
            spoken.append(row["lang"])
            payloads.append(text)
    columns["offset"] = list(range(len(ids)))
    columns["edited_bytes"] = list(map(len, payloads))
    count = len(columns["id"])
    known = {
        "source": ["documents"] * count,
        "domain": ["web"] * count,
        "path": [path] * count,
        "status": ["read"] * count,
        **columns,
    }
    facts = pa.table(
        {
            field.name: pa.array(known[field.name], field.type)
            if field.name in known
            else pa.nulls(count, field.type)
            for field in FACTS
            # No rule is asked, so that no signal is needed.
            if field.name not in SIGNALS or field.name in known
        }
    )
    home = id_partition(facts["id"], partitions)
    texts = pa.table({"id": facts["id"], "text": pa.array(columns["text"], TEXTS.field("text").type)})
    return Outcome(
        info={
            "facts": send(attempt, "facts", facts, home),
            "text": send(attempt, "text", texts, home),
        }
    )


def keep(attempt: Attempt, work: tuple[Commit, Commit]) -> Outcome:
    """Write the documents that the ledger keeps as JSON lines."""
    gathered, ledger = work
    table = attempt.run.read_table(gathered.files["text"].path)
    rows = attempt.run.read_table(ledger.files["ledger"].path, ["id", "verdict"])
    kept = rows.filter(pc.equal(rows["verdict"], "kept"))
    table = table.filter(pc.is_in(table["id"], value_set=kept["id"].combine_chunks()))
    with attempt.file_writer("kept", "kept", ".jsonl") as file:
        for batch in table.to_batches(1000):
            names, texts = (batch[name].to_pylist() for name in ("id", "text"))
            rows = ({"id": name, "text": text} for name, text in zip(names, texts, strict=True))
            file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    return Outcome(info={"kept": len(table)})
