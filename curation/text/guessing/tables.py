"""What the kernels look up: function words by their bytes, English trigrams, frequent Korean syllables.

The words are in ``function_words.tsv``, a language a line: articles, prepositions, pronouns, forms of to be, as
any grammar lists them, without those that English has as words too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from hanji.classifiers import language_english
from hanji.curation.text.guessing import kernels

# Charsets in which words with accents may stand.
_CHARSETS = ("utf-8", "cp1252", "iso8859-2", "iso8859-4", "iso8859-9")
_SLOTS = 8_192
# The columns of words before those of single languages: of English alone, of English and others, of several.
_ENGLISH, _SHARED, _SEVERAL = range(3)
# The most frequent syllables of running Korean: half of any text is made of them.
_FREQUENT = (
    "이다는의에을가하고은로지기사한도를으나시리어인자그서아해대있수정일보들게만부여주라전원성구제화상국과면동연오"
    "관요조장안비니음우공경물및적유신소용미분스위모중생"
)


@dataclass(frozen=True)
class Tables:
    """Arguments of ``kernels.count_page``. ``names``: what the columns of words count, by column."""

    kinds: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    levels: np.ndarray
    frequent: np.ndarray
    names: tuple[str, ...]


@lru_cache(maxsize=1)
def load_tables() -> Tables:
    """The tables, made once a process."""
    path = Path(__file__).with_name("function_words.tsv")
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    names = ("en", "en and others", "several", *(name for name, _ in lines))
    strong, weak = language_english.word_sets()
    columns = dict.fromkeys(strong, _ENGLISH) | dict.fromkeys(weak, _SHARED)
    for name, listed in lines:
        for form in {form for word in listed.split() for form in _forms(word)}:
            # Of a word that English has, or several languages, that is known.
            columns[form] = min(columns[form], _SEVERAL) if form in columns else names.index(name)
    keys, values = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.uint8)
    for form, column in sorted(columns.items()):
        if len(form) > kernels.WORD_BYTES:
            continue
        packed = int.from_bytes(form, "big")
        slot = int(kernels.slot_of(np.uint64(packed), _SLOTS))
        while keys[slot]:
            slot = (slot + 1) % _SLOTS
        keys[slot], values[slot] = packed, column
    frequent = np.zeros(25 * 94, np.bool_)
    for lead, trail in (syllable.encode("cp949") for syllable in _FREQUENT):
        frequent[(lead - 0xB0) * 94 + trail - 0xA1] = True
    return Tables(kernels.byte_kinds(), keys, values, language_english.levels(), frequent, names)


def _forms(word: str) -> set[bytes]:
    """A word's bytes in the charsets that have all of its letters."""
    forms = set()
    for charset in _CHARSETS:
        form = word.encode(charset, "ignore")
        if form.decode(charset) == word:
            forms.add(form)
    return forms
