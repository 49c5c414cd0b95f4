"""Ratios of the structure counts, in the form of :mod:`hanji.curation.signals.ratios`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Columns = Mapping[str, np.ndarray]
Expression = Callable[[Columns], np.ndarray]


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    out = np.zeros(len(part), np.float64)
    np.divide(part, whole, out=out, where=whole != 0)
    return out


def _share(part: str, whole: str) -> Expression:
    return lambda c: _divide(c[part], c[whole])


def _sum_share(parts: tuple[str, ...], whole: str) -> Expression:
    return lambda c: _divide(np.sum([c[part] for part in parts], axis=0), c[whole])


_STRUCTURED_LINES = ("heading_lines", "list_lines", "table_lines", "code_lines", "indented_code_lines")
_UNMARKED_LINES = ("formal_ending_lines", "polite_ending_lines", "noun_ending_lines", "casual_ending_lines")
_WORDS = "hangul_words"

RATIOS: dict[str, tuple[str, Expression]] = {
    "hangul_word_share": ("words with Hangul among words", _share(_WORDS, "spaced_words")),
    "latin_word_share": ("words in Latin letters among words", _share("latin_words", "spaced_words")),
    "numeric_word_share": ("words of digits among words", _share("numeric_words", "spaced_words")),
    "symbol_word_share": ("words of marks alone among words", _share("symbol_words", "spaced_words")),
    "mean_spaced_word_length": (
        "characters per word between white space",
        _share("spaced_word_characters", "spaced_words"),
    ),
    "mixed_word_share": (
        "words with Hangul that hold Latin letters, Chinese characters or digits too",
        _share("mixed_words", _WORDS),
    ),
    "hangul_latin_word_share": (
        "words with Hangul that hold Latin letters too",
        _share("hangul_latin_words", _WORDS),
    ),
    "hangul_han_word_share": (
        "words with Hangul that hold Chinese characters too",
        _share("hangul_han_words", _WORDS),
    ),
    "hangul_digit_word_share": (
        "words with Hangul that hold digits too",
        _share("hangul_digit_words", _WORDS),
    ),
    "alternating_word_share": (
        "words with Hangul whose script changes at least three times",
        _share("alternating_words", _WORDS),
    ),
    "hashtag_share": ("hash tags among words", _share("hashtags", "spaced_words")),
    "jamo_run_share": (
        "characters in runs of lone jamo (ㅋㅋ, ㅠㅠ) among those of words",
        _share("jamo_run_characters", "spaced_word_characters"),
    ),
    "jamo_runs_per_line": ("runs of lone jamo per line", _share("jamo_runs", "filled_lines")),
    "quotation_marks_per_word": ("quotation marks per word", _share("quotation_marks", "spaced_words")),
    "parentheses_per_word": ("parentheses per word", _share("parentheses", "spaced_words")),
    "brackets_per_word": ("square and corner brackets per word", _share("brackets", "spaced_words")),
    "shouts_per_line": ("runs of ! and ? per line", _share("shouts", "filled_lines")),
    "repeated_mark_share": (
        "characters in runs of the same mark among those of words",
        _share("repeated_mark_characters", "spaced_word_characters"),
    ),
    "emoji_per_word": ("emoji, hearts and stars per word", _share("emoji", "spaced_words")),
    "urls_per_word": ("addresses per word", _share("urls", "spaced_words")),
    "url_character_share": (
        "characters in addresses among those of words",
        _share("url_characters", "spaced_word_characters"),
    ),
    "words_per_line": ("words between white space per line", _share("spaced_words", "filled_lines")),
    "mean_line_length": ("characters per line", _share("line_characters", "filled_lines")),
    "letterless_line_share": ("lines without a letter", _share("letterless_lines", "filled_lines")),
    "heading_line_share": ("lines that are headings", _share("heading_lines", "filled_lines")),
    "list_line_share": ("lines that are items of lists", _share("list_lines", "filled_lines")),
    "table_line_share": ("lines that are rows of tables", _share("table_lines", "filled_lines")),
    "code_line_share": (
        "lines that are code",
        _sum_share(("code_lines", "indented_code_lines"), "filled_lines"),
    ),
    "prose_line_share": (
        "lines that are neither heading nor list, table or code",
        lambda c: _divide(
            c["filled_lines"] - np.sum([c[part] for part in _STRUCTURED_LINES], axis=0), c["filled_lines"]
        ),
    ),
    "list_character_share": ("characters in items of lists", _share("list_characters", "line_characters")),
    "table_character_share": ("characters in rows of tables", _share("table_characters", "line_characters")),
    "code_character_share": (
        "characters in code",
        _sum_share(("code_characters", "indented_code_characters"), "line_characters"),
    ),
    "korean_sentences_per_word": (
        "ends of Korean sentences per word with Hangul",
        _share("korean_sentence_ends", _WORDS),
    ),
    "korean_sentence_end_share": (
        "lines that end a Korean sentence, with or without a mark",
        _sum_share(("marked_korean_lines", *_UNMARKED_LINES), "filled_lines"),
    ),
    "unmarked_sentence_end_share": (
        "lines without a mark among lines that end a Korean sentence",
        lambda c: _divide(
            np.sum([c[part] for part in _UNMARKED_LINES], axis=0),
            np.sum([c[part] for part in ("marked_korean_lines", *_UNMARKED_LINES)], axis=0),
        ),
    ),
    "noun_ending_line_share": (
        "lines that end in 음, 함, 임 or 됨",
        _share("noun_ending_lines", "filled_lines"),
    ),
    "headline_line_share": (
        "lines that end in a Hangul syllable that ends no sentence",
        _share("headline_lines", "filled_lines"),
    ),
}
"""Name of each ratio: meaning and expression over count columns. With nothing below the line it is 0."""
