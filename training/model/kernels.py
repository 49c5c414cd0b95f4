"""Which kernels the model's own layers use: torch.compile or eager, and the order of attention backends.

The defaults are for training; a measurement compares others with :func:`using`. On the CPU nothing is compiled
and the order of backends has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, Generic, ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

ATTENTION_BACKENDS = ("cudnn", "flash", "efficient", "math")
"""Names of torch's attention backends on CUDA; the first of an order that can do the job is used."""


@dataclass(frozen=True)
class Kernels:
    """``compile``: fuse norms, rotary positions and SwiGLU with torch.compile on CUDA. ``attention``: backends,
    best first. ``accumulate``: weight gradients are added to the fp32 buffer inside the matrix product."""

    compile: bool = True
    attention: tuple[str, ...] = ATTENTION_BACKENDS
    accumulate: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.attention if name not in ATTENTION_BACKENDS]
        if unknown or not self.attention:
            raise ValueError(
                f"attention backends are {', '.join(ATTENTION_BACKENDS)}, not {', '.join(unknown) or 'none'}"
            )


SHAPES_OF_A_RUN = 64
"""Kernels compiled for one function, by shape, dtype and whether gradients are wanted. Torch's own limit of 8 is
soon reached where models are compared, and what comes after it would be eager without a word."""

_chosen = Kernels()


def kernels() -> Kernels:
    """The kernels in use."""
    return _chosen


@contextmanager
def using(**changes: Any) -> Iterator[Kernels]:
    """Use other kernels inside this block: fields of :class:`Kernels`."""
    global _chosen
    before = _chosen
    _chosen = replace(before, **changes)
    try:
        yield _chosen
    finally:
        _chosen = before


def attention_backends(tensor: torch.Tensor) -> AbstractContextManager[None]:
    """Context in which scaled_dot_product_attention takes the backends in their order; on the CPU its own."""
    if not tensor.is_cuda:
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    backends = {
        "cudnn": SDPBackend.CUDNN_ATTENTION,
        "flash": SDPBackend.FLASH_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "math": SDPBackend.MATH,
    }
    context: AbstractContextManager[None] = sdpa_kernel(
        [backends[name] for name in _chosen.attention], set_priority=True
    )
    return context


class Fused(Generic[Arguments, Result]):
    """A function of tensors that is compiled on CUDA when it is first called there, and eager elsewhere.

    Shapes are static: a training run has one, validation another, and kernels for fixed sizes are faster.
    """

    def __init__(self, function: Callable[Arguments, Result]) -> None:
        self.eager = function
        self._compiled: Callable[Arguments, Result] | None = None

    def __call__(self, *args: Arguments.args, **options: Arguments.kwargs) -> Result:
        first = args[0]
        if not (_chosen.compile and isinstance(first, torch.Tensor) and first.is_cuda):
            return self.eager(*args, **options)
        if self._compiled is None:
            known = signature(torch.compile).parameters
            limit = {"recompile_limit": SHAPES_OF_A_RUN} if "recompile_limit" in known else {}
            self._compiled = torch.compile(self.eager, dynamic=False, **limit)
        return self._compiled(*args, **options)
