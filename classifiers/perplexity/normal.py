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
_FAR = re.compile("[\U00010000-\U0010ffff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")


def normalise(text: str) -> str:
    """The normal form of a text, on one line."""
    # No digit has a decomposition and none is in one, so the third step may come first, on the shorter text.
    text = _DIGIT.sub("0", text.strip().lower())
    if not text.isascii():
        text = _without_marks(unicodedata.normalize("NFD", text))
        text = _MARKED.sub(lambda found: PUNCTUATION[found[0]], text)
    return _CONTROL.sub("", text)


def _without_marks(text: str) -> str:
    """A decomposed text without its non-spacing marks."""
    near, far = _accents()
    text = near.sub("", text)
    return far.sub("", text) if _FAR.search(text) else text


@cache
def _accents() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Non-spacing marks, as this Python's Unicode has them: those below U+10000, and the others.

    In two patterns, because only of the former does ``re`` make a table, in which a character is looked up at once.
    """
    marks = [point for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) == "Mn"]
    near = "".join(chr(point) for point in marks if point < 0x10000)
    far = "".join(chr(point) for point in marks if point >= 0x10000)
    return re.compile(f"[{near}]+"), re.compile(f"[{far}]+")


def identity() -> str:
    """What the normal form depends on: its version and that of Unicode."""
    return f"{VERSION}-{unicodedata.unidata_version}"
