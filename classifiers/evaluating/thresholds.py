"""What a threshold keeps: documents, bytes and tokens of a pool, precision and recall on labelled texts.

Scores are compared in millionths and a share takes ties to its last text along, as tiers do in a curation.
Perplexities are compared exactly, where tiers by share compare them to within one part in 65,536.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hanji.classifiers.evaluating.measure import SCORES, Measure

SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5)
VALUES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)


def top_share(whole: np.ndarray, share: float) -> float:
    """The threshold of the best ⌊share · n⌋ of n texts (never fewer than one), ties taken along.

    ``whole``: n > 0 numbers of which more is better, int64 of ``millionths`` or float64; the answer is one of them.
    """
    wanted = max(1, int(share * len(whole)))
    found: float = np.partition(whole, len(whole) - wanted)[len(whole) - wanted].item()
    return found


def threshold_table(
    pool: np.ndarray,
    size: np.ndarray,
    tokens: np.ndarray | None,
    labelled: tuple[np.ndarray, np.ndarray] | None,
    shares: Sequence[float] = SHARES,
    values: Sequence[float] = VALUES,
    measure: Measure | None = None,
) -> list[dict[str, Any]]:
    """A row for each share of the pool and each value, by threshold, the highest first.

    ``pool`` float64[n] scores, ``size`` int64[n] bytes, ``tokens`` int64[n] or None; ``labelled`` (truth bool[m],
    scores float64[m]) or None. Perplexities (``measure``) come as their negatives and are told as they are. A row
    has ``share`` (None for a value that was asked for), ``threshold``, ``documents``, ``bytes``, ``tokens`` kept
    with their shares of the pool, and ``precision``, ``recall``.
    """
    measure = measure or SCORES
    whole = measure.comparable(pool)
    asked: list[tuple[float, float | None]] = [(measure.least(value), None) for value in values]
    asked += [(top_share(whole, share), share) for share in shares] if len(whole) else []
    labels = None if labelled is None else (np.asarray(labelled[0], bool), measure.comparable(labelled[1]))
    # Of equal thresholds the share comes first, the larger one before the smaller: it names what was asked for.
    order = sorted(asked, key=lambda row: (-row[0], -(row[1] or 0)))
    return [_row(minimum, share, whole, size, tokens, labels, measure) for minimum, share in order]


def _row(
    minimum: float,
    share: float | None,
    whole: np.ndarray,
    size: np.ndarray,
    tokens: np.ndarray | None,
    labels: tuple[np.ndarray, np.ndarray] | None,
    measure: Measure,
) -> dict[str, Any]:
    kept = whole >= minimum
    row: dict[str, Any] = {"share": share, "threshold": measure.told_least(minimum)}
    for name, amounts in (("documents", np.ones(len(whole), np.int64)), ("bytes", size), ("tokens", tokens)):
        row[name] = None if amounts is None else int(amounts[kept].sum())
        row[f"{name}_share"] = (
            None if amounts is None else ratio(int(amounts[kept].sum()), int(amounts.sum()))
        )
    if labels is not None:
        truth, scores = labels
        chosen = scores >= minimum
        hits = int((chosen & truth).sum())
        row |= {
            "precision": ratio(hits, int(chosen.sum())),
            "recall": ratio(hits, int(truth.sum())),
            "false_alarms": ratio(int(chosen.sum()) - hits, int((~truth).sum())),
        }
    return row


def ratio(part: int, whole: int) -> float | None:
    """A part as a share of the whole, None of nothing."""
    return part / whole if whole else None
