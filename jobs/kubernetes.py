"""Kubernetes: the manifests of a job, submitting them, and what became of it.

Training: an Indexed Job, a pod a node, each a launcher that starts the node's ranks (hanji.training.launchers), and
a headless Service by which they find the pod with index 0. No operator is needed. A pod that is lost is replaced
and joins again; an error that no restart can mend (exit codes 1 and 2) fails the Job at once. Curation: a RayJob,
for which the cluster needs KubeRay.

The code is the image's: it must hold the package that submits, which the driver checks by its hash. The recipe
travels in a ConfigMap. Secrets are named, never written down. Manifests are built as data and written by a YAML
library, so nothing that a recipe says can become anything but a value.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hanji.cluster import ClusterSettings
from hanji.errors import HanjiError, RecipeError, RunError
from hanji.jobs.cluster import Job
from hanji.jobs.shell import ask, need
from hanji.jobs.slurm import STOPPED_CODE

WHY = "Kubernetes is spoken to with it"
LONGEST_NAME = 52
"""Of a Job: a pod's host name is that, a dash and its index, in 63 characters."""
MOST_BYTES = 900_000
"""Of a recipe: a ConfigMap holds a mebibyte."""
RETRIES = 3
"""Of a curation whose cluster was lost."""
MANAGED = {"app.kubernetes.io/managed-by": "hanji"}
_JOB = "hanji/job"
_WHERE = "/etc/hanji"
_FINAL = [1, 2]


@dataclass(frozen=True)
class Manifests:
    """A job to be written down. ``facts`` is the text of job.json."""

    name: str
    kind: str
    facts: str
    settings: ClusterSettings
    ray_version: str

    def __post_init__(self) -> None:
        if self.settings.image is None:
            raise RecipeError(
                "cluster.image: Kubernetes needs the image of a container with this project in it"
            )
        if len(self.facts.encode()) > MOST_BYTES:
            raise RecipeError(f"the recipe comes to more than {MOST_BYTES:,} bytes, too much for a ConfigMap")


def object_name(submission: str) -> str:
    """A submission's id as the name of objects: small letters, digits and dashes, 52 characters at most."""
    plain = re.sub(r"[^a-z0-9]+", "-", submission.lower()).strip("-")
    if len(plain) <= LONGEST_NAME and plain:
        return plain
    digest = hashlib.sha256(submission.encode()).hexdigest()[:12]
    return f"{plain[: LONGEST_NAME - 13].strip('-') or 'hanji'}-{digest}"


def render(job: Manifests) -> str:
    """All manifests as one stream of YAML."""
    objects = [_config_map(job), *(_training(job) if job.kind == "training" else [_ray_job(job)])]
    return yaml.safe_dump_all(objects, allow_unicode=True, sort_keys=False, explicit_start=True)


def _meta(job: Manifests) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": job.name, "labels": {**MANAGED, _JOB: job.name}}
    if job.settings.namespace:
        meta["namespace"] = job.settings.namespace
    return meta


def _config_map(job: Manifests) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(job), "data": {"job.json": job.facts}}


def _training(job: Manifests) -> list[dict[str, Any]]:
    settings = job.settings
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(job),
        "spec": {
            "clusterIP": "None",
            "selector": {_JOB: job.name},
            # Ranks must find each other before they are ready for anything.
            "publishNotReadyAddresses": True,
        },
    }
    # $(VARIABLE) is Kubernetes' own: it puts the index in before any program starts.
    container = _container(
        job,
        "hanji",
        [
            *(settings.python, "-m", "hanji.jobs.remote", f"{_WHERE}/job.json"),
            *("--nodes", str(settings.nodes), "--node", "$(JOB_COMPLETION_INDEX)"),
            *("--host", f"{job.name}-0.{job.name}", "--stopped-code", str(STOPPED_CODE)),
        ],
    )
    container["env"].append(
        {
            "name": "JOB_COMPLETION_INDEX",
            "valueFrom": {
                "fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}
            },
        }
    )
    pod = _pod(job, container)
    pod["spec"] |= {"restartPolicy": "Never", "subdomain": job.name}
    indexed = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _meta(job),
        "spec": {
            "completionMode": "Indexed",
            "completions": settings.nodes,
            "parallelism": settings.nodes,
            "backoffLimit": 4 * settings.nodes,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": "hanji", "operator": "In", "values": _FINAL},
                    },
                    # Stopped or left alone by the others: replaced, and not counted.
                    {
                        "action": "Ignore",
                        "onExitCodes": {"containerName": "hanji", "operator": "In", "values": [STOPPED_CODE]},
                    },
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": pod,
        },
    }
    return [service, indexed]


def _ray_job(job: Manifests) -> dict[str, Any]:
    settings = job.settings
    head = _pod(job, _container(job, "ray-head", None))
    worker = _pod(job, _container(job, "ray-worker", None))
    # Limits are of memory alone, and without one of cores Ray would count those of the whole machine.
    cores = {"num-cpus": str(settings.cpus_per_node)} if settings.cpus_per_node else {}
    groups = []
    if settings.nodes > 1:
        count = settings.nodes - 1
        groups.append(
            {
                "groupName": "workers",
                "replicas": count,
                "minReplicas": count,
                "maxReplicas": count,
                "rayStartParams": cores,
                "template": worker,
            }
        )
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": _meta(job),
        "spec": {
            # Run by a shell on the head: the interpreter is quoted by a rule that the shell knows.
            "entrypoint": f"{shlex.quote(settings.python)} -m hanji.jobs.remote {_WHERE}/job.json",
            "shutdownAfterJobFinishes": True,
            # A cluster whose head was lost is started anew, and the run goes on by its commit records.
            "backoffLimit": RETRIES,
            "rayClusterSpec": {
                "rayVersion": job.ray_version,
                "headGroupSpec": {"rayStartParams": {"dashboard-host": "0.0.0.0", **cores}, "template": head},
                "workerGroupSpecs": groups,
            },
        },
    }


def _container(job: Manifests, name: str, command: list[str] | None) -> dict[str, Any]:
    settings = job.settings
    # In a value Kubernetes replaces $(NAME); $$ stands for a dollar.
    variables = {key: value.replace("$", "$$") for key, value in settings.environment.items()}
    variables |= {"PYTHONUNBUFFERED": "1", "RAY_USAGE_STATS_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false"}
    amounts: dict[str, Any] = {}
    if settings.cpus_per_node:
        amounts["cpu"] = settings.cpus_per_node
    if settings.memory_per_node:
        amounts["memory"] = f"{settings.memory_per_node}i"
    limits = {"memory": amounts["memory"]} if "memory" in amounts else {}
    if settings.gpus_per_node:
        limits[settings.gpu_resource] = settings.gpus_per_node
    container: dict[str, Any] = {
        "name": name,
        "image": settings.image,
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": [
            {"name": "job", "mountPath": _WHERE, "readOnly": True},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
            *({"name": claim, "mountPath": path} for claim, path in settings.claims.items()),
        ],
        "resources": {"requests": amounts, "limits": limits},
    }
    if command is not None:
        container["command"] = [command[0].replace("$", "$$"), *command[1:]]
    if settings.secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in settings.secrets]
    return container


def _pod(job: Manifests, container: dict[str, Any]) -> dict[str, Any]:
    settings = job.settings
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": settings.stop_seconds,
        "containers": [container],
        "volumes": [
            {"name": "job", "configMap": {"name": job.name}},
            # Ranks of a node and data loaders share memory; the default is 64 MiB.
            {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
            *({"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in settings.claims),
        ],
    }
    if settings.service_account:
        spec["serviceAccountName"] = settings.service_account
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    return {"metadata": {"labels": {**MANAGED, _JOB: job.name}}, "spec": spec}


def check_claims(settings: ClusterSettings, run: str) -> None:
    """Raise RecipeError unless a run directory that is a path lies in a claim."""
    if "://" not in run and not any(Path(run).is_relative_to(path) for path in settings.claims.values()):
        raise RecipeError(
            f"run: {run} lies in no volume of the pods; name the claim and where it is mounted in cluster.claims"
        )


def submit(job: Manifests) -> str:
    """Hand the manifests to kubectl; the name of the job."""
    ask("kubectl", ["apply", "-f", "-"], WHY, given=render(job))
    return job.name


def jobs(namespace: str | None) -> list[Job]:
    """Training and curation jobs of this project, newest first."""
    found = []
    for kind in ("jobs.batch", "rayjobs.ray.io"):
        try:
            said = ask("kubectl", ["get", kind, *_in(namespace), "-l", _selector(MANAGED), "-o", "json"], WHY)
        except HanjiError:
            # A cluster without KubeRay has no RayJobs.
            if kind == "rayjobs.ray.io":
                continue
            raise
        found += [_described(item) for item in json.loads(said)["items"]]
    return sorted(found, key=lambda job: job.id)


def _described(item: dict[str, Any]) -> Job:
    status = item.get("status", {})
    if item["kind"] == "RayJob":
        state, kind = str(status.get("jobStatus") or "PENDING"), "curation"
    else:
        true = {entry["type"] for entry in status.get("conditions", []) if entry.get("status") == "True"}
        if "Complete" in true:
            state = "SUCCEEDED"
        elif "Failed" in true:
            state = "FAILED"
        else:
            state = "RUNNING" if status.get("active") else "PENDING"
        kind = "training"
    return Job(item["metadata"]["name"], state, item["metadata"]["name"], kind, None, None, "")


def show_logs(name: str, namespace: str | None, follow: bool) -> None:
    """Show what the pod with index 0, or the submitter of a RayJob, said; with ``follow`` until it ends."""
    program = need("kubectl", WHY)
    command = [program, "logs", *_in(namespace), "--tail=-1", *(["--follow"] if follow else [])]
    first = ["-l", f"{_JOB}={_checked(name)},batch.kubernetes.io/job-completion-index=0"]
    ray = any(job.id == name and job.kind == "curation" for job in jobs(namespace))
    code = subprocess.run([*command, *(["-l", f"job-name={name}"] if ray else first)]).returncode
    if code:
        raise RunError(f"kubectl logs ended with code {code}")


def stop(name: str, namespace: str | None) -> None:
    """Delete the job's objects: its pods get SIGTERM and their time to save."""
    for kind in ("jobs.batch", "rayjobs.ray.io", "services", "configmaps"):
        try:
            ask(
                "kubectl",
                ["delete", kind, *_in(namespace), "-l", f"{_JOB}={_checked(name)}", "--wait=false"],
                WHY,
            )
        except HanjiError:
            if kind != "rayjobs.ray.io":
                raise


def _selector(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _in(namespace: str | None) -> list[str]:
    return [f"--namespace={namespace}"] if namespace else []


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        raise RecipeError(f"{name!r} is not the name of a job, as `hanji jobs list --on kubernetes` says it")
    return name
