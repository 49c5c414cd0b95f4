"""Boilerplate of Korean and English pages, as edits with reasons: menus, share buttons, bylines, notices.

The rules are data (:mod:`korean`, :mod:`english`); what a rule may be is in :mod:`rules`.
"""

from hanji.curation.text.lines.finding import boilerplate_edits

__all__ = ["VERSION", "boilerplate_edits"]

VERSION = 2
