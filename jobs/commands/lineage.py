"""hanji lineage step|document|models: what a run has seen, and which models saw a document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanji.errors import RecipeError
from hanji.jobs.terminal import number, say

if TYPE_CHECKING:
    from hanji.training.lineage.documents import Place, Sighting
    from hanji.training.lineage.models import Verdict
    from hanji.training.lineage.record import DataRecord
    from hanji.training.lineage.steps import StepLineage

app = typer.Typer(
    no_args_is_help=True,
    help="What a run has seen: documents of a step, steps of a document, models that saw a document.",
)

ROWS = 40
RunArgument = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="A training run, one of its checkpoints, or a folder exported from one.",
        show_default=False,
    ),
]
Shards = Annotated[
    list[Path] | None,
    typer.Option("--shards", metavar="DIR", help="Where the shards are, if not where the run found them."),
]
AsJson = Annotated[bool, typer.Option("--json", help="All of it as JSON.")]
In = Annotated[
    list[Path] | None,
    typer.Option(
        "--in",
        metavar="DIR",
        help="Directories whose checkpoints and exported models are asked, at any depth.",
    ),
]


@app.command("step")
def step(
    run: RunArgument,
    step: Annotated[
        int, typer.Argument(metavar="N", min=1, help="The step, counted from 1.", show_default=False)
    ],
    rank: Annotated[int | None, typer.Option(min=0, help="Only what this rank read.")] = None,
    shards: Shards = None,
    as_json: AsJson = False,
) -> None:
    """List the documents of a step: ids, sources, tiers, and which tokens of its samples are theirs."""
    from hanji.training.lineage.record import open_record
    from hanji.training.lineage.steps import lineage_of_step

    record = open_record(run, shards or ())
    found = lineage_of_step(record, step, rank)
    if as_json:
        say(json.dumps(_step_data(record, found, rank), ensure_ascii=False))
        return
    say(*_step_lines(record, found, rank))


@app.command("document")
def document(
    run: RunArgument,
    identity: Annotated[str, typer.Argument(metavar="ID", help="The document's id.", show_default=False)],
    shards: Shards = None,
    search: In = None,
    as_json: AsJson = False,
) -> None:
    """List the steps of a run that read a document; with `--in` also the models that saw it."""
    from hanji.training.lineage.documents import find_document, sightings
    from hanji.training.lineage.record import open_record

    identity = checked_id(identity)
    record = open_record(run, shards or ())
    place = find_document(record.version, identity)
    found = [] if place is None else sightings(record, place)
    verdicts = ask([identity], search, shards) if search else []
    if as_json:
        data = {
            "run": str(run),
            "step": record.steps,
            "document": identity,
            "place": None if place is None else asdict(place),
            "sightings": [asdict(one) for one in found],
            "models": models_data(verdicts),
        }
        say(json.dumps(data, ensure_ascii=False))
        return
    say(*_document_lines(record, identity, place, found))
    if search:
        say("", *model_lines(verdicts))


@app.command("models")
def models(
    identities: Annotated[
        list[str], typer.Argument(metavar="ID…", help="Ids of documents.", show_default=False)
    ],
    search: In = None,
    shards: Shards = None,
    as_json: AsJson = False,
) -> None:
    """List the models that saw any of these documents, themselves or in an ancestor."""
    if not search:
        raise RecipeError("lineage models: name the directories to look in with --in")
    verdicts = ask([checked_id(one) for one in identities], search, shards)
    if as_json:
        say(json.dumps(models_data(verdicts), ensure_ascii=False))
        return
    say(*model_lines(verdicts))


def ask(
    identities: Iterable[str] | Mapping[str, str | None],
    search: Sequence[Path],
    shards: Sequence[Path] | None = None,
) -> list[Verdict]:
    """What the models in some directories have seen of documents (ids, perhaps with their components)."""
    from hanji.training.lineage.models import Search, find_models

    wanted = identities if isinstance(identities, Mapping) else dict.fromkeys(identities)
    return Search(find_models(search), shards or ()).ask(wanted)


def checked_id(identity: str) -> str:
    """An id as shards have it. Raises RecipeError for what cannot be one."""
    if not re.fullmatch(r"[0-9a-fA-F]{32}", identity):
        raise RecipeError(f"{identity!r} is not a document's id: ids are 32 hexadecimal digits")
    return identity.lower()


def _step_data(record: DataRecord, found: StepLineage, rank: int | None) -> dict[str, Any]:
    return {
        "run": record.node["name"],
        "step": found.step,
        "stage": found.stage,
        "skipped": found.skipped,
        "samples": found.samples,
        "seq_length": record.seq_length,
        "layout": found.layout,
        "rank": rank,
        "manifest_sha256": record.node["shards"]["manifest_sha256"],
        "documents": found.documents.to_pylist(),
    }


def _step_lines(record: DataRecord, found: StepLineage, rank: int | None) -> list[str]:
    documents = found.documents
    distinct = len(set(documents["document_id"].to_pylist()))
    shown = len(set(documents["sample"].to_pylist()))
    of_rank = "" if rank is None else f", {number(shown)} of them on rank {rank}"
    lines = [
        f"{record.node['name']}: step {found.step} of stage {found.stage}, {number(found.samples)} samples of "
        f"{number(record.seq_length)} tokens{of_rank}; {number(distinct)} documents",
        f"  layout {found.layout or 'not known'}",
    ]
    if found.skipped:
        lines.append("  this step was skipped: its samples were used up and never reached the weights")
    table = [("sample", "rank", "component", "epoch", "tokens of it", "document", "its tokens", "source")]
    for row in documents.slice(0, ROWS).to_pylist():
        first = row["document_start"]
        table.append(
            (
                str(row["sample"]),
                "" if row["data_rank"] is None else str(row["data_rank"]),
                row["stream"],
                str(row["epoch"]),
                f"[{row['start']}, {row['stop']})",
                row["document_id"],
                f"[{first}, {first + row['stop'] - row['start']}) of {row['document_tokens']}",
                row["source"],
            )
        )
    lines += _aligned(table, ">><><<<<")
    if len(documents) > ROWS:
        lines.append(f"  … and {number(len(documents) - ROWS)} more rows: --json has them")
    lines.append(
        "  rank is the data-parallel rank; a sample has one token more than its inputs, its last target"
    )
    return lines


def _document_lines(
    record: DataRecord, identity: str, place: Place | None, found: Sequence[Sighting]
) -> list[str]:
    name = f"{record.node['name']} up to step {record.steps}"
    if place is None:
        return [f"{identity}: not in the shards that {name} read"]
    lines = [
        f"{identity}: {place.component}/{place.split}, tokens [{number(place.start)}, {number(place.stop)}) of "
        f"{place.prefix}, from {place.source}"
    ]
    if place.split != "train":
        return [*lines, f"  {name} never trained on it: it is held out"]
    taken = [one for one in found if not one.skipped]
    steps = len({one.step for one in taken})
    lines.append(
        f"  {name}: read in {number(len(taken))} samples of {number(steps)} steps"
        + (
            f", and in {number(len(found) - len(taken))} samples of skipped steps"
            if len(taken) < len(found)
            else ""
        )
    )
    table = [("step", "stage", "sample", "rank", "epoch", "stream", "tokens of the sample")]
    table += [
        (
            number(one.step),
            one.stage,
            str(one.sample),
            "" if one.data_rank is None else str(one.data_rank),
            str(one.epoch),
            one.stream,
            f"[{one.start}, {one.stop}){'  skipped' if one.skipped else ''}",
        )
        for one in found[:ROWS]
    ]
    if found:
        lines += _aligned(table, "><>>><<")
    if len(found) > ROWS:
        lines.append(f"  … and {number(len(found) - ROWS)} more: --json has them")
    return lines


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Rows of as many cells as ``sides`` has, each column as wide as its longest, to the left (<) or right (>)."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def models_data(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """What each model saw, for a program."""
    return [
        {
            "path": str(verdict.model.path),
            "name": verdict.model.node.get("name"),
            "step": verdict.model.node.get("step"),
            "family": verdict.model.node.get("hash"),
            "exported": verdict.model.exported,
            "saw": [asdict(one) for one in verdict.exposures],
            "not_known": list(verdict.unknown),
        }
        for verdict in verdicts
    ]


def model_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """The models that saw a document, those of which it cannot be told, and how many did not."""
    saw = [verdict for verdict in verdicts if verdict.exposures]
    unsure = [verdict for verdict in verdicts if verdict.unknown]
    lines = [f"  {number(len(saw))} of {number(len(verdicts))} models saw it"]
    if any(len({one.document_id for one in verdict.exposures}) > 1 for verdict in saw):
        lines = [f"  {number(len(saw))} of {number(len(verdicts))} models saw one of them or more"]
    for verdict in saw[:ROWS]:
        documents = len({one.document_id for one in verdict.exposures})
        own = str(verdict.model.node.get("hash"))
        ways = []
        for digest, name in dict.fromkeys((one.node, one.name) for one in verdict.exposures):
            steps = sorted({step for one in verdict.exposures if one.node == digest for step in one.steps})
            by = "itself" if digest == own else f"its ancestor {name}"
            ways.append(f"{by} in step{'s' * (len(steps) > 1)} {_few(steps)}")
        kind = "exported" if verdict.model.exported else "checkpoint"
        many = f", {number(documents)} documents" if documents > 1 else ""
        lines.append(f"    {verdict.model.path} ({kind}{many}): {'; '.join(ways)}")
    if len(saw) > ROWS:
        lines.append(f"    … and {number(len(saw) - ROWS)} more: --json has them")
    for verdict in unsure[:ROWS]:
        lines += [f"    {verdict.model.path}: not known: {why}" for why in verdict.unknown]
    return lines


def _few(steps: Sequence[int]) -> str:
    shown = ", ".join(map(number, steps[:6]))
    return shown if len(steps) <= 6 else f"{shown} … {number(steps[-1])} ({number(len(steps))} steps)"
