"""A Ray head of its own for a test, with dashboard and token authentication."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Hanji = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs the command line: arguments, cwd and environment variables in, the finished process out."""


@dataclass(frozen=True)
class Head:
    """Where the dashboard is, and the token that it wants; ``gcs`` is what other nodes join."""

    address: str
    token: str
    token_file: Path
    gcs: str = ""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _agent_ports() -> list[str]:
    """An agent whose fixed port is taken, by another node of this machine, never takes a job."""
    return [f"--dashboard-agent-listen-port={_free_port()}", f"--dashboard-agent-grpc-port={_free_port()}"]


@contextlib.contextmanager
def ray_head(directory: Path, cpus: int = 2) -> Iterator[Head]:
    """Start a head in a process group of its own, wait for its Jobs API, and take it all down afterwards."""
    token, port, dashboard = secrets.token_hex(32), _free_port(), _free_port()
    # Ray's sockets live below this directory, and the path of a socket is short.
    home = tempfile.mkdtemp(prefix="hj")
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [
        *(str(Path(sys.executable).parent / "ray"), "start", "--head", "--block"),
        *(f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"),
        *(f"--num-cpus={cpus}", "--object-store-memory=100000000", f"--temp-dir={home}"),
        *_agent_ports(),
    ]
    log = directory / "head.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        _wait(address, token, process, log)
        token_file = directory / "token"
        token_file.write_text(token + "\n")
        yield Head(address, token, token_file, f"127.0.0.1:{port}")
    finally:
        _end(process, signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def ray_node(head: Head, directory: Path, cpus: int = 1) -> Iterator[Callable[[], None]]:
    """A further node of a head's cluster, on this machine. Gives a function that kills it without a word."""
    # A directory of its own: a node that starts clears away what another one unpacked there.
    home = tempfile.mkdtemp(prefix="hn")
    command = [
        *(str(Path(sys.executable).parent / "ray"), "start", "--block", f"--address={head.gcs}"),
        *(f"--num-cpus={cpus}", "--object-store-memory=100000000", f"--temp-dir={home}", *_agent_ports()),
    ]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": head.token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (directory / f"node-{secrets.token_hex(4)}.log").open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
        )
    try:
        yield lambda: _lose(process)
    finally:
        _end(process, signal.SIGTERM)
        shutil.rmtree(home, ignore_errors=True)


def _lose(process: subprocess.Popen[bytes]) -> None:
    """As if a machine lost its power: all that was started on it is gone, whatever its group."""
    import psutil

    members = psutil.Process(process.pid).children(recursive=True)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    _end(process, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End a node and all its processes, which are in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(8)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait(address: str, token: str, process: subprocess.Popen[bytes], log: Path) -> None:
    request = urllib.request.Request(f"{address}/api/jobs/", headers={"Authorization": f"Bearer {token}"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"the Ray head did not come up:\n{log.read_text(errors='replace')[-3000:]}")
