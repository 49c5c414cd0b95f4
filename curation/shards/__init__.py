"""Shards: kept documents as token files that Megatron reads, with a sidecar that knows every document."""
