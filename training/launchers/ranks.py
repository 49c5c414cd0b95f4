"""The ranks of one node: a torchrun process, what it says, and its end."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hanji.errors import RunError
from hanji.progress import Progress
from hanji.training import worker
from hanji.training.launchers.nodes import Nodes
from hanji.training.loop.metrics import EVENTS
from hanji.training.recipe import TrainingRecipe

STOP_SECONDS = 3600
"""How long ranks that were asked to stop may take to finish their step and save, before torchrun kills them."""
WORKER = str(Path(worker.__file__))
"""What each rank runs, by path, so that it works from any directory."""
_PR_SET_PDEATHSIG = 1


def wait_for_earlier(recipe: TrainingRecipe, nodes: Nodes, progress: Progress) -> None:
    """Wait until the ranks of a launcher that was killed have finished their step, saved and ended on this node.

    Raises RunError when they are still at work after STOP_SECONDS.
    """
    limit, told = time.monotonic() + STOP_SECONDS, False
    while True:
        try:
            os.close(_hold(recipe, nodes))
        except RunError:
            if time.monotonic() > limit:
                raise
            if not told:
                progress.note("waiting for the ranks of an earlier start, which finish their step and save")
                told = True
            time.sleep(0.2)
        else:
            return


def _hold(recipe: TrainingRecipe, nodes: Nodes) -> int:
    """Take the lock of this node's ranks; the open file holds it. Raises RunError while other ranks have it.

    torchrun inherits the file, and ends after its ranks: so they keep others out when their launcher is gone.
    """
    path = Path(recipe.run) / "nodes" / f"ranks-{nodes.rank}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            return file
        os.close(file)
        if not isinstance(error, BlockingIOError):
            raise
        raise RunError(
            f"{recipe.run}: ranks of an earlier start are still at work there; wait until they have ended"
        ) from None
    return file


class Ranks:
    """torchrun on this node, started by the constructor."""

    def __init__(
        self,
        recipe: TrainingRecipe,
        recipe_file: Path,
        logs: Path,
        nodes: Nodes,
        port: int,
    ) -> None:
        here = recipe.parallel.ranks // nodes.count
        if nodes.count == 1:
            place = ["--standalone", "--nnodes=1"]
        else:
            place = [
                *(f"--nnodes={nodes.count}", f"--node-rank={nodes.rank}"),
                *(f"--master-addr={nodes.host}", f"--master-port={port}"),
            ]
        command = [
            *(sys.executable, "-m", "torch.distributed.run", *place, f"--nproc-per-node={here}"),
            f"--shutdown-timeout={STOP_SECONDS}",
            "--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",
            *(WORKER, str(recipe_file)),
        ]
        environment = {**os.environ, EVENTS: "1", "PYTHONUNBUFFERED": "1"}
        environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // here)))
        # NCCL's flight recorder: what a rank's last collectives were, written when one of them times out.
        environment.setdefault("TORCH_NCCL_DUMP_ON_TIMEOUT", "1")
        environment.setdefault("TORCH_NCCL_DEBUG_INFO_TEMP_FILE", str(logs / "nccl-trace-rank-"))
        self.logs, self.stderr = logs, logs / stderr_name(nodes.rank)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        lock = _hold(recipe, nodes)
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                errors="replace",
                # Ctrl-C must reach the ranks as one SIGTERM, by which they save, not as a SIGINT each.
                start_new_session=True,
                pass_fds=(lock,),
                # Without this launcher nobody looks after the ranks: they save and stop.
                preexec_fn=stop_with_parent,
            )
        os.close(lock)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def lines(self, seconds: float) -> Iterator[str]:
        """What the ranks said on stdout, for at most ``seconds`` and until they end."""
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                return
            if line is None:
                # Nothing will come: torchrun is about to end.
                self._lines.put(None)
                time.sleep(min(left, 0.05))
                return
            yield line

    def code(self) -> int | None:
        """torchrun's exit code once it has ended and all that was said has been read."""
        if self._reader.is_alive() or self._lines.qsize() > 1:
            return None
        return self.process.poll()

    def stop(self) -> None:
        """Ask the ranks to save and end."""
        if self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        """End torchrun and its ranks at once; they are gone when this returns."""
        import psutil

        members: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            members = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait()
        psutil.wait_procs(members, timeout=30)
        self._reader.join(10)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)


def stderr_name(node: int) -> str:
    """File in RUN/logs with what the ranks of a node say on stderr."""
    return "stderr.log" if node == 0 else f"stderr-node-{node}.log"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _death_signal() -> Callable[[int, int], int] | None:
    """Linux's prctl, looked up before any fork."""
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[[int, int], int] = ctypes.CDLL(None, use_errno=True).prctl
    return function


_prctl = _death_signal()


def stop_with_parent() -> None:
    """In a child, before it runs its program: have a SIGTERM sent to it when its parent ends."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
