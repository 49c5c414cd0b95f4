"""Normal forms of URLs: what they merge in the development data, likeness of what they merge, and speed.

    python -m benchmarks.url_forms

courlan, which comes with trafilatura, is the peer: it cleans URLs for a crawler, one at a time.
"""

from __future__ import annotations

import itertools
from collections import defaultdict

import courlan
import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from hanji.curation.dedup.shingles import likeness, shingle_sets
from hanji.curation.dedup.urls import normal_urls
from hanji.curation.recipe import MinHash

PAIRS = 50  # of one address
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.01)
REPEATS = 40


def main() -> None:
    whole: list[str] = []
    found: list[float] = []
    say("| source | URLs | different | in normal form |\n|---|---:|---:|---:|")
    for path in sorted(data_directory().glob("*.jsonl.gz")):
        name = path.name.partition(".")[0]
        some = [row for row in rows(name) if row.get("url")]
        if not some:
            continue
        urls = [row["url"] for row in some]
        forms = normal_urls(pa.array(urls, pa.large_string())).to_pylist()
        say(f"| {name} | {len(urls)} | {len(set(urls))} | {len(set(forms))} |")
        whole += urls
        found += _likeness(forms, [row.get("text") or row.get("html") or "" for row in some])
    counts = np.histogram(found, BINS)[0].tolist()
    bins = ", ".join(f"{count} from {low:g}" for low, count in zip(BINS, counts, strict=False))
    say(f"\n{len(found)} pairs of one address, by Jaccard of their pages as they came: {bins}")
    array = pa.array(whole * REPEATS, pa.large_string())

    def ours() -> float:
        return len(array) / cpu_seconds(lambda: normal_urls(array))

    def theirs() -> float:
        return len(whole) / cpu_seconds(lambda: [courlan.clean_url(url) for url in whole])

    taken = interleaved({"ours": ours, "courlan": theirs})
    mine, peer = median(taken["ours"]), median(taken["courlan"])
    report(
        "Normal forms of URLs",
        [Row("URLs a second", f"courlan {peer:,.0f}", f"{mine:,.0f}", f"{mine / peer:.1f}×")],
    )


def _likeness(forms: list[str | None], texts: list[str]) -> list[float]:
    """Jaccard of pairs with one normal form."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, form in enumerate(forms):
        if form is not None:
            places[form].append(place)
    shingles = MinHash().shingles["en"]
    jaccard: list[float] = []
    for some in places.values():
        for a, b in itertools.islice(itertools.combinations(some, 2), PAIRS):
            sets = shingle_sets(pa.array([texts[a], texts[b]], pa.large_string()), shingles)
            jaccard.append(float(likeness(sets, np.array([0]), np.array([1]))[0][0]))
    return jaccard


if __name__ == "__main__":
    main()
