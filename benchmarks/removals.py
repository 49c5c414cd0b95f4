"""What deduplication removes from real sources: by source and kind, and 200 removals that were read and judged.

    python -m benchmarks.removals [--sample DIRECTORY]

Runs the recipe's defaults, without rules on quality, over statutes, precedents, affiliate pages, editions of books
and documentation, petitions, news and mail, and counts from its ledger. removals_judged.tsv holds the verdicts on a
sample, drawn with a fixed seed evenly over source and kind: ``right`` (the kept document says all that the removed
one does, but for names, numbers or boilerplate that nobody learns from), ``wrong`` (something is lost) or
``arguable``, with a reason. The program tells how many of the judged removals a run still makes.

--sample draws the sample anew and writes, for each removal, what differs from the kept document: to be read, and
never to be committed, as it holds text of the data.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import random
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Row, data_directory, report, say
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.recipe import parse_recipe

SOURCES = {
    "ko_statutes": "legal",
    "ko_court_precedents": "legal",
    "ko_seo_affiliate_products": "web",
    "ko_docs_rust_book_editions": "code",
    "ko_docs_vue": "code",
    "ko_docs_progit2": "code",
    "ko_docs_d2l": "code",
    "ko_petitions": "community",
    "ko_news_dps_fixture": "news",
    "en_docs_rust_book_editions": "code",
    "en_docs_vue": "code",
    "en_docs_progit2": "code",
    "en_gov_18f_handbook": "web",
    "en_gutenberg_books": "books",
    "en_gutenberg_old_editions_neardup": "books",
    "en_email_spamassassin": "mail",
}
KINDS = ("exact", "near", "contained", "url")
SAMPLE = 200
VERDICTS = ("right", "arguable", "wrong")
JUDGED = Path(__file__).with_name("removals_judged.tsv")
COLUMNS = ("id", "kept", "source", "kind", "jaccard", "containment", "verdict", "reason")


def run_recipe(directory: Path) -> Path:
    """Curate the sources into ``directory``/run and return that."""
    data = data_directory()
    recipe = parse_recipe(
        {
            "name": "removals",
            "run": str(directory / "run"),
            "sources": [
                {"name": name, "domain": domain, "format": "jsonl", "paths": [str(data / f"{name}.jsonl.gz")]}
                for name, domain in SOURCES.items()
            ],
            "rules": {"presets": {"ko": [], "en": []}},
            "tiers": [{"name": "all"}],
            "partitions": 4,
            "shards": {"tokenizer": {"vocab_size": 300, "train_bytes": 1000}},
            "engine": {"name": "local", "workers": 2},
        },
        CurationRecipe,
    )
    curate(recipe)
    return directory / "run"


def read_rows(run: Path, table: str, columns: list[str]) -> list[dict[str, Any]]:
    files = sorted((run / table).glob("*.parquet"))
    found: list[dict[str, Any]] = pa.concat_tables(
        [pq.read_table(file, columns=columns) for file in files]
    ).to_pylist()
    return found


def kind_of(row: dict[str, Any]) -> str:
    return str(row["rule"]).removeprefix("duplicates.")


def by_source(rows: list[dict[str, Any]]) -> list[Row]:
    """Documents that reached deduplication, removals of each kind, and the share of the source that they are."""
    table = []
    for source in SOURCES:
        mine = [row for row in rows if row["source"] == source]
        entered = [row for row in mine if row["verdict"] == "kept" or row["step"] == "duplicates"]
        kinds = Counter(kind_of(row) for row in mine if row["step"] == "duplicates")
        twice = sum(row["occurrences"] - 1 for row in entered)
        lost = sum(kinds.values()) / max(1, len(entered))
        size = sum(row["text_bytes"] for row in entered)
        gone = sum(row["text_bytes"] for row in entered if row["step"] == "duplicates") / max(1, size)
        others = sum(kinds.values()) - sum(kinds[kind] for kind in KINDS)
        counts = ", ".join(f"{kind} {kinds[kind]}" for kind in KINDS)
        also = f", other {others}" if others else ""
        table.append(
            Row(
                source,
                f"{len(entered)} documents, {twice} records twice",
                f"{counts}{also}",
                f"{lost:.1%} of documents, {gone:.1%} of bytes",
            )
        )
    return table


def draw(rows: list[dict[str, Any]], number: int = SAMPLE) -> list[dict[str, Any]]:
    """Removals evenly over (source, kind): each takes one in turn until the number is reached."""
    strata = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["id"]):
        if row["step"] == "duplicates":
            strata[(row["source"], kind_of(row))].append(row)
    rng = random.Random("removals")
    for members in strata.values():
        rng.shuffle(members)
    drawn: list[dict[str, Any]] = []
    while len(drawn) < number and any(strata.values()):
        for key in sorted(strata):
            if strata[key] and len(drawn) < number:
                drawn.append(strata[key].pop())
    return drawn


def difference(removed: str, kept: str, most: int = 900) -> str:
    """What stands in one of two texts alone, word by word, cut to about ``most`` characters."""
    left, right = (re.findall(r"\s*\S+", text) for text in (removed, kept))
    bare = [[word.strip() for word in words] for words in (left, right)]
    matcher = difflib.SequenceMatcher(None, bare[0], bare[1], autojunk=False)
    lines, only, used = [], [0, 0], 0
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        gone, new = "".join(left[a:b]), "".join(right[c:d])
        only[0] += len(gone)
        only[1] += len(new)
        if used < most:
            before = " ".join(bare[0][max(0, a - 3) : a])
            lines.append(f"…{before} [-{_cut(gone)}-] [+{_cut(new)}+]")
            used += len(lines[-1])
    return "\n".join([f"only in removed {only[0]}, only in kept {only[1]} characters", *lines])


def _cut(text: str, most: int = 220) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} ⋯{len(text)}⋯ {text[-most // 2 :]}"


def write_sample(run: Path, rows: list[dict[str, Any]], directory: Path) -> None:
    """The sample as TSV without verdicts, and a file of differences."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = draw(rows)
    wanted = {row[name] for row in drawn for name in ("id", "duplicate_of")}
    texts = {
        row["id"]: row["text"]
        for row in read_rows(run, "gathered/text", ["id", "text"])
        if row["id"] in wanted
    }
    keys = {
        row["id"]: row["key"]
        for row in read_rows(run, "gathered/facts", ["id", "key"])
        if row["id"] in wanted
    }
    sources = {row["id"]: row["source"] for row in rows if row["id"] in wanted}
    with (directory / "sample.tsv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in drawn:
            writer.writerow(_judged_row(row))
    pieces = []
    for number, row in enumerate(drawn):
        gone, kept = texts[row["id"]], texts[row["duplicate_of"]]
        pieces.append(
            f"#{number} {row['source']} {kind_of(row)} J={row['jaccard']:.3f} C={row['containment']:.3f} "
            f"removed {len(gone)} {keys[row['id']]} | kept {len(kept)} {sources[row['duplicate_of']]} "
            f"{keys[row['duplicate_of']]}\n> {_cut(gone[:300], 120)}\n{difference(gone, kept)}\n"
        )
    (directory / "differences.txt").write_text("\n".join(pieces), "utf-8")


def _judged_row(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{row['jaccard']:.3f}", f"{row['containment']:.3f}")
    return (row["id"], row["duplicate_of"], row["source"], kind_of(row), *numbers, "", "")


def judged(rows: list[dict[str, Any]]) -> list[Row]:
    """The verdicts by kind, and whether this run still makes the removals that were judged."""
    with JUDGED.open(newline="", encoding="utf-8") as file:
        verdicts = list(csv.DictReader(file, delimiter="\t"))
    now = {row["id"]: row for row in rows if row["step"] == "duplicates"}
    table = []
    for kind in KINDS:
        mine = [row for row in verdicts if row["kind"] == kind]
        counts = Counter(row["verdict"] for row in mine)
        table.append(
            Row(f"judged, {kind}, {len(mine)}", "", ", ".join(f"{name} {counts[name]}" for name in VERDICTS))
        )
    still = sum(row["id"] in now for row in verdicts)
    same = sum(row["id"] in now and now[row["id"]]["duplicate_of"] == row["kept"] for row in verdicts)
    table.append(
        Row(f"judged removals that this run makes, of {len(verdicts)}", "", f"{still}, {same} to the same")
    )
    return table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=Path, help="draw the sample anew into this directory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = run_recipe(Path(scratch))
        columns = ["id", "source", "verdict", "step", "rule", "occurrences", "text_bytes"]
        rows = read_rows(run, "ledger", [*columns, "duplicate_of", "jaccard", "containment"])
        if arguments.sample is not None:
            write_sample(run, rows, arguments.sample)
            say(f"sample in {arguments.sample}")
        table = by_source(rows)
    if JUDGED.is_file():
        table += judged(rows)
    report("What deduplication removes", table)


if __name__ == "__main__":
    main()
