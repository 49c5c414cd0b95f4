"""The report: what happened in a run, for a person to read."""
