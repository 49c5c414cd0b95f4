"""A Slurm of one machine: sbatch, srun, squeue, scontrol and scancel that start real processes here.

The first argument says which one it is. ``FAKE_SLURM`` is the directory of its state: a directory a job, with the
script, its process and what was asked. Every node is this machine.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HOME = Path(os.environ["FAKE_SLURM"])


def sbatch(arguments: list[str]) -> int:
    """Start a script as a job; print its id."""
    script = Path(arguments[-1])
    number = 1 + len(list(HOME.glob("[0-9]*")))
    (HOME / str(number)).mkdir(parents=True)
    options = {}
    for line in script.read_text(encoding="utf-8").splitlines():
        if line.startswith("#SBATCH --"):
            # As sbatch does: quotes of both kinds, and backslashes.
            for option in shlex.split(line.removeprefix("#SBATCH ")):
                name, _, value = option.removeprefix("--").partition("=")
                options[name] = value
    facts = {"script": str(script), "options": options}
    (HOME / str(number) / "job.json").write_text(json.dumps(facts))
    start(number)
    print(number)
    return 0


def start(number: int) -> None:
    """Run a job's script, now or once more."""
    facts = json.loads((HOME / str(number) / "job.json").read_text())
    count = int(facts["options"]["nodes"])
    environment = {
        **os.environ,
        "SLURM_JOB_ID": str(number),
        "SLURM_JOB_NUM_NODES": str(count),
        "SLURM_JOB_NODELIST": f"node[0-{count - 1}]",
    }
    with Path(facts["options"]["output"].replace("%j", str(number))).open("ab") as log:
        process = subprocess.Popen(
            ["bash", facts["script"]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (HOME / str(number) / "pid").write_text(str(process.pid))


def srun(arguments: list[str]) -> int:
    """Run a command, once a node; signals are passed on, and one bad end kills the others."""
    options: dict[str, Any] = {}
    while arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option == "-w":
            options["w"] = arguments.pop(0)
        else:
            name, _, value = option.removeprefix("--").partition("=")
            options[name] = value or True
    count = int(options.get("nodes", os.environ["SLURM_JOB_NUM_NODES"]))
    with (HOME / os.environ["SLURM_JOB_ID"] / "sruns").open("a") as file:
        file.write(json.dumps({"options": options, "command": arguments}) + "\n")
    tasks = [
        subprocess.Popen(
            arguments,
            env={**os.environ, "SLURM_NODEID": str(node), "SLURM_PROCID": str(node)},
            start_new_session=True,
        )
        for node in range(count)
    ]

    def pass_on(number: int, _: Any) -> None:
        for task in tasks:
            if task.poll() is None:
                os.killpg(task.pid, number)

    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, pass_on)
    while None in (codes := [task.poll() for task in tasks]):
        if options.get("kill-on-bad-exit") and any(codes):
            time.sleep(float(os.environ.get("FAKE_SLURM_KILL_WAIT", "30")))
            pass_on(signal.SIGKILL, None)
        time.sleep(0.05)
    return max(code if code >= 0 else 128 - code for code in codes if code is not None)


def squeue(_: list[str]) -> int:
    """List the jobs that run."""
    for job in sorted(HOME.glob("[0-9]*")):
        facts = json.loads((job / "job.json").read_text())
        if alive(int((job / "pid").read_text())):
            print(f"{job.name}|RUNNING|{facts['options']['job-name']}|2026-01-01T00:00:00")
    return 0


def scontrol(arguments: list[str]) -> int:
    """Show hosts or a job, or put a job back into the queue."""
    if arguments[:2] == ["show", "hostnames"]:
        found = re.fullmatch(r"node\[0-(\d+)\]", arguments[2])
        assert found is not None
        print("\n".join(["localhost"] * (int(found[1]) + 1)))
        return 0
    number = int(arguments[-1])
    if arguments[0] == "requeue":
        (HOME / str(number) / "requeued").write_text("yes")
        if os.environ.get("FAKE_SLURM_REQUEUE") == "run":
            # Once the script that asks for it has ended.
            pid = int((HOME / str(number) / "pid").read_text())
            again = f"exec scontrol restart {number}"
            command = f"while kill -0 {pid} 2>/dev/null; do sleep 0.1; done; {again}"
            subprocess.Popen(["bash", "-c", command], start_new_session=True)
        return 0
    if arguments[0] == "restart":
        start(number)
        return 0
    facts = json.loads((HOME / str(number) / "job.json").read_text())
    print(f"JobId={number} JobName=x StdErr=/dev/null StdOut={facts['options']['output']} Power=")
    return 0


def scancel(arguments: list[str]) -> int:
    """Send the batch script a signal."""
    assert "--batch" in arguments
    number = next(a.partition("=")[2] for a in arguments if a.startswith("--signal="))
    os.kill(int((HOME / arguments[-1] / "pid").read_text()), getattr(signal, f"SIG{number}"))
    return 0


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and was not waited for does not)."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:4]
    except OSError:
        return False


if __name__ == "__main__":
    assert threading.current_thread() is threading.main_thread()
    sys.exit(globals()[sys.argv[1]](sys.argv[2:]))
