"""What ratios are written with: expressions over count columns, formed after measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Columns = Mapping[str, np.ndarray]
Expression = Callable[[Columns], np.ndarray]


def divide(part: np.ndarray, whole: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """part / whole, float64; ``empty`` where there is nothing below the line."""
    out = np.full(len(part), empty, np.float64)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def share(part: str, whole: str) -> Expression:
    """One column over another; 0 where there is nothing below the line."""
    return lambda columns: divide(columns[part], columns[whole])
