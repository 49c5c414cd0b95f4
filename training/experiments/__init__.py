"""Experiments over data: the same model trained on different data, and what the differences are worth."""
