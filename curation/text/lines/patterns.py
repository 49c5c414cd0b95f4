"""From phrases to patterns: many phrases as one compiled trie, so that a line is held against all of them at once.

Everything here is possessive or atomic (Python 3.11), so no text makes a pattern go back over what it has
read. All patterns are for lower-case text (:func:`lowered`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

BLANKS = r"[\t \u00a0\u3000]"
# What stands between the items of a menu: blanks, separators, marks, and counts with their units.
GAP = (
    rf"(?:{BLANKS}|[|·•∙ㅣ/\\,:;+>»›«‹→←▶◀▲▼△▽▷◁☞♥♡★☆✔✕×()\[\]…!?*_~=&–—.-]"
    r"|\d[\d,.]*+(?:[km만천](?![a-z가-힣]))?+(?:개|건|명|회)?+)"
)
# What may stand before a line: Markdown's marks of headings, quotes, lists and rows, and printed bullets.
_LIST = r"(?:[-*+•·▪■□◆◇●○▶▷☞※→]|\d{1,2}[.)])"
MARKS = (
    rf"(?P<indent>[\t \u00a0]*+)(?P<quote>(?:>{BLANKS}?+)*+)(?:(?P<heading>\#{{1,6}}){BLANKS}++|"
    rf"(?P<list>{_LIST}){BLANKS}*+)?+"
)

_Trie = dict[str, "_Trie"]


def lowered(text: str) -> str:
    """Lower case with every character at its old place (İ is the one that would become two)."""
    return text.replace("İ", "i").lower()


def key(phrase: str) -> str:
    """A phrase without its blanks: how items are looked up."""
    return "".join(phrase.split())


def trie(phrases: Iterable[str]) -> str:
    """An atomic pattern for the longest of the phrases; a space in a phrase stands for any blanks or none."""
    root: _Trie = {}
    for phrase in phrases:
        node = root
        for character in phrase:
            node = node.setdefault(character, {})
        node[""] = {}
    return f"(?>{_branches(root)})"


def _branches(node: _Trie) -> str:
    ends = "" in node
    # Single characters that lead nowhere become a set; the rest are branches, each with another beginning.
    leaves = [c for c, below in node.items() if c not in ("", " ") and set(below) == {""}]
    parts = [
        (f"{BLANKS}*+" if c == " " else re.escape(c)) + _branches(below)
        for c, below in node.items()
        if c and c not in leaves
    ]
    if leaves:
        parts.append(re.escape(leaves[0]) if len(leaves) == 1 else f"[{''.join(map(re.escape, leaves))}]")
    if not parts:
        return ""
    body = parts[0] if len(parts) == 1 and not ends else f"(?:{'|'.join(parts)})"
    return f"{body}?+" if ends else body
