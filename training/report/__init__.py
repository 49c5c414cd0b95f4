"""The report of a training run and the comparison of two, made from what the run wrote alone."""
