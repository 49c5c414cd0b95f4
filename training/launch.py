"""Starting a training run: one process a rank, through torchrun, from any directory.

The launcher reads the recipe, looks at the shards (so that what is wrong is said at once, by one process), and
has ``hanji.training.launchers`` start ``hanji.training.worker``, again after a crash or a hang. It imports no torch
itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hanji.errors import HanjiError, MissingExtraError
from hanji.manifest import MANIFEST
from hanji.progress import Progress, SilentProgress
from hanji.recipe import load_recipe
from hanji.storage import Storage
from hanji.training.cost import flops_per_token
from hanji.training.data.plan import plan_data
from hanji.training.launchers.attempts import clear_logs, follow, lead
from hanji.training.launchers.nodes import Nodes
from hanji.training.launchers.ranks import wait_for_earlier
from hanji.training.lineage.record import KEPT_MANIFEST
from hanji.training.loop.origin import find_origin
from hanji.training.loop.resume import check_newest
from hanji.training.model.shape import parameter_count
from hanji.training.recipe import TrainingRecipe
from hanji.training.stages import with_stages

ALONE = Nodes()


@dataclass(frozen=True)
class HeldOutFigures:
    """Bits per byte at one moment: ``when`` is before, during or after the stage."""

    step: int
    stage: str
    when: str
    languages: dict[str, float]
    components: dict[str, float]


@dataclass(frozen=True)
class TrainingSummary:
    """What a run came to. ``finished`` is False when it was asked to stop; run it again to go on.

    ``tokens_per_second``, of all ranks, and ``speed``, in words and by device, count the training steps of this
    call alone (None if there were none).
    """

    name: str
    run: str
    finished: bool
    step: int
    total_steps: int
    resumed_from: int
    parameters: int
    tokens_per_second: float | None
    seconds: float
    checkpoint: str
    held_out: tuple[HeldOutFigures, ...]
    speed: str | None = None


def read_recipe(path: str | Path, overrides: Iterable[str] = ()) -> TrainingRecipe:
    """The recipe with its directories made absolute, so that ranks started elsewhere mean the same."""
    recipe = load_recipe(path, TrainingRecipe, overrides)
    paths = [name for name in ("run", "shards", "init_from", "tables") if getattr(recipe, name) is not None]
    absolute: dict[str, object] = {name: str(Storage(getattr(recipe, name)).local) for name in paths}
    if recipe.validation.shards is not None:
        held_out = str(Storage(recipe.validation.shards).local)
        absolute["validation"] = recipe.validation.model_copy(update={"shards": held_out})
    return with_stages(recipe.model_copy(update=absolute))


def train(
    recipe_path: str | Path,
    overrides: Iterable[str] = (),
    *,
    progress: Progress | None = None,
    nodes: Nodes = ALONE,
) -> TrainingSummary:
    """Run a recipe to its end, or go on with it where it was cut off.

    With several nodes each calls it with its place among them. Raises RecipeError or InputError before anything
    starts when recipe or shards are wrong, RunError with the failing rank's last lines when a rank fails and
    restarts do not help.
    """
    if not _installed("torch") or not _installed("megatron"):
        raise MissingExtraError("Training", "train")
    recipe = read_recipe(recipe_path, overrides)
    if recipe.tensorboard and not _installed("tensorboard"):
        raise MissingExtraError("tensorboard: true", "tensorboard")
    progress = progress or SilentProgress()
    nodes.check(recipe.parallel.ranks)
    try:
        data = plan_data(recipe)
        find_origin(recipe, data.manifest.tokenizer.vocab_size)
        # Before anything is written: a recipe that cannot go on must leave the run's files as they are.
        check_newest(recipe, data)
    except HanjiError as error:
        if nodes.rank:
            follow(recipe, nodes, progress, refused=str(error))
        raise
    if nodes.rank:
        wait_for_earlier(recipe, nodes, progress)
        follow(recipe, nodes, progress)
        return read_summary(recipe.run)
    with Storage(recipe.run).locked():
        run = Path(recipe.run)
        wait_for_earlier(recipe, nodes, progress)
        clear_logs(run / "logs")
        (run / "recipe.json").write_text(recipe.model_dump_json(indent=1) + "\n", encoding="utf-8")
        # Shards may be curated anew: what this run has read is still to be told then.
        Storage(recipe.run).write_bytes(KEPT_MANIFEST, data.storage.read_bytes(MANIFEST))
        (run / "training.json").unlink(missing_ok=True)
        of_nodes = f" on {nodes.count} nodes" if nodes.count > 1 else ""
        progress.note(f"starting {recipe.parallel.ranks} ranks of {recipe.name}{of_nodes}")
        try:
            lead(recipe, nodes, progress)
        finally:
            _report(recipe.run, progress)
    return read_summary(recipe.run)


def _report(run: str, progress: Progress) -> None:
    """Write the report of what there is, also of a run that failed; nothing that goes wrong here fails a run."""
    from hanji.training.report.collect import is_training_run
    from hanji.training.report.writing import report_on

    if not is_training_run(run):
        return
    try:
        report_on(run)
    except Exception as error:
        progress.note(f"no report was written: {type(error).__name__}: {error}")


def read_summary(run: str) -> TrainingSummary:
    """The summary of a run that ended. Raises InputError if it has not."""
    data = json.loads(Storage(run).read_bytes("training.json"))
    held_out = tuple(
        HeldOutFigures(
            entry["step"], entry["stage"], entry["when"], entry["bits_per_byte"], entry["components"]
        )
        for entry in data["validation"]
    )
    fields = {
        name: data[name]
        for name in TrainingSummary.__dataclass_fields__
        if name in data and name != "held_out"
    }
    return TrainingSummary(**fields, run=str(run), held_out=held_out)


def describe(recipe: TrainingRecipe) -> str:
    """What a run would do, in a few lines, for `hanji train --plan`. Reads the manifest, starts nothing."""
    data = plan_data(recipe)
    shape, vocab_size = recipe.shape, data.manifest.tokenizer.vocab_size
    origin = find_origin(recipe, vocab_size)
    check_newest(recipe, data)
    tokens = recipe.total_steps * recipe.tokens_per_step
    cost = flops_per_token(shape, vocab_size)
    parallel = recipe.parallel
    lines = [
        f"{recipe.name}: {parameter_count(shape, vocab_size) / 1e6:,.1f}M parameters, vocabulary "
        f"{vocab_size:,}, sequence {shape.seq_length}, {recipe.precision}",
        f"ranks: {parallel.ranks} (tensor {parallel.tensor} × pipeline {parallel.pipeline} × "
        f"context {parallel.context} × data {parallel.data}"
        + (", sequence parallel" if parallel.sequence else "")
        + (f", {parallel.virtual_pipeline} chunks a rank" if parallel.virtual_pipeline > 1 else "")
        + ")",
        f"{recipe.total_steps} steps of {recipe.tokens_per_step:,} tokens: {tokens:,} tokens, "
        f"{cost.causal_attention * tokens:.3g} FLOPs (causal attention; "
        f"{cost.full_attention * tokens:.3g} full, {cost.six_n * tokens:.3g} by 6ND)",
        recipe.learning_rates().describe(),
    ]
    for stage in recipe.stages:
        lines.append(f"stage {stage.name}: {recipe.steps_of(stage)} steps")
        lines += [f"  {share:6.1%}  {name}" for name, share in data.blends()[stage.name].items()]
    lines += [f"weights from {parent['name']}: family {parent['hash']}" for parent in origin.parents]
    lines += [f"epochs of {name}: {count:.2f}" for name, count in data.epochs().items()]
    lines += list(data.notes)
    lines += [f"left out: {name}: {reason}" for name, reason in data.left_out.items()]
    return "\n".join(lines)


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
