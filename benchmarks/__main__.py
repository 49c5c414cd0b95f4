"""All benchmarks one after another, each in a process of its own: ``python -m benchmarks [NAME …]``.

Ends with 1 if one of them missed a bar or failed. Alone on the machine, please: docs/benchmarks.md says why.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.harness import say

ALL = (
    "extraction",
    "pipeline",
    "engines",
    "determinism",
    "charset",
    "characters",
    "byte_guess",
    "language",
    "pii",
    "lines",
    "repeated",
    "urls",
    "blocks",
    "warc_reading",
    "memory",
    "signals",
    "words",
    "nemo",
    "korean",
    "structure",
    "minhash",
    "compiling",
    "recall",
    "neardup",
    "removals",
    "scale",
    "projection",
    "decontamination",
    "whatif",
    "export",
    "classifiers",
    "domains",
    "perplexity",
    "lineage",
    "data",
    "training_report",
)


def main() -> None:
    missed = []
    for name in sys.argv[1:] or ALL:
        say(f"\n# {name}")
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            missed.append(name)
    say(
        f"\n{len(sys.argv[1:] or ALL)} benchmarks, "
        + (f"missed: {', '.join(missed)}" if missed else "all bars met")
    )
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
