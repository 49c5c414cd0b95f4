"""hanji submit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from hanji.errors import RecipeError, RunError
from hanji.jobs.commands.curate import Overrides, RecipePath
from hanji.jobs.terminal import say

On = Annotated[Literal["ray", "slurm", "kubernetes"], typer.Option("--on", help="Kind of cluster.")]
OnAny = Annotated[
    Literal["ray", "spark", "slurm", "kubernetes"], typer.Option("--on", help="Kind of cluster.")
]
Namespace = Annotated[
    str | None,
    typer.Option(help="Kubernetes: the namespace.  [default: kubectl's]", show_default=False),
]
Address = Annotated[
    str | None,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS",
        help="Ray: URL of the cluster's dashboard, as in http://HOST:8265.",
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
    overrides: Overrides = None,
    on: OnAny = "ray",
    address: Address = None,
    master: Annotated[
        str | None,
        typer.Option(
            help="Spark: spark://HOST:PORT, yarn or k8s://https://HOST:PORT.  [default: spark-submit's own]",
            show_default=False,
        ),
    ] = None,
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
    gpus: Annotated[
        float, typer.Option(min=0, help="Ray: GPUs that the job's driver needs (training on one node).")
    ] = 0,
    python: Annotated[
        str | None,
        typer.Option(
            help="Python on the nodes.  [default: cluster.python, which is `python`]", show_default=False
        ),
    ] = None,
    token_file: TokenFile = None,
    again: Annotated[
        bool, typer.Option("--again", help="Run a job that failed or was stopped once more, under a new id.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Ray: show what the job says until it ends.")
    ] = False,
    render: Annotated[
        bool,
        typer.Option("--render", help="Slurm, Kubernetes, Spark: print what would be submitted, and end."),
    ] = False,
) -> None:
    """Run a recipe on a cluster: Ray (its Jobs API), Spark, Slurm or Kubernetes. The same twice runs once.

    The job brings this installation's own wheel (Kubernetes: its image holds it), the recipe and the models
    that it names; every node is checked for versions and paths before the work starts. On Ray and Kubernetes
    inputs and the run directory must be URLs, or lie under a --shared directory or in a claim. What the job
    needs of the cluster stands in the recipe, under `cluster:`.
    """
    from hanji.jobs.package import make_package

    if master is not None and on != "spark":
        raise RecipeError("--master: it is Spark's; give --on spark")
    if on == "spark":
        from hanji.jobs.batch import submit_to_spark

        name = identity and _checked(identity)
        submit_to_spark(recipe, overrides or [], name, shared or [], versions, python, master, render)
        return
    if on != "ray":
        from hanji.jobs.batch import submit_batch

        submit_batch(
            on,
            recipe,
            overrides or [],
            identity and _checked(identity),
            shared or [],
            versions,
            python,
            render,
        )
        return
    if render:
        raise RecipeError(
            "--render: a Ray job has no script; it prints those of --on slurm, kubernetes and spark"
        )
    from hanji.jobs.cluster import Cluster

    address = needed(address)
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
        if known is None and cluster.submit(package, name, gpus, python or package.cluster.python):
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


def needed(address: str | None) -> str:
    """The dashboard's address. Raises RecipeError where none was given."""
    if not address:
        raise RecipeError(
            "--address: a Ray cluster is reached by the URL of its dashboard (or RAY_API_SERVER_ADDRESS)"
        )
    return address


def _checked(identity: str) -> str:
    if not identity or not all(c.isalnum() or c in "-_." for c in identity):
        raise RecipeError(f"--id: {identity!r} is not allowed: letters, digits, - _ and .")
    return identity
