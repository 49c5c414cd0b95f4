"""Blocks: filters and formatters of datatrove, and classes of a team's own, as steps of a recipe."""
