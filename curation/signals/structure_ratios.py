"""Ratios of the structure counts, in the form of :mod:`hanji.curation.signals.ratios`."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.expressions import Expression, divide, share


def _sum_share(parts: tuple[str, ...], whole: str) -> Expression:
    return lambda c: divide(np.sum([c[part] for part in parts], axis=0), c[whole])


_STRUCTURED_LINES = ("heading_lines", "list_lines", "table_lines", "code_lines", "indented_code_lines")
_UNMARKED_LINES = ("formal_ending_lines", "polite_ending_lines", "noun_ending_lines", "casual_ending_lines")
_WORDS = "hangul_words"

RATIOS: dict[str, tuple[str, Expression]] = {
    "hangul_word_share": ("words with Hangul among words", share(_WORDS, "spaced_words")),
    "latin_word_share": ("words in Latin letters among words", share("latin_words", "spaced_words")),
    "numeric_word_share": ("words of digits among words", share("numeric_words", "spaced_words")),
    "symbol_word_share": ("words of marks alone among words", share("symbol_words", "spaced_words")),
    "mean_spaced_word_length": (
        "characters per word between white space",
        share("spaced_word_characters", "spaced_words"),
    ),
    "mixed_word_share": (
        "words with Hangul that hold Latin letters, Chinese characters or digits too",
        share("mixed_words", _WORDS),
    ),
    "hangul_latin_word_share": (
        "words with Hangul that hold Latin letters too",
        share("hangul_latin_words", _WORDS),
    ),
    "hangul_han_word_share": (
        "words with Hangul that hold Chinese characters too",
        share("hangul_han_words", _WORDS),
    ),
    "hangul_digit_word_share": (
        "words with Hangul that hold digits too",
        share("hangul_digit_words", _WORDS),
    ),
    "alternating_word_share": (
        "words with Hangul whose script changes at least three times",
        share("alternating_words", _WORDS),
    ),
    "hashtag_share": ("hash tags among words", share("hashtags", "spaced_words")),
    "jamo_run_share": (
        "characters in runs of lone jamo (ㅋㅋ, ㅠㅠ) among those of words",
        share("jamo_run_characters", "spaced_word_characters"),
    ),
    "jamo_runs_per_line": ("runs of lone jamo per line", share("jamo_runs", "filled_lines")),
    "quotation_marks_per_word": ("quotation marks per word", share("quotation_marks", "spaced_words")),
    "parentheses_per_word": ("parentheses per word", share("parentheses", "spaced_words")),
    "brackets_per_word": ("square and corner brackets per word", share("brackets", "spaced_words")),
    "shouts_per_line": ("runs of ! and ? per line", share("shouts", "filled_lines")),
    "repeated_mark_share": (
        "characters in runs of the same mark among those of words",
        share("repeated_mark_characters", "spaced_word_characters"),
    ),
    "emoji_per_word": ("emoji, hearts and stars per word", share("emoji", "spaced_words")),
    "urls_per_word": ("addresses per word", share("urls", "spaced_words")),
    "url_character_share": (
        "characters in addresses among those of words",
        share("url_characters", "spaced_word_characters"),
    ),
    "words_per_line": ("words between white space per line", share("spaced_words", "filled_lines")),
    "mean_line_length": ("characters per line", share("line_characters", "filled_lines")),
    "letterless_line_share": ("lines without a letter", share("letterless_lines", "filled_lines")),
    "heading_line_share": ("lines that are headings", share("heading_lines", "filled_lines")),
    "list_line_share": ("lines that are items of lists", share("list_lines", "filled_lines")),
    "table_line_share": ("lines that are rows of tables", share("table_lines", "filled_lines")),
    "code_line_share": (
        "lines that are code",
        _sum_share(("code_lines", "indented_code_lines"), "filled_lines"),
    ),
    "prose_line_share": (
        "lines that are neither heading nor list, table or code",
        lambda c: divide(
            c["filled_lines"] - np.sum([c[part] for part in _STRUCTURED_LINES], axis=0), c["filled_lines"]
        ),
    ),
    "list_character_share": ("characters in items of lists", share("list_characters", "line_characters")),
    "table_character_share": ("characters in rows of tables", share("table_characters", "line_characters")),
    "code_character_share": (
        "characters in code",
        _sum_share(("code_characters", "indented_code_characters"), "line_characters"),
    ),
    "korean_sentences_per_word": (
        "ends of Korean sentences per word with Hangul",
        share("korean_sentence_ends", _WORDS),
    ),
    "korean_sentence_end_share": (
        "lines that end a Korean sentence, with or without a mark",
        _sum_share(("marked_korean_lines", *_UNMARKED_LINES), "filled_lines"),
    ),
    "unmarked_sentence_end_share": (
        "lines without a mark among lines that end a Korean sentence",
        lambda c: divide(
            np.sum([c[part] for part in _UNMARKED_LINES], axis=0),
            np.sum([c[part] for part in ("marked_korean_lines", *_UNMARKED_LINES)], axis=0),
        ),
    ),
    "noun_ending_line_share": (
        "lines that end in 음, 함, 임 or 됨",
        share("noun_ending_lines", "filled_lines"),
    ),
    "headline_line_share": (
        "lines that end in a Hangul syllable that ends no sentence",
        share("headline_lines", "filled_lines"),
    ),
}
"""Name of each ratio: meaning and expression over count columns. With nothing below the line it is 0."""
