"""The definitions of the core's signals, in plain Python: what the kernels are compared with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION

from hanji.curation.signals.text import ENGLISH_STOP_WORDS, KOREAN_ENDINGS

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def korean_words(source: str) -> list[str]:
    """Runs of letters and digits; an apostrophe or hyphen inside belongs to a word that has a letter."""
    words, current = [], ""
    for place, character in enumerate(source):
        following = source[place + 1] if place + 1 < len(source) else " "
        joins = character in "'’-" and following.isalnum() and any(c.isalpha() for c in current)
        if character.isalnum() or (current and joins):
            current += character
        elif current:
            words.append(current)
            current = ""
    return [*words, current] if current else words


def of_words(words: list[str], korean: bool) -> dict[str, int]:
    content = [word for word in words if any(c not in PUNCTUATION_SET for c in word)]
    if korean:
        stops = {end for word in words for end in (word[-1:], word[-2:])} & set(KOREAN_ENDINGS)
    else:
        stops = set(words) & set(ENGLISH_STOP_WORDS)
    return {
        "words": len(words),
        "content_words": len(content),
        "content_word_characters": sum(map(len, content)),
        "alphabetic_words": sum(any(c.isalpha() for c in word) for word in words),
        "stop_words": len(stops),
        **{f"top_{n}_gram_characters": top_gram(words, n) for n in (2, 3, 4)},
        **{f"duplicate_{n}_gram_characters": duplicate_grams(words, n) for n in range(5, 11)},
    }


def top_gram(words: list[str], n: int) -> int:
    grams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not grams:
        return 0
    gram, count = grams.most_common(1)[0]
    return len(gram) * count


def duplicate_grams(words: list[str], n: int) -> int:
    seen, covered, place = set(), 0, 0
    while place + n <= len(words):
        gram = "".join(words[place : place + n])
        if gram in seen:
            covered += len(gram)
            place += n
        else:
            seen.add(gram)
            place += 1
    return covered


def duplicates(pieces: list[str]) -> tuple[int, int]:
    """(pieces that stood before, characters in them)"""
    seen = Counter(pieces)
    return len(pieces) - len(seen), sum((count - 1) * len(piece) for piece, count in seen.items())


def of_lines(source: str) -> dict[str, int]:
    lines = [line for line in source.split("\n") if line.strip()]
    split, breaks = re.split("\n+", source), source.splitlines()
    paragraphs = re.split("\n{2,}", source.strip())
    return {
        "newlines": source.count("\n"),
        "lines": len(lines),
        "punctuated_lines": sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in lines),
        "short_lines": sum(len(line) <= 30 for line in lines),
        "repeated_line_characters": duplicates(lines)[1],
        "split_lines": len(split),
        "duplicate_lines": duplicates(split)[0],
        "duplicate_line_characters": duplicates(split)[1],
        "paragraphs": len(paragraphs),
        "duplicate_paragraphs": duplicates(paragraphs)[0],
        "duplicate_paragraph_characters": duplicates(paragraphs)[1],
        "break_lines": len(breaks),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in breaks),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in breaks),
    }


def of_c4(source: str, sentences_of: Callable[[str], int]) -> dict[str, int]:
    found = dict.fromkeys(
        (
            *("c4_kept_lines", "c4_sentences", "c4_terminal_sentences", "c4_lorem_ipsum_lines"),
            *("c4_bracket_lines", "c4_javascript_lines", "c4_policy_lines"),
        ),
        0,
    )
    for whole in source.splitlines():
        words = whole.split()
        if len(words) < 3 or max(map(len, words)) > 1000:
            continue
        line = _CITATION.sub("", whole.strip())
        low = line.lower()
        found["c4_lorem_ipsum_lines"] += "lorem ipsum" in low
        if "javascript" in low:
            found["c4_javascript_lines"] += 1
            continue
        found["c4_bracket_lines"] += "{" in line
        if any(phrase in low for phrase in _POLICY):
            found["c4_policy_lines"] += 1
            continue
        found["c4_kept_lines"] += 1
        sentences = sentences_of(line)
        found["c4_sentences"] += sentences
        if line.endswith((".", "?", "!", '"', "'")) and not line.endswith("..."):
            found["c4_terminal_sentences"] += sentences
    return found


_MARKS = tuple(TERMINAL_PUNCTUATION)


def of_characters(source: str) -> dict[str, int]:
    """For texts of the alphabet that test_signals.py makes them of."""
    return {
        "characters": len(source),
        "hash_symbols": source.count("#"),
        "ellipses": source.count("...") + source.count("…"),
        "curly_brackets": source.count("{") + source.count("}"),
        "spaces": sum(c.isspace() and c not in "\x1c\x1d\x1e\x1f" for c in source),
        "digits": sum(c in "0123456789" for c in source),
        "hangul": sum("가" <= c <= "힣" for c in source),
        "jamo": sum("ㄱ" <= c <= "ㆎ" for c in source),
        "han": sum("一" <= c <= "鿿" for c in source),
        "kana": sum("ぁ" <= c <= "ヿ" for c in source),
        "latin": sum(c == "é" or (c.isascii() and c.isalpha()) for c in source),
        "sentences": sum(
            c in _MARKS
            and (place + 1 == len(source) or not source[place + 1].isalnum())
            and not (place and source[place - 1] in _MARKS)
            for place, c in enumerate(source)
        ),
    }
