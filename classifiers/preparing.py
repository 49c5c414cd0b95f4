"""How texts are prepared for a classifier: the one place that says which words fastText sees.

A preparation has a name, which model cards and fingerprints carry, and two forms that must agree: a function that
writes the line on which fastText is trained, and the rule by which ``linear_kernels`` reads the same words off the
bytes of a text. Another way of preparing is another name.

``dclm``
    What DCLM does before its classifier (Li et al., arXiv 2406.11794; its ``classify_fasttext_hq_prob``): white
    space off both ends and every line end of ``str.splitlines`` a space; case, punctuation and everything else as
    it is. fastText then splits at ASCII white space.
``syllables``
    For Korean: each Hangul syllable, letter, Chinese character and punctuation mark is a word; letters and digits
    of ASCII are words by run, in lower case; everything else is left out. No spacing between Korean characters
    changes it, and word n-grams are n-grams of syllables.
``eojeol``
    For comparison: the words of ``dclm`` in lower case, punctuation split off, as one would prepare Korean without
    thinking of its spacing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from hanji.errors import RecipeError

LABEL_PREFIX = "__label__"
DEFAULTS = {"en": "dclm", "ko": "syllables"}
"""The preparation of a language where nothing else is said."""

SINGLE = np.array(
    [
        (0xAC00, 0xD7A3),  # Hangul syllables: first, for the kernel looks from the front
        (0x3131, 0x318E),  # compatibility jamo: ㅋㅋ, ㅠㅠ
        (0x4E00, 0x9FFF),  # Chinese characters
        (0x3001, 0x3003),  # punctuation of East Asia
        (0x3008, 0x3020),
        (0xFF01, 0xFF0F),  # fullwidth punctuation
        (0xFF1A, 0xFF20),
        (0xFF3B, 0xFF40),
        (0xFF5B, 0xFF65),
        (0x2010, 0x2027),  # dashes, quotation marks, bullets
        (0x2030, 0x205E),
        (0x20A0, 0x2BFF),  # currency, arrows, mathematics, boxes, dingbats
        (0x3200, 0x33FF),  # enclosed letters, units
        (0xA1, 0xA9),
        (0xAB, 0xB4),
        (0xB6, 0xB9),
        (0xBB, 0xBF),
        (0xD7, 0xD7),
        (0xF7, 0xF7),
        (0x3400, 0x4DBF),
        (0xF900, 0xFAFF),
        (0x1100, 0x11FF),  # jamo that are not composed
        (0x1F000, 0x1FAFF),  # pictographs
    ],
    np.int64,
)
"""Code points beyond ASCII of which each is a word under ``syllables``: first and last of each range."""

_SYLLABLE_WORDS = re.compile(
    "[a-zA-Z0-9]+|[!-/:-@\\[-`{-~"
    + "".join(f"{chr(first)}-{chr(last)}" for first, last in SINGLE.tolist())
    + "]"
)
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_EOJEOL_MARKS = re.compile(r"([^\w\s])")
_LABEL_WORD = re.compile(rf"(?:(?<=[ \t\r\v\f\0])|^){LABEL_PREFIX}[^ \t\r\v\f\0]*")
# Lone surrogates have no form in UTF-8, in which fastText takes its texts.
_SURROGATES = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """A text that has a form in UTF-8."""
    return _SURROGATES.sub("\ufffd", text)


def _dclm(text: str) -> str:
    return " ".join(text.strip().splitlines())


def _syllables(text: str) -> str:
    return " ".join(_SYLLABLE_WORDS.findall(text)).translate(_ASCII_LOWER)


def _eojeol(text: str) -> str:
    return " ".join(_EOJEOL_MARKS.sub(r" \1 ", text.lower()).split())


PREPARATIONS: dict[str, Callable[[str], str]] = {"dclm": _dclm, "syllables": _syllables, "eojeol": _eojeol}


def prepare(text: str, preparation: str) -> str:
    """The line that fastText sees for a text. Raises RecipeError for a name that is none."""
    return known(preparation)(without_surrogates(text))


def training_line(label: str, text: str, preparation: str) -> str:
    """A line of a training file: a text's own words that look like labels are left out, or they would be labels."""
    return f"{LABEL_PREFIX}{label} {_LABEL_WORD.sub('', prepare(text, preparation))}\n"


def pieces(text: str, characters: int) -> Iterator[str]:
    """A text in pieces of at most so many characters, cut at white space where there is some; whole for 0.

    What is cut out is white space alone; pieces of nothing else are left out.
    """
    if not characters or len(text) <= characters:
        yield text
        return
    start = 0
    while start < len(text):
        end = start + characters
        if end < len(text):
            # A word that would be cut in two waits for the next piece, unless it began this one.
            while end > start and not (text[end].isspace() or text[end - 1].isspace()):
                end -= 1
            end = end if end > start else start + characters
        piece = text[start:end].strip()
        if piece:
            yield piece
        start = end


def known(preparation: str) -> Callable[[str], str]:
    """The function of a preparation. Raises RecipeError naming those that there are."""
    if preparation not in PREPARATIONS:
        raise RecipeError(
            f"preparation: {preparation!r} is not allowed: one of {', '.join(sorted(PREPARATIONS))}"
        )
    return PREPARATIONS[preparation]
