"""hanji submit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from hanji.errors import RecipeError, RunError
from hanji.jobs.commands.curate import Overrides, RecipePath
from hanji.jobs.terminal import say

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS",
        help="URL of the cluster's dashboard, as in http://HOST:8265.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        help="File with the cluster's token, beside Ray's own ways (RAY_AUTH_MODE=token with RAY_AUTH_TOKEN, "
        "RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token).",
        show_default=False,
    ),
]


def submit(
    recipe: RecipePath,
    address: Address,
    overrides: Overrides = None,
    on: Annotated[Literal["ray"], typer.Option(help="Kind of cluster.")] = "ray",
    identity: Annotated[
        str | None,
        typer.Option("--id", help="Id of the job.  [default: made from the recipe, the code and the models]"),
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(help="Directory that every node mounts at this path; may be given several times."),
    ] = None,
    versions: Annotated[
        Literal["exact", "cluster"],
        typer.Option(help="Library versions on the nodes: those of this machine, or what the cluster has."),
    ] = "exact",
    gpus: Annotated[float, typer.Option(min=0, help="GPUs that the job's driver needs (training).")] = 0,
    python: Annotated[str, typer.Option(help="Python of Ray's environment on the cluster.")] = "python",
    token_file: TokenFile = None,
    again: Annotated[
        bool, typer.Option("--again", help="Run a job that failed or was stopped once more, under a new id.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what the job says until it ends.")
    ] = False,
) -> None:
    """Run a recipe on a Ray cluster, through its Jobs API. The same submission twice runs once.

    The job brings this installation's own wheel, the recipe and the models that it names; every node is
    checked for versions and paths before the work starts. Inputs and the run directory must be URLs, or lie
    under a --shared directory.
    """
    from hanji.jobs.cluster import Cluster
    from hanji.jobs.package import make_package

    del on
    with tempfile.TemporaryDirectory(prefix="hanji-job-") as scratch:
        package = make_package(recipe, overrides or [], Path(scratch), shared=shared or [], versions=versions)
        cluster = Cluster(address, token_file)
        name = _checked(identity) if identity else package.submission_id
        known = cluster.find(name)
        if again:
            place = 2
            base = name
            while known is not None and known.status in ("FAILED", "STOPPED"):
                name = f"{base}-{place}"
                place += 1
                known = cluster.find(name)
        if known is None and cluster.submit(package, name, gpus, python):
            say(f"submitted {name} to {cluster.address}")
        else:
            job = cluster.get(name)
            hint = "; --again runs it once more" if job.status in ("FAILED", "STOPPED") else ""
            say(f"{name} was submitted before and is {job.status}{hint}")
    at = f"--address {cluster.address}"
    if not follow:
        say(f"  hanji jobs logs {name} {at} --follow", f"  hanji jobs stop {name} {at}")
        return
    finish(cluster.follow(name, show))


def finish(job: object) -> None:
    """Say how a job ended. Raises RunError unless it succeeded."""
    from hanji.jobs.cluster import Job

    assert isinstance(job, Job)
    if job.status != "SUCCEEDED":
        raise RunError(f"job {job.id}: {job.status}: {job.message.partition(chr(10))[0]}")
    say(f"job {job.id}: {job.status}")


def show(text: str) -> None:
    """What a job says, as it says it."""
    print(text, end="", flush=True)


def _checked(identity: str) -> str:
    if not identity or not all(c.isalnum() or c in "-_." for c in identity):
        raise RecipeError(f"--id: {identity!r} is not allowed: letters, digits, - _ and .")
    return identity
