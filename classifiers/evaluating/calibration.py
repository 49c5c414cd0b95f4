"""Whether scores are the probabilities that they look like: reliability, expected error, and the Brier score."""

from __future__ import annotations

from typing import Any

import numpy as np

from hanji.classifiers.evaluating.curves import checked

BINS = 10


def calibration(truth: np.ndarray, scores: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Reliability over equal bins of [0, 1], and what follows from it.

    A bin holds scores from its lower bound to below its upper one, the last one 1 as well. ``expected_error`` is
    the mean distance of a bin's mean score from its share of good texts, weighed by texts (ECE; Naeini et al.
    2015), ``largest_error`` the largest of them (MCE). ``brier`` is the mean square of score less label (Brier
    1950), ``brier_of_share`` that of always saying the share of good texts. Scores outside [0, 1] count in the
    end bins. Raises InputError where one kind of text is missing.
    """
    return reliability(*checked(truth, scores), bins)


def reliability(truth: np.ndarray, scores: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """``calibration`` of labels (bool[n]) and scores (float64[n], n > 0) that may all be of one kind."""
    place = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    good = np.bincount(place, truth, bins)
    total = np.bincount(place, scores, bins)
    rows = [
        {
            "from": one / bins,
            "to": (one + 1) / bins,
            "texts": int(count[one]),
            "mean_score": float(total[one] / count[one]) if count[one] else None,
            "share_good": float(good[one] / count[one]) if count[one] else None,
        }
        for one in range(bins)
    ]
    full = count > 0
    errors = abs(total[full] - good[full]) / count[full]
    share = float(truth.mean())
    return {
        "bins": rows,
        "expected_error": float((errors * count[full]).sum() / len(truth)),
        "largest_error": float(errors.max()),
        "brier": float(np.square(scores - truth).mean()),
        "brier_of_share": share * (1 - share),
    }
