"""hanji train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hanji.jobs.commands.curate import Overrides, RecipePath
from hanji.jobs.terminal import duration, number, progress, say

if TYPE_CHECKING:
    from hanji.training.launch import HeldOutFigures, TrainingSummary


def train(
    recipe: RecipePath,
    overrides: Overrides = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what the run would do: size, steps, blend, cost.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    nodes: Annotated[
        int, typer.Option(help="Machines that share the run; start the same command on each of them.")
    ] = 1,
    node: Annotated[int, typer.Option(help="Which of them this is, from 0.")] = 0,
    host: Annotated[
        str, typer.Option(help="Name or address of node 0, as the others reach it.")
    ] = "localhost",
    stopped_code: Annotated[
        int, typer.Option(help="Exit code after a request to stop, for programs that start this one again.")
    ] = 0,
) -> None:
    """Train a model in stages from tiered shards, through Megatron-Core; starts its own ranks.

    A run that was stopped goes on from its newest checkpoint with the batch that comes next. Ctrl-C saves
    first. After a crash or a hang the ranks are started again (`health.restarts`).
    """
    from hanji.training import launch
    from hanji.training.launchers.nodes import Nodes

    if plan:
        say(launch.describe(launch.read_recipe(recipe, overrides or [])))
        return
    with progress(quiet) as shown:
        summary = launch.train(recipe, overrides or [], progress=shown, nodes=Nodes(node, nodes, host))
    say(*outcome(summary))
    if not summary.finished and stopped_code:
        raise typer.Exit(stopped_code)


def outcome(summary: TrainingSummary) -> list[str]:
    """What a training run came to, in a few lines."""
    state = "done" if summary.finished else f"stopped at step {summary.step} of {summary.total_steps}"
    speed = f", {summary.speed}" if summary.speed else ""
    # Seconds and speed are of this call alone.
    done = f"{number(summary.step)} steps"
    if summary.resumed_from:
        done = f"steps {number(summary.resumed_from + 1)} to {number(summary.step)}"
    done = (
        "no step was left"
        if summary.step == summary.resumed_from
        else f"{done} in {duration(summary.seconds)}"
    )
    lines = [
        f"{summary.name}: {state}, {summary.parameters / 1e6:,.1f}M parameters, {done}{speed}",
        *held_out_lines(summary.held_out),
        f"  checkpoint  {summary.checkpoint}",
        f"  metrics     {summary.run}/metrics.jsonl",
        f"  report      {summary.run}/report/index.html",
    ]
    if not summary.finished:
        lines.append("  next        the same command goes on from here")
    return lines


MOST_COMPONENTS = 12


def held_out_lines(figures: tuple[HeldOutFigures, ...]) -> list[str]:
    """Held-out bits per byte by language, before and after each stage; of few components, theirs too."""
    around = [entry for entry in figures if entry.when != "during"]
    languages = sorted({language for entry in around for language in entry.languages})
    if not around or not languages:
        return ["  the shards hold no held-out text: no bits per byte"]
    names = sorted({name for entry in around for name in entry.components})
    rows: list[tuple[str, list[float | None]]] = []
    for language in languages:
        rows.append((language, [entry.languages.get(language) for entry in around]))
        if len(names) <= MOST_COMPONENTS:
            rows += [
                (f"  {name}", [entry.components.get(name) for entry in around])
                for name in names
                if name.startswith(f"{language}/")
            ]
    titles = [f"{entry.when} {entry.stage}" for entry in around]
    width = max(len(title) for title in titles) + 3
    head = f"  {'held-out bits per byte':<26}" + "".join(f"{title:>{width}}" for title in titles)
    return [head] + [
        f"    {name:<24}"
        + "".join(f"{'–':>{width}}" if value is None else f"{value:>{width}.3f}" for value in values)
        for name, values in rows
    ]
