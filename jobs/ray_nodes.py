"""Training over several nodes of a Ray cluster: an actor a node, each of which runs the launcher of its node.

The actors are placed by a placement group that spreads its bundles over as many nodes (STRICT_SPREAD), with the
CPUs and GPUs that the recipe asks for. What the launchers do among themselves is theirs
(hanji.training.launchers.nodes); here they are started, listened to, and started again on another node when one
is lost. A launcher asks to be told when its actor ends, so that ranks save and stop whatever way a job is stopped.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from hanji.cluster import ClusterSettings
from hanji.errors import InputError, RunError
from hanji.jobs.terminal import say
from hanji.training.launchers.nodes import TryAgain
from hanji.training.launchers.ranks import stop_with_parent

PLACE_SECONDS = 300.0
ANOTHER_NODE = 3
"""How often a node that was lost is replaced."""
TRY_AGAIN = TryAgain.exit_code


class NodeLauncher:
    """The actor: one node's launcher as a child process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def address(self) -> str:
        """This node's address."""
        import ray

        return str(ray.util.get_node_ip_address())

    def begin(self, facts: str, node: int, nodes: int, host: str) -> None:
        """Start the launcher; nothing if it is at work (the connection was lost, not the node)."""
        if self._process is not None and self._process.poll() is None:
            return
        path = Path(tempfile.mkdtemp(prefix="hanji-node-")) / "job.json"
        path.write_text(facts, encoding="utf-8")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "hanji.jobs.remote", str(path)),
                *("--nodes", str(nodes), "--node", str(node), "--host", host),
                *("--stopped-code", str(TRY_AGAIN)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            preexec_fn=stop_with_parent,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def hear(self, seconds: float) -> tuple[str, int | None]:
        """What the launcher said since the last call, and its exit code once it has ended."""
        assert self._process is not None
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(seconds)
        text = ""
        while not self._said.empty():
            text += self._said.get()
        return text, code

    def stop(self) -> None:
        """Ask the launcher to have its ranks save and end."""
        if self._process is not None:
            self._process.terminate()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)


class _Node:
    """The driver's side of a node's actor."""

    def __init__(self, actor: Any, number: int) -> None:
        self.actor, self.number = actor, number
        self.asked: Any = None
        self.code: int | None = None
        self.lost = 0
        self.last = ""


def train_over_nodes(facts: dict[str, Any], settings: ClusterSettings, ranks: int, stopped_code: int) -> int:
    """Run a training job on ``settings.nodes`` nodes of the cluster that this process belongs to; the exit code.

    Raises InputError when the cluster has not so many nodes of that size, RunError when nodes are lost too often.
    """
    import ray

    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    group, actors = _place(ray, settings, ranks)
    nodes = [_Node(actor, number) for number, actor in enumerate(actors)]
    text, stopping = json.dumps(facts, ensure_ascii=False), False

    def begin(node: _Node, host: str) -> None:
        ray.get(node.actor.begin.remote(text, node.number, len(nodes), host))
        node.asked = node.code = None

    def stop(*_: Any) -> None:
        nonlocal stopping
        stopping = True
        for node in nodes:
            node.actor.stop.remote()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        addresses = ray.get([node.actor.address.remote() for node in nodes])
        say(f"{len(nodes)} nodes: {', '.join(addresses)}")
        for node in nodes:
            begin(node, addresses[0])
        while any(node.code is None for node in nodes):
            for node in nodes:
                if node.code is None and node.asked is None:
                    node.asked = node.actor.hear.remote(1.0)
            waiting = {node.asked: node for node in nodes if node.code is None}
            for answered in ray.wait(list(waiting), num_returns=1, timeout=5.0)[0]:
                node = waiting[answered]
                node.asked = None
                try:
                    _heard(node, *ray.get(answered))
                except ray.exceptions.RayActorError as error:
                    node.lost += 1
                    if node.lost > ANOTHER_NODE:
                        raise RunError(f"node {node.number} was lost {node.lost} times: {error}") from None
                    say(f"node {node.number} was lost; it is started anew")
                    addresses[node.number] = _address(ray, node)
                    begin(node, addresses[0])
                if node.code == TRY_AGAIN and not stopping:
                    # The others saved when its launcher was told to stop, or gave a lost node up.
                    begin(node, addresses[0])
    finally:
        for node in nodes:
            ray.kill(node.actor)
        ray.util.remove_placement_group(group)
    code = nodes[0].code or max(node.code or 0 for node in nodes)
    return stopped_code if code == TRY_AGAIN else code


def _place(ray: Any, settings: ClusterSettings, ranks: int) -> tuple[Any, list[Any]]:
    from ray.util.placement_group import placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    gpus = settings.gpus_per_node
    cpus = settings.cpus_per_node or (1 if gpus else ranks // settings.nodes)
    bundle: dict[str, float] = {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
    group = placement_group([bundle] * settings.nodes, strategy="STRICT_SPREAD")
    if not group.wait(PLACE_SECONDS):
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        sizes = "; ".join(f"{one.get('CPU', 0):g} CPUs, {one.get('GPU', 0):g} GPUs" for one in alive)
        ray.util.remove_placement_group(group)
        raise InputError(
            f"cluster.nodes: {settings.nodes} nodes with {cpus} CPUs and {gpus} GPUs each were not free within "
            f"{PLACE_SECONDS:g} s; the cluster has: {sizes}"
        )
    actor = ray.remote(NodeLauncher)
    return group, [
        actor.options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_restarts=ANOTHER_NODE,
            scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number),
        ).remote()
        for number in range(settings.nodes)
    ]


def _address(ray: Any, node: _Node) -> str:
    """The address of a node's actor, once Ray has started it again."""
    limit = time.monotonic() + PLACE_SECONDS
    while True:
        try:
            return str(ray.get(node.actor.address.remote(), timeout=PLACE_SECONDS))
        except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError) as error:
            if time.monotonic() > limit:
                raise RunError(
                    f"node {node.number} was lost, and the cluster had no other for {PLACE_SECONDS:g} s: {error}"
                ) from None
        time.sleep(2.0)


def _heard(node: _Node, text: str, code: int | None) -> None:
    """Node 0 speaks for all; the others only when they end badly."""
    node.code = code
    if node.number == 0:
        print(text, end="", flush=True)
        return
    node.last = (node.last + text)[-4000:]
    if code:
        say(f"node {node.number} ended with code {code}:\n{node.last}")
