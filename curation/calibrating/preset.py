"""The preset that a calibration writes: YAML that recipes name by its path, with the evidence for each value."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from hanji.curation.calibrating.bounds import EVIDENCE
from hanji.curation.calibrating.calibration import Calibration
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.wording import (
    WEIGHTINGS,
    comparison,
    kept,
    left_out,
    lost,
    named_percentile,
    worse_than_chance,
)

_WIDTH = 110


def preset_yaml(calibration: Calibration, name: str, command: str, date: str, version: str) -> str:
    """The file's text. ``command`` is what was typed, paths by their base names; ``date`` YYYY-MM-DD."""
    lines = [
        "# Made by `hanji calibrate` (docs/calibrate.md). A recipe names it by its path, under rules.presets.",
        f"preset: {json.dumps(name, ensure_ascii=False)}",
        *_folded("source", _source(calibration, date, version)),
        *_folded("notes", f"{_notes(calibration)} Command: {command}"),
        "rules:",
    ]
    for place, rule in enumerate(calibration.rules):
        lines += [
            f"  - name: {rule.name}",
            f"    signal: {rule.signal}",
            f'    keep: "{comparison(rule)}"',
            f"    why: {json.dumps(_why(calibration, place), ensure_ascii=False)}",
        ]
    return "\n".join(lines) + "\n"


def _folded(field: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"{field}: >-", *(f"  {line}" for line in wrapped)]


def _source(calibration: Calibration, date: str, version: str) -> str:
    trusted, elsewhere = calibration.trusted, calibration.elsewhere
    text = f"Calibrated on {date} with hanji {version} on trusted {_corpus(trusted)}"
    return f"{text}; elsewhere: {_corpus(elsewhere)}." if elsewhere is not None else f"{text}."


def _corpus(documents: Documents) -> str:
    count = documents.count()
    listed = ", ".join(
        f"{name} {number:,}" for name, number in zip(documents.names, count.tolist(), strict=True) if number
    )
    return f"{len(documents):,} documents, {documents.size.sum():,} bytes ({listed})"


def _notes(calibration: Calibration) -> str:
    aim, found = calibration.asked.aim, calibration.fit
    sentences = [
        f"Each rule alone loses at most {100 * found.level:.3g} % of the trusted documents; "
        f"{WEIGHTINGS[aim.weighting]}. "
        + ("No threshold is tighter than the form's. " if aim.only_loosen else "")
        + f"Thresholds are percentiles of {found.documents:,} documents"
        + (f", tried on {int(calibration.held.sum()):,} others." if calibration.held_losses else "."),
        f"All rules together keep {kept(calibration.fit_losses.together)} of the fitted documents"
        + (
            f", {kept(calibration.held_losses.together)} of those held out"
            if calibration.held_losses is not None
            else ""
        )
        + (
            f", and drop {lost(calibration.elsewhere_losses.together)} elsewhere."
            if calibration.elsewhere_losses is not None
            else "."
        ),
        f"Documents of fewer than {calibration.asked.min_characters} characters were not looked at; left out of "
        f"the trusted: {left_out(calibration.trusted.left_out)}.",
    ]
    return " ".join(sentences)


def _why(calibration: Calibration, place: int) -> str:
    """The form's reason, then what the documents say of the value."""
    threshold = calibration.fit.thresholds[place]
    parts = [f"keeps {kept(float(calibration.fit_losses.alone[place]))} of {_documents(calibration, False)}"]
    if calibration.held_losses is not None:
        held = kept(float(calibration.held_losses.alone[place]))
        chance = " (fewer than chance explains)" if worse_than_chance(calibration, place) else ""
        parts[0] += f", {held} of {_documents(calibration, True)} held out{chance}"
    parts.append(named_percentile(threshold))
    if threshold.value is not None and threshold.outer is None:
        parts.append("too few documents to bound the percentile")
    if calibration.elsewhere_losses is not None:
        parts.append(f"drops {lost(float(calibration.elsewhere_losses.alone[place]))} elsewhere")
    return f"{threshold.bound.reason}{EVIDENCE}{'; '.join(parts)}"


def _documents(calibration: Calibration, held: bool) -> str:
    number = int(calibration.held.sum())
    return f"{number:,}" if held else f"{len(calibration.held) - number:,} trusted documents"


def typed(options: Sequence[tuple[str, str]]) -> str:
    """The command with its options, paths by their base names."""
    return " ".join(["hanji calibrate", *(f"{name} {value}" for name, value in options)])
