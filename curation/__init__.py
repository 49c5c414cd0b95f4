"""Curation: raw Korean and English data to tiered token shards, every document accounted for."""
