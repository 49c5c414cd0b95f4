"""``hanji whatif`` on the whole of the development data, as a person waits for it: wall clock of the command.

    python -m benchmarks.whatif [--run DIRECTORY] [--rounds 5]

The run is that of jobs/recipes/first-run.yaml (with its classifiers where they are), in a directory of its own;
`hanji curate` makes what of it is missing first. Measured is the whole command, from the start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Row, data_directory, median, report, say
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.recipe import parse_recipe, read_yaml

BAR = 5.0
RECIPE = ROOT / "jobs" / "recipes" / "first-run.yaml"
CASES = {
    "one threshold, stricter": ["hanji_ko.min_words=40"],
    "one threshold, laxer": ["hanji_ko.min_words=5"],
    "the same, tokens counted": ["hanji_ko.min_words=5", "--exact"],
    "three other presets": ["presets.en=gopher,c4,fineweb"],
    "no rules at all: every cluster is walked again": ["presets.ko=", "presets.en="],
    "nothing": [],
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", default=str(ROOT / "runs" / "whatif-benchmark"))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    documents = _make(arguments.run)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    answers: dict[str, dict[str, Any]] = {}
    for _ in range(arguments.rounds):
        for name, changes in CASES.items():
            taken[name].append(_command(arguments.run, changes))
            if name not in answers:
                answers[name] = _answer(arguments.run, changes)
    assert not answers["nothing"]["flows"] and not answers["nothing"]["tier_moves"]
    table = []
    for name, seconds in taken.items():
        total = answers[name]["total"]
        what = f"{name} (+{total['gained']['documents']:,} −{total['lost']['documents']:,} documents)"
        wall, cpu = (median([pair[place] for pair in seconds]) for place in range(2))
        ours = f"{wall:.2f} s (processor {cpu:.2f} s)"
        table.append(Row(what, "–", ours, "", f"≤ {BAR:g} s", wall <= BAR))
    report(
        f"hanji whatif on {documents:,} documents",
        table,
        [f"wall, processor seconds of each round: {json.dumps(taken)}"],
    )


def _make(run: str) -> int:
    """Have the run there, whole and of this version; how many documents it has."""
    data = str(data_directory())
    recipe = json.loads(json.dumps(read_yaml(RECIPE)).replace("../shared/data", data))
    models = {language: str(ROOT / path) for language, path in recipe["quality"].items()}
    recipe |= {
        "run": run,
        "quality": {language: path for language, path in models.items() if Path(path).exists()},
        "engine": {"name": "local"},
    }
    say(f"{run}: hanji curate makes what is missing")
    return curate(parse_recipe(recipe, CurationRecipe)).documents


def _command(run: str, changes: list[str]) -> tuple[float, float]:
    """Wall-clock and processor seconds of the command; its output goes nowhere."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "hanji", "whatif", run, *changes],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(wall, 2), round(cpu, 2)


def _answer(run: str, changes: list[str]) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "hanji", "whatif", run, *changes, "--samples", "0", "--json", "-"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ended.stdout)["differences"]
    return found


if __name__ == "__main__":
    main()
