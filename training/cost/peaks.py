"""Peak rates of accelerators, and what share of them a training run uses (MFU).

Model FLOPs utilisation (Chowdhery et al., arXiv 2204.02311, appendix B) is the FLOPs that the model's
mathematics needs a second over what the accelerator could do: recomputed activations, communication and
element-wise work count as nothing. It depends on how FLOPs are counted, so a figure is worth nothing without
the name of its convention; ``CONVENTIONS`` names ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanji.training.cost.flops import FlopsPerToken

Format = Literal["bf16", "fp8"]


@dataclass(frozen=True)
class Peak:
    """Dense matrix-product rates of one accelerator in FLOP/s, without structured sparsity.

    ``fp8`` is None where the hardware has no FP8 tensor cores. ``words`` are what its name, as
    ``torch.cuda.get_device_name()`` gives it, holds (in lower case, all of them).
    """

    name: str
    words: tuple[str, ...]
    bf16: float
    fp8: float | None

    def rate(self, form: Format) -> float:
        """Peak of a number format. Raises ValueError where the hardware does not multiply in it."""
        if form == "bf16":
            return self.bf16
        if self.fp8 is None:
            raise ValueError(f"{self.name} has no FP8 tensor cores, so it has no FP8 peak")
        return self.fp8


PEAKS: tuple[Peak, ...] = (
    Peak("GB200", ("gb200",), 2500e12, 5000e12),
    Peak("B200", ("b200",), 2250e12, 4500e12),
    Peak("GH200", ("gh200",), 989.4e12, 1978.9e12),
    Peak("H200 NVL", ("h200", "nvl"), 835.5e12, 1670.5e12),
    Peak("H200 SXM", ("h200",), 989.4e12, 1978.9e12),
    Peak("H100 NVL", ("h100", "nvl"), 835.5e12, 1670.5e12),
    Peak("H100 PCIe", ("h100", "pcie"), 756.4e12, 1512.9e12),
    Peak("H100 SXM", ("h100",), 989.4e12, 1978.9e12),
    Peak("L40S", ("l40s",), 362.0e12, 733.0e12),
    Peak("A100", ("a100",), 312e12, None),
)
"""From the makers' data sheets, half of the figures printed there "with sparsity". The first that fits counts."""

CONVENTIONS: dict[str, str] = {
    "causal_attention": "6 × matrix weights (input embedding left out) + 6·layers·heads·head_dim·(seq + 1), "
    "the half of the score matrix that the mask leaves",
    "full_attention": "6 × matrix weights (input embedding left out) + 12·layers·heads·head_dim·seq, "
    "the whole score matrix (PaLM's and Megatron-LM's older formula)",
    "six_n": "6 × all parameters, attention scores not counted",
}
"""FLOPs per token, forward and backward, under each convention, as :class:`FlopsPerToken` names them."""


def peak_of(device_name: str) -> Peak | None:
    """The entry for a device name such as "NVIDIA H100 80GB HBM3"; None for one that is not known."""
    name = device_name.lower()
    return next((peak for peak in PEAKS if all(word in name for word in peak.words)), None)


def mfu(tokens_per_second: float, flops_per_token: float, peak: float) -> float:
    """Share of the peak: tokens/s × FLOPs/token ÷ peak FLOP/s.

    ``tokens_per_second`` and ``peak`` are of the same devices (one, or all of a run). A run in FP8 is measured
    against the FP8 peak, or against the BF16 one where it is compared with a run in BF16: say which.
    """
    if peak <= 0:
        raise ValueError(f"peak {peak} FLOP/s is not above 0")
    return tokens_per_second * flops_per_token / peak


def mfu_by_convention(tokens_per_second: float, flops: FlopsPerToken, peak: float) -> dict[str, float]:
    """MFU under each of ``CONVENTIONS``."""
    return {name: mfu(tokens_per_second, getattr(flops, name), peak) for name in CONVENTIONS}
