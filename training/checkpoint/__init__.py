"""Checkpoints: what they hold; written in the background, checked, loaded in any layout, pruned."""
