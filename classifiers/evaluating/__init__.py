"""Whether a classifier can be trusted: exact figures, calibration, what it goes by, and two models side by side."""
