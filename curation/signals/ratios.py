"""Ratios of signals: each one written expression over count columns, formed after measuring.

A ratio with nothing below the line is 0. To add one, add a line to RATIOS.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa

from hanji.curation.signals import expressions, morphemes, nemo_ratios, refinedweb_ratios, structure_ratios
from hanji.curation.signals.expressions import Columns, Expression, divide, share
from hanji.curation.signals.text import SIGNALS
from hanji.fingerprint import file_sha256


def _letters(c: Columns) -> np.ndarray:
    return c["hangul"] + c["jamo"] + c["han"] + c["kana"] + c["latin"]


RATIOS: dict[str, tuple[str, Expression]] = {
    "mean_word_length": ("characters per word", share("content_word_characters", "content_words")),
    "alphabetic_word_share": ("words with a letter", share("alphabetic_words", "words")),
    "hashes_per_word": ("# per word", share("hash_symbols", "words")),
    "ellipses_per_word": ("… per word", share("ellipses", "words")),
    "newlines_per_word": ("newlines per word", share("newlines", "words")),
    "bullet_line_share": ("lines that begin with • or -", share("bullet_lines", "break_lines")),
    "ellipsis_line_share": ("lines that end in an ellipsis", share("ellipsis_lines", "break_lines")),
    "punctuated_line_share": ("lines that end in terminal punctuation", share("punctuated_lines", "lines")),
    "short_line_share": ("lines of at most 30 characters", share("short_lines", "lines")),
    "repeated_line_character_share": (
        "characters, newlines apart, in lines that stood before",
        lambda c: divide(c["repeated_line_characters"], c["characters"] - c["newlines"]),
    ),
    "duplicate_line_share": ("lines that stood before", share("duplicate_lines", "split_lines")),
    "duplicate_line_character_share": (
        "characters in lines that stood before",
        share("duplicate_line_characters", "characters"),
    ),
    "duplicate_paragraph_share": (
        "paragraphs that stood before",
        share("duplicate_paragraphs", "paragraphs"),
    ),
    "duplicate_paragraph_character_share": (
        "characters in paragraphs that stood before",
        share("duplicate_paragraph_characters", "characters"),
    ),
    **{
        f"top_{n}_gram_share": (
            f"characters that the most frequent word {n}-gram covers",
            share(f"top_{n}_gram_characters", "characters"),
        )
        for n in range(2, 5)
    },
    **{
        f"duplicate_{n}_gram_share": (
            f"characters in word {n}-grams that stood before",
            share(f"duplicate_{n}_gram_characters", "characters"),
        )
        for n in range(5, 11)
    },
    "sentence_ends_per_line": (
        "sentence ends with a mark per line",
        lambda c: divide(c["sentences"], c["lines"]),
    ),
    "hangul_share": (
        "Hangul (syllables and jamo) and hanja among letters",
        lambda c: divide(c["hangul"] + c["jamo"] + c["han"], _letters(c)),
    ),
    "latin_share": ("Latin letters among letters", lambda c: divide(c["latin"], _letters(c))),
    "han_share": ("hanja among letters", lambda c: divide(c["han"], _letters(c))),
    "jamo_share": ("jamo that stand alone (ㅋㅋ, ㅠㅠ) among characters", share("jamo", "characters")),
    "digit_share": ("digits among characters", share("digits", "characters")),
    "space_share": ("white space among characters", share("spaces", "characters")),
    "letter_share": (
        "letters among characters that are no space",
        lambda c: divide(_letters(c), c["characters"] - c["spaces"]),
    ),
    "replaced_share": ("characters that could not be decoded", share("replaced_characters", "characters")),
    **structure_ratios.RATIOS,
    **refinedweb_ratios.RATIOS,
    **nemo_ratios.RATIOS,
    # Of Korean morphemes: there is a column for them only in runs in which a rule judges one.
    "kiwi_mean_word_length": (
        "characters per morpheme that is not punctuation alone",
        share("kiwi_content_word_characters", "kiwi_content_words"),
    ),
    "kiwi_alphabetic_word_share": ("morphemes with a letter", share("kiwi_alphabetic_words", "kiwi_words")),
    "kiwi_hashes_per_word": ("# per morpheme", share("hash_symbols", "kiwi_words")),
    "kiwi_ellipses_per_word": ("… or ... per morpheme", share("ellipses", "kiwi_words")),
    "kiwi_newlines_per_word": ("newlines per morpheme", share("newlines", "kiwi_words")),
    **{
        f"kiwi_top_{n}_gram_share": (
            f"characters that the most frequent {n}-gram of morphemes covers",
            share(f"kiwi_top_{n}_gram_characters", "kiwi_characters"),
        )
        for n in range(2, 5)
    },
    **{
        f"kiwi_duplicate_{n}_gram_share": (
            f"characters in {n}-grams of morphemes that stood before",
            share(f"kiwi_duplicate_{n}_gram_characters", "kiwi_characters"),
        )
        for n in range(5, 11)
    },
}
DOCUMENT_COLUMNS = {
    "language_score": "confidence of language identification",
    "payload_bytes": "bytes of the record",
    "replaced_characters": "characters that could not be decoded",
}
MODEL_COLUMNS = {
    "perplexity": "of the recipe's language model, low where a text is like good prose",
    "domain_probability": "probability of the predicted domain",
}
"""Columns of runs whose recipe has such models; in others no document has one."""


@cache
def names() -> dict[str, str]:
    """Every name that a rule may judge, with its meaning."""
    ratios = {name: text for name, (text, _) in RATIOS.items()}
    return SIGNALS | morphemes.COLUMNS | ratios | DOCUMENT_COLUMNS | MODEL_COLUMNS


def identity() -> str:
    """Hash of the files with expressions: one that changed judges again, without anybody raising a version."""
    modules = (expressions, nemo_ratios, refinedweb_ratios, structure_ratios)
    return " ".join(file_sha256(path) for path in (__file__, *(str(module.__file__) for module in modules)))


def value(name: str, table: pa.Table | Floats) -> np.ndarray:
    """The number that ``name`` stands for, float64, one a row. Raises KeyError for an unknown name.

    For many names of one table hand in its :class:`Floats`, which makes each column only once.
    """
    if name not in names():
        raise KeyError(name)
    columns = table if isinstance(table, Floats) else Floats(table)
    return RATIOS[name][1](columns) if name in RATIOS else columns[name]


class Floats(Mapping[str, np.ndarray]):
    """The numeric columns of a table as float64; nulls count as 0."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._made: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._made:
            self._made[name] = self._table[name].cast(pa.float64()).fill_null(0.0).to_numpy()
        return self._made[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return len(self._table.column_names)
