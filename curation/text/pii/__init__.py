"""Personal data in Korean and English text, as edits that mask or tag it (docs/pii.md).

What has a check is checked: dates, sums, prefixes, ranges; what has none needs a word beside it. Names and
street addresses are not looked for.
"""

from __future__ import annotations

from hanji.curation.text.pii.find import DEFAULT, find_hits, find_pii, pii_verdict
from hanji.curation.text.pii.hits import Hit

VERSION = 3

__all__ = ["DEFAULT", "VERSION", "Hit", "find_hits", "find_pii", "pii_verdict"]
