"""Several nodes: how their launchers agree on one attempt after another, through files in the run directory.

Each node has a launcher; that of node 0 leads. The run directory is on a file system that all see (the recipe
says so), and ``RUN/nodes/`` is where they meet:

- ``leader.json``: the leader's token (a new one each time it starts), the number of the attempt, and its state:
  ``gather`` (who is there?), ``run`` (start your ranks, this is the port), ``done`` or ``failed``;
- ``node-K.json``: what node K says of the attempt: ``ready``, ``running``, ``ended`` with a code, or ``refused``.

An attempt starts when all nodes are ready for it, and a node is ready only when none of its ranks is left from
the one before. It is over for all as soon as one node's ranks end badly, one node has been started anew, or one is
silent: the leader then decides for all whether there is another. torchrun's own restarts are not used: they
count every restart alike, know nothing of progress, and would repeat what no restart can mend. A writer counts
up ``beat`` now and then; whoever sees no change for LOST_SECONDS takes it for gone. No clocks are compared.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanji.errors import RecipeError, RunError

BEAT_SECONDS = 5.0
LOST_SECONDS = 120.0
JOIN_SECONDS = 900.0
"""How long nodes wait for each other at the start of an attempt."""


class TryAgain(RunError):
    """Nothing is wrong with the run: it was asked to stop, or a node was lost. The same command goes on."""

    # As in sysexits.h: a temporary failure.
    exit_code = 75


@dataclass(frozen=True)
class Nodes:
    """This node's place among those of a run: ``rank`` of ``count``; ``host`` is where node 0 is reached."""

    rank: int = 0
    count: int = 1
    host: str = "localhost"

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.rank < self.count:
            raise RecipeError(f"--node {self.rank} of --nodes {self.count}: nodes are counted from 0")
        if self.count > 1 and (not self.host or self.host.startswith("-") or not self.host.isprintable()):
            raise RecipeError(f"--host: {self.host!r} is not allowed: name or address of node 0")

    def check(self, ranks: int) -> None:
        """Raise RecipeError unless the ranks can be dealt to the nodes evenly."""
        if ranks % self.count:
            raise RecipeError(
                f"parallel: {ranks} ranks (tensor × pipeline × context × data) cannot be dealt to {self.count} "
                "nodes evenly"
            )


class Board:
    """What a node's launcher writes, and what it sees of the others."""

    def __init__(self, run: Path, nodes: Nodes) -> None:
        self.nodes = nodes
        self.token = secrets.token_hex(8)
        self._directory = run / "nodes"
        self._mine: dict[str, Any] = {}
        self._written = 0.0
        self._beat = 0
        self._seen: dict[int, tuple[int, float]] = {}

    def open(self) -> None:
        """Clear what an earlier launch left (node 0)."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in self._directory.glob("*.json"):
            path.unlink(missing_ok=True)

    def say(self, **facts: Any) -> None:
        """Write this node's file."""
        self._mine = facts
        self._write()

    def beat(self) -> None:
        """Write it again if it is time: a sign of life."""
        if self._mine and time.monotonic() - self._written >= BEAT_SECONDS:
            self._write()

    def read(self, node: int) -> dict[str, Any]:
        """What node ``node`` says; {} for nothing."""
        try:
            data: dict[str, Any] = json.loads(self._path(node).read_bytes())
        except (OSError, ValueError):
            return {}
        return data

    def silent(self, node: int, said: dict[str, Any]) -> bool:
        """Whether what a node says has not changed for too long."""
        now = time.monotonic()
        beat = hash((said.get("token"), said.get("beat")))
        before = self._seen.get(node)
        if before is None or before[0] != beat:
            self._seen[node] = (beat, now)
            return False
        return now - before[1] > LOST_SECONDS

    def gather(self, attempt: int, stopped: Any) -> None:
        """Wait until all other nodes are ready for this attempt (node 0). Raises TryAgain naming absent ones."""
        self.say(attempt=attempt, state="gather")
        limit = time.monotonic() + JOIN_SECONDS
        while True:
            absent = []
            for node in range(1, self.nodes.count):
                said = self.read(node)
                if said.get("leader") == self.token and said.get("state") == "refused":
                    raise RunError(f"node {node} ({said.get('host')}): {said.get('message')}")
                if not self.about(said, attempt) or said.get("state") != "ready":
                    absent.append(node)
            if not absent:
                self._seen.clear()
                return
            if stopped():
                raise TryAgain("asked to stop while the nodes gathered; the same command goes on")
            if time.monotonic() > limit:
                raise TryAgain(
                    f"these nodes of {self.nodes.count} did not come within {JOIN_SECONDS:g} s: "
                    f"{', '.join(map(str, absent))}. Each must run the same command with its own --node, and see "
                    f"{self._directory}"
                )
            self.beat()
            time.sleep(0.2)

    def about(self, said: dict[str, Any], attempt: int) -> bool:
        """Whether a node speaks of this leader's attempt of that number."""
        return said.get("leader") == self.token and said.get("attempt") == attempt

    def lost(self, attempt: int, ready: dict[int, str]) -> tuple[int, str] | None:
        """The first node whose part in this attempt has ended badly, and how (node 0). ``ready``: their tokens."""
        for node in range(1, self.nodes.count):
            said = self.read(node)
            if said and ready.get(node) not in (None, said.get("token")):
                return node, "was started anew"
            if self.about(said, attempt) and said.get("state") == "ended" and said.get("code") != 0:
                return node, f"its ranks ended with code {said.get('code')}"
            if self.silent(node, said):
                return node, f"has said nothing for {LOST_SECONDS:g} s"
        return None

    def tokens(self) -> dict[int, str]:
        """Tokens of the other nodes' launchers."""
        return {node: str(self.read(node).get("token")) for node in range(1, self.nodes.count)}

    def _write(self) -> None:
        self._beat += 1
        facts = {**self._mine, "token": self.token, "host": socket.gethostname(), "beat": self._beat}
        path = self._path(self.nodes.rank)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps(facts), encoding="utf-8")
        partial.replace(path)
        self._written = time.monotonic()

    def _path(self, node: int) -> Path:
        return self._directory / ("leader.json" if node == 0 else f"node-{node}.json")


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])
