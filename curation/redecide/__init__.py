"""Other thresholds on a finished run: what a new run would decide, without measuring again."""
