"""What a recipe asks of a cluster: nodes, their sizes, and what Slurm and Kubernetes want to know besides.

A part of both kinds of recipes, so that ``hanji submit`` works alike for both. Nothing in it decides
what a run makes. Values end up in scripts and manifests: they are quoted there, and what no quoting can make safe
(control characters) is refused here, as are environment variables that look like secrets.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from hanji.errors import RecipeError
from hanji.recipe import Settings

SECRET = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|PRIVATE|(^|_)KEY(_|$)|API_?KEY|ACCESS_KEY", re.IGNORECASE
)
WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
"""An address with a password in it, as those of proxies and indices can be."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("one line of printable characters")
    if text.startswith("-"):
        raise ValueError("a value does not begin with a dash")
    return text


Line = Annotated[str, AfterValidator(_printable)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,:|&*()\[\]@=+/][A-Za-z0-9_.,:|&*()\[\]@=+/-]*$")]
DnsName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
LabelKey = Annotated[str, Field(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]


class ClusterSettings(Settings):
    """Where a recipe runs when it is submitted (docs/jobs.md). What is unset is left to the cluster's defaults."""

    nodes: int = Field(default=1, ge=1, description="machines")
    gpus_per_node: int = Field(default=0, ge=0)
    cpus_per_node: int | None = Field(default=None, ge=1)
    memory_per_node: Annotated[str, Field(pattern=r"^[1-9][0-9]*[MGT]$")] | None = Field(
        default=None, description="as in 200G: powers of 1024"
    )
    stop_seconds: int = Field(
        default=300, ge=10, description="time to save, between the request to stop and the end"
    )
    directory: Line | None = Field(
        default=None, description="where the job's code, script and log are put; unset: RUN/jobs"
    )
    image: Line | None = Field(
        default=None, description="container: required by Kubernetes, for Slurm with pyxis"
    )
    mounts: tuple[Line, ...] = Field(default=(), description="Slurm with an image: PATH or SOURCE:TARGET")
    environment: dict[str, Line] = Field(default={}, description="variables of the ranks; no secrets")
    python: Line = Field(default="python", description="the interpreter on the nodes")

    time: Annotated[str, Field(pattern=r"^\d+(-\d{1,2}(:\d{2}){0,2}|(:\d{2}){1,2})?$")] | None = Field(
        default=None, description='Slurm: time limit, as in "2-00:00:00", in quotes'
    )
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    requeue: bool = Field(default=True, description="Slurm: go on in a new allocation after the time limit")
    modules: tuple[Line, ...] = Field(default=(), description="Slurm: environment modules to load")
    venv: Line | None = Field(default=None, description="Slurm: virtual environment to activate")

    namespace: DnsName | None = Field(default=None, description="Kubernetes")
    claims: dict[DnsName, Annotated[Line, Field(pattern=r"^/")]] = Field(
        default={}, description="Kubernetes: persistent volume claims and where they are mounted"
    )
    secrets: tuple[DnsName, ...] = Field(
        default=(), description="Kubernetes: names of secrets whose entries become environment variables"
    )
    service_account: DnsName | None = Field(default=None, description="Kubernetes")
    node_selector: dict[LabelKey, LabelValue] = Field(default={}, description="Kubernetes")
    gpu_resource: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$")] = Field(
        default="nvidia.com/gpu", description="Kubernetes: the GPUs' resource"
    )

    @field_validator("time", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        if isinstance(value, int):
            # YAML reads 1:00:00 as the number 3600, and then 1:30 cannot be told from 90.
            raise ValueError('write it in quotes, as in time: "1:00:00" (YAML reads times as numbers)')
        return value

    @model_validator(mode="after")
    def _no_secrets(self) -> Any:
        for name, value in self.environment.items():
            if not _VARIABLE.fullmatch(name):
                raise RecipeError(
                    f"cluster.environment: {name!r} is not the name of a variable (letters, digits, _)"
                )
            if SECRET.search(name) or WITH_PASSWORD.search(value):
                raise RecipeError(
                    f"cluster.environment.{name} looks like a secret, and would be written into a file. With Slurm "
                    "set it in the environment that submits; with Kubernetes name the secret in cluster.secrets"
                )
        return self
