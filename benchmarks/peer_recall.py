"""Runs in datatrove's environment: which pairs of texts its MinHash would bring together.

    python peer_recall.py PAIRS LANGUAGE        PAIRS is JSON lines, [text, text] a line; LANGUAGE is ko or en

Its defaults (word 5-grams, 14 buckets of 8 hashes); prints a JSON list, 1 where a pair shares a bucket, else 0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datatrove.pipeline.dedup import MinhashDedupSignature as Signature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.typeshelper import Languages


def main() -> None:
    pairs, language = sys.argv[1:]
    name = Languages.english if language == "en" else Languages.korean
    step = Signature("/tmp", MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8), name)

    def buckets(text: str) -> list[list[int]]:
        made = step.get_shingles(text)
        return step.get_signature(made) if made.size else []

    met = []
    for line in Path(pairs).read_bytes().splitlines():
        left, right = map(buckets, json.loads(line))
        met.append(int(any(one == other for one, other in zip(left, right, strict=False))))
    print(json.dumps(met))


if __name__ == "__main__":
    main()
