"""How fast a run is: tokens/s by device first, then FLOP/s and MFU, each with what it was counted by.

A figure of MFU says nothing without its formula, its peak and its convention for attention, so the record of a run
holds all three (:meth:`Rates.facts`), and every start says them on the console.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from hanji.training.cost import flops_per_token, mfu, peak_of
from hanji.training.cost.flops import FlopsPerToken
from hanji.training.cost.peaks import CONVENTIONS, Peak

if TYPE_CHECKING:
    from hanji.training.loop.layout import Layout
    from hanji.training.model.shape import ModelShape

HEADLINE = "causal_attention"
"""The convention of figures that stand alone: what the mask leaves has to be computed, no more."""
FORMULA = "tokens/s × FLOPs/token ÷ (devices × peak FLOP/s)"


@dataclass(frozen=True)
class Hardware:
    """What the ranks of a run compute on: ranks by the name of their device, and the number of machines."""

    devices: dict[str, int]
    machines: int
    cuda: bool

    @property
    def ranks(self) -> int:
        return sum(self.devices.values())

    @property
    def unit(self) -> str:
        """What a rate by device is of: a GPU, or a rank on a CPU."""
        return "GPU" if self.cuda else "rank"

    def describe(self) -> str:
        """ "8 × NVIDIA H100 80GB HBM3 on 1 machine"."""
        named = ", ".join(f"{count} × {name}" for name, count in self.devices.items())
        return f"{named} on {self.machines} machine" + ("s" if self.machines != 1 else "")


def find_hardware(layout: Layout) -> Hardware:
    """Ask all ranks what they run on; every rank calls it."""
    cuda = layout.device.type == "cuda"
    name = torch.cuda.get_device_name(layout.device) if cuda else "CPU"
    found: list[tuple[str, str]] = [("", "")] * layout.ranks
    dist.all_gather_object(found, (name, os.environ.get("HOSTNAME") or platform.node()))
    return Hardware(dict(Counter(device for device, _ in found)), len({host for _, host in found}), cuda)


class Rates:
    """Turns tokens and seconds into rates. ``precision`` is the recipe's."""

    def __init__(self, shape: ModelShape, vocab_size: int, hardware: Hardware, precision: str) -> None:
        self.hardware = hardware
        self.precision = precision
        self.flops: FlopsPerToken = flops_per_token(shape, vocab_size)
        # Ranks on several kinds of devices have no common peak.
        self.peak: Peak | None = peak_of(next(iter(hardware.devices))) if len(hardware.devices) == 1 else None

    def of(self, tokens: float, seconds: float) -> dict[str, float | None]:
        """Tokens/s of all ranks and by device, FLOP/s by device and MFU, by the ``HEADLINE`` convention.

        MFU is against the dense BF16 peak, in FP8 also against that of FP8; None where no peak is known.
        """
        per_second = tokens / seconds if seconds > 0 else 0.0
        by_device = per_second / self.hardware.ranks
        flops = getattr(self.flops, HEADLINE)
        found: dict[str, float | None] = {
            "tokens_per_second_per_device": by_device,
            "tokens_per_second": per_second,
            "flops_per_second_per_device": by_device * flops,
            "mfu": None if self.peak is None else mfu(by_device, flops, self.peak.bf16),
        }
        if self.precision == "fp8" and self.peak is not None and self.peak.fp8 is not None:
            found["mfu_fp8"] = mfu(by_device, flops, self.peak.fp8)
        return found

    def facts(self) -> dict[str, Any]:
        """What the rates were counted by, for the run's record."""
        return {
            "formula": FORMULA,
            "convention": HEADLINE,
            "conventions": CONVENTIONS,
            "flops_per_token": {name: getattr(self.flops, name) for name in CONVENTIONS},
            "peak": None
            if self.peak is None
            else {"name": self.peak.name, "bf16": self.peak.bf16, "fp8": self.peak.fp8},
        }

    def describe(self) -> list[str]:
        """The same for the console."""
        flops = getattr(self.flops, HEADLINE)
        counted = f"{HEADLINE}: {flops:.4g} FLOPs a token = {CONVENTIONS[HEADLINE]}"
        if self.peak is None:
            return [self.hardware.describe(), f"FLOP/s by {counted}; no peak is known here, so no MFU"]
        peak = f"{self.peak.bf16 / 1e12:,.1f} TFLOP/s, dense BF16 of {self.peak.name}"
        return [self.hardware.describe(), f"MFU = {FORMULA}; peak {peak}; {counted}"]

    def line(self, rates: dict[str, float | None]) -> str:
        """Rates in a few words, tokens/s by device first."""
        speed, flops = rates["tokens_per_second_per_device"], rates["flops_per_second_per_device"]
        assert speed is not None and flops is not None
        text = f"{speed:,.0f} tokens/s/{self.hardware.unit}  {flops_text(flops)}"
        return text if rates["mfu"] is None else f"{text}  MFU {rates['mfu']:.1%}"


def flops_text(flops: float) -> str:
    """ "412.3 TFLOP/s", "8.1 GFLOP/s"."""
    return f"{flops / 1e12:,.1f} TFLOP/s" if flops >= 1e11 else f"{flops / 1e9:,.1f} GFLOP/s"
