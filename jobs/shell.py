"""Programs of a cluster (sbatch, kubectl, …) that submission calls, with errors that say what is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from hanji.errors import InputError, RunError


def need(program: str, why: str) -> str:
    """The path of a program. Raises InputError where it is not on the PATH, saying what it is needed for."""
    found = shutil.which(program)
    if found is None:
        raise InputError(
            f"{program} is not on this machine's PATH, and {why}. Run the same command where it is; --render "
            "prints what would be submitted"
        )
    return found


def ask(program: str, arguments: Sequence[str], why: str, given: str | None = None) -> str:
    """What a program says on stdout; ``given`` is its stdin. Raises RunError with its own words if it fails."""
    command = [need(program, why), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise RunError(f"{program} {' '.join(arguments[:2])}: {said}")
    return done.stdout
