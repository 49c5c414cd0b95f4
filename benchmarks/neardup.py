"""Near-duplicate removal from end to end: datatrove's four stages and ours on the same documents, two workers.

    make bench-peers; python -m benchmarks.neardup [--rounds 3] [--korean] [--more 20000] [--large 200000]

5,000 documents: those of the development data, and edited copies of some of them (benchmarks/edits.py) to make
up the number. Both read JSON lines, one file a worker, and write the kept ones as JSON lines; ours also verifies
every pair, decides and writes a ledger. Start-up is stated apart: for the peer, all its stages on a document a
file; for us, from the start of the process until the workers have done all steps on a few documents. The timed
part of ours pays for all of its tasks, however little is in them.

What is removed is compared: documents both remove or one of us, and pairs of a cluster (a chain, for the peer) with
their true Jaccard on the recipe's shingles.

--more: the comparison on more documents, English lines of the development data in new company and edited copies.
--large: our own figure at more documents, Korean and English, made of lines of the development data; a fifth of
them are edited copies. --korean: the same comparison on 1,000 Korean ones, for which datatrove needs Kiwi.
--steps: how long each of our steps takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import peers
from benchmarks.edits import KINDS, SHINGLE, originals, pairs
from benchmarks.harness import Row, interleaved, median, report, say
from benchmarks.memory import family, resident
from benchmarks.neardup_steps import recipe_of, remove_duplicates
from hanji.curation.dedup.shingles import ShingleSets, alike, exact_hash, likeness, shingle_sets
from hanji.curation.engines.local import LocalEngine
from hanji.curation.recipe import MinHash

WORKERS = 2
DOCUMENTS = {"en": 5_000, "ko": 1_000}
COMPARED = 10_000  # documents up to which our side tells what it removed
BAR = 30.0
SETTINGS = MinHash()
SCRIPT = Path(__file__).with_name("peer_neardup.py")
A_PARTITION = 12_500
LINES = (4, 24)
COPIES = 0.2


# -- documents ----------------------------------------------------------------------------------------------


def documents(language: str) -> list[str]:
    """The development data, and edited copies where it has fewer; in an order of chance."""
    texts, number = originals(language), DOCUMENTS[language]
    random.Random(f"neardup {language}").shuffle(texts)
    texts = texts[: int(number * (1 - COPIES))]
    copies = [pair.copy for pair in pairs(language, number - len(texts), "neardup")]
    texts += copies
    random.Random(f"order {language}").shuffle(texts)
    return texts


def made_documents(number: int, languages: Sequence[str] = ("ko", "en")) -> Iterator[tuple[str, str]]:
    """(language, text): lines of the development data in new company, and edited copies of texts before."""
    rng = random.Random("large")
    lines = {
        language: [line for text in originals(language) for line in text.splitlines() if len(line) >= 20]
        for language in languages
    }
    recent: list[tuple[str, str]] = []
    for _ in range(number):
        if recent and rng.random() < COPIES:
            language, text = rng.choice(recent)
            edit = rng.choice(list(KINDS[language].values()))
            yield language, edit(text, rng.uniform(0.5, 1.0), rng, SHINGLE[language])
            continue
        language = rng.choice(languages)
        text = "\n".join(rng.choices(lines[language], k=rng.randrange(*LINES)))
        if len(recent) < 10_000:
            recent.append((language, text))
        else:
            recent[rng.randrange(len(recent))] = (language, text)
        yield language, text


def write_files(directory: Path, texts: Iterable[tuple[str, str]], files: int) -> int:
    """JSON lines, documents dealt out to the files in turn, each with its number as id; returns bytes of text."""
    directory.mkdir(parents=True)
    size = 0
    opened = [(directory / f"{place:05d}.jsonl").open("w", encoding="utf-8") for place in range(files)]
    for number, (language, text) in enumerate(texts):
        row = {"id": str(number), "lang": language, "text": text}
        opened[number % files].write(json.dumps(row, ensure_ascii=False) + "\n")
        size += len(text.encode())
    for file in opened:
        file.close()
    return size


# -- the two contestants ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Seconds from process start to end, those that count, processor seconds of all its processes, their peak
    bytes, and what it said."""

    wall: float
    seconds: float
    cpu: float
    peak: int
    facts: dict[str, Any]


def _run(command: Sequence[Any], log: Path) -> Run:
    """Run a program that ends with a line of JSON; sample the memory of its processes twenty times a second."""
    started = time.perf_counter()
    peak = [0]
    cpu: dict[int, float] = {}
    with log.open("wb") as file:
        child = subprocess.Popen([str(part) for part in command], stdout=file, stderr=subprocess.STDOUT)

        def sample() -> None:
            while child.poll() is None:
                processes = family(child.pid)
                peak[0] = max(peak[0], sum(map(resident, processes)))
                # Workers of a fork server are no children of the program, so that it cannot be asked at the end.
                cpu.update((pid, taken) for pid in processes if (taken := _cpu_seconds(pid)))
                time.sleep(0.05)

        thread = threading.Thread(target=sample)
        thread.start()
        thread.join()
    wall = time.perf_counter() - started
    lines = log.read_text("utf-8", errors="replace").splitlines()
    if child.returncode:
        raise SystemExit(f"{command[1]} failed:\n" + "\n".join(lines[-30:]))
    facts = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    seconds = facts["seconds"]
    return Run(
        wall,
        sum(seconds.values()) if isinstance(seconds, dict) else seconds,
        sum(cpu.values()),
        peak[0],
        facts,
    )


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peer(files: Path, language: str, interpreter: Path) -> tuple[Run, set[str]]:
    """datatrove's run, and the ids of the documents that it removed."""
    with tempfile.TemporaryDirectory() as output:
        done = _run([interpreter, SCRIPT, files, output, WORKERS, language], Path(output) / "log.txt")
        kept = _ids(Path(output, "kept"))
    return done, _ids(files) - kept


def _ids(directory: Path) -> set[str]:
    return {
        json.loads(line)["id"]
        for path in directory.glob("*.jsonl")
        for line in path.read_bytes().splitlines()
    }


def ours(files: Path, partitions: int) -> Run:
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "benchmarks.neardup", "--child", files, output, partitions]
        return _run(command, Path(output) / "log.txt")


def child(files: str, output: str, partitions: str) -> None:
    """Our side of it, in a process of its own: all steps on a few documents, then timed on all of them."""
    started = time.perf_counter()
    paths = sorted(Path(files).glob("*.jsonl"))
    engine = LocalEngine(WORKERS)
    try:
        few = Path(output) / "few"
        few.mkdir()
        for path in paths[:WORKERS]:
            _write_few(path, few / path.name)
        remove_duplicates(recipe_of(Path(output) / "warm", WORKERS), sorted(few.glob("*.jsonl")), engine)
        start = time.perf_counter() - started
        done = remove_duplicates(recipe_of(Path(output) / "run", int(partitions)), paths, engine)
    finally:
        engine.close()
    facts: dict[str, Any] = {
        "seconds": done.seconds,
        "start": start,
        "steps": {name: round(taken, 2) for name, taken in done.by_step.items()},
        "dropped": done.dropped,
    }
    if done.documents <= COMPARED:
        clusters: dict[str, list[str]] = defaultdict(list)
        names, ledger = done.names(), done.ledger()
        rows = ledger.select(["id", "cluster", "verdict"]).to_pylist()
        for row in rows:
            if row["cluster"] is not None:
                clusters[row["cluster"]].append(names[row["id"]])
        facts["clusters"] = list(clusters.values())
        facts["removed"] = sorted(names[row["id"]] for row in rows if row["verdict"] == "dropped")
    say(json.dumps(facts))


def _write_few(source: Path, target: Path) -> None:
    """The first documents of a file, and copies of them, so that every step has something to do."""
    with source.open("rb") as file, target.open("w", encoding="utf-8") as few:
        for line, _ in zip(file, range(20), strict=False):
            row = json.loads(line)
            for copy in range(4):
                more = " ".join(f"copy{copy} {word}" for word in range(10 * copy))
                few.write(json.dumps(row | {"id": f"{row['id']}-{copy}", "text": row["text"] + more}) + "\n")


# -- what is removed ------------------------------------------------------------------------------------------


def peer_clusters(found: Sequence[Sequence[int]], files: int) -> list[list[str]]:
    """Connected components of the peer's pairs, as document ids (documents were dealt out in turn)."""
    above: dict[int, int] = {}

    def top(number: int) -> int:
        while above.setdefault(number, number) != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    for left_file, left, right_file, right in found:
        above[top(left * files + left_file)] = top(right * files + right_file)
    clusters: dict[int, list[str]] = defaultdict(list)
    for number in list(above):
        clusters[top(number)].append(str(number))
    return list(clusters.values())


def _cluster_pairs(clusters: Iterable[Sequence[str]]) -> set[tuple[int, int]]:
    return {
        (min(a, b), max(a, b))
        for cluster in clusters
        for numbers in [sorted(map(int, cluster))]
        for place, a in enumerate(numbers)
        for b in numbers[place + 1 :]
    }


def agreement(language: str, texts: list[str], theirs: Run, removed: set[str], mine: Run) -> list[Row]:
    """Pairs and removals of both and of one; of pairs and removals of one alone, how alike they are."""
    sets = shingle_sets(pa.array(texts, pa.large_string()), SETTINGS.shingles[language])  # type: ignore[index]
    found = peer_clusters(theirs.facts["pairs"], WORKERS)
    peers_pairs, own_pairs = _cluster_pairs(found), _cluster_pairs(mine.facts["clusters"])

    def spread(pairs: set[tuple[int, int]]) -> str:
        if not pairs:
            return "0"
        left, right = (np.array(side) for side in zip(*sorted(pairs), strict=True))
        jaccard, containment = likeness(sets, left, right)
        high = (jaccard >= SETTINGS.min_jaccard).sum()
        contained = ((jaccard < SETTINGS.min_jaccard) & (containment >= SETTINGS.min_containment)).sum()
        low = len(pairs) - high - contained
        return (
            f"{len(pairs)} (Jaccard ≥ {SETTINGS.min_jaccard:g}: {high}; else contained: {contained}; "
            f"neither: {low}, of which below .5: {((jaccard < 0.5) & (containment < 0.9)).sum()})"
        )

    own_removed = set(mine.facts["removed"])
    equal = [exact_hash(text) for text in texts]
    far = {
        name: _unlike(sets, equal, clusters, gone)
        for name, clusters, gone in (
            ("peer", found, removed),
            ("ours", mine.facts["clusters"], own_removed),
        )
    }
    return [
        Row(
            f"{language}, removed, of {len(texts)}",
            f"{len(removed)}, {len(removed - own_removed)} of them alone",
            f"{len(own_removed)}, {len(own_removed - removed)} of them alone",
        ),
        Row(
            f"{language}, removed though no kept document of the cluster is like it",
            str(far["peer"]),
            str(far["ours"]),
            "",
            "0",
            far["ours"] == 0,
        ),
        Row(f"{language}, pairs in a cluster of both", "", str(len(peers_pairs & own_pairs))),
        Row(
            f"{language}, pairs in a cluster of one alone",
            spread(peers_pairs - own_pairs),
            spread(own_pairs - peers_pairs),
        ),
    ]


def _unlike(
    sets: ShingleSets, equal: list[bytes], clusters: Iterable[Sequence[str]], removed: set[str]
) -> int:
    """Removed documents that no kept one of their cluster is like: by the recipe's likeness, or equal but for
    layout."""
    count = 0
    for cluster in clusters:
        kept = np.array([int(i) for i in cluster if i not in removed], np.int64)
        hashes = {equal[number] for number in kept.tolist()}
        for number in (int(i) for i in cluster if i in removed):
            jaccard, containment = likeness(sets, np.full(len(kept), number, np.int64), kept)
            count += not (alike(jaccard, containment, SETTINGS).any() or equal[number] in hashes)
    return count


# -- the table ------------------------------------------------------------------------------------------------


def compared(language: str, rounds: int, steps: bool, number: int | None = None) -> list[Row]:
    """Both on the documents of a language; ``number``: on as many made ones, for which no bar is set."""
    interpreter = peers.python_of("minhash")
    if interpreter is None:
        say(f"{language} skipped: no environment of datatrove; make bench-peers")
        return []
    texts = (
        documents(language) if number is None else [text for _, text in made_documents(number, (language,))]
    )
    partitions = WORKERS
    with tempfile.TemporaryDirectory() as scratch:
        whole, few = Path(scratch) / "whole", Path(scratch) / "few"
        size = write_files(whole, ((language, text) for text in texts), WORKERS)
        write_files(few, ((language, text) for text in texts[:WORKERS]), WORKERS)
        runs: dict[str, list[Any]] = defaultdict(list)

        def theirs(files: Path, name: str) -> float:
            runs[name].append(peer(files, language, interpreter))
            return float(runs[name][-1][0].seconds)

        def mine() -> float:
            runs["ours"].append(ours(whole, partitions))
            return float(runs["ours"][-1].seconds)

        taken = interleaved(
            {
                "peer start": lambda: theirs(few, "start"),
                "peer": lambda: theirs(whole, "peer"),
                "ours": mine,
            },
            rounds,
        )
    say(f"{language}: {len(texts)} documents, {size / 1e6:.1f} MB")
    say(f"seconds, each round: {json.dumps({k: [round(s, 2) for s in v] for k, v in taken.items()})}")
    (their_run, removed), own_run = runs["peer"][-1], runs["ours"][-1]
    if steps:
        say(f"ours by step: {json.dumps(own_run.facts['steps'])}")
        say(f"peer by stage: {json.dumps(their_run.facts['seconds'])}")
    net = median(taken["peer"]) - median(taken["peer start"])
    ratio = net / median(taken["ours"])
    wall = {
        "peer": median([run.wall for run, _ in runs["peer"]]),
        "ours": median([run.wall for run in runs["ours"]]),
    }
    return [
        Row(
            f"{language}, seconds for {len(texts)} documents, without start-up",
            f"{net:.1f}",
            f"{median(taken['ours']):.2f}",
            f"{ratio:.1f}×",
            f"≥ {BAR:g}×" if number is None else "",
            ratio >= BAR if number is None else None,
        ),
        Row(
            f"{language}, start-up, s",
            f"{median(taken['peer start']):.1f}",
            f"{median([run.facts['start'] for run in runs['ours']]):.1f}",
        ),
        Row(
            f"{language}, seconds of the whole program",
            f"{wall['peer']:.1f}",
            f"{wall['ours']:.1f}",
            f"{wall['peer'] / wall['ours']:.1f}×",
        ),
        Row(
            f"{language}, processor seconds of the whole program",
            f"{median([run.cpu for run, _ in runs['peer']]):.1f}",
            f"{median([run.cpu for run in runs['ours']]):.1f}",
        ),
        Row(f"{language}, peak MB", f"{their_run.peak / 1e6:.0f}", f"{own_run.peak / 1e6:.0f}"),
        *(agreement(language, texts, their_run, removed, own_run) if len(texts) <= COMPARED else []),
    ]


def large(number: int, steps: bool) -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "documents"
        size = write_files(files, made_documents(number), max(WORKERS, number // A_PARTITION))
        done = ours(files, max(WORKERS, number // A_PARTITION))
    if steps:
        say(f"{number}: {json.dumps(done.facts['steps'])}")
    return [
        Row(
            f"{number} documents, {size / 1e6:.0f} MB, {max(WORKERS, number // A_PARTITION)} partitions",
            "",
            f"{done.seconds:.0f} s, {number / done.seconds:.0f} documents/s, {size / 1e6 / done.seconds:.1f} MB/s; "
            f"{done.facts['dropped']} removed",
        ),
        Row(f"{number} documents, peak MB", "", f"{done.peak / 1e6:.0f}", "", "< 4,000", done.peak < 4e9),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=3, help="our side: FILES OUTPUT PARTITIONS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--korean", action="store_true")
    parser.add_argument("--more", type=int, help="the comparison on as many made English documents, too")
    parser.add_argument("--only-large", action="store_true", help="no comparison with datatrove")
    parser.add_argument("--large", type=int, nargs="*", default=[200_000])
    parser.add_argument("--steps", action="store_true")
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    table = []
    if not arguments.only_large:
        table += compared("en", arguments.rounds, arguments.steps)
        if arguments.korean:
            table += compared("ko", 1, arguments.steps)
        if arguments.more:
            table += compared("en", 1, arguments.steps, arguments.more)
    for number in arguments.large:
        table += large(number, arguments.steps)
    report("Near-duplicate removal from end to end", table)


if __name__ == "__main__":
    main()
