"""Runs in datatrove's environment: its English filters over documents, one rule at a time or all in a chain.

    python peer_signals.py numbers DOCUMENTS.jsonl [RULE]    a line of JSON a document: numbers, verdicts by rule
    python peer_signals.py speed DOCUMENTS.jsonl      for each line of standard input, the chain's CPU seconds

The numbers are formed as the filters form them, with datatrove's own functions; the verdicts are the filters'.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION, split_into_words

QUALITY = dict.fromkeys(
    (
        *("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length"),
        *("max_symbol_word_ratio", "max_bullet_lines_ratio", "max_ellipsis_lines_ratio"),
        *("max_non_alpha_words_ratio", "min_stop_words"),
    )
)
REPETITION = dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"))
FINEWEB = {"line_punct_thr": -1, "short_line_thr": 2, "char_duplicates_ratio": 2, "new_line_ratio": 1e9}
C4 = {"filter_no_terminal_punct": False}


def quality(**only):
    return GopherQualityFilter(**(QUALITY | only))


def repetition(**only):
    return GopherRepetitionFilter(**(REPETITION | {"top_n_grams": (), "dup_n_grams": ()} | only))


def fineweb(**only):
    return FineWebQualityFilter(**(FINEWEB | only))


RULES = {
    "gopher.min_words": quality(min_doc_words=50),
    "gopher.max_words": quality(max_doc_words=100_000),
    # Documents around 100,000 words would take hours.
    "gopher.max_words at 1,000": quality(max_doc_words=1_000),
    "gopher.min_word_length": quality(min_avg_word_length=3),
    "gopher.max_word_length": quality(max_avg_word_length=10),
    "gopher.bullets": quality(max_bullet_lines_ratio=0.9),
    "gopher.ellipsis_lines": quality(max_ellipsis_lines_ratio=0.3),
    "gopher.alphabetic": quality(max_non_alpha_words_ratio=0.8),
    "gopher.stop_words": quality(min_stop_words=2),
    "gopher.duplicate_lines": repetition(dup_line_frac=0.3),
    "gopher.duplicate_paragraphs": repetition(dup_para_frac=0.3),
    "gopher.duplicate_line_characters": repetition(dup_line_char_frac=0.2),
    "gopher.duplicate_paragraph_characters": repetition(dup_para_char_frac=0.2),
    **{
        f"gopher.top_{n}_gram": repetition(top_n_grams=((n, share),))
        for n, share in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"gopher.duplicate_{n}_gram": repetition(dup_n_grams=((n, share),))
        for n, share in zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)
    },
    "fineweb.punctuated_lines": fineweb(line_punct_thr=0.12),
    "fineweb.short_lines": fineweb(short_line_thr=0.67),
    "fineweb.duplicate_line_characters": fineweb(char_duplicates_ratio=0.01),
    "fineweb.newlines": fineweb(new_line_ratio=0.3),
    "c4.sentences": C4QualityFilter(**C4, filter_lorem_ipsum=False, filter_curly_bracket=False),
    "c4.lorem_ipsum": C4QualityFilter(**C4, min_num_sentences=-1, filter_curly_bracket=False),
    "c4.curly_bracket": C4QualityFilter(**C4, min_num_sentences=-1, filter_lorem_ipsum=False),
}
# The rule on symbols is two: with one argument, told apart by the reason.
SYMBOLS = quality(max_symbol_word_ratio=0.1)


def numbers(text):
    words = split_into_words(text)
    content = [w for w in words if any(ch not in PUNCTUATION_SET for ch in w)]
    lines = text.splitlines()
    split = re.split("\n+", text)
    paragraphs = re.split(r"\n{2,}", text.strip())
    kept = [line for line in text.split("\n") if line.strip() != ""]
    n = max(len(words), 1)
    found = {
        "content_words": len(content),
        "mean_word_length": float(np.mean([len(w) for w in content])) if content else 0.0,
        "hashes_per_word": text.count("#") / n,
        "ellipses_per_word": (text.count("...") + text.count("…")) / n,
        "bullet_line_share": sum(s.lstrip().startswith(("•", "-")) for s in lines) / max(len(lines), 1),
        "ellipsis_line_share": sum(s.rstrip().endswith(("...", "…")) for s in lines) / max(len(lines), 1),
        "alphabetic_word_share": sum(any(c.isalpha() for c in w) for w in words) / n,
        "duplicate_line_share": find_duplicates(split)[0] / len(split),
        "duplicate_line_character_share": find_duplicates(split)[1] / max(len(text), 1),
        "duplicate_paragraph_share": find_duplicates(paragraphs)[0] / len(paragraphs),
        "duplicate_paragraph_character_share": find_duplicates(paragraphs)[1] / max(len(text), 1),
        "punctuated_line_share": sum(s.endswith(tuple(TERMINAL_PUNCTUATION)) for s in kept)
        / max(len(kept), 1),
        "short_line_share": sum(len(s) <= 30 for s in kept) / max(len(kept), 1),
        "repeated_line_character_share": find_duplicates(kept)[1] / max(len(text.replace("\n", "")), 1),
        "newlines_per_word": text.count("\n") / n,
    }
    for size in (2, 3, 4):
        grams = get_n_grams(words, size)
        found[f"top_{size}_gram_share"] = find_top_duplicate(grams) / len(text) if grams else 0.0
    for size in range(5, 11):
        found[f"duplicate_{size}_gram_share"] = find_all_duplicate(words, size) / len(text) if text else 0.0
    return found


def verdicts(text, only):
    """Names of the rules that drop a text on their own; of one rule, if ``only`` names it."""
    dropped = []
    for name, rule in RULES.items():
        if only and not name.startswith(only):
            continue
        try:
            answer = rule.filter(Document(text=text, id=""))
        except (ZeroDivisionError, ValueError):
            answer = False, "error"
        if answer is not True and not (isinstance(answer, tuple) and answer[0]):
            dropped.append(name)
    answer = SYMBOLS.filter(Document(text=text, id="")) if split_into_words(text) else True
    if isinstance(answer, tuple):
        dropped.append("gopher.hashes" if "hashes" in answer[1] else "gopher.ellipses")
    return dropped


def chain():
    return [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]


def main():
    mode, path, *only = sys.argv[1:]
    with Path(path).open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    if mode == "numbers":
        for text in texts:
            print(json.dumps({"numbers": numbers(text), "dropped": verdicts(text, only[0] if only else "")}))
        return
    steps = chain()
    for step in steps:
        step.filter(Document(text="Warm up. The words are here.", id=""))
    print("ready", flush=True)
    for _ in sys.stdin:
        started, kept = time.process_time(), 0
        for text in texts:
            document = Document(text=text, id="")
            # As in a pipeline, a document that a filter drops meets no further one.
            kept += all(step.filter(document) is True for step in steps)
        print(json.dumps({"seconds": time.process_time() - started, "kept": kept}), flush=True)


if __name__ == "__main__":
    main()
