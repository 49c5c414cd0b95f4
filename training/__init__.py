"""Training: from tiered token shards to models, on Megatron-Core.

It meets curation only in the shard manifest. Modules that need torch are imported by the worker processes
alone, so that reading a recipe or describing a run stays quick.
"""
