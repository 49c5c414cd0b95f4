"""Why an attempt failed, in words, and whether starting again can mend it.

What Hanji can explain (a wrong recipe, damaged shards, too many skipped steps, too little GPU memory) would be the
same the next time and ends the run. A hang, a crash, a lost rank or a lost node is what restarts are for.
"""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from hanji.errors import HanjiError, InputError, RecipeError, RunError
from hanji.training.launchers.nodes import TryAgain
from hanji.training.loop.watchdog import HANG_EXIT

LAST_LINES = 40
MOST_RANKS = 8


@dataclass(frozen=True)
class Failure:
    """``error`` is what to raise if the run ends here, ``line`` its first line; ``final``: no restart mends it."""

    error: HanjiError
    line: str
    final: bool


def explain(logs: Path, stderr: Path, code: int, ranks: int, what: str | None = None) -> Failure:
    """The failure of an attempt.

    ``stderr`` is the log of the node that failed first, ``code`` its torchrun's exit code, ``what`` what is known
    of a node that was lost.
    """
    reported = _reported(logs)
    if reported is not None:
        return Failure(reported, str(reported).partition("\n")[0], final=True)
    hang = explain_hang(logs, ranks)
    if hang is not None:
        return Failure(RunError(f"{hang}\n  stacks: {logs}/hang-rank-*.txt"), hang, final=False)
    lines = []
    if stderr.exists():
        lines = stderr.read_text(encoding="utf-8", errors="replace").splitlines()
    line = what or _first_to_fail(lines) or f"exit code {code}"
    last = "\n".join(f"  {line}" for line in lines[-LAST_LINES:])
    message = f"training failed ({line}; exit code {code}); the whole log is {stderr}\n{last}"
    return Failure(RunError(message), line, final=False)


def _reported(logs: Path) -> HanjiError | None:
    """The error that a rank reported, of the lowest rank that did."""
    for path in sorted(logs.glob("error-rank-*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        return error_of(report["kind"], report["message"])
    return None


def error_of(kind: str, message: str) -> HanjiError:
    """An error that another process raised, by the name of its class."""
    known: dict[str, type[HanjiError]] = {one.__name__: one for one in (RecipeError, InputError, TryAgain)}
    return known.get(kind, RunError)(message)


def _first_to_fail(lines: list[str]) -> str | None:
    """What torchrun says of the rank that failed first."""
    text = "\n".join(lines)
    _, found, cause = text.rpartition("Root Cause (first observed failure):")
    if not found:
        return None
    rank = re.search(r"rank\s*: (\d+)", cause)
    code = re.search(r"exitcode\s*: (-?\d+)", cause)
    host = re.search(r"host\s*: (\S+)", cause)
    if rank is None or code is None:
        return None
    number = int(code[1])
    if number == HANG_EXIT:
        how = "was ended by its watchdog"
    elif number < 0:
        name = signal.Signals(-number).name
        how = f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    else:
        how = f"ended with code {number}"
    said = next(
        (
            line.strip()
            for line in reversed(lines)
            if re.match(r"(\[rank\d+\]: )?\w*(Error|Exception)\b", line)
        ),
        "",
    )
    return f"rank {rank[1]} on {host[1] if host else 'this machine'} {how}" + (
        f": {said[:200]}" if said else ""
    )


@dataclass(frozen=True)
class _Hang:
    rank: int
    host: str
    step: int
    doing: str
    position: int
    at: str
    waits: bool
    seconds: float


def explain_hang(logs: Path, ranks: int) -> str | None:
    """Which ranks kept the others waiting, by what their watchdogs wrote; None if no watchdog spoke.

    Every rank passes the same beats, so those at the lowest count have not reached what the others wait for.
    Where all are at the same, those outside of torch's communication are the ones that the others wait for.
    """
    told = [hang for path in sorted(logs.glob("hang-rank-*.txt")) if (hang := _read(path)) is not None]
    stuck = [path for path in logs.glob("hang-rank-*.stuck") if path.stat().st_size]
    spoke = {hang.rank for hang in told} | {int(path.stem.rpartition("-")[2]) for path in stuck}
    if not spoke:
        return None
    silent = sorted(set(range(ranks)) - spoke)
    if not told:
        return f"ranks {_numbers(sorted(spoke))} hang in native code that lets no other thread run"
    seconds = min(hang.seconds for hang in told)
    lowest, highest = min(h.position for h in told), max(h.position for h in told)
    if lowest < highest:
        behind = [hang for hang in told if hang.position == lowest]
    else:
        behind = [hang for hang in told if not hang.waits]
    waiting = [hang for hang in told if hang not in behind]
    parts = [f"no progress for {seconds:.0f} s"]
    if behind and waiting:
        parts += [f"{_place(hang)} has not reached what others wait for" for hang in behind[:MOST_RANKS]]
        parts.append(
            f"waiting: ranks {_numbers(sorted(h.rank for h in waiting))} in step {waiting[0].step}, "
            f"{waiting[0].doing}, at {waiting[0].at}"
        )
    else:
        parts += [_place(hang) for hang in told[:MOST_RANKS]]
    if silent:
        parts.append(f"ranks {_numbers(silent)} said nothing (lost, or their connection broke first)")
    return "; ".join(parts)


def _place(hang: _Hang) -> str:
    return f"rank {hang.rank} ({hang.host}) in step {hang.step}, {hang.doing}, at {hang.at}"


def _read(path: Path) -> _Hang | None:
    head, _, _ = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")
    facts = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    try:
        return _Hang(
            int(facts["rank"]),
            facts["host"],
            int(facts["step"]),
            facts["doing"],
            int(facts["position"]),
            facts["at"],
            facts["waits"] == "yes",
            float(facts["seconds"]),
        )
    except (KeyError, ValueError):
        return None


def _numbers(ranks: list[int]) -> str:
    """ "0 to 3, 7" ."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
