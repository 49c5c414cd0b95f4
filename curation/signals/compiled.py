"""Compiled kernels: numba with a cache that is local to the node and can never be stale.

numba keys its cache by the file of a function alone: when a helper in another file changes, it silently
returns old code. So the cache directory is named by a hash of all kernel sources and of numba's version.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])
_PACKAGES = ("signals", "dedup", "text/scan", "text/guessing", "text/page")


def _cache_directory() -> Path:
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for package in _PACKAGES:
        for path in sorted((root / package).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hanji" / f"numba-{digest.hexdigest()}"


def kernel(function: Function) -> Function:
    """Compile a function at its first call and cache the code (``numba.njit``, no fast-math)."""
    numba.config.CACHE_DIR = str(_cache_directory())
    return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
