"""Names and meanings of what structure.py counts, in the order of its slice of a row, and their places in it.

A *word* here is what stands between white space (an eojeol), a *line* what stands between newlines, taken without
the white space around it; lines of white space alone are no lines.
"""

from __future__ import annotations

COLUMNS: dict[str, str] = {
    # words
    "spaced_words": "words between white space (eojeol)",
    "spaced_word_characters": "characters in words between white space",
    "hangul_words": "words with a Hangul syllable",
    "hangul_latin_words": "of these, words with a Latin letter too (API를)",
    "hangul_han_words": "of these, words with a Chinese character too (漢字를)",
    "hangul_digit_words": "of these, words with a digit too (3월)",
    "mixed_words": "words with a Hangul syllable and a Latin letter, Chinese character or digit",
    "alternating_words": "words whose letters change script at least three times (ㄱr나ㄷr), addresses left out",
    "latin_words": "words with a Latin letter and no Hangul syllable",
    "numeric_words": "words with a digit and no letter (2024-01-03)",
    "symbol_words": "words with neither letter nor digit",
    "hashtags": "words that begin with # and a letter (#맛집)",
    "longest_word": "characters of the longest word that holds no URL",
    # lone jamo
    "jamo_runs": "runs of two or more compatibility or halfwidth jamo (ㅋㅋ, ㅠㅠ, ㅇㅈ)",
    "jamo_run_characters": "characters in those runs",
    "longest_jamo_run": "characters of the longest of those runs",
    "laughing_characters": "characters in those runs that are all ㅋ and ㅎ",
    "crying_characters": "characters in those runs that are all ㅠ and ㅜ",
    "coda_laughs": "syllables that end in the ㅋ or ㅎ that follows (먹었엌ㅋㅋ, 넿ㅎ)",
    # marks
    "quotation_marks": "quotation marks, apostrophes left out",
    "parentheses": "parentheses, opening and closing",
    "brackets": "square and corner brackets, opening and closing",
    "glossed_hanja": "Hangul explained by Chinese characters in parentheses, or the reverse: 한자(漢字)",
    "shouts": "runs of two or more ! and ?",
    "repeated_marks": "runs of three or more of the same mark (~~~, ===), code and tables left out",
    "repeated_mark_characters": "characters in those runs",
    "emoji": "emoji, hearts, stars and the like",
    "urls": "addresses: http://, https://, www., and hosts in .com, .org and .kr",
    "url_characters": "characters in addresses",
    # lines
    "filled_lines": "lines with something in them",
    "line_characters": "characters in those lines",
    "longest_line": "characters of the longest line",
    "letterless_lines": "lines without a letter",
    "heading_lines": "headings (# …)",
    "heading_characters": "characters in headings",
    "list_lines": "items of lists (- …, * …, 1. …, • …, ① …, 가. …)",
    "list_characters": "characters in items of lists",
    "table_lines": "rows of tables (| … |)",
    "table_characters": "characters in rows of tables",
    "code_lines": "lines of fenced code, the fences included",
    "code_characters": "characters in fenced code",
    "indented_code_lines": "lines of code that is set off by indentation alone",
    "indented_code_characters": "characters in indented code",
    # ends of Korean sentences, code left out
    "korean_sentence_ends": "ends of Korean sentences, with or without a mark, within lines too",
    "marked_korean_lines": "lines that end in a Hangul syllable and a mark (했다. 그래? 가자…)",
    "formal_ending_lines": "lines that end in 다 or 까 without a mark",
    "polite_ending_lines": "lines that end in 요 or 죠 without a mark",
    "noun_ending_lines": "lines that end in 음, 함, 임 or 됨 without a mark",
    "casual_ending_lines": "lines that end like talk between friends without a mark (했어, 그렇지, 좋네, 하냐)",
    "headline_lines": "lines that end in a Hangul syllable that ends no sentence (headlines, menus)",
}
WIDTH = len(COLUMNS)
_INDEX = {name: place for place, name in enumerate(COLUMNS)}
SPACED_WORDS = _INDEX["spaced_words"]
SPACED_WORD_CHARACTERS = _INDEX["spaced_word_characters"]
HANGUL_WORDS = _INDEX["hangul_words"]
HANGUL_LATIN_WORDS = _INDEX["hangul_latin_words"]
HANGUL_HAN_WORDS = _INDEX["hangul_han_words"]
HANGUL_DIGIT_WORDS = _INDEX["hangul_digit_words"]
MIXED_WORDS = _INDEX["mixed_words"]
ALTERNATING_WORDS = _INDEX["alternating_words"]
LATIN_WORDS = _INDEX["latin_words"]
NUMERIC_WORDS = _INDEX["numeric_words"]
SYMBOL_WORDS = _INDEX["symbol_words"]
HASHTAGS = _INDEX["hashtags"]
LONGEST_WORD = _INDEX["longest_word"]
JAMO_RUNS = _INDEX["jamo_runs"]
JAMO_RUN_CHARACTERS = _INDEX["jamo_run_characters"]
LONGEST_JAMO_RUN = _INDEX["longest_jamo_run"]
LAUGHING_CHARACTERS = _INDEX["laughing_characters"]
CRYING_CHARACTERS = _INDEX["crying_characters"]
CODA_LAUGHS = _INDEX["coda_laughs"]
QUOTATION_MARKS = _INDEX["quotation_marks"]
PARENTHESES = _INDEX["parentheses"]
BRACKETS = _INDEX["brackets"]
GLOSSED_HANJA = _INDEX["glossed_hanja"]
SHOUTS = _INDEX["shouts"]
REPEATED_MARKS = _INDEX["repeated_marks"]
REPEATED_MARK_CHARACTERS = _INDEX["repeated_mark_characters"]
EMOJI = _INDEX["emoji"]
URLS = _INDEX["urls"]
URL_CHARACTERS = _INDEX["url_characters"]
FILLED_LINES = _INDEX["filled_lines"]
LINE_CHARACTERS = _INDEX["line_characters"]
LONGEST_LINE = _INDEX["longest_line"]
LETTERLESS_LINES = _INDEX["letterless_lines"]
HEADING_LINES = _INDEX["heading_lines"]
LIST_LINES = _INDEX["list_lines"]
TABLE_LINES = _INDEX["table_lines"]
CODE_LINES = _INDEX["code_lines"]
INDENTED_CODE_LINES = _INDEX["indented_code_lines"]
KOREAN_SENTENCE_ENDS = _INDEX["korean_sentence_ends"]
MARKED_KOREAN_LINES = _INDEX["marked_korean_lines"]
