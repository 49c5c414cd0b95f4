"""hanji jobs list, status, logs, stop."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanji.errors import RunError
from hanji.jobs.commands.submit import Address, Namespace, On, TokenFile, finish, needed, show
from hanji.jobs.terminal import duration, say

if TYPE_CHECKING:
    from hanji.jobs.cluster import Cluster, Job

app = typer.Typer(no_args_is_help=True, help="Jobs on a cluster: list, status, logs, stop.")
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `hanji jobs list` shows it.")]


@app.callback()
def _group() -> None:
    """Jobs on a Ray, Slurm or Kubernetes cluster: list, status, logs, stop."""


@app.command("list")
def list_jobs(
    address: Address = None,
    token_file: TokenFile = None,
    on: On = "ray",
    namespace: Namespace = None,
    everything: Annotated[bool, typer.Option("--all", help="Ray: jobs of other programs too.")] = False,
) -> None:
    """List jobs, newest first. Slurm forgets jobs soon after their end."""
    jobs = [job for job in _jobs(on, address, token_file, namespace) if everything or job.kind]
    if not jobs:
        say("no jobs")
        return
    width = max(len(job.id) for job in jobs)
    say(f"{'id':<{width}}  {'status':<10}{'kind':<10}{'started':<18}{'time':>12}")
    for job in jobs:
        started = f"{datetime.fromtimestamp(job.started):%Y-%m-%d %H:%M}" if job.started else "–"
        lasted = duration((job.ended or time.time()) - job.started) if job.started else "–"
        name = f"  {job.name}" if on == "slurm" else ""
        say(f"{job.id:<{width}}  {job.status:<10}{job.kind or '–':<10}{started:<18}{lasted:>12}{name}")


@app.command("status")
def status(
    identity: JobId,
    address: Address = None,
    token_file: TokenFile = None,
    on: On = "ray",
    namespace: Namespace = None,
) -> None:
    """Say how a job is."""
    if on == "ray":
        job = _cluster(address, token_file).get(identity)
    else:
        known = {job.id: job for job in _jobs(on, address, token_file, namespace)}
        if identity not in known:
            raise RunError(f"no job {identity!r} in the queue; there are: {', '.join(known) or 'none'}")
        job = known[identity]
    say(f"{job.id}: {job.status}" + (f": {job.message}" if job.message else ""))


@app.command("logs")
def logs(
    identity: JobId,
    address: Address = None,
    token_file: TokenFile = None,
    on: On = "ray",
    namespace: Namespace = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Show what a job said."""
    if on == "slurm":
        from hanji.jobs import slurm

        _follow_file(slurm.log_of(identity), identity, follow)
    elif on == "kubernetes":
        from hanji.jobs import kubernetes

        kubernetes.show_logs(identity, namespace, follow)
    else:
        cluster = _cluster(address, token_file)
        if follow:
            finish(cluster.follow(identity, show))
        else:
            show(cluster.logs(identity))


@app.command("stop")
def stop(
    identity: JobId,
    address: Address = None,
    token_file: TokenFile = None,
    on: On = "ray",
    namespace: Namespace = None,
    wait: Annotated[float, typer.Option(help="Ray: seconds to wait for the end.")] = 30.0,
) -> None:
    """Stop a job. What it finished is kept; submitting again (Ray: with --again) goes on from there."""
    if on == "slurm":
        from hanji.jobs import slurm

        slurm.stop(identity)
        say(f"{identity}: asked to save and end")
        return
    if on == "kubernetes":
        from hanji.jobs import kubernetes

        kubernetes.stop(identity, namespace)
        say(f"{identity}: asked to save and end")
        return
    job = _cluster(address, token_file).stop(identity, wait)
    say(f"{job.id}: {job.status}")
    if not job.over:
        raise RunError(f"job {job.id} was asked to stop and is still {job.status} after {wait:g} s")


def _cluster(address: str | None, token_file: Path | None) -> Cluster:
    from hanji.jobs.cluster import Cluster

    return Cluster(needed(address), token_file)


def _jobs(on: str, address: str | None, token_file: Path | None, namespace: str | None) -> list[Job]:
    if on == "slurm":
        from hanji.jobs import slurm

        return slurm.jobs()
    if on == "kubernetes":
        from hanji.jobs import kubernetes

        return kubernetes.jobs(namespace)
    return _cluster(address, token_file).jobs()


def _follow_file(path: Path, identity: str, follow: bool) -> None:
    """Show a log file; with ``follow`` until its job has left the queue."""
    from hanji.jobs import slurm

    if not path.exists() and not follow:
        say(f"{path}: nothing yet")
        return
    place = 0
    while True:
        ended = not follow or identity not in {job.id for job in slurm.jobs()}
        if path.exists():
            with path.open("rb") as file:
                file.seek(place)
                data = file.read()
            place += len(data)
            show(data.decode("utf-8", errors="replace"))
        if ended:
            return
        time.sleep(2.0)
