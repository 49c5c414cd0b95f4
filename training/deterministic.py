"""Deterministic mode: the same bits in every run of the same recipe in the same layout.

What it switches, each read by its library when it starts: cuBLAS's workspace (``CUBLAS_WORKSPACE_CONFIG``), NCCL's
choice of algorithm (``NCCL_ALGO``, ``NCCL_PROTO``: else it may differ from run to run and with it the order of
sums), Transformer Engine's kernels, and torch's own operations, of which those without a deterministic form raise.
Megatron-Core's part is ``deterministic_mode`` of its configuration. On the CPU runs are deterministic anyway.
"""

from __future__ import annotations

import os

ENVIRONMENT = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "NCCL_ALGO": "Ring",
    "NCCL_PROTO": "Simple",
    "NVTE_ALLOW_NONDETERMINISTIC_ALGO": "0",
}
"""Set where the environment does not say otherwise, before torch is imported."""


def prepare_environment() -> None:
    """What must be set before CUDA starts; call it before torch is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def make_deterministic() -> None:
    """Torch's own operations; call it before the model is built."""
    import torch

    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # It would fill all new memory with NaN, to find reads of what was never written: a matter of debugging.
    torch.utils.deterministic.fill_uninitialized_memory = False
