"""KenLM's programs, lmplz and build_binary: found, or built from KenLM's source distribution.

The Python package brings what scores; the programs that estimate a model are C++ with Boost, which its build leaves
out. They are looked for on the path and beside the running Python, where `hanji classifier build-lmplz` puts them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from hanji.errors import InputError, RunError
from hanji.fingerprint import file_sha256

PROGRAMS = ("lmplz", "build_binary")
RELEASE = "0.3.0"
SHA256 = "c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8"
"""Of kenlm-0.3.0.tar.gz on PyPI."""
NEEDS = (
    "cmake, a C++ compiler and Boost's program_options, system, thread and unit test framework (Debian: apt-get "
    "install cmake g++ libboost-program-options-dev libboost-system-dev libboost-thread-dev libboost-test-dev)"
)
_TAIL = 12


def find(name: str) -> Path:
    """The path of one of PROGRAMS. Raises InputError that says how to get it."""
    beside = Path(sys.executable).parent
    found = shutil.which(name) or shutil.which(name, path=str(beside))
    if found is None:
        raise InputError(
            f"{name} is neither on the path nor in {beside}; `hanji classifier build-lmplz` builds it from KenLM's "
            "source distribution"
        )
    return Path(found)


def build(directory: str | Path | None = None, source: str | Path | None = None, jobs: int = 2) -> list[Path]:
    """Build PROGRAMS and put them into a directory; returns their paths.

    ``directory``: by default that of the running Python. ``source``: a kenlm-….tar.gz that is there; by default pip
    downloads RELEASE, whose hash must be SHA256. Raises InputError where cmake or the source is missing, RunError
    with the end of what the build said where it fails.
    """
    target = Path(directory) if directory is not None else Path(sys.executable).parent
    if shutil.which("cmake") is None:
        raise InputError(f"cmake is not installed; building KenLM needs {NEEDS}")
    with tempfile.TemporaryDirectory(prefix="hanji-kenlm-") as scratch:
        archive = Path(source) if source is not None else _download(Path(scratch))
        root = _unpacked(archive, Path(scratch) / "source")
        made = Path(scratch) / "build"
        # CMake 4 refuses what was written for versions before 3.5 unless it is told.
        settings = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5"]
        _built(["cmake", "-S", str(root), "-B", str(made), *settings])
        _built(["cmake", "--build", str(made), "--parallel", str(jobs), "--target", *PROGRAMS])
        target.mkdir(parents=True, exist_ok=True)
        found = []
        for name in PROGRAMS:
            part = target / f".{name}.part"
            shutil.copy2(made / "bin" / name, part)
            found.append(part.replace(target / name))
    return found


def run(command: Sequence[str], stdin: IO[Any] | None = None, stdout: IO[Any] | None = None) -> str:
    """Run a program to its end; returns what it wrote to standard error (and output, if that goes nowhere else).

    It is a process group of its own, which ends with this function however that ends. Raises RunError with the end
    of what it said where it fails.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=stdout if stdout is not None else said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    if code != 0:
        tail = "\n  ".join(text.splitlines()[-_TAIL:])
        raise RunError(f"{Path(command[0]).name} ended with {code}:\n  {tail}")
    return text


def _built(command: Sequence[str]) -> None:
    try:
        run(command)
    except RunError as error:
        raise RunError(f"{error}\nBuilding KenLM needs {NEEDS}") from None


def _download(directory: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "kenlm"]
    run([*pip, "--dest", str(directory), f"kenlm=={RELEASE}"])
    archive = directory / f"kenlm-{RELEASE}.tar.gz"
    if not archive.is_file() or file_sha256(archive) != SHA256:
        raise InputError(f"pip brought no kenlm-{RELEASE}.tar.gz with the SHA-256 {SHA256}")
    return archive


def _unpacked(archive: Path, directory: Path) -> Path:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{archive}: not KenLM's source distribution: {error}") from None
    roots = [path.parent for path in directory.glob("*/CMakeLists.txt")]
    if len(roots) != 1:
        raise InputError(f"{archive}: not KenLM's source distribution: it has no CMakeLists.txt")
    return roots[0]
