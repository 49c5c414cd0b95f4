"""hanji doctor, hanji demo, hanji signals, hanji rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hanji.jobs.terminal import progress, say


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Say what is installed, what is missing and how to get it; exit code 1 if something must be mended."""
    from hanji.jobs import doctor as examination

    findings = examination.examine()
    data = examination.as_json(findings)
    if as_json:
        import json

        say(json.dumps(data, indent=1))
    else:
        marks = {"ok": "✓", "absent": "–", "wrong": "✗"}
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            remedy = f"  →  {finding.remedy}" if finding.remedy else ""
            say(f"{marks[finding.state]} {finding.name:<{width}}  {finding.detail}{remedy}")
        say("", "All that must be here is here." if data["ok"] else "What is marked ✗ must be mended.")
    if not data["ok"]:
        raise typer.Exit(1)


def signals() -> None:
    """List what a rule can judge: counts, ratios and columns of a document."""
    from hanji.curation.signals.ratios import names

    listed = names()
    width = max(map(len, listed))
    say(*(f"{name:<{width}}  {meaning}" for name, meaning in sorted(listed.items())))


def rules(
    preset: Annotated[
        str | None,
        typer.Argument(
            help="A preset, or a file with one (my_ko.yaml), as a recipe names it.",
            show_default="all of them",
        ),
    ] = None,
) -> None:
    """List the presets and their rules: name, what is kept, and why."""
    from hanji.curation.decisions.rules import preset_rules, presets, the_preset
    from hanji.curation.recipe import Rules

    default = Rules().presets
    for name in [preset] if preset else presets():
        content = the_preset(name)
        judged = [language for language, names in default.items() if name in names]
        note = f" (judges {' and '.join(judged)} unless a recipe says otherwise)" if judged else ""
        say(f"{content.preset}{note}: {content.source.strip()}")
        if preset and content.notes:
            say(f"  {' '.join(content.notes.split())}")
        for rule in preset_rules(content):
            say(f"  {rule.name:<42} {rule.signal} {rule.op} {rule.threshold:g}    {rule.description}")


def demo(
    directory: Annotated[
        Path, typer.Option(help="The checkout, which holds the sample corpus.", show_default="here")
    ] = Path(),
) -> None:
    """Run the whole river on the sample corpus: classifiers, curation, shards, two stages of training."""
    from hanji.jobs.demo import run

    with progress() as shown:
        lines = run(directory, shown)
    say(*lines)
