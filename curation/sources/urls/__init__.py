"""Rules on URLs, before anything is parsed: lists of hosts and URLs, and words that spam hosts are made of.

An allow-list wins over every block rule. What is measured: see ``python -m benchmarks.lines``.
"""

from hanji.curation.sources.urls.rules import VERSION, UrlRules, UrlVerdict

__all__ = ["VERSION", "UrlRules", "UrlVerdict"]
