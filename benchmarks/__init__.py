"""Benchmarks: each module prints a peer's figure, ours and the ratio from one run (docs/benchmarks.md)."""
