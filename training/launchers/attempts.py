"""One attempt after another: the ranks are started again from the newest checkpoint when they were lost.

Node 0 decides (:func:`lead`), the others do as it says (:func:`follow`). After a failed attempt that a new start
can mend, there is another, up to ``health.restarts`` in a row without a new checkpoint in between; one that got
further sets the count back. What the ranks wrote in RUN/logs is kept in RUN/logs/attempt-N.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hanji.errors import HanjiError
from hanji.progress import Progress
from hanji.training.launchers.failure import Failure, error_of, explain
from hanji.training.launchers.nodes import JOIN_SECONDS, LOST_SECONDS, Board, Nodes, TryAgain, free_port
from hanji.training.launchers.ranks import Ranks, stderr_name
from hanji.training.recipe import TrainingRecipe

LONGEST_PAUSE = 60.0
END_SECONDS = 120.0
"""How long the other nodes' ranks may take to end after those of node 0 have."""


class Stop:
    """Whether this launcher was asked to stop, by SIGTERM, Ctrl-C or SIGUSR1 (Slurm, before its time limit)."""

    def __init__(self) -> None:
        self.asked = False
        self.ranks: Ranks | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for as long as this lasts; in another thread than the main one nobody does."""

        def stop(*_: Any) -> None:
            self.asked = True
            if self.ranks is not None:
                self.ranks.stop()

        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1) if main else ()
        previous = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class End:
    """How an attempt ended: torchrun's code, whether the ranks stopped as asked, and the node lost first."""

    code: int
    stopped: bool
    lost: tuple[int, str] | None = None

    @property
    def fine(self) -> bool:
        # torchrun ends with an error after a SIGTERM even where all ranks ended well.
        return self.stopped or (self.code == 0 and self.lost is None)


def lead(recipe: TrainingRecipe, nodes: Nodes, progress: Progress) -> None:
    """Run the ranks of all nodes to their end, from node 0. Raises what ended the run if it did not end well."""
    run, logs = Path(recipe.run), Path(recipe.run) / "logs"
    board, stop = Board(run, nodes), Stop()
    board.open()
    newest, used, attempt = newest_checkpoint(run), 0, 0
    with stop.listening():
        while True:
            attempt += 1
            try:
                end = _attempt(recipe, nodes, board, stop, attempt, progress)
            except HanjiError as error:
                _announce(board, attempt, error)
                raise
            if end.fine:
                board.say(attempt=attempt, state="done")
                return
            failed = logs / stderr_name(end.lost[0] if end.lost else 0)
            what = f"node {end.lost[0]}: {end.lost[1]}" if end.lost else None
            failure = explain(logs, failed, end.code, recipe.parallel.ranks, what)
            now = newest_checkpoint(run)
            used, newest = (0 if now > newest else used), now
            if failure.final or stop.asked or used >= recipe.health.restarts:
                ended = _ended(failure, used, stop)
                _announce(board, attempt, ended)
                raise ended
            used += 1
            _keep_logs(logs, attempt)
            progress.note(
                f"attempt {attempt} failed: {failure.line}; starting again "
                + (f"from step {now}" if now >= 0 else "from the beginning")
                + f" (restart {used} of {recipe.health.restarts} without a new checkpoint)"
            )
            _pause(min(LONGEST_PAUSE, 2.0 ** (used - 1)), stop, board)


def _attempt(
    recipe: TrainingRecipe, nodes: Nodes, board: Board, stop: Stop, attempt: int, progress: Progress
) -> End:
    logs = Path(recipe.run) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    board.gather(attempt, lambda: stop.asked)
    ready, port = board.tokens(), free_port()
    board.say(attempt=attempt, state="run", port=port, host_of_ranks=nodes.host)
    ranks = Ranks(recipe, Path(recipe.run) / "recipe.json", logs, nodes, port)
    stopped, lost = False, None
    with _running(ranks, stop):
        while (code := ranks.code()) is None:
            for line in ranks.lines(0.5):
                stopped |= _follow_event(line, progress, logs) == "stopped"
            board.beat()
            if lost is None and (lost := board.lost(attempt, ready)) and not stop.asked:
                # The others' watchdogs get a moment to say where they wait.
                _settle(ranks, 10.0 if recipe.health.hang_seconds is not None else 0.0, board)
                ranks.kill()
        if nodes.count > 1 and (code or lost) and not stopped:
            board.say(attempt=attempt, state="over")
        if code == 0 and lost is None and nodes.count > 1:
            lost = _others_end(board, attempt, ready)
    return End(code, stopped, lost)


def _settle(ranks: Ranks, seconds: float, board: Board) -> None:
    limit = time.monotonic() + seconds
    while ranks.process.poll() is None and time.monotonic() < limit:
        board.beat()
        time.sleep(0.2)


def _others_end(board: Board, attempt: int, ready: dict[int, str]) -> tuple[int, str] | None:
    """Wait for the other nodes' ranks, which end when those of node 0 do."""
    limit = time.monotonic() + END_SECONDS
    while time.monotonic() < limit:
        if lost := board.lost(attempt, ready):
            return lost
        others = [board.read(node) for node in range(1, board.nodes.count)]
        if all(board.about(said, attempt) and said.get("state") == "ended" for said in others):
            return None
        board.beat()
        time.sleep(0.2)
    return None


def follow(recipe: TrainingRecipe, nodes: Nodes, progress: Progress, refused: str | None = None) -> None:
    """Run this node's ranks as node 0 says. Raises what it says when the run fails, RunError when it is gone.

    ``refused`` is told to node 0 instead: why this node cannot take part.
    """
    run, logs = Path(recipe.run), Path(recipe.run) / "logs"
    board, stop = Board(run, nodes), Stop()
    stale = board.read(0).get("token") if board.read(0).get("state") in ("done", "failed") else None
    limit, joined = time.monotonic() + JOIN_SECONDS, False
    told: tuple[Any, Any] = (None, None)
    with stop.listening():
        while True:
            said = board.read(0)
            now = (said.get("token"), said.get("attempt"))
            state = said.get("state") if now[0] != stale else None
            if state == "failed":
                raise error_of(str(said.get("kind")), f"node 0: {said.get('message')}")
            if state == "done":
                return
            if stop.asked:
                raise TryAgain("asked to stop while the nodes gathered; the same command goes on")
            if state == "gather" and told != now:
                board.say(
                    leader=now[0], attempt=now[1], state="refused" if refused else "ready", message=refused
                )
                told = now
                if refused:
                    return
            if state == "run" and told == now:
                _part(recipe, nodes, board, stop, said, progress, logs)
                told, joined = (None, None), True
            if joined and board.silent(0, said):
                raise TryAgain(f"node 0 has said nothing for {LOST_SECONDS:g} s; its launcher is gone")
            if not joined and time.monotonic() > limit:
                raise TryAgain(
                    f"node 0 did not begin within {JOIN_SECONDS:g} s: it must run the same command with --node 0, "
                    f"and both must see {run}"
                )
            board.beat()
            time.sleep(0.2)


def _part(
    recipe: TrainingRecipe,
    nodes: Nodes,
    board: Board,
    stop: Stop,
    said: dict[str, Any],
    progress: Progress,
    logs: Path,
) -> None:
    """This node's ranks in one attempt, until they end or node 0 says that it is over."""
    about = {"leader": said["token"], "attempt": said["attempt"]}
    board.say(**about, state="running")
    progress.note(f"attempt {said['attempt']}: starting this node's ranks")
    # Node 0 may have come back on another machine.
    nodes = replace(nodes, host=said["host_of_ranks"])
    ranks = Ranks(recipe, Path(recipe.run) / "recipe.json", logs, nodes, int(said["port"]))
    with _running(ranks, stop):
        ending: float | None = None
        while (code := ranks.code()) is None:
            for line in ranks.lines(0.5):
                _follow_event(line, progress, logs)
            board.beat()
            leader = board.read(0)
            if board.silent(0, leader):
                ranks.kill()
                break
            same = (leader.get("token"), leader.get("attempt")) == (about["leader"], about["attempt"])
            if leader and not (same and leader.get("state") == "run"):
                # Done: ours are about to end too. Over: they wait for ranks that are no more.
                patience = END_SECONDS if same and leader.get("state") == "done" else 10.0
                ending = ending or time.monotonic() + patience
                if time.monotonic() > ending:
                    ranks.kill()
    board.say(**about, state="ended", code=ranks.process.returncode if code is None else code)


@contextlib.contextmanager
def _running(ranks: Ranks, stop: Stop) -> Iterator[None]:
    stop.ranks = ranks
    if stop.asked:
        ranks.stop()
    try:
        yield
    finally:
        stop.ranks = None
        if ranks.process.poll() is None:
            # Something went wrong in this launcher, not in the ranks: they may save.
            ranks.stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                ranks.process.wait(END_SECONDS)
            ranks.kill()


def _follow_event(line: str, progress: Progress, logs: Path) -> str | None:
    """Pass an event on to the progress display; its kind, or None for a line that is not an event."""
    try:
        event: dict[str, Any] = json.loads(line)
        kind = event["kind"]
    except (ValueError, KeyError, TypeError):
        with (logs / "stdout.log").open("a", encoding="utf-8") as file:
            file.write(line)
        return None
    if kind == "stage":
        progress.step(event["stage"], event["steps"], event["done"])
    if event.get("text"):
        progress.note(event["text"])
    if kind == "step":
        progress.advance()
    return str(kind)


def _ended(failure: Failure, used: int, stop: Stop) -> HanjiError:
    if failure.final or not (used or stop.asked):
        return failure.error
    if stop.asked:
        return TryAgain(f"asked to stop before the ranks could save: {failure.error}")
    kind = type(failure.error)
    return kind(f"{used} restarts in a row brought no new checkpoint; the last failure: {failure.error}")


def _announce(board: Board, attempt: int, error: HanjiError) -> None:
    board.say(attempt=attempt, state="failed", kind=type(error).__name__, message=str(error))


def _keep_logs(logs: Path, attempt: int) -> None:
    """Put the files of an attempt into a directory of their own."""
    kept = logs / f"attempt-{attempt}"
    kept.mkdir(parents=True, exist_ok=True)
    for path in logs.iterdir():
        if path.is_file():
            path.replace(kept / path.name)


def _pause(seconds: float, stop: Stop, board: Board) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and not stop.asked:
        board.beat()
        time.sleep(0.1)
    if stop.asked:
        raise TryAgain(
            "asked to stop between two attempts; the same command goes on from the newest checkpoint"
        )


def newest_checkpoint(run: Path) -> int:
    """Step of the newest committed checkpoint, -1 if there is none."""
    names = [path.parent.name for path in (run / "checkpoints").glob("step-*/commit.json")]
    steps = [int(found[1]) for name in names if (found := re.fullmatch(r"step-(\d+)", name))]
    return max(steps, default=-1)


def clear_logs(logs: Path) -> None:
    """Remove the logs of an earlier call."""
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
