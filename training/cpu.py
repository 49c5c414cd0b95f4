"""What Megatron-Core 0.16.1 needs to run without CUDA, and nothing else.

Megatron-Core allocates on ``device="cuda"`` in many places. Where CUDA is absent, :func:`without_cuda` sends
those to the CPU for as long as its block lasts; where CUDA is there it does nothing. Every patch names the
place in Megatron-Core that makes it necessary, so that it can go when that place changes. Call
:func:`prepare_import` before the first import of a Megatron module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def cuda_is_absent() -> bool:
    """Whether this process runs on the CPU."""
    return not torch.cuda.is_available()


def prepare_import() -> None:
    """Keep Megatron-Core from compiling, and from warning about what is not there, on a CPU.

    core/jit.py makes ``jit_fuser`` torch.compile when it is imported, and the fusions apply it when they are
    imported: inductor would compile for minutes what runs once here. Imports of optional CUDA packages
    (Transformer Engine, Apex) warn on every rank.
    """
    if cuda_is_absent():
        for message in ("Transformer Engine and Apex are not installed", "Apex is not installed"):
            warnings.filterwarnings("ignore", message=message)
        from megatron.core import jit

        jit.disable_jit_fuser()


@contextmanager
def without_cuda() -> Iterator[None]:
    """Run Megatron-Core on the CPU inside this block. No effect where CUDA is present."""
    if not cuda_is_absent():
        yield
        return
    with ExitStack() as stack:
        for patch in _patches():
            original = getattr(patch.owner, patch.name)
            setattr(patch.owner, patch.name, patch.replacement)
            stack.callback(setattr, patch.owner, patch.name, original)
        stack.enter_context(_CudaMeansCpu())
        yield


@dataclass(frozen=True)
class _Patch:
    """Replace ``owner.name``. ``upstream`` is the place in Megatron-Core that calls it."""

    owner: Any
    name: str
    replacement: Callable[..., Any]
    upstream: str


def _patches() -> list[_Patch]:
    from megatron.core.tensor_parallel import random

    def nothing(*args: Any, **kwargs: Any) -> None:
        return None

    def current_device() -> torch.device:
        return torch.device("cpu")

    def get_state(device: Any = "cuda", clone: bool = False, graph_safe: bool = False) -> torch.Tensor:
        return torch.default_generator.get_state()

    def set_state(new_state: torch.Tensor, device: Any = -1, graph_safe: bool = False) -> None:
        torch.default_generator.set_state(new_state)

    def manual_seed(seed: int) -> None:
        # Not torch.manual_seed: that seeds CUDA in turn.
        torch.default_generator.manual_seed(seed)

    return [
        _Patch(
            torch.cuda,
            "current_device",
            current_device,
            "models/common/embeddings/rotary_pos_embedding.py:162",
        ),
        _Patch(torch.cuda, "synchronize", nothing, "dist_checkpointing/strategies/filesystem_async.py:230"),
        _Patch(torch.cuda, "empty_cache", nothing, "optimizer/optimizer.py:362"),
        _Patch(torch.cuda, "manual_seed", manual_seed, "tensor_parallel/random.py:237 and 422"),
        _Patch(torch.cuda, "get_rng_state", get_state, "tensor_parallel/random.py:235"),
        # The attention forks the tracker in every forward pass, even without dropout
        # (transformer/dot_product_attention.py:217).
        _Patch(random, "_get_cuda_rng_state", get_state, "tensor_parallel/random.py:250"),
        _Patch(random, "_set_cuda_rng_state", set_state, "tensor_parallel/random.py:255"),
    ]


class _CudaMeansCpu(TorchFunctionMode):  # type: ignore[misc]
    """Sends every tensor operation that asks for CUDA to the CPU.

    - ``device="cuda"`` as an argument: pipeline_parallel/schedules.py:596, optimizer/clip_grads.py:103,
      transformer/utils.py:35 and others;
    - ``Tensor.cuda()``: models/common/language_module/language_module.py:244;
    - ``Tensor.type()`` must answer "torch.cuda.FloatTensor", by which the distributed optimizer knows
      fp32 from bf16 parameters: optimizer/distrib_optimizer.py:361 and 420, optimizer/clip_grads.py:167.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.Tensor.cuda:
            return args[0]
        if func is torch.Tensor.type and len(args) == 1 and not options:
            name: str = func(*args)
            return name.replace("torch.", "torch.cuda.", 1) if args[0].device.type == "cpu" else name
        if "device" in options and _is_cuda(options["device"]):
            options["device"] = torch.device("cpu")
        if func is torch.Tensor.to and len(args) > 1 and _is_cuda(args[1]):
            args = (args[0], torch.device("cpu"), *args[2:])
        return func(*args, **options)


def _is_cuda(device: Any) -> bool:
    if isinstance(device, str):
        return device.startswith("cuda")
    return isinstance(device, torch.device) and device.type == "cuda"
