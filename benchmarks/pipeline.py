"""Raw WARC → text, language and personal data on two cores: datatrove's pipeline and ours.

    make bench-peers; python -m benchmarks.pipeline [--rounds 3] [--copies 3]

Both get the same WARC files, one a worker, and write Parquet. Start-up (processes, imports, models,
compiled code from its cache) is measured with files of a few pages and taken off, with their pages. Ours is
what stands between the beginning of the step "read" and the end of the step "edit": extraction, language,
floors, line edits and personal data, and the commit records; the peer's is its executor's time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import peers
from benchmarks.harness import Row, interleaved, median, report, say
from benchmarks.warc_corpus import Page, pages, write_warc
from hanji.classifiers.language import find_lid
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.progress import SilentProgress
from hanji.recipe import parse_recipe

WORKERS = 2
BAR = 10.0
FEW = 20


class _Enough(Exception):
    """The steps that are measured are done."""


class _Clock(SilentProgress):
    """Notes when each step begins, and ends the run where measuring the text begins."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}

    def step(self, name: str, total: int, done: int) -> None:
        self.begun.setdefault(name, time.perf_counter())
        if name == "measure":
            raise _Enough


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=3, help="how often the pages stand in the files")
    arguments = parser.parse_args()
    interpreter = peers.python_of("datatrove")
    if interpreter is None:
        say("skipped: no environment of datatrove; make bench-peers")
        return
    with tempfile.TemporaryDirectory() as scratch:
        found = pages()
        whole, few = Path(scratch) / "whole", Path(scratch) / "few"
        size = _write(whole, found, arguments.copies)
        # Enough for both languages, whose rules are compiled when they are first needed.
        _write(few, found[: FEW * WORKERS], 1)
        count = len(found) * arguments.copies - FEW * WORKERS
        say(f"{len(found) * arguments.copies} pages, {size / 1e6:.0f} MB of HTML, in {WORKERS} WARC files")
        assets = _assets(Path(scratch) / "assets")
        _ours(few)  # a machine's first run compiles the kernels
        taken = interleaved(
            {
                "peer start": lambda: _peer(interpreter, few, assets),
                "ours start": lambda: _ours(few),
                "peer": lambda: _peer(interpreter, whole, assets),
                "ours": lambda: _ours(whole),
            },
            arguments.rounds,
        )
    starts = {name: median(taken[f"{name} start"]) for name in ("peer", "ours")}
    net = {name: median(taken[name]) - starts[name] for name in ("peer", "ours")}
    ratio = net["peer"] / net["ours"]
    report(
        "Raw WARC → text, language, personal data",
        [
            Row(
                "pages/s on 2 cores",
                f"{count / net['peer']:.0f} (datatrove 0.10.1, trafilatura 2.3.1)",
                f"{count / net['ours']:.0f}",
                f"{ratio:.1f}×",
                f"≥ {BAR:g}×",
                ratio >= BAR,
            ),
            Row("start-up, s", f"{starts['peer']:.1f}", f"{starts['ours']:.1f}"),
        ],
        [f"seconds, each round: {json.dumps({k: [round(s, 2) for s in v] for k, v in taken.items()})}"],
    )


def _write(directory: Path, chosen: Sequence[Page], copies: int) -> int:
    return sum(
        write_warc(directory / f"{place}.warc.gz", chosen[place::WORKERS], copies) for place in range(WORKERS)
    )


def _assets(directory: Path) -> Path:
    """A cache in which datatrove finds the language model that it would download."""
    target = directory / "datatrove" / "lid" / "ft176"
    target.mkdir(parents=True)
    name = "https:__dl.fbaipublicfiles.com_fasttext_supervised-models_lid.176.bin"
    shutil.copy(find_lid(), target / name)
    (target / f"{name}.completed").touch()
    return directory


def _peer(interpreter: Path, warcs: Path, assets: Path) -> float:
    script = Path(__file__).with_name("peer_datatrove.py")
    with tempfile.TemporaryDirectory() as output:
        # To a file: processes that the peer leaves behind would hold a pipe open.
        log = Path(output) / "log.txt"
        with log.open("wb") as file:
            done = subprocess.run(
                [interpreter, script, warcs, output, str(WORKERS)],
                env=os.environ | {"HF_ASSETS_CACHE": str(assets)},
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=900,
            )
        lines = log.read_text(errors="replace").splitlines()
    if done.returncode:
        raise SystemExit("datatrove's pipeline failed:\n" + "\n".join(lines[-30:]))
    facts = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    return float(facts["seconds"])


def _ours(warcs: Path) -> float:
    clock = _Clock()
    with tempfile.TemporaryDirectory() as run:
        recipe = parse_recipe(
            {
                "name": "benchmark",
                "run": run,
                "sources": [{"name": "pages", "format": "warc", "paths": [str(warcs)]}],
                "engine": {"name": "local", "workers": WORKERS},
                "tiers": [{"name": "all"}],
                "partitions": 2,
                "shards": {"tokenizer": {"vocab_size": 300, "train_bytes": 1000}},
                "max_failed_share": 1.0,
            },
            CurationRecipe,
        )
        with contextlib.suppress(_Enough):
            curate(recipe, progress=clock)
    return clock.begun["measure"] - clock.begun["read"]


if __name__ == "__main__":
    main()
