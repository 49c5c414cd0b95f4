"""The form of a calibration: which signals get a bound, on which side, and why; thresholds come from the data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hanji.curation.decisions.rules import Operator, Rule, preset_rules
from hanji.curation.signals import ratios
from hanji.errors import RecipeError
from hanji.recipe import closest

Side = Literal["max", "min"]
EVIDENCE = "; calibrated: "
"""What separates, in a preset's reason, the reason of the form from the evidence of a calibration."""
_WORD = {"max": "large", "min": "small"}
_SIDES: dict[str, tuple[Side, ...]] = {"max": ("max",), "min": ("min",), "both": ("min", "max")}


@dataclass(frozen=True)
class Bound:
    """A rule whose threshold is to be found: keep what is at most ("max") or at least ("min") the threshold.

    ``before`` is the threshold that the form has, None where it has none. A ``fixed`` one keeps it.
    """

    name: str
    signal: str
    side: Side
    reason: str
    before: float | None = None
    fixed: bool = False
    before_op: Operator | None = None

    @property
    def op(self) -> Operator:
        """The comparison of documents to keep. A fixed one keeps the form's, strict or not."""
        if self.fixed and self.before_op is not None:
            return self.before_op
        return "<=" if self.side == "max" else ">="

    def rule(self, threshold: float) -> Rule:
        """The rule with a threshold."""
        return Rule(self.name, self.signal, self.op, threshold, self.reason)

    def extremes(self, values: np.ndarray) -> np.ndarray:
        """Values turned so that larger ones are further out on the side that is bounded."""
        return values if self.side == "max" else -values


def read_form(
    like: Sequence[str], signals: Sequence[str], fixed: Sequence[str] = (), without: Sequence[str] = ()
) -> tuple[Bound, ...]:
    """The bounds of presets (by name or path), then those of ``NAME:SIDE`` signals.

    Rules that are named in ``without`` are left out, those in ``fixed`` keep their thresholds.

    Raises RecipeError for a preset, signal, side or rule that does not exist, or a name that stands twice.
    """
    bounds = [_of_rule(rule) for name in like for rule in preset_rules(name)]
    for signal in signals:
        bounds += _of_signal(signal)
    names = [bound.name for bound in bounds]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(
            f"--like, --signals: a rule's name may stand once; twice: {', '.join(twice)}. "
            "Calibrate one preset at a time, or write a form of your own (docs/calibrate.md)"
        )
    for option, asked in (("--without", without), ("--fixed", fixed)):
        for name in asked:
            if name not in names:
                raise RecipeError(
                    f"{option}: {name!r} is no rule of the form; {closest(name, names)}there are: "
                    + ", ".join(names)
                )
    for name in fixed:
        place = names.index(name)
        if bounds[place].before is None:
            raise RecipeError(f"--fixed: {name!r} has no threshold to keep: it comes from --signals")
        bounds[place] = replace(bounds[place], fixed=True)
    kept = tuple(bound for bound in bounds if bound.name not in without)
    if not kept:
        raise RecipeError("--without: no rule is left")
    return kept


def _of_rule(rule: Rule) -> Bound:
    return Bound(
        name=rule.name.rpartition(".")[2],
        signal=rule.signal,
        side="max" if rule.op in ("<=", "<") else "min",
        reason=rule.description.partition(EVIDENCE)[0],
        before=rule.threshold,
        before_op=rule.op,
    )


def _of_signal(asked: str) -> list[Bound]:
    signal, _, side = asked.partition(":")
    meaning = signal_meaning(signal, "--signals")
    if (side or "max") not in _SIDES:
        raise RecipeError(
            f"--signals: {asked!r}: {side!r} is no side: max (keep at most), min (at least) or both"
        )
    sides = _SIDES[side or "max"]
    prefix = {"max": "max_", "min": "min_"}
    name = re.sub(r"[^a-z0-9_]", "_", signal.lower())
    return [
        Bound(prefix[one] * (len(sides) > 1) + name, signal, one, f"too {_WORD[one]}: {meaning}")
        for one in sides
    ]


def signal_meaning(signal: str, option: str) -> str:
    """What a signal is. Raises RecipeError, with the nearest name, for one that does not exist."""
    known = ratios.names()
    if signal not in known:
        raise RecipeError(
            f"{option}: {signal!r} is not a signal; {closest(signal, known)}`hanji signals` lists them"
        )
    return known[signal]
