"""Deciding: rules with thresholds, survivors of clusters, tiers. Cheap, and can be run again alone."""
