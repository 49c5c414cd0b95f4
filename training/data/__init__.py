"""What a trainer reads and in which order: shards through the manifest, blends, exact positions."""
