"""What the report of a long training run costs: time, memory, and the size of the page.

    python -m benchmarks.training_report [--steps 1000000] [--components 40] [--every 10]

writes the metrics of a made-up run as the trainer would, intervals of ``--every`` steps, and makes its page in a
process of its own. Prints a line of figures.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PHASES = ("data", "forward", "backward", "communication", "optimizer", "checkpoint", "validation", "other")


def write_long_run(run: Path, steps: int, components: int, every: int = 10) -> Path:
    """Write the metrics of a run with two stages and ``components`` components; returns its directory."""
    from hanji.training.loop.groups import ratios_by_group, sums_by_group

    run.mkdir(parents=True)
    (run / "recipe.json").write_text(json.dumps({"name": "long", "stages": []}), encoding="utf-8")
    generator = random.Random(7)
    names = [
        f"{('ko', 'en')[i % 2]}/domain-{i // 4}/{('high', 'low')[i // 2 % 2]}" for i in range(components)
    ]
    tokens_per_step, cut = 4_194_304, steps * 9 // 10
    facts = {"formula": "f", "convention": "causal_attention", "conventions": {"causal_attention": "c"}}
    with (run / "metrics.jsonl").open("w", encoding="utf-8") as file:

        def write(entry: dict[str, Any]) -> None:
            file.write(json.dumps(entry) + "\n")

        write(
            {
                "kind": "start", "step": 0, "time": 0.0, "name": "long", "precision": "bf16",
                "hardware": {"devices": {"NVIDIA H100 80GB HBM3": 512}, "machines": 64, "cuda": True},
                "parallel": {"tensor": 2, "pipeline": 1, "context": 1, "data": 256},
                "rates": {**facts, "flops_per_token": {"causal_attention": 5e10},
                          "peak": {"name": "H100 SXM", "bf16": 989.4e12, "fp8": 1978.9e12}},
                "recipe": "0" * 32, "manifest_sha256": "0" * 64, "parameters": 8_030_000_000,
                "tokens_per_step": tokens_per_step,
                "stages": [{"name": "one", "steps": cut}, {"name": "two", "steps": steps - cut}],
                "components": dict.fromkeys(names, 10**11), "lost": {"steps": 0, "seconds": 0.0},
            }
        )  # fmt: skip
        for step in range(1, steps + 1):
            loss = 1.8 + 9 / math.sqrt(step) + generator.gauss(0, 0.05)
            stage, seconds = ("one" if step <= cut else "two"), 1.0 + generator.random() / 10
            write(
                {
                    "kind": "step", "step": step, "stage": stage, "loss": loss, "z_squared": 120.0, "lr": 3e-4,
                    "grad_norm": 0.3 + generator.random() / 10, "tokens": tokens_per_step,
                    "seen": step * tokens_per_step, "batch": "0" * 16,
                    "skip": "loss 9.1 among 2.0 ± 0.1" if step % 997 == 0 else None, "skipped": step // 997,
                    "loss_mean": 2.0, "loss_deviation": 0.1, "grad_norm_mean": 0.3, "grad_norm_deviation": 0.1,
                    "memory_bytes": 6 * 10**10, "memory_rank": 3, "seconds": seconds,
                    "tokens_per_second": tokens_per_step / seconds,
                }
            )  # fmt: skip
            if step % every == 0:
                counts = {name: generator.randrange(1, 10**6) for name in names}
                nats = {name: count * (loss + generator.gauss(0, 0.2)) for name, count in counts.items()}
                write(
                    {
                        "kind": "interval", "step": step, "first": step - every + 1, "stage": stage, "time": step,
                        "lr": 3e-4, "grad_norm": 0.3, "skipped_so_far": step // 997,
                        "rates": {"tokens_per_second_per_device": tokens_per_step / seconds / 512, "mfu": 0.41},
                        "steps": every, "tokens": every * tokens_per_step, "seconds": every * seconds, "skipped": 0,
                        "loss": loss, "losses": ratios_by_group(nats, counts), "seen": sums_by_group(counts),
                        "components": {
                            name: {"loss": nats[name] / counts[name], "tokens": counts[name], "seen": step * 10**5,
                                   "epochs": step / steps}
                            for name in names
                        },
                        "elapsed": every * 1.2, "memory": {"allocated": 1, "reserved": 2, "peak": 3},
                        "phases": {phase: {"mean": generator.random(), "most": 1.0} for phase in PHASES},
                    }
                )  # fmt: skip
            if step % max(1, steps // 500) == 0:
                bits = {name: loss / 3 + generator.gauss(0, 0.01) for name in names}
                ones = dict.fromkeys(names, 1.0)
                groups = ratios_by_group(bits, ones)
                write(
                    {
                        "kind": "validation", "step": step, "seen": step * tokens_per_step, "stage": stage,
                        "when": "during", "bits_per_byte": groups["language"], "groups": groups,
                        "components": bits, "empty": [], "seconds": 3.0,
                    }
                )  # fmt: skip
        write(
            {
                "kind": "end", "step": steps, "finished": True, "time": 1e6, "elapsed": 0.0, "phases": {},
                "memory": {},
            }
        )  # fmt: skip
    return run


def make_page(run: str) -> None:
    """Make the page in this process and print what it took."""
    from hanji.training.report.collect import collect
    from hanji.training.report.writing import write_report

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    page = write_report(collect(run))
    seconds, memory = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"page {Path(page).stat().st_size / 1e6:.2f} MB, {seconds:.1f} s of processor time, "
        f"{memory / 1024:.0f} MiB resident at most ({before / 1024:.0f} after imports)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--components", type=int, default=40)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--page-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.page_of:
        make_page(options.page_of)
        return
    with tempfile.TemporaryDirectory() as directory:
        run = write_long_run(Path(directory) / "run", options.steps, options.components, options.every)
        size = (run / "metrics.jsonl").stat().st_size
        print(f"{options.steps:,} steps, {options.components} components: metrics.jsonl {size / 1e6:,.0f} MB")
        command = [sys.executable, "-m", "benchmarks.training_report", "--page-of", str(run)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
