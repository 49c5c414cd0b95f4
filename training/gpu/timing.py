"""Time of device work, by events on the device; of a CPU by its clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def median_ms(function: Callable[[], object], repeats: int = 10, warm_ups: int = 3) -> float:
    """Median time of a call in milliseconds."""
    for _ in range(warm_ups):
        function()
    if not torch.cuda.is_available():
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            function()
            times.append(1000 * (time.perf_counter() - started))
        return statistics.median(times)
    torch.cuda.synchronize()
    pairs = []
    for _ in range(repeats):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        function()
        end.record()
        pairs.append((start, end))
    torch.cuda.synchronize()
    return float(statistics.median(start.elapsed_time(end) for start, end in pairs))
