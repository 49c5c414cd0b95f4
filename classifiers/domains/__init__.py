"""Domains of texts, by a light classifier: what mixtures are set by where a source does not say it."""
