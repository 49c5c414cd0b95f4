"""How many bands of how many rows: from a threshold, by the rule that datasketch uses (Zhu et al., ``MinHashLSH``).

Two texts of Jaccard s share a band with probability 1 − (1 − s^rows)^bands. The area under this curve left of the
threshold is what is found in vain, the area above it on the right is what is missed; the pair (bands, rows) with
the least sum wins.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)


def found(jaccard: float | np.ndarray, bands: int, rows: int) -> float | np.ndarray:
    """Probability that a pair of this Jaccard shares a band."""
    return 1.0 - (1.0 - jaccard**rows) ** bands


@lru_cache(maxsize=64)
def optimal_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, rows) with bands · rows ≤ permutations and the least area on the wrong sides of the threshold.

    Raises ValueError for a threshold outside (0, 1) or fewer than one permutation.
    """
    if not 0.0 < threshold < 1.0 or permutations < 1:
        raise ValueError(f"no bands for a threshold of {threshold} and {permutations} permutations")
    left = threshold * (_NODES + 1.0) / 2.0
    right = threshold + (1.0 - threshold) * (_NODES + 1.0) / 2.0
    best, least = (1, 1), np.inf
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            in_vain = threshold / 2.0 * float(_WEIGHTS @ found(left, bands, rows))
            missed = (1.0 - threshold) / 2.0 * float(_WEIGHTS @ (1.0 - found(right, bands, rows)))
            if in_vain + missed < least:
                best, least = (bands, rows), in_vain + missed
    return best
