"""Calibration: the thresholds of a language from documents that are trusted, and what they would drop elsewhere.

A *form* says which signals get a bound and on which side (:mod:`bounds`). Trusted documents, and those elsewhere,
come from finished runs (:mod:`runs`) or files (:mod:`files`). Each threshold is a percentile of what is trusted
(:mod:`percentiles`, :mod:`fitting`), fitted on one half and tried on the other. The result is told on a terminal
(:mod:`telling`), in a page (:mod:`page`) and as a preset that recipes can name (:mod:`preset`).
"""

from hanji.curation.calibrating.calibration import Asked, Calibration, calibrate

__all__ = ["Asked", "Calibration", "calibrate"]
