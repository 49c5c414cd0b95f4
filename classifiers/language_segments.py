"""How much of a text that has Hangul and other letters is Korean, English, or prose in another language.

Lines and sentences are judged one by one: Korean with English terms is Korean, a Korean name does not make
English Korean, and code, lists and markup are nobody's prose. Only the segments without Hangul are looked
at as text, and at most a fixed number of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from hanji.classifiers import language_english
from hanji.classifiers.language_scripts import HAN, HANGUL, JAMO, KANA, OTHER, Survey, segments

# A segment is Korean if Hangul weighs this share of it: one particle makes a short line of terms Korean.
_KOREAN_SEGMENT = 0.2
_WORTH_READING = 15.0  # letters
_MOST_READ = 60
# Marks that prose has few of, and joints inside words that only names in code have.
_CODE = re.compile(r"[{}()<>;=_/\\\[\]|$#@`+*&:0-9]|[a-z](?=[A-Z])|\w\.(?=\w)")
_HANGUL_WORD = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+")
_LATIN_WORD = re.compile("[A-Za-z]+")
_CODE_SHARE = 0.06
_PROSE_WORDS = 5


@dataclass(frozen=True)
class Mix:
    """Shares, in [0, 1], of a text's letters: in Korean segments, in English prose, in other prose or scripts.

    ``other_text`` is a sample of the latter. What is left is code, lists and short lines.
    """

    korean: float
    english: float
    others: float
    other_text: str


def mix(found: Survey, with_hanja: bool) -> Mix:
    """The languages of a text's segments. ``with_hanja``: Han characters count as Korean."""
    bounds, masses = segments(found)
    total = masses.sum(axis=1)
    hangul = masses[:, HANGUL] + masses[:, JAMO]
    foreign = masses[:, KANA] + masses[:, OTHER]
    if with_hanja:
        hangul = hangul + masses[:, HAN]
    else:
        foreign = foreign + masses[:, HAN]
    is_korean = (hangul > 0) & (hangul >= _KOREAN_SEGMENT * total) & (hangul >= foreign)
    for at in np.flatnonzero(is_korean & (hangul < 0.5 * total) & (total >= _WORTH_READING))[:_MOST_READ]:
        is_korean[at] = not _is_gloss(found.text[bounds[at] : bounds[at + 1]])
    is_foreign = ~is_korean & (foreign >= 0.5 * total) & (total > 0)
    rest = np.flatnonzero(~is_korean & ~is_foreign & (total >= _WORTH_READING))
    read = rest[:: max(1, -(-len(rest) // _MOST_READ))]
    english = others = 0.0
    sample = [found.text[bounds[at] : bounds[at + 1]] for at in np.flatnonzero(is_foreign)[:20]]
    for at in read:
        text = found.text[bounds[at] : bounds[at + 1]]
        if language_english.prose(text):
            english += float(total[at])
        elif _is_prose(text):
            others += float(total[at])
            sample.append(text)
    # What was not read is taken to be like what was.
    scale = float(total[rest].sum()) / max(float(total[read].sum()), 1.0)
    whole = float(total.sum())
    return Mix(
        korean=float(total[is_korean].sum()) / whole,
        english=english * scale / whole,
        others=(others * scale + float(total[is_foreign].sum())) / whole,
        other_text="\n".join(sample)[:2_000],
    )


def _is_gloss(text: str) -> bool:
    """Whether Hangul only glosses English prose: a Korean word to three of the others, at most."""
    return len(_LATIN_WORD.findall(text)) >= 3 * len(_HANGUL_WORD.findall(text)) and language_english.prose(
        text
    )


def _is_prose(text: str) -> bool:
    """Words and little else: neither code nor a title."""
    return len(text.split()) >= _PROSE_WORDS and len(_CODE.findall(text)) < _CODE_SHARE * len(text)
