"""English signals and verdicts against datatrove's filters: speed of the whole FineWeb chain, and agreement.

    python -m benchmarks.signals

The peer runs in an environment of its own, document by document (its cache of words then serves all filters).
Speed is the chain of FineWeb (Gopher repetition, Gopher quality, C4, FineWeb) over the same documents: datatrove
stops at the first filter that drops a document; we measure every signal that these filters look at, judge every
rule, and take the texts in the batches of a run. Once more we measure all signals that a run has, and take the
documents one by one. Agreement is each rule alone on both sides, over English
of the development data, and where fewer than 50 documents fall to a rule there, over documents made around its
threshold.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from benchmarks.peers import python_of
from hanji.curation.decisions.rules import Rule, judge, preset_rules
from hanji.curation.signals import ratios, text

SOURCES = (
    *("en_docs_progit2", "en_docs_rust_book_editions", "en_docs_vue", "en_email_spamassassin"),
    *("en_gov_18f_handbook", "en_gutenberg_books", "en_tweets_hate_davidson", "dpo_hh_rlhf_harmless_test"),
)
MOST_OF_A_SOURCE = 150
LONGEST = 15_000  # characters, of the documents whose numbers are compared: datatrove takes minutes
SPEED_DOCUMENTS = 30
MADE = 240
PEER = Path(__file__).with_name("peer_signals.py")
RULES: tuple[Rule, ...] = tuple(rule for name in ("gopher", "c4", "fineweb") for rule in preset_rules(name))
# datatrove has these only together with others.
WITHOUT_PEER = {"fineweb.empty"}


def texts(sources: tuple[str, ...], most: int, longest: int = LONGEST) -> list[str]:
    found: list[str] = []
    for source in sources:
        chosen = [row.get("text") or row.get("chosen") or "" for row in rows(source)]
        random.Random(source).shuffle(chosen)
        found += [text for text in chosen if text.strip() and len(text) <= longest][:most]
    return found


def table(sources: list[str]) -> pa.Table:
    measured = text.measure(pa.array(sources, pa.large_string()), pa.array(["en"] * len(sources)))
    for name in ratios.DOCUMENT_COLUMNS:
        measured = measured.append_column(name, pa.array(np.zeros(len(sources))))
    return measured


# -- documents around a threshold --------------------------------------------------------------------------


def made(rule: Rule, sentences: list[str]) -> list[str]:
    """Documents whose number for a rule lies on both sides of its threshold."""
    chance = random.Random(rule.name)
    return [_made(rule.name.partition(".")[2], chance, sentences, k / MADE) for k in range(MADE)]


def _made(what: str, chance: random.Random, sentences: list[str], degree: float) -> str:
    """A text of sentences with more or less (``degree`` in [0, 1)) of what a rule looks for."""
    body = chance.sample(sentences, 24)
    few = int(degree * 24)
    match what:
        case "min_words":
            return " ".join(" ".join(body).split()[: int(degree * 90) + 5])
        case "max_words":
            return " ".join(chance.choices(sentences, k=30 + int(degree * 60)))
        case "min_word_length" | "max_word_length":
            words = [chance.choice(["a", "I", "of", "to", "it", "on", "an", "by"]) for _ in range(80)]
            words = words if what.startswith("min") else ["characteristically"] * 20
            return " ".join([*words, *" ".join(body).split()[: int(degree * 80)]])
        case "hashes" | "ellipses":
            mark = "#" if what == "hashes" else "..."
            return " ".join(w + mark if chance.random() < degree / 4 else w for w in " ".join(body).split())
        case "bullets":
            return "\n".join(f"- {s}" if k / 24 < 0.8 + degree / 4 else s for k, s in enumerate(body))
        case "ellipsis_lines":
            return "\n".join(s + "..." if chance.random() < 0.1 + degree / 2 else s for s in body)
        case "alphabetic":
            return " ".join(
                str(chance.randint(1, 99)) if chance.random() < degree / 2 else w
                for w in " ".join(body).split()
            )
        case "stop_words":
            words = [w for w in " ".join(body).split() if w not in text.ENGLISH_STOP_WORDS]
            return " ".join(chance.choices(text.ENGLISH_STOP_WORDS, k=int(degree * 4)) + words)
        case "sentences":
            return "\n".join(body[: 1 + int(degree * 9)])
        case "lorem_ipsum":
            return "\n".join([*body, "Lorem ipsum dolor sit amet"][: 24 + (degree > 0.5)])
        case "curly_bracket":
            return "\n".join(
                [*body, "if (a) { return b }" if degree > 0.5 else "brackets { only"][: 24 + few % 2]
            )
        case "punctuated_lines":
            return "\n".join(s.rstrip(".!?") if chance.random() > degree / 3 else s for s in body)
        case "short_lines":
            return "\n".join(s[:25] if chance.random() < 0.4 + degree / 2 else s for s in body)
        case "newlines":
            words = " ".join(body).split()
            return "".join(w + ("\n" if chance.random() < 0.1 + degree / 2 else " ") for w in words)
        case "duplicate_paragraphs" | "duplicate_paragraph_characters":
            return "\n\n".join([*body, *chance.choices(body[:6], k=few)])
        case "duplicate_lines" | "duplicate_line_characters":
            return "\n".join([*body, *chance.choices(body[:6], k=few)])
        case _:  # n-grams
            phrase = " ".join(body[0].split()[: int(what.split("_")[1])])
            return " ".join(s + " " + phrase if chance.random() < degree else s for s in body)


# -- agreement ---------------------------------------------------------------------------------------------


def peer_numbers(python: Path, sources: list[str], only: str = "") -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "documents.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": source}) + "\n" for source in sources)
        done = subprocess.run(
            [python, PEER, "numbers", path, *([only] if only else [])],
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def agreement(python: Path) -> Iterator[Row]:
    sources = texts(SOURCES, MOST_OF_A_SOURCE)
    say(
        f"{len(sources):,} documents, {sum(map(len, sources)) / 1e6:.1f} M characters; datatrove needs minutes"
    )
    ours, theirs = table(sources), peer_numbers(python, sources)
    sentences = [
        s.strip() + "."
        for t in texts(("en_gov_18f_handbook",), 238)
        for s in t.split(". ")
        if 40 < len(s) < 160
    ]
    sentences = [s.replace("\n", " ").replace("{", "") for s in sentences]
    for rule in RULES:
        if rule.name in WITHOUT_PEER:
            continue
        values = ratios.value(rule.signal, ours)
        mine = set(np.flatnonzero(~rule.keep(values)).tolist())
        peers = {k for k, answer in enumerate(theirs) if rule.name in answer["dropped"]}
        where = "data"
        numbers = [answer["numbers"].get(rule.signal) for answer in theirs]
        name = rule.name
        if len(peers) < 50:
            documents = made(rule, sentences)
            if name == "gopher.max_words":
                # On both sides: documents around 100,000 words would take hours.
                name, rule = f"{name} at 1,000", replace(rule, threshold=1_000)
            answers = peer_numbers(python, documents, rule.name)
            values = ratios.value(rule.signal, table(documents))
            mine = set(np.flatnonzero(~rule.keep(values)).tolist())
            numbers = [answer["numbers"].get(rule.signal) for answer in answers]
            peers = {k for k, answer in enumerate(answers) if name in answer["dropped"]}
            where = f"{len(documents)} made"
        both = len(mine & peers) / max(len(mine | peers), 1)
        worst = max(
            (abs(a - b) for a, b in zip(values.tolist(), numbers, strict=True) if b is not None), default=0.0
        )
        yield Row(
            f"{name} ({where})",
            f"{len(peers):,} fall",
            f"{len(mine):,} fall; largest difference of the number {worst:.1e}",
            f"Jaccard {both:.3f}",
            "≥ .95, ≤ 1e-6",
            both >= 0.95 and worst <= 1e-6 and len(peers) > 0,
        )


# -- speed -------------------------------------------------------------------------------------------------


def speed(python: Path) -> Iterator[Row]:
    sources = texts(SOURCES, SPEED_DOCUMENTS, 10_000_000)
    size = sum(len(source.encode()) for source in sources) / 1e6
    # A run's batches hold more than this sample: it is measured as often as makes 8 MB.
    times = max(1, round(8 / size))
    batch = pa.array(sources * times, pa.large_string())
    languages = pa.array(["en"] * len(batch))
    rules = list(RULES)

    def ours(core_only: bool) -> float:
        def work() -> None:
            measured = text.measure(batch, languages, core_only=core_only)
            for name in ratios.DOCUMENT_COLUMNS:
                measured = measured.append_column(name, pa.array(np.zeros(len(batch))))
            judge(rules, measured)

        return cpu_seconds(work) / times

    def one_by_one() -> float:
        arrays = [pa.array([source], pa.large_string()) for source in sources]
        english = pa.array(["en"])
        return cpu_seconds(lambda: [text.measure(array, english, core_only=True) for array in arrays])

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "documents.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": source}) + "\n" for source in sources)
        with subprocess.Popen(
            [python, PEER, "speed", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as peer:
            assert peer.stdin is not None and peer.stdout is not None
            peer.stdout.readline()

            def theirs() -> float:
                peer.stdin.write("\n")
                peer.stdin.flush()
                return float(json.loads(peer.stdout.readline())["seconds"])

            ours(True)
            taken = interleaved(
                {
                    "peer": theirs,
                    "ours": lambda: ours(True),
                    "all": lambda: ours(False),
                    "one by one": one_by_one,
                }
            )
            peer.stdin.close()
    ratio = median(taken["peer"]) / median(taken["ours"])
    yield Row(
        f"FineWeb chain, English, {len(sources)} documents, {size:.1f} MB",
        f"{size / median(taken['peer']):.2f} MB/s",
        f"{size / median(taken['ours']):.1f} MB/s",
        f"{ratio:.0f}×",
        "≥ 100×",
        ratio >= 100,
    )
    for name, what in (
        ("all", "the same chain against all of our signals (NeMo's, RefinedWeb's, our own too)"),
        ("one by one", "the chain against our signals of it, our documents one by one"),
    ):
        yield Row(
            what,
            f"{size / median(taken['peer']):.2f} MB/s",
            f"{size / median(taken[name]):.1f} MB/s",
            f"{median(taken['peer']) / median(taken[name]):.0f}×",
        )


def main() -> None:
    data_directory()
    python = python_of("datatrove")
    if python is None:
        say("skipped: make bench-peers makes datatrove's environment")
        return
    fast = list(speed(python))
    for row in fast:
        say(f"{row.what}: {row.peer}, {row.ours}, {row.ratio}")
    report("English signals against datatrove", [*fast, *agreement(python)])


if __name__ == "__main__":
    main()
