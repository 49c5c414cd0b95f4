"""Hits of the finder of personal data in real text: counted, sampled to be judged by a reader, and the count.

    python -m benchmarks.pii_hits sample OUT.jsonl [--half tune|held] [--kinds phone,ip] [--each 200]
    python -m benchmarks.pii_hits count OUT.jsonl

``sample`` writes hits in their context, chosen by a hash of where they are, with an empty ``judgement``;
a reader fills in right, wrong or unsure (and ``cause``). The file holds people's data: it stays out of the
repository, and ``count`` prints numbers only. Each source is split in halves by a hash of the document's id:
rules are made on one half (tune) and judged on the other (held).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resiliparse.extract.html2text import extract_plain_text

from benchmarks.harness import data_directory, say
from hanji.curation.text.normalise import normalise
from hanji.curation.text.pii import Hit, find_hits

AROUND = 70
FIELDS = ("text", "html", "chosen", "prompt")


def hashed(*parts: str) -> int:
    """Sixty-four bits that depend on the parts alone."""
    return int.from_bytes(hashlib.blake2b("\x00".join(parts).encode(), digest_size=8).digest(), "little")


def documents(half: str | None = None) -> Iterator[tuple[str, str, str]]:
    """(source, id, text in normal form) of the development data; pages as the plain text of all of the page."""
    for path in sorted(data_directory().glob("*.jsonl.gz")):
        source = path.name.removesuffix(".jsonl.gz")
        with gzip.open(path, "rb") as file:
            for line in file:
                row: dict[str, Any] = json.loads(line)
                identity = str(row["id"])
                if half and (hashed("half", source, identity) % 2 == 0) != (half == "tune"):
                    continue
                field = next((name for name in FIELDS if row.get(name)), None)
                if field is None:
                    continue
                text = extract_plain_text(row[field]) if field == "html" else row[field]
                yield source, identity, normalise(text).text


def sample(out: Path, half: str | None, kinds: set[str], each: int, salt: str) -> None:
    """Write ``each`` hits of each kind (or all), and print how many there were. One text once a source."""
    found: dict[str, list[tuple[int, dict[str, str]]]] = defaultdict(list)
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str]] = set()
    for source, identity, text in documents(half):
        for hit in find_hits(text):
            if kinds and hit.kind not in kinds:
                continue
            counts[hit.kind, source] += 1
            written = text[hit.start : hit.end]
            # The same signature under a hundred mails is one thing to judge.
            if (source, written) in seen:
                continue
            seen.add((source, written))
            place = hashed(salt, source, identity, str(hit.start))
            found[hit.kind].append((place, _row(text, hit, source, identity)))
    with out.open("w", encoding="utf-8") as file:
        for kind in sorted(found):
            for _, row in sorted(found[kind], key=lambda pair: pair[0])[:each]:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    for kind in sorted(found):
        sources = {source: n for (k, source), n in sorted(counts.items()) if k == kind}
        say(f"{kind}: {sum(sources.values())} hits, {len(found[kind])} different; {sources}")


def _row(text: str, hit: Hit, source: str, identity: str) -> dict[str, str]:
    return {
        "kind": hit.kind,
        "form": hit.form,
        "source": source,
        "id": identity,
        "before": text[max(0, hit.start - AROUND) : hit.start],
        "hit": text[hit.start : hit.end],
        "after": text[hit.end : hit.end + AROUND // 2],
        "judgement": "",
        "cause": "",
    }


def count(path: Path) -> None:
    """Print judgements by kind and source. Precision counts what is right among right and wrong."""
    judged: dict[str, Counter[str]] = defaultdict(Counter)
    by_source: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    causes: Counter[tuple[str, str]] = Counter()
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            judged[row["kind"]][row["judgement"] or "not judged"] += 1
            by_source[row["kind"], row["source"]][row["judgement"] or "not judged"] += 1
            if row["cause"]:
                causes[row["kind"], row["cause"]] += 1
    say("| kind | right | wrong | unsure | not judged | precision |\n|---|---|---|---|---|---|")
    for kind, counter in sorted(judged.items()):
        right, wrong = counter["right"], counter["wrong"]
        precision = f"{right / (right + wrong):.3f}" if right + wrong else ""
        say(f"| {kind} | {right} | {wrong} | {counter['unsure']} | {counter['not judged']} | {precision} |")
    say("\n| kind | source | right | wrong | unsure |\n|---|---|---|---|---|")
    for (kind, source), counter in sorted(by_source.items()):
        say(f"| {kind} | {source} | {counter['right']} | {counter['wrong']} | {counter['unsure']} |")
    for (kind, cause), n in sorted(causes.items()):
        say(f"{kind}: {cause}: {n}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["sample", "count"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--half", choices=["tune", "held"])
    parser.add_argument("--kinds", default="")
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--salt", default="sample", help="another word gives another sample")
    given = parser.parse_args()
    if given.what == "count":
        count(given.path)
    else:
        sample(given.path, given.half, set(filter(None, given.kinds.split(","))), given.each, given.salt)


if __name__ == "__main__":
    main()
