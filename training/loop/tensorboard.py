"""The figures of metrics.jsonl for TensorBoard, if the recipe asks for them: RUN/tensorboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hanji.errors import MissingExtraError

DIRECTORY = "tensorboard"


class TensorBoard:
    """Writes intervals and validations as scalars; ``from_step`` as for the metrics file.

    TensorBoard's readers drop what an earlier writer gave for steps after ``from_step``. Raises
    MissingExtraError where tensorboard is not installed.
    """

    def __init__(self, run: Path, from_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("tensorboard: true", "tensorboard") from None
        self._writer = SummaryWriter(str(run / DIRECTORY), purge_step=from_step + 1 if from_step else 0)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add what a line of the metrics file has to show."""
        for name, value in scalars(entry):
            self._writer.add_scalar(name, value, entry["step"])

    def close(self) -> None:
        self._writer.close()


def scalars(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and values of a line of kind "interval" or "validation"; nothing of other lines."""
    if entry["kind"] == "validation":
        for axis, groups in entry["groups"].items():
            yield from ((f"held-out bits per byte by {axis}/{name}", value) for name, value in groups.items())
        yield from (
            (f"held-out bits per byte by component/{name}", value)
            for name, value in entry["components"].items()
        )
    elif entry["kind"] == "interval":
        yield from _of_interval(entry)


def _of_interval(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    if entry["loss"] is not None:
        yield "training/loss", entry["loss"]
    yield "training/learning rate", entry["lr"]
    yield "training/gradient norm", entry["grad_norm"]
    yield "training/skipped steps so far", entry["skipped_so_far"]
    for name, value in entry["rates"].items():
        if value is not None:
            yield f"speed/{name}", value
    for axis, groups in entry["losses"].items():
        yield from ((f"loss by {axis}/{name}", value) for name, value in groups.items())
    for name, cell in entry["components"].items():
        if cell["loss"] is not None:
            yield f"loss by component/{name}", cell["loss"]
        yield f"epochs/{name}", cell["epochs"]
    for axis, groups in entry["seen"].items():
        yield from ((f"tokens seen by {axis}/{name}", value) for name, value in groups.items())
    for name, cell in entry["phases"].items():
        yield f"seconds by phase/{name}", cell["mean"]
    for name, value in entry["memory"].items():
        yield f"memory/{name}", value
