"""Runs in datatrove's environment: its WARC reader, trafilatura, language filter and PII formatter.

    python peer_datatrove.py WARC_DIRECTORY OUTPUT TASKS

Prints one line of JSON: wall-clock seconds of the executor, and documents read, extracted and kept.
"""

import json
import sys
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import LanguageFilter
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import ParquetWriter


def main() -> None:
    warcs, output, tasks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    executor = LocalPipelineExecutor(
        [
            WarcReader(warcs, glob_pattern="*.warc.gz"),
            # As FineWeb has it, and with the default time limit of a second.
            Trafilatura(favour_precision=True),
            LanguageFilter(languages=["ko", "en"]),
            PIIFormatter(),
            ParquetWriter(f"{output}/documents"),
        ],
        tasks=tasks,
        workers=tasks,
        logging_dir=f"{output}/logs",
    )
    started = time.perf_counter()
    executor.run()
    seconds = time.perf_counter() - started
    steps = json.loads(Path(f"{output}/logs/stats.json").read_text())
    print(json.dumps({"seconds": seconds, "stats": {s["name"]: s["stats"] for s in steps}}))


if __name__ == "__main__":
    main()
