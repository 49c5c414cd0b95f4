"""Hanji: from raw Korean and English web data to tiered token shards and a family of models.

This package is the foundation that every room uses and that imports none of them: errors, storage and
commit records, recipes, fingerprints, text basics and the HTML page kit. The rooms are
``hanji.curation``, ``hanji.classifiers``, ``hanji.training`` and ``hanji.jobs``; in a checkout they are
the top-level directories of those names, linked into ``hanji/``.
"""

__version__ = "0.1.0"
