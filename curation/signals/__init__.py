"""Signals: numbers about a text, with no judgement in them."""
