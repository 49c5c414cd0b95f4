"""Output directories that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hanji.errors import InputError, RecipeError


def refuse_occupied(output: Path) -> None:
    """Raise RecipeError when something is at ``output`` that a write would disturb."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise RecipeError(
            f"output: {output} is there already; name a directory that does not exist or is empty"
        )


@contextmanager
def whole_directory(output: Path) -> Iterator[Path]:
    """A directory beside ``output`` to write into; it gets that name at the end, and goes when there is an error.

    What a killed process left behind is removed by the next one that writes to the same ``output``.
    """
    partial = output.absolute().with_name(f".{output.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be written to: {error.strerror}") from None
    try:
        yield partial
        _to_disk(partial)
        # Replaces an empty directory of that name.
        partial.replace(output)
        _to_disk(output.absolute().parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _to_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
