"""Takedown: documents that must go from a run and stay gone (docs/takedown.md)."""
