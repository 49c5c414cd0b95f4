"""Rules: a signal, a comparison, a threshold. Presets are data in presets/*.yaml, not code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np
import pyarrow as pa
import yaml

from hanji.curation import recipe
from hanji.curation.recipe import Language, Preset, is_preset_path, read_preset
from hanji.curation.signals import ratios
from hanji.errors import RecipeError
from hanji.recipe import closest, parse_recipe

Operator = Literal[">=", "<=", ">", "<"]


@dataclass(frozen=True)
class Rule:
    """Keep a document if ``signal op threshold`` holds. ``name`` is ``preset.rule``."""

    name: str
    signal: str
    op: Operator
    threshold: float
    description: str

    def keeps(self, value: float) -> bool:
        """Whether a single value passes."""
        return bool(self.keep(np.array([value]))[0])

    def keep(self, values: np.ndarray) -> np.ndarray:
        """Which values pass; bool, one a value."""
        compare = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less}[self.op]
        return compare(values, self.threshold)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Verdicts:
    """For each row: place of the first rule it breaks (−1: none), its value and threshold (NaN), and all it breaks.

    ``first`` int64[rows], ``value`` and ``threshold`` float64[rows], ``broken`` bool[rows, rules].
    """

    first: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    broken: np.ndarray


def presets() -> list[str]:
    """Names of the presets there are."""
    files = resources.files("hanji.curation.decisions").joinpath("presets").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def preset_rules(preset: str | Preset) -> tuple[Rule, ...]:
    """The rules of a preset, in its order: a name of the project's, a path of a file, or what one holds.

    Raises RecipeError for an unknown preset or signal.
    """
    content = the_preset(preset)
    return tuple(_compiled(content.preset, content.rules, f"preset {content.preset}: rules"))


def the_preset(preset: str | Preset) -> Preset:
    """The preset itself. Raises RecipeError where there is none of this name."""
    if isinstance(preset, Preset):
        return preset
    return read_preset(preset) if is_preset_path(preset) else _of_the_project(preset)


@cache
def _of_the_project(name: str) -> Preset:
    if name not in presets():
        raise RecipeError(
            f"rules.presets: {name!r} is not allowed: one of {', '.join(presets())}, or a path ending in .yaml"
        )
    text = resources.files("hanji.curation.decisions").joinpath("presets", f"{name}.yaml").read_text("utf-8")
    return parse_recipe(yaml.safe_load(text), Preset, origin=f"presets/{name}.yaml")


def _compiled(prefix: str, rules: list[recipe.Rule], where: str) -> list[Rule]:
    """Rules with their names in full. Raises RecipeError for a signal that does not exist."""
    known = ratios.names()
    compiled = []
    for place, rule in enumerate(rules):
        if rule.signal not in known:
            raise RecipeError(
                f"{where}.{place}.signal: {rule.signal!r} is not a signal; {closest(rule.signal, known)}"
                "`hanji signals` lists them"
            )
        op, threshold = rule.keep.split()
        compiled.append(Rule(f"{prefix}.{rule.name}", rule.signal, op, float(threshold), rule.why))  # type: ignore[arg-type]
    return compiled


def load_rules(settings: recipe.Rules) -> dict[Language, list[Rule]]:
    """The rules of each language: its presets in order, thresholds overridden, those switched off left out.

    Raises RecipeError for a preset or rule that does not exist, naming those that do.
    """
    loaded: dict[Language, list[Rule]] = {}
    known: set[str] = set()
    for language in sorted({*settings.presets, *settings.own}):
        chosen = [the_preset(one) for one in settings.presets.get(language, [])]
        names = [preset.preset for preset in chosen]
        for name in names:
            if names.count(name) > 1:
                raise RecipeError(f"rules.presets.{language}: two presets are called {name}")
        rules = [rule for preset in chosen for rule in preset_rules(preset)]
        rules += _compiled("own", settings.own.get(language, []), f"rules.own.{language}")
        known |= {rule.name for rule in rules}
        loaded[language] = [
            Rule(r.name, r.signal, r.op, settings.thresholds.get(r.name, r.threshold), r.description)
            for r in rules
            if r.name not in settings.off
        ]
    for field, asked in (("thresholds", list(settings.thresholds)), ("off", settings.off)):
        for name in asked:
            if name not in known:
                raise RecipeError(
                    f"rules.{field}: {name!r} is no rule here; {closest(name, known)}"
                    f"there are: {', '.join(sorted(known))}"
                )
    return loaded


def columns_of(signal: str) -> set[str]:
    """The columns that the number of this name is formed of. Raises KeyError for an unknown name."""
    seen = _Recorder()
    ratios.value(signal, seen)
    return seen.names


class _Recorder:
    """Stands where a table would, has no rows, and notes which columns are asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        self.names.add(name)
        return pa.chunked_array([pa.array([], pa.float64())])

    def __len__(self) -> int:
        return 0


def judge(rules: list[Rule], table: pa.Table) -> Verdicts:
    """Apply rules to the rows of a table of signals and document columns, all at once."""
    rows = len(table)
    first = np.full(rows, -1, np.int64)
    value, threshold = np.full(rows, np.nan), np.full(rows, np.nan)
    broken = np.zeros((rows, len(rules)), bool)
    columns = ratios.Floats(table)
    for place, rule in enumerate(rules):
        values = ratios.value(rule.signal, columns)
        broken[:, place] = ~rule.keep(values)
        new = np.flatnonzero(broken[:, place] & (first < 0))
        first[new], value[new], threshold[new] = place, values[new], rule.threshold
    return Verdicts(first, value, threshold, broken)
