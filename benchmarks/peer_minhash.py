"""Runs in a peer's environment: signatures of 112 permutations by rensa, datasketch or datatrove.

    python peer_minhash.py DOCUMENTS LANGUAGE        LANGUAGE is ko or en; DOCUMENTS is JSON lines, a string a line

Answers each line of standard input, "PEER KIND", with processor seconds over all documents (all threads counted).
KIND "text" is from texts, with shingles made in Python the shortest way (white space alone, no regular expression;
datatrove makes its own), "ready" from shingles that were made before. Shingles are sets of word 5-grams for English
and of 8-grams of characters without spaces for Korean.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

PERMUTATIONS = 112
KOREAN_N, ENGLISH_N = 8, 5


def shingles(text: str, language: str) -> set[str]:
    words = text.lower().split()
    if language == "en":
        return {" ".join(words[i : i + ENGLISH_N]) for i in range(max(1, len(words) - ENGLISH_N + 1))}
    joined = "".join(words)
    return {joined[i : i + KOREAN_N] for i in range(max(1, len(joined) - KOREAN_N + 1))}


def rensa(sets: Iterable[set[str]]) -> None:
    from rensa import RMinHash

    for some in sets:
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=42)
        sketch.update(list(some))
        sketch.digest()


def rensa_bulk(sets: Iterable[set[str]]) -> None:
    from rensa import RMinHash

    RMinHash.digest_matrix_from_token_sets([list(some) for some in sets], PERMUTATIONS, 42)


def datasketch(sets: Iterable[set[str]]) -> None:
    from datasketch import MinHash

    for some in sets:
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([shingle.encode() for shingle in some])
        sketch.digest()


@cache
def _datatrove(language: str) -> Any:
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.utils.typeshelper import Languages

    name = Languages.english if language == "en" else Languages.korean
    settings = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    return MinhashDedupSignature("/tmp", settings, language=name)


def datatrove_text(texts: list[str], language: str) -> None:
    step = _datatrove(language)
    for text in texts:
        made = step.get_shingles(text)
        if made.size:
            step.get_signature(made)


def datatrove_ready(made: list[Any], language: str) -> None:
    step = _datatrove(language)
    for one in made:
        if one.size:
            step.get_signature(one)


PEERS: dict[str, Callable[[Iterable[set[str]]], None]] = {
    "rensa": rensa,
    "rensa_bulk": rensa_bulk,
    "datasketch": datasketch,
}


def main() -> None:
    documents, language = sys.argv[1:]
    texts = [json.loads(line) for line in Path(documents).read_text("utf-8").splitlines()]
    ready: dict[str, list[Any]] = {}

    def work(peer: str, kind: str) -> Callable[[], None]:
        if peer == "datatrove":
            if kind == "text":
                return lambda: datatrove_text(texts, language)
            made = ready.setdefault(
                "datatrove",
                ready.get("datatrove") or [_datatrove(language).get_shingles(text) for text in texts],
            )
            return lambda: datatrove_ready(made, language)
        if kind == "text":
            return lambda: PEERS[peer](shingles(text, language) for text in texts)
        sets = ready.setdefault("sets", ready.get("sets") or [shingles(text, language) for text in texts])
        return lambda: PEERS[peer](sets)

    for line in sys.stdin:
        peer, kind = line.split()
        task = work(peer, kind)
        if peer == "datatrove":
            _datatrove(language).get_shingles("warm")
        started = time.process_time()
        task()
        print(time.process_time() - started, flush=True)


if __name__ == "__main__":
    main()
