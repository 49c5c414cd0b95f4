"""The whole of a calibration: read, fit, try out, compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hanji.curation.calibrating.bounds import Bound, read_form
from hanji.curation.calibrating.documents import Documents, Excerpt
from hanji.curation.calibrating.fitting import Aim, Fit, Losses, fit, losses
from hanji.curation.calibrating.inputs import Measuring, read_documents
from hanji.curation.decisions.rules import Rule, preset_rules, the_preset
from hanji.errors import RecipeError
from hanji.progress import Progress, SilentProgress


@dataclass(frozen=True)
class Asked:
    """What a calibration is asked for; the fields are the options of ``hanji calibrate``."""

    language: str
    trusted: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    aim: Aim = field(default_factory=Aim)
    held_out: bool = True
    text_field: str = "text"
    min_characters: int = 50
    most: int | None = None
    workers: int = 1


@dataclass(frozen=True)
class Comparison:
    """What another preset drops of the same documents. Shares are by weight, None without documents."""

    name: str
    rules: tuple[Rule, ...]
    trusted: Losses
    elsewhere: Losses | None


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and what they do to each set of documents.

    ``fitted`` and ``held`` are the two halves of ``trusted`` (bool masks); ``held_losses`` is None without a
    held-out half, ``elsewhere`` and its losses without documents elsewhere.
    """

    asked: Asked
    fit: Fit
    trusted: Documents
    held: np.ndarray
    fit_losses: Losses
    held_losses: Losses | None
    trusted_losses: Losses
    elsewhere: Documents | None
    elsewhere_losses: Losses | None
    comparisons: tuple[Comparison, ...] = field(default=())

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The calibrated rules in the form's order."""
        return tuple(one.rule for one in self.fit.thresholds)


@dataclass(frozen=True)
class Sample:
    """A document that a rule drops: its value, how many rules drop it, its source and its beginning."""

    value: float
    broken: int
    source: str
    excerpt: Excerpt


def calibrate(asked: Asked, progress: Progress | None = None) -> Calibration:
    """Find the thresholds. Raises RecipeError naming the option that is wrong."""
    progress = progress or SilentProgress()
    bounds = read_form(asked.like, asked.signals, asked.fixed, asked.without)
    others = [the_preset(name) for name in dict.fromkeys([*asked.like, *asked.compare])]
    compared = [(other.preset, preset_rules(other)) for other in others]
    how = Measuring(
        asked.language,
        _signals(bounds, [rule for _, rules in compared for rule in rules]),
        asked.text_field,
        asked.min_characters,
        asked.most,
        asked.workers,
    )
    trusted = read_documents("--trusted", asked.trusted, how, progress)
    if not len(trusted):
        raise RecipeError(f"--trusted: no documents to learn from; {_of_left_out(trusted)}")
    elsewhere = None
    if asked.elsewhere:
        elsewhere = _without(read_documents("--elsewhere", asked.elsewhere, how, progress), trusted)
        if not len(elsewhere):
            raise RecipeError(f"--elsewhere: no documents to judge; {_of_left_out(elsewhere)}")
    # The lowest bit of a hash: the highest ones decide which documents are taken.
    held = (trusted.hash & np.uint64(1)).astype(bool) if asked.held_out else np.zeros(len(trusted), bool)
    if held.all():
        raise RecipeError("--trusted: all documents fall into the held-out half; give more, or --no-held-out")
    found = fit(bounds, trusted.take(~held), asked.aim)
    rules = [one.rule for one in found.thresholds]
    return Calibration(
        asked,
        found,
        trusted,
        held,
        losses(rules, trusted.take(~held), asked.aim),
        losses(rules, trusted.take(held), asked.aim) if held.any() else None,
        losses(rules, trusted, asked.aim),
        elsewhere,
        losses(rules, elsewhere, asked.aim) if elsewhere is not None else None,
        tuple(
            Comparison(
                name,
                theirs,
                losses(theirs, trusted, asked.aim),
                losses(theirs, elsewhere, asked.aim) if elsewhere is not None else None,
            )
            for name, theirs in compared
        ),
    )


def samples(rules: Sequence[Rule], place: int, documents: Documents, of: Losses, most: int) -> list[Sample]:
    """Documents that the rule at ``place`` drops: those that no other rule drops first, then by hash."""
    rows = np.flatnonzero(of.broken[place])
    times = of.broken[:, rows].sum(axis=0)
    found: list[Sample] = []
    values = documents.values[rules[place].signal]
    for at in np.lexsort((documents.hash[rows], times)).tolist():
        if len(found) == most:
            break
        row = int(rows[at])
        excerpt = documents.excerpt(row)
        if excerpt is not None and excerpt.text:
            source = documents.names[documents.source[row]]
            found.append(Sample(float(values[row]), int(times[at]), source, excerpt))
    return found


def _signals(bounds: Sequence[Bound], rules: Sequence[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([bound.signal for bound in bounds] + [rule.signal for rule in rules]))


def _without(elsewhere: Documents, trusted: Documents) -> Documents:
    """What is elsewhere and not trusted too."""
    both = np.isin(elsewhere.hash, trusted.hash)
    for place, name in enumerate(elsewhere.names):
        elsewhere.left_out[name]["trusted too"] += int(both[elsewhere.source == place].sum())
    return elsewhere.take(~both)


def _of_left_out(documents: Documents) -> str:
    """What became of the documents, in words."""
    if not documents.names:
        return "the sources are empty"
    counts = sum(documents.left_out.values(), start=type(next(iter(documents.left_out.values())))())
    told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common() if count)
    return told or "the sources are empty"
