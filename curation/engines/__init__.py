"""Engines run independent tasks somewhere. They know nothing of text."""
