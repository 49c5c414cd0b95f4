"""Models that judge text: language and quality. They know nothing of runs."""
