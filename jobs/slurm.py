"""Slurm: the batch script of a job, submitting it, and what became of it.

Training: one task a node, each a launcher that starts the node's ranks (hanji.training.launchers); before the time
limit Slurm sends SIGUSR1 to the script, the ranks save, and the job is put back into the queue. Curation: a Ray
cluster over the allocation, a head on the first node and workers on the others, with the driver on the first.

Everything that comes from a recipe is quoted: for the shell by shlex, in ``#SBATCH`` lines by double quotes, which
sbatch's own parser understands. The environment of the one who submits is handed on by Slurm and not written down.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from hanji.cluster import ClusterSettings
from hanji.errors import InputError, RecipeError, RunError
from hanji.jobs.cluster import Job
from hanji.jobs.shell import ask
from hanji.storage import local_path

STOPPED_CODE = 75
"""What a launcher ends with when it was asked to stop before the run was finished."""
WHY = "a job for Slurm is submitted with it"
_STATES = {"PENDING": "PENDING", "RUNNING": "RUNNING", "COMPLETING": "RUNNING", "COMPLETED": "SUCCEEDED"}


@dataclass(frozen=True)
class BatchJob:
    """A job to be written down. ``directory`` holds the code and job/job.json, on every node at the same path."""

    name: str
    kind: str
    directory: Path
    settings: ClusterSettings

    @property
    def log(self) -> Path:
        """What ``--output`` says: %j is the job's number, and a per cent sign of the path is doubled."""
        return Path(str(self.directory).replace("%", "%%")) / "slurm-%j.log"

    def log_of(self, number: str) -> Path:
        """The file that the job of this number writes to."""
        return self.directory / f"slurm-{number}.log"


def script(job: BatchJob) -> str:
    """The batch script."""
    body = _training(job) if job.kind == "training" else _curation(job)
    return "\n".join(["#!/bin/bash", *_directives(job), "", *_preparation(job), "", *body]) + "\n"


def _directives(job: BatchJob) -> list[str]:
    settings = job.settings
    options: list[tuple[str, object]] = [
        ("job-name", job.name),
        ("nodes", settings.nodes),
        ("ntasks-per-node", 1),
        ("cpus-per-task", settings.cpus_per_node),
        ("gres", f"gpu:{settings.gpus_per_node}" if settings.gpus_per_node else None),
        ("mem", settings.memory_per_node),
        ("time", settings.time),
        ("partition", settings.partition),
        ("account", settings.account),
        ("qos", settings.qos),
        ("constraint", settings.constraint),
        ("output", job.log),
        ("open-mode", "append"),
        # To this script alone (B), which passes it on.
        ("signal", f"B:USR1@{settings.stop_seconds}"),
    ]
    lines = [f"#SBATCH --{name}={_quoted(str(value))}" for name, value in options if value is not None]
    return [*lines, "#SBATCH --requeue" if settings.requeue else "#SBATCH --no-requeue"]


def _quoted(text: str) -> str:
    """A value in a #SBATCH line."""
    if not text.isprintable() or '"' in text or "\\" in text:
        raise RecipeError(
            f"{text!r}: Slurm's directives cannot hold quotes, backslashes and control characters"
        )
    return text if re.fullmatch(r"[A-Za-z0-9_./%@+=:,&|*()\[\]-]+", text) else f'"{text}"'


def _preparation(job: BatchJob) -> list[str]:
    settings = job.settings
    lines = ["set -o pipefail", f"cd {shlex.quote(str(job.directory))} || exit 1"]
    lines += [f"module load {shlex.quote(module)}" for module in settings.modules]
    if settings.venv:
        # Quoted, the shell leaves a tilde as it is; who submits has the nodes' home.
        lines.append(f". {shlex.quote(str(local_path(settings.venv)))}/bin/activate || exit 1")
    variables = {
        **settings.environment,
        "PYTHONPATH": str(job.directory),
        "PYTHONUNBUFFERED": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append('nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST")) || exit 1')
    return lines


def _cpus(settings: ClusterSettings) -> list[str]:
    """srun has not taken this over from sbatch since Slurm 22.05."""
    return [f"--cpus-per-task={settings.cpus_per_node}"] if settings.cpus_per_node else []


def _container(settings: ClusterSettings, job: BatchJob) -> list[str]:
    """srun's options of pyxis, where an image is given: the job's directory is seen inside too."""
    if settings.image is None:
        return []
    mounts = [f"{job.directory}:{job.directory}", *(m if ":" in m else f"{m}:{m}" for m in settings.mounts)]
    if bad := [mount for mount in mounts if "," in mount]:
        raise RecipeError(f"cluster.mounts: {bad[0]!r}: pyxis parts mounts by commas, a path cannot hold one")
    return [
        f"--container-image={shlex.quote(settings.image)}",
        f"--container-mounts={shlex.quote(','.join(mounts))}",
        "--no-container-mount-home",
        f"--container-workdir={shlex.quote(str(job.directory))}",
    ]


WAITING = """
# What the nodes do goes on in the background, so that signals reach this script at once.
stopping=
trap 'stopping=1; kill -USR1 "$step" 2>/dev/null' USR1
trap 'kill -TERM "$step" 2>/dev/null' TERM
while :; do
  wait "$step"; code=$?
  # Above 128 it may be the signal that ended the wait, not the step.
  if [ "$code" -gt 128 ] && kill -0 "$step" 2>/dev/null; then continue; fi
  break
done
if [ "$code" -gt 128 ]; then
  wait "$step"; again=$?
  if [ "$again" -ne 127 ]; then code=$again; fi
fi
"""


def _training(job: BatchJob) -> list[str]:
    settings = job.settings
    options = [
        *('--nodes="$SLURM_JOB_NUM_NODES"', "--ntasks-per-node=1", "--kill-on-bad-exit=1"),
        *_cpus(settings),
        *_container(settings, job),
    ]
    # Each node's task puts in its own number.
    inner = (
        f"exec {shlex.quote(settings.python)} -m hanji.jobs.remote job/job.json "
        f'--nodes "$SLURM_JOB_NUM_NODES" --node "$SLURM_NODEID" --host "$1" --stopped-code {STOPPED_CODE}'
    )
    lines = [
        f'srun {" ".join(options)} bash -c {shlex.quote(inner)} bash "${{nodes[0]}}" &',
        "step=$!",
        *WAITING.strip().splitlines(),
    ]
    if settings.requeue:
        lines += [
            f'if [ -n "$stopping" ] && [ "$code" -eq {STOPPED_CODE} ]; then',
            '  echo "saved before the time limit; back into the queue"',
            '  scontrol requeue "$SLURM_JOB_ID"',
            "fi",
        ]
    return [*lines, 'exit "$code"']


def _curation(job: BatchJob) -> list[str]:
    settings = job.settings
    python = shlex.quote(settings.python)
    container = _container(settings, job)
    cpus = f"--num-cpus={settings.cpus_per_node}" if settings.cpus_per_node else ""
    common = f'--disable-usage-stats --block --temp-dir="/tmp/ray-$SLURM_JOB_ID" {cpus}'.rstrip()
    ray = f"{python} -m ray.scripts.scripts start"
    on = " ".join(["--overlap", "--nodes=1", "--ntasks=1", *_cpus(settings), *container])
    head = f'exec {ray} --head --port="$1" --node-ip-address="$2" --include-dashboard=false {common}'
    # Ray forbids --temp-dir on workers: theirs is the head's.
    worker = f'exec {ray} --address="$1" {common}'.replace(' --temp-dir="/tmp/ray-$SLURM_JOB_ID"', "")
    wait_for = f'srun {on} -w "${{nodes[0]}}" {python} -m hanji.jobs.ray_ready'
    return [
        # Other users' jobs reach this cluster's ports: it wants a token, which is made here and written nowhere.
        "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN",
        "RAY_AUTH_TOKEN=$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \\n') || exit 1",
        # Ray's own 30 s are short for a first import from a shared file system.
        "export RAY_raylet_start_wait_time_s=180",
        "port=$((20000 + SLURM_JOB_ID % 20000))",
        'address=$(srun --overlap --nodes=1 --ntasks=1 -w "${nodes[0]}" hostname --ip-address) || exit 1',
        "address=${address%% *}",
        'export RAY_ADDRESS="$address:$port"',
        # What a signal ends, ends with everything that was started here.
        "trap 'kill $(jobs -p) 2>/dev/null' EXIT",
        f'srun {on} -w "${{nodes[0]}}" bash -c {shlex.quote(head)} bash "$port" "$address" &',
        f"{wait_for} 1 || exit 1",
        'for node in "${nodes[@]:1}"; do',
        f'  srun {on} -w "$node" bash -c {shlex.quote(worker)} bash "$RAY_ADDRESS" &',
        "done",
        f'{wait_for} "${{#nodes[@]}}" || exit 1',
        f'srun {on} -w "${{nodes[0]}}" {python} -m hanji.jobs.remote job/job.json &',
        "step=$!",
        *WAITING.strip().splitlines(),
        *(
            [
                # What was finished is kept by its commit records: the job goes on in its next allocation.
                'if [ -n "$stopping" ] && [ "$code" -ne 0 ]; then scontrol requeue "$SLURM_JOB_ID"; fi',
            ]
            if settings.requeue
            else []
        ),
        'exit "$code"',
    ]


def submit(job: BatchJob) -> str:
    """Hand the script to sbatch; the job's id. The script stays in the job's directory as job.sbatch."""
    path = job.directory / "job.sbatch"
    path.write_text(script(job), encoding="utf-8")
    said = ask("sbatch", ["--parsable", str(path)], WHY).strip()
    # With several clusters: ID;CLUSTER.
    identity = said.partition(";")[0]
    if not identity.isdigit():
        raise RunError(f"sbatch: answered {said!r} instead of a job's id")
    return identity


def jobs() -> list[Job]:
    """This user's jobs of this project in the queue."""
    said = ask("squeue", ["--me", "--noheader", "--format=%i|%T|%j|%S"], "the queue is asked with it")
    found = []
    for line in said.splitlines():
        identity, _, rest = line.strip().partition("|")
        state, _, rest = rest.partition("|")
        name, _, _ = rest.partition("|")
        if name.startswith("hanji-"):
            found.append(Job(identity, _STATES.get(state, state), name, "slurm", None, None, ""))
    return found


def find(name: str) -> Job | None:
    """A job of that name in the queue."""
    return next((job for job in jobs() if job.name == name), None)


def log_of(identity: str) -> Path:
    """The file that a job writes to. Raises InputError for an id that Slurm does not know (any more)."""
    _checked(identity)
    said = ask("scontrol", ["show", "job", "--oneliner", identity], "it says where a job's log is")
    found = re.search(r"\bStdOut=(.*?)(?= [A-Za-z]+=|$)", said, re.MULTILINE)
    if found is None:
        raise InputError(f"Slurm says nothing of a log of job {identity}; see the job's directory (RUN/jobs)")
    return Path(found[1].strip().replace("%j", identity))


def stop(identity: str) -> None:
    """Ask a job to save and end: the batch script gets the signal, and passes it on."""
    _checked(identity)
    ask("scancel", ["--batch", "--signal=TERM", identity], "a job is stopped with it")


def _checked(identity: str) -> None:
    if not identity.isdigit():
        raise RecipeError(
            f"{identity!r} is not the id of a Slurm job: a number, as `hanji jobs list --on slurm` says"
        )
