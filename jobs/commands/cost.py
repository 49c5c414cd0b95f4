"""hanji cost: what runs should be set to, and what they cost."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.commands.cost_report import report
from hanji.jobs.commands.curate import Overrides
from hanji.jobs.commands.presets import presets, short
from hanji.jobs.terminal import number, say

if TYPE_CHECKING:
    from hanji.training.cost.scaling import Budget, Suggestion
    from hanji.training.recipe import TrainingRecipe

app = typer.Typer(no_args_is_help=True, help="What training costs, and what to set it to.")

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


app.command("presets")(presets)
app.command("report")(report)


@dataclass(frozen=True)
class Question:
    """What the laws are asked of. ``recipe`` is what it comes from, if it comes from one.

    ``has_schedule`` says whether the recipe's schedule is its own or stands for the one that it lacks,
    ``own_length`` whether the tokens are those of its stages.
    """

    name: str
    budget: Budget
    seq_length: int
    micro_size: int
    multiple: int
    recipe: TrainingRecipe | None = None
    has_schedule: bool = False
    own_length: bool = False


@app.command("suggest")
def suggest(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RECIPE]",
            help="A training recipe; its schedule may still be missing.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    preset: Annotated[str | None, typer.Option(help="Without a recipe: a model preset.")] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Tokens of the run, as in 300B.  [default: the recipe's]")
    ] = None,
    compute: Annotated[
        str | None,
        typer.Option(help="Instead of tokens: FLOPs without the vocabulary's, as in 1e21."),
    ] = None,
    seq_length: Annotated[
        int | None, typer.Option(min=1, help="Without a recipe: tokens in a sample.  [default: the preset's]")
    ] = None,
    micro_size: Annotated[int, typer.Option(min=1, help="Without a recipe: batch.micro_size.")] = 1,
    data: Annotated[int, typer.Option(min=1, help="Without a recipe: parallel.data.")] = 1,
    law: Annotated[
        Literal["deepseek", "step"], typer.Option(help="The law whose values become recipe lines.")
    ] = "deepseek",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Suggest learning rate and batch from published scaling laws, and print the lines for a recipe.

    Of a recipe, or of `--preset` and `--tokens`; of `--compute` alone, with the split into model and tokens
    that DeepSeek's law finds best.
    """
    from hanji.training.cost.scaling import LAWS
    from hanji.training.cost.scaling import suggest as ask

    if recipe is not None:
        if preset is not None or seq_length is not None or micro_size != 1 or data != 1:
            raise RecipeError(
                "cost suggest: --preset, --seq-length, --micro-size and --data are for a question without a "
                "recipe; set the recipe's fields instead, as in batch.micro_size=2"
            )
        question = _of_recipe(recipe, overrides or [], tokens, compute)
    else:
        question = _of_options(preset, tokens, compute, seq_length, micro_size, data)
    answers = {
        key: ask(candidate, question.budget, question.seq_length, question.multiple)
        for key, candidate in LAWS.items()
        if question.budget.parameters is not None or not candidate.needs_parameters
    }
    if law not in answers:
        raise RecipeError(f"--law {law}: this law needs a model; give a recipe or --preset")
    lines = recipe_lines(question, answers[law])
    if as_json:
        say(json.dumps(_as_data(question, answers, lines), indent=1, ensure_ascii=False))
        return
    say(*_table(question, answers), "", f"for the recipe, by {answers[law].law}:", *lines)


def _of_recipe(path: Path, overrides: list[str], tokens: str | None, compute: str | None) -> Question:
    from hanji.recipe import parse_recipe, read_yaml
    from hanji.training.cost.scaling import budget_of
    from hanji.training.recipe import TrainingRecipe

    content = read_yaml(path)
    has_schedule = bool(content.get("schedule"))
    if not has_schedule:
        content["schedule"] = {"peak_lr": 1.0, "warmup_steps": 0}
    found = parse_recipe(content, TrainingRecipe, overrides, origin=str(path))
    own = sum(
        stage.tokens if stage.tokens is not None else found.steps_of(stage) * found.tokens_per_step
        for stage in found.stages
    )
    asked = _tokens(tokens, compute, budget_of(found.shape, 1).flops_per_token)
    total = float(own) if asked is None else asked
    parallel, micro = found.parallel, found.batch.micro_size
    # The interleaved pipeline takes micro-batches in groups.
    group = parallel.pipeline if parallel.virtual_pipeline > 1 else 1
    multiple = micro * parallel.data * group
    budget = budget_of(found.shape, total)
    return Question(
        found.name, budget, found.shape.seq_length, micro, multiple, found, has_schedule, asked is None
    )


def _of_options(
    preset: str | None,
    tokens: str | None,
    compute: str | None,
    seq_length: int | None,
    micro_size: int,
    data: int,
) -> Question:
    from dataclasses import replace

    from hanji.training.cost.scaling import budget_of, budget_of_compute
    from hanji.training.presets import PRESETS

    multiple = micro_size * data
    if preset is None:
        if compute is None or tokens is not None:
            raise RecipeError(
                "cost suggest: give a recipe, or --preset with --tokens or --compute, or --compute alone"
            )
        budget = budget_of_compute(parse_number("--compute", compute))
        return Question("the best split of the compute", budget, seq_length or 8192, micro_size, multiple)
    if preset not in PRESETS:
        raise RecipeError(f"--preset: {preset!r} is not allowed: presets are {', '.join(PRESETS)}")
    shape = PRESETS[preset]
    shape = replace(shape, seq_length=seq_length or shape.seq_length)
    total = _tokens(tokens, compute, budget_of(shape, 1).flops_per_token)
    if total is None:
        raise RecipeError(f"--preset {preset}: give --tokens, as in 300B, or --compute, as in 1e21")
    return Question(preset, budget_of(shape, total), shape.seq_length, micro_size, multiple)


def _tokens(tokens: str | None, compute: str | None, flops_per_token: float) -> float | None:
    if tokens is not None and compute is not None:
        raise RecipeError("cost suggest: --tokens and --compute are two ways to say the same; give one")
    if tokens is not None:
        return parse_number("--tokens", tokens)
    if compute is not None:
        return parse_number("--compute", compute) / flops_per_token
    return None


def parse_number(option: str, text: str) -> float:
    """A count such as 300B, 2.7T, 6e9 or 1_000_000. Raises RecipeError for anything else and below 1."""
    match = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:e\+?[0-9]+)?)\s*([kmbt]?)", text.strip().lower())
    value = float(match[1].replace("_", "").replace(",", "")) * UNITS[match[2]] if match else math.nan
    if not math.isfinite(value) or value < 1:
        raise RecipeError(f"{option}: {text!r} is not allowed: write a count such as 300B, 2.7T or 6e9")
    return value


def recipe_lines(question: Question, answer: Suggestion) -> list[str]:
    """YAML lines that put an answer into a recipe, and the steps of stages that the new batch makes longer."""
    recipe = question.recipe
    kind = recipe.schedule.kind if recipe else "multi_step"
    lines = [
        f"batch: {{global_size: {answer.global_size}, micro_size: {question.micro_size}}}",
        f"schedule: {{kind: {kind}, peak_lr: {answer.peak_lr:.2e}, warmup_steps: {answer.warmup_steps}}}",
    ]
    if recipe is None or not question.own_length or recipe.batch.global_size == answer.global_size:
        return lines
    for stage in recipe.stages:
        if stage.steps is not None:
            steps = max(1, round(stage.steps * recipe.batch.global_size / answer.global_size))
            lines.append(
                f"# stage {stage.name}: steps: {steps} instead of {stage.steps}, for the same tokens"
            )
    return lines


def _table(question: Question, answers: dict[str, Suggestion]) -> list[str]:
    budget = question.budget
    size = "" if budget.parameters is None else f"{short(budget.parameters)} parameters without embeddings, "
    lines = [
        f"{question.name}: {size}{short(budget.tokens)} tokens in samples of {number(question.seq_length)}",
        f"  M = {budget.flops_per_token:.4g} training FLOPs a token and C = M·D = {budget.compute:.4g}, both "
        "without the vocabulary's matrices",
        "",
        f"  {'':<32}{'peak rate':>10}{'batch, tokens':>15}{'global_size':>13}{'steps':>12}{'warm-up':>9}",
    ]
    lines += [
        _row(
            f"{answer.law} ({answer.source})",
            (answer.peak_lr, answer.batch_tokens, answer.global_size, answer.steps, answer.warmup_steps),
        )
        for answer in answers.values()
    ]
    recipe = question.recipe
    if recipe is not None and question.has_schedule:
        batch, schedule = recipe.batch, recipe.schedule
        values = (schedule.peak_lr, recipe.tokens_per_step, batch.global_size, recipe.total_steps)
        lines.append(_row("the recipe as it is", (*values, schedule.warmup_steps)))
    lines += [f"  {answer.law}: {note}" for answer in answers.values() for note in answer.notes]
    if question.multiple > 1:
        lines.append(
            f"  global_size is a multiple of the {question.multiple} samples of one pass of micro-batches over all "
            "data ranks"
        )
    return lines


def _row(name: str, values: tuple[float, float, int, int, int]) -> str:
    """A line of the table: peak rate, batch in tokens and in samples, steps, steps of warm-up."""
    rate, tokens, size, steps, warmup = values
    return f"  {name:<32}{rate:>10.2e}{short(tokens):>15}{number(size):>13}{number(steps):>12}{number(warmup):>9}"


def _as_data(question: Question, answers: dict[str, Suggestion], lines: list[str]) -> dict[str, Any]:
    budget = question.budget
    return {
        "name": question.name,
        "parameters_without_embeddings": budget.parameters,
        "flops_per_token_without_vocabulary": budget.flops_per_token,
        "tokens": budget.tokens,
        "compute": budget.compute,
        "seq_length": question.seq_length,
        "multiple": question.multiple,
        "laws": {key: asdict(answer) for key, answer in answers.items()},
        "recipe_lines": lines,
    }
