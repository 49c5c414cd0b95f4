"""The numbers that NeMo Curator's filters judge, as expressions over the counts of nemo.py.

Where there is nothing to measure the peer gives 1.0 (an empty text, too few words for an n-gram), or divides by
zero (no words, no lines); then a share is 0 here.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.expressions import Columns, Expression, divide, share
from hanji.curation.signals.nemo_grams import LAST_SIZE, LAST_TOP


def _of_text(part: str) -> Expression:
    """Share of the text's characters; 1 for an empty text."""
    return lambda c: divide(c[part], c["characters"], 1.0)


def _of_text_with(part: str, words: int) -> Expression:
    """Share of the text's characters; 1 for a text of fewer words."""
    return lambda c: np.where(c["nemo_words"] < words, 1.0, _of_text(part)(c))


def _non_alphanumeric(c: Columns) -> np.ndarray:
    return divide(c["characters"] - c["nemo_plain_characters"], c["characters"], 1.0)


def _boilerplate(c: Columns) -> np.ndarray:
    share = divide(c["nemo_boilerplate_paragraphs"], c["nemo_paragraphs"])
    return np.where(c["nemo_lorem_ipsum"] > 0, 1.0, share)


def _unique_paragraph_characters(c: Columns) -> np.ndarray:
    # Two newlines stand between paragraphs.
    whole = c["characters"] - 2 * (c["nemo_paragraphs"] - 1)
    return divide(c["nemo_unique_paragraph_characters"], whole)


RATIOS: dict[str, tuple[str, Expression]] = {
    "nemo_non_alphanumeric_share": (
        "characters that are no ASCII letters or digits, newlines or ? ! , . (plain spaces count)",
        _non_alphanumeric,
    ),
    "nemo_symbol_word_share": (
        "words that are an ellipsis or made of #",
        share("nemo_symbol_words", "nemo_words"),
    ),
    "nemo_digit_share": ("digits 0 to 9 among characters", _of_text("nemo_digits")),
    "nemo_url_share": ("characters in URLs", _of_text("nemo_url_characters")),
    "nemo_white_space_share": ("white space among characters", _of_text("nemo_white_space")),
    "nemo_bracket_share": ("brackets among characters", _of_text("nemo_brackets")),
    "nemo_boilerplate_share": ("paragraphs with a policy phrase; 1 if “lorem ipsum” occurs", _boilerplate),
    "nemo_unique_line_share": ("different lines among lines", share("nemo_unique_lines", "nemo_lines")),
    "nemo_unique_line_character_share": (
        "characters in different lines among those in lines",
        share("nemo_unique_line_characters", "nemo_line_characters"),
    ),
    "nemo_unique_paragraph_share": (
        "different paragraphs among paragraphs",
        share("nemo_unique_paragraphs", "nemo_paragraphs"),
    ),
    "nemo_unique_paragraph_character_share": (
        "characters in different paragraphs among those in paragraphs",
        _unique_paragraph_characters,
    ),
    "nemo_bullet_line_share": ("lines that begin with a bullet", share("nemo_bullet_lines", "nemo_lines")),
    "nemo_unpunctuated_line_share": (
        "lines that do not end in . ? ! or a plain quotation mark",
        share("nemo_unpunctuated_lines", "nemo_lines"),
    ),
    "nemo_ellipsis_line_share": (
        "lines that end in an ellipsis",
        share("nemo_ellipsis_lines", "nemo_lines"),
    ),
    "nemo_alphabetic_word_share": (
        "words with an alphabetic character",
        share("nemo_alphabetic_words", "nemo_words"),
    ),
    "nemo_mean_word_length": ("characters per word", share("nemo_word_characters", "nemo_words")),
    **{
        f"nemo_top_{n}_gram_share": (
            f"characters that go if the most frequent word {n}-gram is deleted; 1 for fewer than {n} words",
            _of_text_with(f"nemo_top_{n}_gram_characters", n),
        )
        for n in range(2, LAST_TOP + 1)
    },
    **{
        f"nemo_duplicate_{n}_gram_share": (
            f"characters in word {n}-grams that stood before; 1 for fewer than {n} words",
            _of_text_with(f"nemo_duplicate_{n}_gram_characters", n),
        )
        for n in range(LAST_TOP + 1, LAST_SIZE + 1)
    },
}
