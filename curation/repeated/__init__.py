"""Lines that many documents repeat, as edits: pattern-aware line deduplication (docs/repeated-lines.md)."""
