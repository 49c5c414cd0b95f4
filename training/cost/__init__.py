"""What training costs and what it should be set to: FLOPs, peak rates of accelerators, scaling laws.

Only the standard library and the model's sizes are needed here, so that a check on a bare GPU machine can
use it.
"""

from hanji.training.cost.flops import FlopsPerToken, flops_per_token, six_nd
from hanji.training.cost.peaks import PEAKS, Peak, mfu, mfu_by_convention, peak_of

__all__ = [
    "PEAKS",
    "FlopsPerToken",
    "Peak",
    "flops_per_token",
    "mfu",
    "mfu_by_convention",
    "peak_of",
    "six_nd",
]
