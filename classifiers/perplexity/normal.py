"""The normal form in which CCNet's language models know text (Wenzek et al., arXiv 1911.00359).

In this order:

1. white space off both ends, then lower case;
2. canonical decomposition (NFD), and non-spacing marks (category Mn) left out: é is e. Hangul comes apart into
   jamo, which are letters and stay; the SentencePiece model composes them again by its own normal form (NFKC);
3. each decimal digit (category Nd) is 0;
4. punctuation of Unicode becomes ASCII (PUNCTUATION);
5. control characters, U+0000–001F and U+007F–009F, are left out. Line ends are among them, without a space in their
   place: the models were trained on a text a line, so a document is one line.

Each step is one pass of compiled code over the text. The order and the table are those of CCNet's
``text_normalizer``, as its public source has them.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

VERSION = 1

PUNCTUATION = {
    **dict.fromkeys("，、", ","),
    "。": ".",
    **dict.fromkeys("„“”«»「」《》", '"'),
    **dict.fromkeys("´’", "'"),
    **dict.fromkeys("∶：", ":"),
    "？": "?",
    "！": "!",
    "（": "(",
    "）": ")",
    "；": ";",
    **dict.fromkeys("–━►", "-"),
    "—": " - ",
    "．": ". ",
    "～": "~",
    "…": "...",
    "〈": "<",
    "〉": ">",
    "【": "[",
    "】": "]",
    "％": "%",
}
_MARKED = re.compile(f"[{''.join(PUNCTUATION)}]")
_DIGIT = re.compile(r"\d")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")


def normalise(text: str) -> str:
    """The normal form of a text, on one line."""
    text = text.strip().lower()
    if not text.isascii():
        text = _accents().sub("", unicodedata.normalize("NFD", text))
        text = _MARKED.sub(lambda found: PUNCTUATION[found[0]], text)
    return _CONTROL.sub("", _DIGIT.sub("0", text))


@cache
def _accents() -> re.Pattern[str]:
    """Non-spacing marks, as this Python's Unicode has them."""
    marks = [point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) == "Mn"]
    ranges: list[list[int]] = []
    for point in marks:
        if ranges and point == ranges[-1][1] + 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges) + "]+")


def identity() -> str:
    """What the normal form depends on: its version and that of Unicode."""
    return f"{VERSION}-{unicodedata.unidata_version}"
