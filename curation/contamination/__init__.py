"""Overlap with benchmarks: which items a document holds, how much of each, and where (docs/decontamination.md)."""
