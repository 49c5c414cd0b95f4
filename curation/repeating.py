"""Repeated lines, a part of measuring: counted over all splits, marked in each (steps/repeated.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hanji.curation.context import Context
from hanji.curation.delivery import receiving_units, release
from hanji.curation.report.reading import add
from hanji.curation.steps import repeated
from hanji.curation.steps.texts import SplitWork
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Step, Unit, task_with


def remove_repeated_lines(
    context: Context, works: Sequence[SplitWork], units: Sequence[Unit]
) -> list[SplitWork]:
    """The works with the edits of their repeated lines; ``units`` are those of the works, keyed by their texts.

    Only splits of the domains that the recipe names take part.
    """
    settings, partitions = context.recipe.dedup.lines, context.partitions
    runner, version = context.runner, STEP_VERSIONS["repeated"]
    domains = {source.name: source.domain for source in context.recipe.sources}
    chosen = [
        place
        for place, work in enumerate(works)
        if settings.domains is None or domains[work.read.info["source"]] in settings.domains
    ]
    if not chosen:
        context.warnings.append(
            f"dedup.lines: no source is of the domain {' or '.join(settings.domains or [])}; no line was counted"
        )
        return list(works)
    languages = tuple(sorted(settings.thresholds))
    send_step = Step(
        "repeated-send",
        version,
        task_with(repeated.send_lines, languages, partitions),
        [languages, partitions],
    )
    asking = [units[place] for place in chosen]
    sent = runner.map(
        send_step,
        [Unit(unit.name, [unit.inputs, number], (number, unit.work)) for number, unit in enumerate(asking)],
    )
    count_step = Step(
        "repeated-count",
        version,
        task_with(repeated.count_lines, settings.thresholds, len(asking)),
        [{language: one.model_dump() for language, one in settings.thresholds.items()}, len(asking)],
    )
    counted = runner.map(count_step, receiving_units(runner, "repeated-count", sent, "lines", partitions))
    mark_step = Step(
        "repeated",
        version,
        task_with(repeated.mark_split, settings),
        # What the thresholds say is in the colours that a split is told.
        [settings.model_dump(mode="json", exclude={"enabled", "thresholds", "domains"}), languages],
        keeps_books=True,
    )
    told = receiving_units(runner, "repeated", counted, "answers", len(asking))
    marked = runner.map(
        mark_step,
        [
            Unit(unit.name, [unit.inputs, answers.inputs], (*answers.work[:2], unit.work))
            for unit, answers in zip(asking, told, strict=True)
        ],
    )
    release(runner, sent, "lines")
    release(runner, counted, "answers")
    done = list(works)
    for place, commit in zip(chosen, marked, strict=True):
        done[place] = dataclasses.replace(done[place], repeated=commit)
        add(context.edits, {done[place].read.info["source"]: commit.info["edits"]})
    return done
