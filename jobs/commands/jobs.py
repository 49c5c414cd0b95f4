"""hanji jobs list, status, logs, stop."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

import typer

from hanji.errors import RunError
from hanji.jobs.commands.submit import Address, TokenFile, finish, show
from hanji.jobs.terminal import duration, say

app = typer.Typer(no_args_is_help=True, help="Jobs on a Ray cluster: list, status, logs, stop.")
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `hanji jobs list` shows it.")]


@app.callback()
def _group() -> None:
    """Jobs on a Ray cluster: list, status, logs, stop."""


@app.command("list")
def list_jobs(
    address: Address,
    token_file: TokenFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Jobs of other programs too.")] = False,
) -> None:
    """List jobs, newest first."""
    from hanji.jobs.cluster import Cluster

    jobs = [job for job in Cluster(address, token_file).jobs() if everything or job.kind]
    if not jobs:
        say("no jobs")
        return
    width = max(len(job.id) for job in jobs)
    say(f"{'id':<{width}}  {'status':<10}{'kind':<10}{'started':<18}{'time':>12}")
    for job in jobs:
        started = f"{datetime.fromtimestamp(job.started):%Y-%m-%d %H:%M}" if job.started else "–"
        lasted = duration((job.ended or time.time()) - job.started) if job.started else "–"
        say(f"{job.id:<{width}}  {job.status:<10}{job.kind or '–':<10}{started:<18}{lasted:>12}")


@app.command("status")
def status(identity: JobId, address: Address, token_file: TokenFile = None) -> None:
    """Say how a job is."""
    from hanji.jobs.cluster import Cluster

    job = Cluster(address, token_file).get(identity)
    say(f"{job.id}: {job.status}" + (f": {job.message}" if job.message else ""))


@app.command("logs")
def logs(
    identity: JobId,
    address: Address,
    token_file: TokenFile = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Show what a job said."""
    from hanji.jobs.cluster import Cluster

    cluster = Cluster(address, token_file)
    if follow:
        finish(cluster.follow(identity, show))
    else:
        show(cluster.logs(identity))


@app.command("stop")
def stop(
    identity: JobId,
    address: Address,
    token_file: TokenFile = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the end.")] = 30.0,
) -> None:
    """Stop a job. What it finished is kept; submitting again (with --again) goes on from there."""
    from hanji.jobs.cluster import Cluster

    job = Cluster(address, token_file).stop(identity, wait)
    say(f"{job.id}: {job.status}")
    if not job.over:
        raise RunError(f"job {job.id} was asked to stop and is still {job.status} after {wait:g} s")
