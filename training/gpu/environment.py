"""What the check ran on: versions, the GPU, its clock and memory, and its two ceilings as measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from hanji.training.gpu.report import Report, Row
from hanji.training.gpu.timing import median_ms


def run(report: Report, root: Path, *, tiny: bool) -> None:
    """Add the environment's table."""
    section = report.section("environment", "Environment")
    report.attempt(section, "revision", lambda: {"value": revision(root)})
    report.attempt(section, "date", lambda: {"value": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")})
    report.attempt(section, "versions", lambda: {"value": _versions()})
    report.attempt(section, "device", lambda: {"value": device_name()})
    if not torch.cuda.is_available():
        return
    report.attempt(section, "driver, SM clock, power limit, temperature", lambda: {"value": _nvidia_smi()})
    size = 512 if tiny else 8192
    report.attempt(section, f"BF16 product {size}³, TFLOP/s", lambda: _product(size))
    report.attempt(section, "copy, TB/s (read and written)", lambda: _copy(2**22 if tiny else 2**30))


def revision(root: Path) -> str:
    """HANJI_REVISION, or the commit of the working tree, "-dirty" when it differs; "unknown" without git."""
    if os.environ.get("HANJI_REVISION"):
        return os.environ["HANJI_REVISION"]
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "-C", str(root), "-c", f"safe.directory={root}", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def device_name() -> str:
    """The GPU's name, or the processor's."""
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB"
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"


def _versions() -> str:
    found = [f"Python {sys.version.split()[0]}", f"torch {torch.__version__}", f"CUDA {torch.version.cuda}"]
    for name in ("megatron-core", "triton", "numpy", "transformer-engine"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    if torch.cuda.is_available():
        found.append(f"cuDNN {torch.backends.cudnn.version()}")
    return ", ".join(found)


def _nvidia_smi() -> str:
    query = "driver_version,clocks.sm,clocks.max.sm,power.limit,temperature.gpu"
    done = subprocess.run(
        ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[0]


def _product(size: int) -> Row:
    a = torch.randn(size, size, dtype=torch.bfloat16, device="cuda")
    b = torch.randn(size, size, dtype=torch.bfloat16, device="cuda")
    return {"value": 2 * size**3 / median_ms(lambda: a @ b) / 1e9}


def _copy(count: int) -> Row:
    a = torch.randn(count // 4, device="cuda")
    b = torch.empty_like(a)
    return {"value": 2 * a.numel() * 4 / median_ms(lambda: b.copy_(a)) / 1e9}
