"""Runs in datatrove's environment: its four stages of MinHash deduplication, from JSON lines to JSON lines.

    python peer_neardup.py DOCUMENTS OUTPUT WORKERS LANGUAGE

As datatrove's own example has them (14 buckets of 8 hashes, word 5-grams), a task a file or bucket. Prints one line
of JSON: wall-clock seconds of the stages, and the pairs of (file, document) numbers that shared a bucket.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
from datatrove.pipeline.dedup import MinhashDedupSignature as Signature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.typeshelper import Languages


def main() -> None:
    documents, output, workers, language = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    settings = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    files = len(list(Path(documents).glob("*.jsonl")))
    name = Languages.english if language == "en" else Languages.korean

    def read() -> JsonlReader:
        return JsonlReader(documents, glob_pattern="*.jsonl")

    stages = {
        "signature": ([read(), Signature(f"{output}/signatures", settings, name)], files),
        "buckets": (
            [MinhashDedupBuckets(f"{output}/signatures", f"{output}/buckets", config=settings)],
            settings.num_buckets,
        ),
        "cluster": ([MinhashDedupCluster(f"{output}/buckets", f"{output}/remove", config=settings)], 1),
        "filter": (
            [
                read(),
                MinhashDedupFilter(f"{output}/remove"),
                JsonlWriter(f"{output}/kept", compression=None),
            ],
            files,
        ),
    }
    seconds = {}
    for stage, (pipeline, tasks) in stages.items():
        started = time.perf_counter()
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=workers, logging_dir=f"{output}/logs/{stage}"
        ).run()
        seconds[stage] = time.perf_counter() - started
    pairs = {
        pair
        for path in Path(output, "buckets").glob("*.dups")
        for pair in struct.iter_unpack("<4I", path.read_bytes())
    }
    print(json.dumps({"seconds": seconds, "pairs": sorted(pairs)}))


if __name__ == "__main__":
    main()
