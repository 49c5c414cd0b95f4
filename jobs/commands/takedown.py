"""hanji takedown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.commands.curate import RunPath
from hanji.jobs.commands.lineage import ask, model_lines, models_data
from hanji.jobs.terminal import number, progress, say

if TYPE_CHECKING:
    from hanji.curation.takedown.applying import Takedown
    from hanji.curation.takedown.effects import ShardEffect
    from hanji.training.lineage.models import Verdict

ENTRY_ROWS, DOCUMENT_ROWS, SHARD_ROWS, RANGES = 20, 20, 20, 4
ID_DIGITS = 12


def takedown(
    run: RunPath,
    lists: Annotated[
        list[str],
        typer.Argument(
            metavar="LIST…",
            help="Files with an entry a line: a document's id, a URL, `prefix:URL` or `host:NAME`, and perhaps the "
            "reason after a space; or JSON Lines.",
            show_default=False,
        ),
    ],
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it. Without this, only say what would change.")
    ] = False,
    only_listed: Annotated[
        bool,
        typer.Option(
            "--only-listed", help="Let documents stay that are not listed but truly like one that is."
        ),
    ] = False,
    erase: Annotated[
        bool,
        typer.Option(
            "--erase-texts", help="With --apply: blank the texts in all of the run's own tables, too."
        ),
    ] = False,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--models",
            metavar="DIR",
            help="Also say which checkpoints and exported models below this directory saw the documents.",
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray", "spark"] | None,
        typer.Option(help="Where the work runs.  [default: the run's]"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes to use.  [default: the run's]")
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all of it as JSON; - for stdout alone."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Take documents down from a finished run: say which shards and ranges of tokens change, and change them.

    Only shards that hold a listed document, or one truly like it, are written anew; all else keeps its bytes.
    What was taken down stays gone: `hanji curate` in this directory keeps to it.
    """
    from hanji.curation.takedown.applying import take_down

    if erase and not apply:
        raise RecipeError(
            "--erase-texts: give --apply with it; nothing is erased in a look at what would change"
        )
    changes = {"name": engine, "workers": workers}
    with progress(quiet) as shown:
        done = take_down(
            run,
            lists,
            apply=apply,
            erase=erase,
            duplicates=not only_listed,
            changes={name: value for name, value in changes.items() if value is not None},
            progress=shown,
        )
    verdicts = _models_that_saw(done, models) if models else None
    if json_file is not None:
        data = as_json(done)
        if verdicts is not None:
            data["models"] = models_data(verdicts)
        if json_file == "-":
            say(json.dumps(data, ensure_ascii=False))
            return
        Path(json_file).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", "utf-8")
    say(*lines(done))
    if verdicts is not None:
        say("", "  models that were trained on these documents", *model_lines(verdicts))


def _models_that_saw(done: Takedown, directories: list[Path]) -> list[Verdict]:
    """What models have seen of the documents that go and of the listed ones that went before."""
    from hanji.curation.takedown.effects import GONE, IN_SHARDS

    documents = done.effects.documents
    wanted = {
        row["id"]: row["component"]
        for row in documents.select(["id", "component", "state"]).to_pylist()
        if row["state"] in (IN_SHARDS, GONE)
    }
    return ask(wanted, directories, [Path(done.run) / "shards"])


def as_json(done: Takedown) -> dict[str, Any]:
    """All of it, for a program."""
    effects = done.effects
    return {
        "run": done.run,
        "applied": done.applied,
        "list_sha256": done.entries.sha256,
        "entries": [
            {
                one.entry.kind: one.entry.given,
                "reason": one.entry.reason or None,
                "documents": one.documents,
                "states": dict(sorted(one.states.items())),
                "covered_by_others": one.covered and not one.documents,
            }
            for one in effects.entries
        ],
        "documents": effects.documents.to_pylist(),
        "stay": effects.stay.to_pylist(),
        "not_compared": effects.left_out,
        "shards": [
            {
                "prefix": shard.prefix,
                "becomes": shard.becomes,
                "component": f"{shard.component}/{shard.split}",
                "documents": shard.documents,
                "tokens": shard.tokens,
                "lost_documents": shard.lost_documents,
                "lost_tokens": shard.lost_tokens,
                "lost_bytes": shard.lost_bytes,
                "token_ranges": shard.tokens_ranges,
                "rows": shard.rows,
            }
            for shard in effects.shards
        ],
        "unchanged_shards": effects.all_shards - len(effects.shards),
        "components": effects.components(),
        "erased": None if done.erased is None else vars(done.erased),
    }


def lines(done: Takedown) -> list[str]:
    """What a person reads."""
    effects = done.effects
    leaving = effects.leaving
    what = "taken down" if done.applied else "would be taken down"
    tokens = sum(shard.lost_tokens for shard in effects.shards)
    shown = [
        f"{done.run}: {number(len(leaving))} documents, {number(tokens)} tokens {what}, from "
        f"{number(len(effects.shards))} of {number(effects.all_shards)} shards",
        *_entries(done),
        *_documents(done),
        *_shards(effects.shards),
    ]
    if effects.components():
        shown += ["", "  by component"]
        shown += [
            f"    {name:<32} {number(documents):>10} documents {number(lost):>14} tokens {number(size):>14} bytes"
            for name, (documents, lost, size) in effects.components().items()
        ]
    return [*shown, "", *_ending(done)]


def _entries(done: Takedown) -> list[str]:
    found: list[tuple[int | bool, str]] = []
    for one in done.effects.entries:
        nothing = "as other entries say" if one.covered else "not found"
        told = _counted(one.states) if one.documents else nothing
        found.append((one.documents or one.covered, f"    {one.entry.given:<50} {told}"))
    missing = sum(not there for there, _ in found)
    said = f"  {number(len(found))} entries" + (
        f", {number(missing)} not found in this run" if missing else ""
    )
    # What is not found comes first: it is what a person must look at.
    ordered = [text for _, text in sorted(found, key=lambda pair: bool(pair[0]))]
    return [said, *_most(ordered, ENTRY_ROWS, "entries")]


def _counted(states: Counter[str]) -> str:
    return ", ".join(f"{number(count)} {state}" for state, count in sorted(states.items()))


def _documents(done: Takedown) -> list[str]:
    rows = []
    for row in done.effects.leaving.to_pylist():
        like = ""
        if row["like"]:
            like = (
                f"  like {row['like'][:ID_DIGITS]} (Jaccard {row['jaccard']:.3f}, containment "
                f"{row['containment']:.3f})"
            )
        twice = f"  {number(row['occurrences'])} times in the inputs" if row["occurrences"] > 1 else ""
        rows.append(
            f"    {row['id'][:ID_DIGITS]}  {row['shard']} [{number(row['token_start'])}, "
            f"{number(row['token_end'])})  {row['url'] or row['path']}{like}{twice}"
        )
    shown = ["", "  documents in the shards", *_most(rows, DOCUMENT_ROWS, "documents")] if rows else []
    stay = [
        f"    {row['id'][:ID_DIGITS]}  {row['url'] or row['path']}  like {row['like'][:ID_DIGITS]} "
        f"(Jaccard {row['jaccard']:.3f}, containment {row['containment']:.3f})"
        for row in done.effects.stay.to_pylist()
    ]
    if stay:
        shown += [
            "",
            "  like a listed one, and staying in the shards",
            *_most(stay, DOCUMENT_ROWS, "documents"),
        ]
    return shown


def _shards(shards: Iterable[ShardEffect]) -> list[str]:
    rows = []
    for shard in shards:
        ranges = [f"[{number(start)}, {number(end)})" for start, end in shard.tokens_ranges]
        more = f" … {number(len(ranges) - RANGES)} more" if len(ranges) > RANGES else ""
        becomes = ""
        if shard.becomes is not None:
            becomes = f"\n      → {shard.becomes or 'nothing is left of its component'}"
        rows.append(
            f"    {shard.prefix}: {number(shard.lost_documents)} of {number(shard.documents)} documents, "
            f"{number(shard.lost_tokens)} of {number(shard.tokens)} tokens: "
            f"{' '.join(ranges[:RANGES])}{more}{becomes}"
        )
    return (
        ["", "  shards and ranges of tokens that change", *_most(rows, SHARD_ROWS, "shards")] if rows else []
    )


def _most(rows: list[str], most: int, what: str) -> list[str]:
    if len(rows) <= most:
        return rows
    return [*rows[:most], f"    … and {number(len(rows) - most)} more {what}: --json has them"]


def _ending(done: Takedown) -> list[str]:
    shown = []
    if done.effects.left_out:
        shown.append(
            f"  {number(done.effects.left_out)} listed documents were not compared with their clusters, which are "
            "too large: documents that are like them may be in the shards"
        )
    if not done.applied:
        return [*shown, "  nothing was changed; --apply does it"]
    shown.append(
        f"  shards   {done.run}/shards/manifest.json    check   hanji shards verify {done.run}/shards"
    )
    if done.erased is None:
        shown.append("  their texts are still in the run's tables; --erase-texts blanks them there")
    else:
        shown.append(
            f"  texts of {number(done.erased.documents)} documents blanked: {number(done.erased.texts)} texts in "
            f"{number(done.erased.files)} files"
        )
    shown.append("  the inputs are as they were: what is in them stays out of this run, and of none other")
    return shown
