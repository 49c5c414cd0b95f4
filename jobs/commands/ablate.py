"""hanji ablate: the same model on different data, and a table of what that makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanji.jobs.commands.curate import Overrides, RecipePath
from hanji.jobs.terminal import number, progress, say

if TYPE_CHECKING:
    from hanji.training.experiments.arms import Experiment
    from hanji.training.experiments.results import Results


def ablate(
    recipe: RecipePath,
    overrides: Overrides = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would be trained and measured, and how far it is.")
    ] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Only make the table of what is finished; train nothing.")
    ] = False,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="A field of the base recipe, for every arm; may be repeated."
        ),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="Train this arm alone; may be repeated, to share arms out among machines."),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Train with this seed alone; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON instead of tables.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    stopped_code: Annotated[
        int, typer.Option(help="Exit code after a request to stop, for programs that start this one again.")
    ] = 0,
) -> None:
    """Train the same model on different data, arm by arm and seed by seed, and compare held-out bits per byte.

    Finished runs are left alone and a run that was cut off goes on, so give the same command again. Tables and
    figures are written to the recipe's directory (table.md, results.json).
    """
    from hanji.recipe import load_recipe
    from hanji.training.experiments.arms import prepare
    from hanji.training.experiments.recipe import ExperimentRecipe
    from hanji.training.experiments.results import as_json as results_as_json
    from hanji.training.experiments.results import collect
    from hanji.training.experiments.running import run_experiment
    from hanji.training.experiments.table import plain

    experiment = prepare(load_recipe(recipe, ExperimentRecipe, overrides or []), fields or [])
    if plan:
        say(*_plan(experiment))
        return
    finished = True
    if not table:
        with progress(quiet) as shown:
            finished = run_experiment(experiment, arms=arm or [], seeds=seed or [], progress=shown)
    results = collect(experiment)
    written = _write(results)
    if as_json:
        say(json.dumps(results_as_json(results), ensure_ascii=False, indent=1))
    else:
        say(*plain(results), f"  written  {', '.join(map(str, written))}")
        if results.missing:
            say("  next     the same command goes on from here")
    if not finished and stopped_code:
        raise typer.Exit(stopped_code)


def _write(results: Results) -> list[Path]:
    from hanji.storage import Storage
    from hanji.training.experiments.results import as_json
    from hanji.training.experiments.table import markdown

    storage = Storage(str(results.experiment.directory))
    text = json.dumps(as_json(results), ensure_ascii=False, indent=1) + "\n"
    storage.write_bytes("results.json", text.encode())
    storage.write_bytes("table.md", markdown(results).encode())
    return [results.experiment.directory / name for name in ("table.md", "results.json")]


def _plan(experiment: Experiment) -> list[str]:
    """What an experiment would do, and how far it is."""
    from hanji.training.cost import flops_per_token
    from hanji.training.experiments.running import standings

    recipe = experiment.recipe
    stand = standings(experiment)
    lines = [
        f"{recipe.name}: {len(experiment.arms)} arms × {len(recipe.seeds)} seeds in {experiment.directory}"
    ]
    total = 0.0
    for arm in experiment.arms:
        one = experiment.run(arm.name, recipe.seeds[0]).recipe
        plan = experiment.plans[arm.name]
        tokens = one.total_steps * one.tokens_per_step
        total += flops_per_token(one.shape, plan.manifest.tokenizer.vocab_size).causal_attention * tokens
        named = ", ".join(f"{column}: {label}" for column, label in arm.labels.items())
        head = (
            f"arm {arm.name}" + (f" ({named})" if named else "") + ("" if arm.compared else ", to go on from")
        )
        lines.append(f"{head}: {one.total_steps} steps, {number(tokens)} tokens")
        for stage, shares in plan.blends().items():
            epochs = plan.epochs()
            lines += [
                f"  {stage}  {share:6.1%}  {name}, {epochs.get(name, 0.0):.2f} epochs"
                for name, share in shares.items()
                if share
            ]
        states = [f"seed {s.run.seed} {s.state}" for s in stand if s.run.arm is arm]
        lines.append(f"  {', '.join(states)}")
    lines.append(f"{total * len(recipe.seeds):.3g} FLOPs in all (causal attention), without held-out text")
    for measure, parts in experiment.held_out.items():
        held = sum(part.bytes for part in parts.values())
        tokens = sum(part.tokens for part in parts.values())
        lines.append(
            f"measured: {measure}: {number(held)} bytes, {number(tokens)} tokens: {', '.join(parts)}"
        )
    return lines
