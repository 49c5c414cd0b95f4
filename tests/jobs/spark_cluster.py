"""A standalone Spark cluster of its own for a test: a master and workers, real processes on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyspark

HOME = Path(pyspark.__file__).parent


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def spark_cluster(directory: Path, workers: int = 2) -> Iterator[str]:
    """Start it, give the master's URL, and take everything down afterwards."""
    port = _free_port()
    address = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "SPARK_DAEMON_MEMORY": "256m",
        # The interpreter that the executors' `python` is.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    deploy = "org.apache.spark.deploy"
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> Path:
        log = directory / f"{name}.log"
        with log.open("wb") as output:
            started.append(
                subprocess.Popen(
                    [str(HOME / "bin/spark-class"), *arguments],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return log

    master = start(
        *("master", f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port)),
        *("--webui-port", str(_free_port())),
    )
    try:
        for number in range(workers):
            start(
                *(f"worker-{number}", f"{deploy}.worker.Worker", address, "--cores", "1", "--memory", "3g"),
                *("--host", "127.0.0.1", "--webui-port", str(_free_port())),
                *("--work-dir", str(directory / f"work-{number}")),
            )
        limit = time.monotonic() + 120
        while master.read_text(errors="replace").count("Registering worker") < workers:
            if time.monotonic() > limit or any(process.poll() is not None for process in started):
                raise RuntimeError(f"Spark did not come up:\n{master.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield address
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
