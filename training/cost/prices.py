"""A price list, the user's own: what an hour of a GPU costs.

::

    currency: EUR
    date: 2026-11-01              # when these prices held
    per_gpu_hour:
      H100 SXM: 2.49              # a name of hanji.training.cost.peaks, or the one that the device gives itself

The project ships no prices: they differ by provider, contract and month.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from hanji.errors import RecipeError
from hanji.recipe import Settings
from hanji.training.cost.peaks import PEAKS, Peak, peak_of


class PriceList(Settings):
    """Prices of GPU-hours in one currency, as of a day."""

    currency: str = Field(min_length=1, max_length=8)
    date: datetime.date
    per_gpu_hour: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(min_length=1)

    def price(self, device: str) -> float | None:
        """An hour of a device, by its own name or by that of the peak that it has; None where the list lacks it."""
        wanted = device.lower()
        for name, price in self.per_gpu_hour.items():
            if name.lower() == wanted:
                return price
        peak = peak_of(device)
        for name, price in self.per_gpu_hour.items():
            if peak is not None and name.lower() == peak.name.lower():
                return price
        return None


@dataclass(frozen=True)
class Reckoning:
    """How FLOPs become hours: a device, the share of its dense BF16 peak that is reached, and by which count."""

    device: str
    peak: Peak
    mfu: float
    convention: str

    def hours(self, flops: float) -> float:
        """Device-hours of so many FLOPs."""
        return flops / (self.peak.bf16 * self.mfu) / 3600


def known_peak(device: str) -> Peak:
    """The peak of a device by its name here, or by the one that it gives itself. Raises RecipeError."""
    for peak in PEAKS:
        if peak.name.lower() == device.lower():
            return peak
    found = peak_of(device)
    if found is None:
        raise RecipeError(
            f"--gpu: {device!r} is not known; there are: {', '.join(peak.name for peak in PEAKS)}"
        )
    return found
