"""``make gpu-check``: everything that can be said of a GPU in at most eight minutes, in order of value.

    python3 training/gpu/check.py [--only SECTION ...] [--budget SECONDS] [--out DIRECTORY] [--tiny]

It is started by file path and needs torch, numpy and megatron-core alone. A section that fails is reported and
the next one runs. Exit code: 0 when all of it ran and held, 1 otherwise. Whatever a section does, the process and
all that it has started end at most 20 seconds after its budget.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

STARTED = time.perf_counter()
SCRIPT = Path(__file__).resolve()
ROOT = SCRIPT.parents[2]
sys.path[:] = [str(ROOT), *(place for place in sys.path if Path(place or ".").resolve() != SCRIPT.parent)]

SECTIONS = ("environment", "correctness", "attention", "matmul", "2.1B", "8B", "run")
KANANA_VOCABULARY = 128_256
GRACE = 5.0
"""Seconds after the budget at which a section that still runs is cut off."""


def main(arguments: list[str] | None = None) -> int:
    """Run the sections asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--budget", type=float, default=450.0, help="seconds; later sections are shortened")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-check"), help="report.json, report.md")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to test the check itself")
    parser.add_argument("--cases", nargs="+", help="of the training steps, those whose names begin so")
    parser.add_argument("--reference", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module=r"megatron\..*")
    if options.reference is not None:
        from hanji.training.gpu.correctness import SMALL, TINY, write_reference

        write_reference(options.reference, TINY if options.tiny else SMALL)
        return 0
    return run(options)


def run(options: argparse.Namespace) -> int:
    """Run the sections and write the report."""
    import torch
    import torch._dynamo

    from hanji.training.gpu import attention, correctness, environment, matmul, steps
    from hanji.training.gpu.child import Deadline
    from hanji.training.gpu.report import Report, say
    from hanji.training.gpu.setup import free_memory, one_rank
    from hanji.training.model.kernels import ATTENTION_BACKENDS
    from hanji.training.model.shape import ModelShape
    from hanji.training.presets import PRESETS

    small, large = PRESETS["kanana-2.1b"], replace(PRESETS["kanana-8b"], layers=8)
    vocabulary, size, model = KANANA_VOCABULARY, steps.Size(micro_batches=8, steps=3), correctness.SMALL
    if options.tiny:
        small = replace(small, layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, head_dim=16, seq_length=64)
        large = replace(large, layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, head_dim=16, seq_length=64)
        vocabulary, size, model = 256, steps.Size(micro_batches=2, steps=2), correctness.TINY
    cases = [
        case
        for case in steps.CASES
        if options.cases is None or any(case.name.startswith(prefix) for prefix in options.cases)
    ]
    # The check compiles for more shapes than a training run has.
    torch._dynamo.config.recompile_limit = 64
    report = Report(options.out)
    left = options.budget - (time.perf_counter() - STARTED)

    def cut_off() -> None:
        section = report.sections[-1] if report.sections else report.section("check", "The check")
        section.error = f"cut off: the budget of {options.budget:.0f} s is over"
        report.write()

    deadline = Deadline(max(GRACE, left + GRACE), cut_off)
    order: tuple[str, ...] = ATTENTION_BACKENDS
    with one_rank() as layout:

        def best_attention() -> None:
            nonlocal order
            order = attention.run(report, small, layout.device)

        def matrices() -> None:
            matmul.run(report, {"2.1B": small, "8B": large}, layout.device)

        def full_size(name: str, shape: ModelShape, share: float, cases: Sequence[steps.Case]) -> None:
            steps.run(report, layout, name, shape, vocabulary, cases, size, order, share * left)

        def small_run() -> None:
            from hanji.training.gpu import trainer_run

            trainer_run.run(report, ROOT, left, tiny=options.tiny)

        sections: dict[str, Callable[[], None]] = {
            "environment": lambda: environment.run(report, ROOT, tiny=options.tiny),
            "correctness": lambda: correctness.run(report, layout, SCRIPT, model),
            "attention": best_attention,
            "matmul": matrices,
            "2.1B": lambda: full_size("kanana-2.1b", small, 0.7, cases),
            "8B": lambda: full_size("a slice of kanana-8b", large, 0.93, cases[:3]),
            "run": small_run,
        }
        for name in SECTIONS:
            if name not in options.only:
                continue
            if report.elapsed > left:
                say(f"{name}: left out, the budget of {options.budget:.0f} s is spent")
                continue
            started, before = time.perf_counter(), len(report.sections)
            try:
                sections[name]()
            except Exception as error:
                last = (
                    report.section(name, f"{name}: cut off") if not report.sections else report.sections[-1]
                )
                last.error = f"{type(error).__name__}: {str(error)[:400]}"
                say(traceback.format_exc())
            if not _gpu_lives():
                rest = [other for other in SECTIONS[SECTIONS.index(name) + 1 :] if other in options.only]
                report.write()
                deadline.cancel()
                _go_on_afresh(options, rest, left - report.elapsed, name)
            free_memory()
            if report.sections[before:]:
                report.sections[-1].seconds = time.perf_counter() - started
            report.write()
        say(f"\n{report.markdown()}")
        say(f"{time.perf_counter() - STARTED:.0f} s; report in {options.out}")
        for failure in report.failures:
            say(f"FAILED {failure}")
        code = 1 if report.failures else 0
        deadline.leave(GRACE, code)
    deadline.cancel()
    return code


def _gpu_lives() -> bool:
    """False after an error that no later call to CUDA in this process survives."""
    import torch

    if not torch.cuda.is_available():
        return True
    try:
        torch.cuda.synchronize()
        torch.zeros(1, device="cuda").add_(1)
        torch.cuda.synchronize()
    except Exception as error:
        print(f"CUDA is gone in this process: {error}", flush=True)
        return False
    return True


def _go_on_afresh(options: argparse.Namespace, rest: list[str], seconds: float, after: str) -> None:
    """Run the sections that are left in a new process in place of this one, which CUDA has left."""
    from hanji.training.gpu.child import kill_all

    kill_all()
    print(f"going on in a new process with: {', '.join(rest) or 'nothing'}", flush=True)
    if not rest or seconds < 10:
        os._exit(1)
    command = [sys.executable, str(SCRIPT), "--only", *rest, "--budget", f"{seconds:.0f}"]
    command += ["--out", str(options.out / f"after-{after}"), *(["--tiny"] if options.tiny else [])]
    command += ["--cases", *options.cases] if options.cases else []
    os.execv(sys.executable, command)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: what libraries do at exit (compilers' workers, NCCL) may wait for ever.
    from hanji.training.gpu.child import kill_all

    kill_all()
    os._exit(code)
