"""Relating documents: exact and near duplicates with verified edges. Nothing here deletes."""
