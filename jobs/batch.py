"""Submitting to Slurm, Kubernetes and Spark: a package, what is made of it, and the program that takes that."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from hanji.errors import RecipeError
from hanji.fingerprint import library_versions
from hanji.jobs import kubernetes, slurm, spark_submit
from hanji.jobs.cluster import Job
from hanji.jobs.package import Package, Versions, make_package
from hanji.jobs.shell import need
from hanji.jobs.terminal import say
from hanji.recipe import parse_recipe, read_yaml
from hanji.storage import is_url, local_path


def submit_batch(
    on: Literal["slurm", "kubernetes"],
    recipe: Path,
    overrides: Sequence[str],
    identity: str | None,
    shared: Sequence[str],
    versions: Versions,
    python: str | None,
    render: bool,
) -> None:
    """Submit a recipe, or print what would be submitted."""
    if python is not None:
        overrides = [*overrides, f"cluster.python={python}"]
    with tempfile.TemporaryDirectory(prefix="hanji-job-") as scratch:
        if on == "slurm":
            # Who can submit to Slurm is on a machine that sees what the nodes see.
            package = make_package(
                recipe, overrides, Path(scratch), shared=shared or ["/"], versions=versions
            )
            _to_slurm(package, identity or package.submission_id, render)
        else:
            claims = _claims(recipe, overrides)
            package = make_package(
                recipe, overrides, Path(scratch), shared=[*shared, *claims], versions=versions, code="image"
            )
            _to_kubernetes(package, identity or package.submission_id, render, shared)


def submit_to_spark(
    recipe: Path,
    overrides: Sequence[str],
    identity: str | None,
    shared: Sequence[str],
    versions: Versions,
    python: str | None,
    master: str | None,
    render: bool,
) -> None:
    """Run a curation recipe by spark-submit, or print the command. Except on Kubernetes it ends with the run."""
    spark_submit.check_master(master)
    if python is not None:
        overrides = [*overrides, f"cluster.python={python}"]
    on_kubernetes = master is not None and master.startswith("k8s://")
    # An executor on this machine sees what we see.
    seen = ["/"] if master is not None and master.startswith("local") else list(shared)
    with tempfile.TemporaryDirectory(prefix="hanji-job-") as scratch:
        package = make_package(
            recipe,
            overrides,
            Path(scratch),
            shared=[*seen, *(_claims(recipe, overrides) if on_kubernetes else [])],
            versions=versions,
            code="image",
            engine="spark",
        )
        if on_kubernetes and package.shipped:
            raise RecipeError(_stays_here(package))
        job = spark_submit.SparkJob(package, identity or package.submission_id, master)
        if render:
            print(spark_submit.render(job), end="")
            return
        say(f"submitting {job.name} to {master or 'the master of spark-submit'}")
        spark_submit.submit(job)


def _stays_here(package: Package) -> str:
    return (
        f"{next(iter(package.shipped))}: a model of this machine cannot travel to Kubernetes; put it into a "
        "claim (cluster.claims), or into the image and name its place with --shared"
    )


def _to_slurm(package: Package, name: str, render: bool) -> None:
    settings = package.cluster
    if settings.directory is None and is_url(package.run):
        raise RecipeError(
            f"cluster.directory: run: {package.run} is a URL; name a directory that all nodes see, for the job's "
            "code, script and log"
        )
    base = local_path(settings.directory).absolute() if settings.directory else Path(package.run) / "jobs"
    job = slurm.BatchJob(name, package.kind, base / name, settings)
    if render:
        print(slurm.script(job), end="")
        return
    for program in ("sbatch", "squeue"):
        need(program, slurm.WHY)
    known = slurm.find(name)
    if known is not None:
        say(f"{name} was submitted before: job {known.id} is {known.status}")
    else:
        shutil.rmtree(job.directory, ignore_errors=True)
        shutil.copytree(package.directory, job.directory)
        number = slurm.submit(job)
        say(f"submitted {name}: job {number}, its log is {job.log_of(number)}")
        known = Job(number, "PENDING", name, package.kind, None, None, "")
    say(f"  hanji jobs logs {known.id} --on slurm", f"  hanji jobs stop {known.id} --on slurm")


def _to_kubernetes(package: Package, name: str, render: bool, shared: Sequence[str]) -> None:
    if package.shipped:
        raise RecipeError(_stays_here(package))
    if package.kind == "training" and not shared:
        kubernetes.check_claims(package.cluster, package.run)
    facts = (package.directory / "job" / "job.json").read_text(encoding="utf-8")
    ray = library_versions("ray")["ray"]
    job = kubernetes.Manifests(kubernetes.object_name(name), package.kind, facts, package.cluster, ray)
    if render:
        print(kubernetes.render(job), end="")
        return
    submitted = kubernetes.submit(job)
    space = f" --namespace {job.settings.namespace}" if job.settings.namespace else ""
    say(f"submitted {submitted}")
    say(
        f"  hanji jobs logs {submitted} --on kubernetes{space}",
        f"  hanji jobs stop {submitted} --on kubernetes{space}",
    )


def _claims(recipe: Path, overrides: Sequence[str]) -> list[str]:
    """Where the pods have volumes, read before the rest of the recipe is checked."""
    from hanji.cluster import ClusterSettings
    from hanji.recipe import apply_override

    data = read_yaml(recipe)
    for override in overrides:
        apply_override(data, override)
    cluster = parse_recipe(data.get("cluster") or {}, ClusterSettings, origin=f"{recipe}: cluster")
    return list(cluster.claims.values())
