"""Starting Spark: embedded in this process, joined by its master's address, or as spark-submit set it up.

Needs pyspark and Java 17 or newer on the machine of the driver. What an embedded Spark's JVM says goes to a file,
shown only if it does not come up: failures of tasks reach the caller as exceptions, not as Java's stack traces on
the terminal. On a cluster Spark's warnings are shown, since they tell why nothing starts.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hanji.errors import InputError, MissingExtraError

OLDEST_JAVA = 17
# A driver's JVM lives for minutes and mostly waits: without the optimising compiler and parallel collectors it
# starts in a third of the processor time, and hands tasks out as fast.
EMBEDDED_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def java_version(java: str) -> int | None:
    """The major version of a java executable (1.8 is 8); None if it cannot be run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else None


def find_java() -> str | None:
    """The java that Spark's scripts will run: that of JAVA_HOME, or the one on the PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else shutil.which("java")


def why_not() -> str | None:
    """What keeps Spark from running here, with the remedy; None if nothing does."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed: pip install 'hanji[spark]'"
    java = find_java()
    if java is None:
        return f"no Java: Spark needs Java {OLDEST_JAVA} or newer on the PATH, or JAVA_HOME"
    version = java_version(java)
    if version is None:
        return f"{java} cannot be run: Spark needs Java {OLDEST_JAVA} or newer on the PATH, or JAVA_HOME"
    if version < OLDEST_JAVA:
        return f"{java} is Java {version}: Spark needs Java {OLDEST_JAVA} or newer on the PATH, or JAVA_HOME"
    return None


def start(address: str | None, workers: int | None, retries: int) -> tuple[Any, bool]:
    """(SparkContext, whether it was made here). A context that this process has already is taken as it is.

    ``address`` is a master URL; None means the master that spark-submit was given, else ``local[workers]`` here.
    ``workers`` bounds the cores of a standalone cluster. Raises MissingExtraError without pyspark, InputError
    without Java or where the master does not answer.
    """
    try:
        from pyspark import SparkConf, SparkContext
    except ImportError:
        raise MissingExtraError("the engine spark", "spark") from None

    if SparkContext._active_spark_context is not None:
        return SparkContext._active_spark_context, False
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not submitted and (reason := why_not()) is not None:
        raise InputError(f"engine.name spark: {reason}")
    if address is None and not submitted:
        address = f"local[{workers or os.cpu_count() or 1}]"
    conf = SparkConf()
    defaults = {
        "spark.app.name": "hanji",
        # Of machine trouble; what a task raises on purpose comes back as a result.
        "spark.task.maxFailures": str(retries + 1),
        "spark.ui.showConsoleProgress": "false",
        # A command of a task is small; results are records of what was committed, not rows.
        "spark.driver.maxResultSize": "0",
    }
    if address is not None:
        if found := re.fullmatch(r"local\[(\d+|\*)\]", address):
            address = f"local[{found[1]},{retries + 1}]"
        conf.setMaster(address)
        if workers is not None and address.startswith("spark://"):
            defaults["spark.cores.max"] = str(workers)
    if address is not None and address.startswith("local"):
        defaults |= {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": EMBEDDED_JAVA,
            # Workers are other processes, and find modules where this one does.
            "spark.executorEnv.PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        }
        if not submitted:
            defaults["spark.log.level"] = "OFF"
    for key, value in defaults.items():
        # What was given to spark-submit counts. In a JVM of our own only an earlier engine can have left something.
        (conf.setIfMissing if submitted else conf.set)(key, value)
    local = address is not None and address.startswith("local")
    with _interpreter(local=local), _handlers():
        return _made(SparkContext, conf, address, quiet=local and not submitted), True


def _made(context: Any, conf: Any, address: str | None, *, quiet: bool) -> Any:
    """A context, on a JVM that this process starts or has from spark-submit or an earlier engine."""
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    with tempfile.TemporaryFile() as said:
        try:
            if context._gateway is None:
                gateway = launch_gateway(conf, {"stderr": said} if quiet else None)
                context._ensure_initialized(gateway=gateway)
            return context(conf=conf)
        except PySparkRuntimeError as error:
            reason = _last_line(said) or str(error)
        except Exception as error:
            if type(error).__name__ not in ("Py4JJavaError", "Py4JNetworkError"):
                raise
            reason = first_line(error)
        raise InputError(f"engine.address {address or '(spark-submit)'}: Spark does not start: {reason}")


def _last_line(file: Any) -> str:
    file.seek(0)
    lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def first_line(error: Exception) -> str:
    """What a Java exception says, without its stack."""
    java = getattr(error, "java_exception", None)
    text = str(error) if java is None else str(java.getMessage() or java.toString())
    return text.strip().partition("\n")[0]


@contextmanager
def _interpreter(*, local: bool) -> Iterator[None]:
    """Workers of this machine run the interpreter that this process runs, unless told otherwise."""
    given = {"PYSPARK_DRIVER_PYTHON": sys.executable}
    if local:
        given |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    missing = [name for name in given if name not in os.environ]
    os.environ.update({name: given[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


@contextmanager
def _handlers() -> Iterator[None]:
    """A SparkContext takes SIGINT for itself; the command line has its own way with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
