"""Runs in NeMo Curator's environment: its heuristic filters for English, called directly, document by document.

    python peer_nemo.py scores DOCUMENTS RESULTS     each filter's number and verdict for each document
    python peer_nemo.py tops DOCUMENTS RESULTS       verdicts of the filters on the most frequent n-gram alone
    python peer_nemo.py seconds DOCUMENTS            processor time of all filters, and of the recipe as a cascade

DOCUMENTS is JSON lines, a string a line. The package's own modules import Ray and more, which the filters do not
use: its folders stand in as empty packages, so that only the filters' files and what those import are run, as they
are.
"""

import json
import sys
import time
import types
from collections import Counter
from pathlib import Path

SITE = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
for name in ("", ".stages", ".stages.text", ".stages.text.filters", ".stages.text.utils"):
    package = types.ModuleType(f"nemo_curator{name}")
    package.__path__ = [str(SITE / package.__name__.replace(".", "/"))]
    sys.modules[package.__name__] = package

from nemo_curator.stages.text.filters import heuristic  # noqa: E402
from nemo_curator.stages.text.filters.heuristic import repetition  # noqa: E402

# heuristic_filter_english_pipeline.yaml of 1.4.0, in its order.
RECIPE = {
    "non_alphanumeric": heuristic.NonAlphaNumericFilter(max_non_alpha_numeric_to_text_ratio=0.25),
    "symbols": heuristic.SymbolsToWordsFilter(max_symbol_to_word_ratio=0.1),
    "digits": heuristic.NumbersFilter(max_number_to_text_ratio=0.15),
    "urls": heuristic.UrlsFilter(max_url_to_text_ratio=0.2),
    "white_space": heuristic.WhiteSpaceFilter(max_white_space_ratio=0.25),
    "brackets": heuristic.ParenthesesFilter(max_parentheses_ratio=0.1),
    "boilerplate": heuristic.BoilerPlateStringFilter(
        remove_if_at_top_or_bottom=True, max_boilerplate_string_ratio=0.4
    ),
    "repeated_lines": repetition.RepeatedLinesFilter(max_repeated_line_fraction=0.7),
    "repeated_paragraphs": repetition.RepeatedParagraphsFilter(max_repeated_paragraphs_ratio=0.7),
    "repeated_line_characters": repetition.RepeatedLinesByCharFilter(max_repeated_lines_char_ratio=0.8),
    "repeated_paragraph_characters": repetition.RepeatedParagraphsByCharFilter(
        max_repeated_paragraphs_char_ratio=0.8
    ),
    "words": heuristic.WordCountFilter(min_words=50, max_words=100000),
    "punctuation": heuristic.PunctuationFilter(max_num_sentences_without_endmark_ratio=0.85),
    "alphabetic": heuristic.WordsWithoutAlphabetsFilter(min_words_with_alphabets=0.8),
    "common_words": heuristic.CommonEnglishWordsFilter(min_num_common_words=2, stop_at_false=True),
    "word_length": heuristic.MeanWordLengthFilter(max_mean_word_length=10, min_mean_word_length=3),
    "longest_word": heuristic.LongWordFilter(max_word_length=1000),
    "ellipsis_lines": heuristic.EllipsisFilter(max_num_lines_ending_with_ellipsis_ratio=0.3),
    **{
        f"top_{n}_gram": repetition.RepeatingTopNGramsFilter(n=n, max_repeating_ngram_ratio=limit)
        for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"duplicate_{n}_gram": repetition.RepeatingDuplicateNGramsFilter(
            n=n, max_repeating_duplicate_ngram_ratio=limit
        )
        for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    },
    "bullets": heuristic.BulletsFilter(max_bullet_lines_ratio=0.9),
}
FILTERS = RECIPE | {"pornographic_urls": heuristic.PornographicUrlsFilter()}


def judged(rule: object, text: str) -> tuple[float | None, bool | None]:
    """(number, kept); None for both where the filter ends with an error: it divides by no words or no lines."""
    try:
        score = rule.score_document(text)
    except (ZeroDivisionError, ValueError):
        return None, None
    return score, bool(rule.keep_document(score))


def if_middle(text: str, n: int) -> tuple[int, float]:
    """How many n-grams are equally frequent, and the filter's number if it took the middle one of the text.

    It takes the one that comes first in a set, whose order changes from run to run.
    """
    words = text.split()
    counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
    if not counts:
        return 0, 1.0
    most = max(counts.values())
    tied = [gram for gram, count in counts.items() if count == most]
    middle = " ".join(tied[len(tied) // 2])
    return len(tied), (len(text) - len(text.replace(middle, ""))) / len(text)


def scores(texts: list[str], target: Path) -> None:
    with target.open("w") as file:
        for text in texts:
            row = {name: judged(rule, text) for name, rule in FILTERS.items()}
            row["ties"] = {f"top_{n}_gram": if_middle(text, n) for n in (2, 3, 4)}
            file.write(json.dumps(row) + "\n")


def tops(texts: list[str], target: Path) -> None:
    rules = {name: rule for name, rule in FILTERS.items() if name.startswith("top_")}
    with target.open("w") as file:
        for text in texts:
            file.write(json.dumps({name: judged(rule, text)[1] for name, rule in rules.items()}) + "\n")


def seconds(texts: list[str]) -> dict[str, float]:
    rules = list(RECIPE.values())
    started = time.process_time()
    for text in texts:
        for rule in rules:
            rule.keep_document(rule.score_document(text))
    whole = time.process_time() - started
    started = time.process_time()
    for text in texts:
        for rule in rules:
            if not rule.keep_document(rule.score_document(text)):
                break
    return {"all": whole, "cascade": time.process_time() - started}


def main() -> None:
    texts = [json.loads(line) for line in Path(sys.argv[2]).read_text("utf-8").split("\n") if line]
    if sys.argv[1] == "scores":
        scores(texts, Path(sys.argv[3]))
    elif sys.argv[1] == "tops":
        tops(texts, Path(sys.argv[3]))
    else:
        print(json.dumps(seconds(texts)))


if __name__ == "__main__":
    main()
