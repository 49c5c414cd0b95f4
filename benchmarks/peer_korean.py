"""Runs in datatrove's environment with Kiwi: FineWeb-2's chain for Korean, each rule alone and as a whole.

    python peer_korean.py numbers < TEXTS   a line of JSON for each: spans of its words, numbers, rules broken alone
    python peer_korean.py chain TEXTS       for each line on the standard input, a round: processor seconds, kept

A third and fourth argument name the model and the reading of unknown words of a newer Kiwi (cong rule).

The first line of TEXTS is the settings ({"thresholds": {rule: number}, "stop_words": […]}), each other one a text
(JSON string). Rules have the names of Hanji's preset fineweb2_kor_Hang.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.utils.text import PUNCTUATION_SET, split_into_words
from datatrove.utils.typeshelper import Languages
from datatrove.utils.word_tokenizers import load_word_tokenizer

KOREAN = Languages.korean
OLD_MODEL = "sbg"  # what datatrove asks for; Kiwi 0.22 was the last to have it
TOP, DUPLICATE = range(2, 5), range(5, 11)
NEVER = float("inf")


def repetition(t: dict[str, float], **only: Any) -> GopherRepetitionFilter:
    none = {f"dup_{what}_frac": None for what in ("line", "para", "line_char", "para_char")}
    none |= {"top_n_grams": (), "dup_n_grams": ()}
    return GopherRepetitionFilter(**(none | only), language=KOREAN)


def fineweb(**only: Any) -> FineWebQualityFilter:
    never = {
        "line_punct_thr": 0,
        "short_line_thr": 1,
        "char_duplicates_ratio": NEVER,
        "new_line_ratio": NEVER,
    }
    return FineWebQualityFilter(**(never | only), language=KOREAN)


def quality(**only: Any) -> GopherQualityFilter:
    none = dict.fromkeys(
        ("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "min_stop_words")
    )
    none |= dict.fromkeys(
        (
            "max_symbol_word_ratio",
            "max_bullet_lines_ratio",
            "max_ellipsis_lines_ratio",
            "max_non_alpha_words_ratio",
        )
    )
    return GopherQualityFilter(**(none | only), language=KOREAN)


def alone(t: dict[str, float], stop_words: list[str]) -> dict[str, tuple[Any, str]]:
    """By rule: the filter with that rule and no other, and what it answers where the rule is broken."""
    return {
        "duplicate_lines": (repetition(t, dup_line_frac=t["duplicate_lines"]), "dup_line_frac"),
        **{
            f"top_{n}_gram": (repetition(t, top_n_grams=((n, t[f"top_{n}_gram"]),)), f"top_{n}_gram")
            for n in TOP
        },
        **{
            f"duplicate_{n}_gram": (
                repetition(t, dup_n_grams=((n, t[f"duplicate_{n}_gram"]),)),
                f"duplicated_{n}_n_grams",
            )
            for n in DUPLICATE
        },
        "empty": (fineweb(), "empty"),
        "punctuated_lines": (fineweb(line_punct_thr=t["punctuated_lines"]), "line_punct_ratio"),
        "duplicate_line_characters": (
            fineweb(char_duplicates_ratio=t["duplicate_line_characters"]),
            "char_dup_ratio",
        ),
        "newlines": (fineweb(new_line_ratio=t["newlines"]), "list_ratio"),
        "min_words": (quality(min_doc_words=t["min_words"]), "gopher_short_doc"),
        "max_words": (quality(max_doc_words=t["max_words"]), "gopher_long_doc"),
        "min_word_length": (quality(min_avg_word_length=t["min_word_length"]), "gopher_below_avg_threshold"),
        "max_word_length": (quality(max_avg_word_length=t["max_word_length"]), "gopher_above_avg_threshold"),
        "hashes": (quality(max_symbol_word_ratio=t["hashes"]), "gopher_too_many_hashes"),
        "bullets": (quality(max_bullet_lines_ratio=t["bullets"]), "gopher_too_many_bullets"),
        "ellipsis_lines": (
            quality(max_ellipsis_lines_ratio=t["ellipsis_lines"]),
            "gopher_too_many_end_ellipsis",
        ),
        "alphabetic": (quality(max_non_alpha_words_ratio=t["alphabetic"]), "gopher_below_alpha_threshold"),
        "stop_words": (
            quality(min_stop_words=t["stop_words"], stop_words=stop_words),
            "gopher_enough_stop_words",
        ),
    }


def numbers(text: str, stop_words: set[str]) -> dict[str, float]:
    """What each rule compares, read off the filters' code; left out where they divide by nothing."""
    words = split_into_words(text, KOREAN)
    content = [word for word in words if any(c not in PUNCTUATION_SET for c in word)]
    found: dict[str, float] = {"min_words": len(content), "max_words": len(content)}
    found["stop_words"] = len(stop_words.intersection(words))
    if text:
        split = repetition({})._line_splitter.split(text)
        found["duplicate_lines"] = find_duplicates(split)[0] / len(split)
        for n in TOP:
            grams = get_n_grams(words, n)
            found[f"top_{n}_gram"] = find_top_duplicate(grams) / len(text) if grams else 0.0
        for n in DUPLICATE:
            found[f"duplicate_{n}_gram"] = find_all_duplicate(words, n) / len(text)
    lines = [line for line in text.split("\n") if line.strip() != ""]
    found["empty"] = len(lines)
    if lines:
        stop_characters = fineweb().stop_chars
        ends = sum(line.endswith(stop_characters) for line in lines)
        found["punctuated_lines"] = ends / len(lines)
        found["duplicate_line_characters"] = find_duplicates(lines)[1] / len(text.replace("\n", ""))
    if content:
        found["min_word_length"] = found["max_word_length"] = sum(map(len, content)) / len(content)
    if words:
        found["newlines"] = text.count("\n") / len(words)
        found["hashes"] = text.count("#") / len(words)
        found["ellipses"] = (text.count("...") + text.count("…")) / len(words)
        found["alphabetic"] = sum(any(c.isalpha() for c in word) for word in words) / len(words)
        broken = text.splitlines()
        if broken:
            found["bullets"] = sum(s.lstrip().startswith(("•", "-")) for s in broken) / len(broken)
            found["ellipsis_lines"] = sum(s.rstrip().endswith(("...", "…")) for s in broken) / len(broken)
    return found


def verdict(one: Any, text: str) -> str | None:
    """The filter's reason for dropping a text; None if it keeps it; "error" where it fails."""
    try:
        answer = one.filter(Document(text=text, id="0"))
    except (ZeroDivisionError, AssertionError):
        return "error"
    return answer[1] if isinstance(answer, tuple) else None


def tell_numbers(settings: dict[str, Any], texts: list[str]) -> None:
    rules = alone(settings["thresholds"], settings["stop_words"])
    tokenizer = load_word_tokenizer(KOREAN)
    for text in texts:
        tokens = tokenizer.tokenizer.tokenize(tokenizer.preprocess(text))
        answers = {name: (verdict(one, text), reason) for name, (one, reason) in rules.items()}
        found = numbers(text, set(settings["stop_words"]))
        broken = [name for name, (answer, reason) in answers.items() if answer == reason]
        # One filter asks for # and then for …, so that the first hides the second.
        if found.get("ellipses", 0) > settings["thresholds"]["ellipses"]:
            broken.append("ellipses")
        row = {
            "starts": [token.start for token in tokens],
            "ends": [token.end for token in tokens],
            "numbers": found,
            "broken": broken,
            "failed": [name for name, (answer, _) in answers.items() if answer == "error"],
        }
        print(json.dumps(row))


def chain(t: dict[str, float], stop_words: list[str]) -> list[Callable[[Document], Any]]:
    """FineWeb-2's filters for Korean, in its order."""
    return [
        GopherRepetitionFilter(
            dup_line_frac=t["duplicate_lines"],
            dup_para_frac=None,
            dup_line_char_frac=None,
            dup_para_char_frac=None,
            top_n_grams=tuple((n, t[f"top_{n}_gram"]) for n in TOP),
            dup_n_grams=tuple((n, t[f"duplicate_{n}_gram"]) for n in DUPLICATE),
            language=KOREAN,
        ).filter,
        FineWebQualityFilter(
            line_punct_thr=t["punctuated_lines"],
            short_line_thr=NEVER,
            char_duplicates_ratio=t["duplicate_line_characters"],
            new_line_ratio=t["newlines"],
            language=KOREAN,
        ).filter,
        GopherQualityFilter(
            min_avg_word_length=t["min_word_length"],
            max_avg_word_length=t["max_word_length"],
            max_non_alpha_words_ratio=t["alphabetic"],
            stop_words=stop_words,
            language=KOREAN,
        ).filter,
    ]


def rounds(settings: dict[str, Any], texts: list[str]) -> None:
    filters = chain(settings["thresholds"], settings["stop_words"])
    load_word_tokenizer(KOREAN).word_tokenize("준비가 되었다.")
    documents = [Document(text=text, id=str(place)) for place, text in enumerate(texts)]
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        kept = sum(all(one(document) is True for one in filters) for document in documents)
        print(json.dumps({"seconds": time.process_time() - started, "kept": kept}), flush=True)


def newer_kiwi(model: str, unknown_words: str) -> None:
    """Let datatrove's tokenizer work with a Kiwi that has its model no more."""
    import kiwipiepy

    class Kiwi(kiwipiepy.Kiwi):  # type: ignore[misc]
        def __init__(self, model_type: str = OLD_MODEL) -> None:
            super().__init__(model_type=model)

        def tokenize(self, text: Any, **options: Any) -> Any:
            return super().tokenize(text, oov_handling=unknown_words, **options)

    kiwipiepy.Kiwi = Kiwi


def main() -> None:
    if len(sys.argv) > 3:
        newer_kiwi(*sys.argv[3:5])
    source = Path(sys.argv[2]).read_text("utf-8") if sys.argv[1] == "chain" else sys.stdin.read()
    settings, *texts = [json.loads(line) for line in source.split("\n") if line]
    (rounds if sys.argv[1] == "chain" else tell_numbers)(settings, texts)


if __name__ == "__main__":
    main()
