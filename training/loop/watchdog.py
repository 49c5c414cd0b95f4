"""The hang watchdog: a rank that gets no further says where it is, and ends so that the run can start again.

The loop tells its watchdog what it begins (:meth:`Watchdog.beat`). When nothing new has begun for too long, a
thread of the rank writes ``RUN/logs/hang-rank-N.txt``, the place and the stacks of all threads, and ends the
process with ``HANG_EXIT``. All ranks go through the same beats, so the count of them tells who is behind: the
others wait in a collective for that rank. Once one rank has spoken, those that have been idle for half as long
speak too, and each gives the others time for it before it ends.

A second line needs no Python: faulthandler's timer thread writes the stacks and ends a process whose interpreter
is held (a C extension that keeps the interpreter's lock). With NCCL the flight recorder's trace is written too.
"""

from __future__ import annotations

import faulthandler
import math
import os
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

HANG_EXIT = 85
"""Exit code of a rank that its watchdog ended."""
PATIENCE, LEAST_PATIENCE = 4.0, 120.0
"""What may take longer than a step (starting, checkpoints, validation) has so many times the seconds, or so many
seconds if that is more."""


class Watchdog:
    """Watches the thread that makes it. Use as a context manager; ``seconds`` None watches nothing."""

    def __init__(self, logs: Path, rank: int, seconds: float | None) -> None:
        self._logs, self._rank, self._seconds = logs, rank, seconds
        self._watched = threading.get_ident()
        self._position = 0
        self._step, self._doing = 0, "starting"
        self._since, self._allowed = time.monotonic(), math.inf
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._stuck: TextIO | None = None

    def __enter__(self) -> Watchdog:
        if self._seconds is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._stuck = self._path("stuck").open("w", encoding="utf-8")
            self.beat(0, "starting", patient=True)
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._stuck is not None:
            faulthandler.cancel_dump_traceback_later()
            self._stuck.close()
            self._path("stuck").unlink(missing_ok=True)

    def beat(self, step: int, doing: str, *, patient: bool = False) -> None:
        """Say what begins now, in step ``step``; ``patient``: it may take longer than a step."""
        self._position += 1
        self._step, self._doing = step, doing
        if self._stuck is not None and self._seconds is not None:
            self._allowed = longest(self._seconds) if patient else self._seconds
            # Later than the thread, which says more: only for when the thread cannot.
            late = 1.5 * self._allowed + 10.0
            faulthandler.dump_traceback_later(late, exit=True, file=self._stuck)
        self._since = time.monotonic()

    def _watch(self) -> None:
        assert self._seconds is not None
        pause = min(1.0, self._seconds / 10)
        while not self._ended.wait(pause):
            since = self._since
            idle = time.monotonic() - since
            # What waits for a rank that hangs is not patient, whatever it is.
            if idle > self._allowed or (idle > self._seconds / 2 and self._others_hang()):
                self._tell(idle)
                # Time for the others to see it and to speak before this end tears down what they wait in.
                if self._ended.wait(3 * pause + 1.0):
                    return
                if self._since == since:
                    self._path("stuck").unlink(missing_ok=True)
                    os._exit(HANG_EXIT)
                self._path("txt").unlink(missing_ok=True)

    def _others_hang(self) -> bool:
        return any(self._logs.glob("hang-rank-*.txt"))

    def _tell(self, idle: float) -> None:
        frame = sys._current_frames().get(self._watched)
        head = {
            "rank": self._rank,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "step": self._step,
            "doing": self._doing,
            "position": self._position,
            "seconds": f"{idle:.1f}",
            "at": where(frame),
            "waits": "yes" if in_collective(frame) else "no",
        }
        partial = self._path("part")
        with partial.open("w", encoding="utf-8") as file:
            file.write("".join(f"{name}: {value}\n" for name, value in head.items()) + "\n")
            file.flush()
            faulthandler.dump_traceback(file=file, all_threads=True)
        partial.replace(self._path("txt"))
        print(
            f"rank {self._rank}: no progress for {idle:.0f} s in step {self._step}, {self._doing}, at {head['at']}",
            file=sys.stderr,
            flush=True,
        )
        write_flight_record(self._logs, self._rank)

    def _path(self, suffix: str) -> Path:
        return self._logs / f"hang-rank-{self._rank}.{suffix}"


def longest(seconds: float) -> float:
    """How long a patient phase may take where a step may take ``seconds``."""
    return max(PATIENCE * seconds, LEAST_PATIENCE)


def where(frame: FrameType | None) -> str:
    """The innermost line of this project in a stack, and the innermost of all: "FILE:LINE NAME, in NAME"."""
    if frame is None:
        return "unknown"
    stack = traceback.extract_stack(frame)
    root = str(Path(__file__).parent.parent)
    ours = [entry for entry in stack if entry.filename.startswith(root)]
    chosen, last = (ours or stack)[-1], stack[-1]
    parts = Path(chosen.filename).parts[-2:]
    place = f"{'/'.join(parts)}:{chosen.lineno} {chosen.name}"
    return place if chosen is last else f"{place}, in {Path(last.filename).name}:{last.lineno} {last.name}"


def in_collective(frame: FrameType | None) -> bool:
    """Whether the stack's innermost Python code is torch's or Megatron's communication."""
    if frame is None:
        return False
    name = frame.f_code.co_filename
    return any(
        part in name for part in ("torch/distributed/", "p2p_communication", "tensor_parallel/mappings")
    )


def write_flight_record(logs: Path, rank: int) -> None:
    """Write what torch's flight recorder knows of the last collectives, for ``torchfrtrace``."""
    try:
        import torch

        dump: Any = getattr(torch._C._distributed_c10d, "_dump_nccl_trace", None)
        if dump is not None and torch.distributed.is_initialized():
            (logs / f"nccl-trace-rank-{rank}").write_bytes(dump())
    except Exception as error:
        # A process that is about to end for a hang must not be kept by its own report.
        print(f"rank {rank}: no flight record: {error}", file=sys.stderr, flush=True)
