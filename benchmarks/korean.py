"""FineWeb-2's rules for Korean on Kiwi's morphemes: agreement with datatrove rule by rule, and speed.

python -m benchmarks.korean

1. *Numbers*: datatrove's own words are counted here; every number that a rule compares must equal datatrove's.
2. *Verdicts*: the same Kiwi on both sides, each side splitting the texts itself; datatrove is given the present
   Kiwi and its model (it allows 0.21 at most and asks for the model sbg, which newer ones have no more). The sets
   of documents that each rule alone drops are compared: those of the development data where at least 50 fall, else
   generated ones whose number lies around the threshold. Then the same with datatrove's own Kiwi, 0.21 with sbg:
   what a newer Kiwi changes, published without a bar.
3. *Eojeol*: the same thresholds on words between spaces instead of morphemes, against Kiwi's verdicts.
4. *Speed*: the chain, interleaved, processor time, median of five rounds.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from benchmarks.korean_texts import GENERATED, generate
from benchmarks.peers import install
from hanji.curation.decisions.rules import Rule, judge, preset_rules
from hanji.curation.signals import morphemes, text
from hanji.curation.signals.ratios import value
from hanji.fingerprint import library_versions

PEER = Path(__file__).with_name("peer_korean.py")
PRESET = "fineweb2_kor_Hang"
# datatrove with its own Kiwi, and with ours.
OWN, SAME = "datatrove-ko", "datatrove-ko-kiwi-0.24"
AGREEMENT_DOCUMENTS, AGREEMENT_CHARACTERS = 300, 80_000
SPEED_CHARACTERS = 5_000
EOJEOL_TIMES = 20  # a batch of some megabytes, as in a run
ENOUGH, AROUND, AGREED, SHORT = 50, 240, 0.95, 50
# No document of the data has 100,000 morphemes, and 200 made-up ones would take datatrove hours.
MAX_WORDS = 1_000
# datatrove's tokenizer cuts these out before it asks Kiwi; the offsets that come back are those of another text.
NUMBERS = re.compile("[0-9,]{20,}")


class Reading(NamedTuple):
    """What datatrove makes of one text."""

    spans: tuple[np.ndarray, np.ndarray]
    numbers: dict[str, float]
    broken: set[str]
    failed: set[str]


def rules_by_name() -> dict[str, Rule]:
    return {rule.name.partition(".")[2]: rule for rule in preset_rules(PRESET)}


def korean_sources() -> dict[str, list[str]]:
    """The Korean texts of every source of the development data, in NFC, in the order of their hashes."""
    found: dict[str, list[str]] = {}
    for path in sorted(data_directory().glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        texts = {
            unicodedata.normalize("NFC", row["text"])
            for row in rows(name)
            if row.get("lang") == "ko" and row.get("text")
        }
        if texts:
            found[name] = sorted(texts, key=lambda one: hashlib.sha256(one.encode()).digest())
    return found


def sample(sources: dict[str, list[str]], documents: int, characters: int) -> list[str]:
    """Whole documents of every source until there are so many of them, or so much text."""
    taken: list[str] = []
    for texts in sources.values():
        size = 0
        for place, one in enumerate(texts):
            if place == documents or size >= characters:
                break
            taken.append(one)
            size += len(one)
    return taken


def settings() -> str:
    thresholds = {name: rule.threshold for name, rule in rules_by_name().items()}
    return json.dumps({"thresholds": thresholds, "stop_words": morphemes.STOP_WORDS})


def lines(texts: Sequence[str]) -> str:
    return "\n".join([settings(), *(json.dumps(one) for one in texts)])


def peer_reads(texts: Sequence[str], peer: str) -> list[Reading]:
    kiwi = ("-", morphemes.MODEL, morphemes.UNKNOWN_WORDS) if peer == SAME else ()
    answer = subprocess.run(
        [install(peer), "-W", "ignore", PEER, "numbers", *kiwi],
        input=lines(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    readings = []
    for line in answer.stdout.splitlines():
        row = json.loads(line)
        spans = np.array(row["starts"], np.int32), np.array(row["ends"], np.int32)
        readings.append(Reading(spans, row["numbers"], set(row["broken"]), set(row["failed"])))
    assert len(readings) == len(texts), answer.stderr[-2000:]
    return readings


def core(texts: Sequence[str]) -> pa.Table:
    array = pa.array(texts, pa.large_string())
    return text.measure(array, pa.array(["ko"] * len(texts)))


def together(one: pa.Table, other: pa.Table) -> pa.Table:
    for name in other.column_names:
        one = one.append_column(name, other[name])
    return one


def by_kiwi(texts: Sequence[str]) -> tuple[pa.Table, list[list[tuple[int, int]]]]:
    """All signals, and the words (spans) that were counted."""
    spans = [morphemes.morphemes(one) for one in texts]
    words = [[] if span is None else list(zip(*(c.tolist() for c in span), strict=True)) for span in spans]
    return together(core(texts), morphemes.counts(texts, spans)), words


def eojeol_rule(rule: Rule) -> Rule:
    """The rule on eojeol in place of morphemes."""
    return Rule(
        rule.name, rule.signal.removeprefix(morphemes.PREFIX), rule.op, rule.threshold, rule.description
    )


def broken(rule: Rule, table: pa.Table) -> np.ndarray:
    return ~rule.keep(value(rule.signal, table))


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    either = int((one | other).sum())
    return float((one & other).sum()) / either if either else 1.0


# -- numbers ---------------------------------------------------------------------------------------------


def number_rows(texts: Sequence[str], readings: Sequence[Reading]) -> tuple[list[Row], list[str]]:
    """Over datatrove's own words every number is datatrove's, and every verdict."""
    table = together(core(texts), morphemes.counts(texts, [reading.spans for reading in readings]))
    found, notes = [], []
    worst, compared, apart = 0.0, 0, Counter[str]()
    for name, rule in rules_by_name().items():
        ours = value(rule.signal, table)
        down = broken(rule, table)
        for place, reading in enumerate(readings):
            if name in reading.numbers:
                compared += 1
                difference = abs(ours[place] - reading.numbers[name])
                worst = max(worst, difference)
                apart[f"{name}: number"] += difference > 1e-6
                apart[f"{name}: verdict"] += bool(down[place]) != (name in reading.broken)
    wrong = {name: count for name, count in apart.items() if count}
    found.append(
        Row(
            f"numbers over datatrove's words, {len(texts):,} documents",
            f"{compared:,} numbers",
            f"greatest difference {worst:.1e}, {sum(wrong.values())} numbers or verdicts apart",
            bar="equal to 1e-6",
            met=not wrong,
        )
    )
    if wrong:
        notes.append(f"Apart: {wrong}")
    without = sum(bool(reading.failed) for reading in readings)
    if without:
        notes.append(
            f"{without} documents have no word or no line: datatrove's filters that divide by their number fail "
            "there, and its executor with them; here a ratio with nothing below the line is 0."
        )
    return found, notes


# -- verdicts --------------------------------------------------------------------------------------------


class Compared(NamedTuple):
    """One rule on one set of documents, each side splitting words itself."""

    name: str
    where: str
    documents: int
    peer: int
    ours: int
    jaccard: float
    kinds: dict[str, int]


def compare(name: str, where: str, texts: Sequence[str], readings: Sequence[Reading], side: Any) -> Compared:
    table, words = side
    rule = rules_by_name()[name]
    ours = broken(rule, table)
    theirs = np.array([name in reading.broken for reading in readings])
    if name == "max_words":
        where = f"{where}, at {MAX_WORDS:,} in place of {rule.threshold:,.0f}"
        ours = value(rule.signal, table) > MAX_WORDS
        theirs = np.array([reading.numbers[name] > MAX_WORDS for reading in readings])
    # Where datatrove's filter fails, it has no verdict to agree with.
    judged = np.array([name not in reading.failed for reading in readings])
    ours, theirs = ours & judged, theirs & judged
    kinds: Counter[str] = Counter()
    for place in np.flatnonzero(ours != theirs).tolist():
        kinds[kind_of(texts[place], words[place], readings[place])] += 1
    return Compared(
        name, where, len(texts), int(theirs.sum()), int(ours.sum()), jaccard(ours, theirs), dict(kinds)
    )


def kind_of(one: str, words: list[tuple[int, int]], reading: Reading) -> str:
    """Why a verdict differs."""
    if NUMBERS.search(one):
        return "long numbers"
    spans = list(zip(*(column.tolist() for column in reading.spans), strict=True))
    return "other morphemes" if sorted(spans) != sorted(words) else "same words"


def verdict_rows(
    sources: dict[str, list[str]], texts: Sequence[str], readings: Sequence[Reading], peer: str
) -> tuple[list[Row], list[str]]:
    side = of_pool(tuple(texts))
    on_data = {name: compare(name, "data", texts, readings, side) for name in rules_by_name()}
    long = [place for place, one in enumerate(readings) if one.numbers["min_words"] >= SHORT]
    long_side = side[0].take(pa.array(long, pa.int64())), [side[1][place] for place in long]
    of_long = [texts[place] for place in long], [readings[place] for place in long]
    # Where a sentence or two is all there is, one word read otherwise is a tenth of the number.
    generated = [
        name
        for name, one in on_data.items()
        if name in GENERATED and (min(one.peer, one.ours) < ENOUGH or one.jaccard < AGREED)
    ]
    made = compare_generated({name: around(name, sources) for name in generated}, peer)
    compared: list[tuple[Compared, bool]] = []
    for name, one in on_data.items():
        compared.append((one, min(one.peer, one.ours) >= ENOUGH))
        if name in made and one.jaccard < AGREED:
            compared.append((compare(name, f"data of {SHORT} morphemes", *of_long, long_side), False))
        if name in made:
            compared.append((made[name], True))
    found = []
    which = "same Kiwi" if peer == SAME else "own Kiwi"
    for one, bar in compared:
        found.append(
            Row(
                f"`{one.name}` alone, {which}, {one.documents:,} {one.where}",
                f"{one.peer:,} drop",
                f"{one.ours:,} drop",
                f"Jaccard {one.jaccard:.3f}",
                "≥ .95" if bar and peer == SAME else "",
                one.jaccard >= AGREED if bar and peer == SAME else None,
            )
        )
    agreed = {one.name for one, bar in compared if bar} - {
        one.name for one, bar in compared if bar and one.jaccard < AGREED
    }
    found.append(
        Row(
            f"rules that agree to .95, {which}",
            "",
            f"{len(agreed)} of {len({one.name for one, bar in compared if bar})}",
        )
    )
    kinds = {f"{one.name}, {one.where}": one.kinds for one, _ in compared if one.kinds}
    same = sum(count for some in kinds.values() for kind, count in some.items() if kind == "same words")
    notes = [
        f"Differences by rule and kind, {which}: {json.dumps(kinds, ensure_ascii=False)}; "
        f"{same} of them with equal words."
    ]
    return found, notes


def compare_generated(made: dict[str, list[str]], peer: str) -> dict[str, Compared]:
    """The rules on documents made for each; what stands in several of the sets is read once."""
    texts = sorted({one for some in made.values() for one in some})
    place = {one: number for number, one in enumerate(texts)}
    readings, (table, words) = peer_reads(texts, peer), of_pool(tuple(texts))
    compared = {}
    for name, some in made.items():
        rows = [place[one] for one in some]
        side = table.take(pa.array(rows, pa.int64())), [words[row] for row in rows]
        compared[name] = compare(name, "generated", some, [readings[row] for row in rows], side)
    return compared


def around(name: str, sources: dict[str, list[str]]) -> list[str]:
    """Generated documents whose number lies within half a threshold (of a count: a whole one) of the threshold."""
    rule = rules_by_name()[name]
    pool = generate(name, sources)
    numbers = value(rule.signal, of_pool(tuple(pool))[0])
    reach = rule.threshold if rule.threshold >= 1 else rule.threshold / 2
    near = np.flatnonzero(np.abs(numbers - rule.threshold) <= reach)
    ordered = near[np.argsort(numbers[near], kind="stable")]
    even = np.unique(np.linspace(0, max(len(ordered) - 1, 0), AROUND).astype(int))
    return [pool[place] for place in ordered[even[: len(ordered)]].tolist()]


@cache
def of_pool(texts: tuple[str, ...]) -> tuple[pa.Table, list[list[tuple[int, int]]]]:
    return by_kiwi(texts)


# -- eojeol ----------------------------------------------------------------------------------------------


def eojeol_rows(texts: Sequence[str]) -> list[Row]:
    """Verdicts of the same thresholds on eojeol, against Kiwi's."""
    table, _ = of_pool(tuple(texts))
    rules = list(rules_by_name().values())
    by_morphemes = judge(rules, table).first >= 0
    by_eojeol = judge([eojeol_rule(rule) for rule in rules], table).first >= 0
    long_enough = value("kiwi_content_words", table) >= 50
    found = []
    for what, inside in (
        ("all documents", np.ones(len(texts), bool)),
        ("of 50 morphemes and more", long_enough),
    ):
        kiwi, eojeol = by_morphemes[inside], by_eojeol[inside]
        found.append(
            Row(
                f"whole preset on eojeol, {int(inside.sum()):,} {what}",
                f"{kiwi.mean():.1%} dropped by morphemes",
                f"{eojeol.mean():.1%} dropped by eojeol",
                f"same verdict {np.mean(kiwi == eojeol):.1%}, Jaccard {jaccard(kiwi, eojeol):.3f}",
            )
        )
    for rule in rules:
        if not rule.signal.startswith(morphemes.PREFIX):
            continue
        kiwi, eojeol = broken(rule, table), broken(eojeol_rule(rule), table)
        if kiwi.any() or eojeol.any():
            found.append(
                Row(
                    f"`{rule.name.partition('.')[2]}` on eojeol",
                    f"{int(kiwi.sum()):,} by morphemes",
                    f"{int(eojeol.sum()):,} by eojeol",
                    f"Jaccard {jaccard(kiwi, eojeol):.3f}",
                )
            )
    return found


# -- speed -----------------------------------------------------------------------------------------------


def ours_chain(texts: Sequence[str]) -> int:
    """Every signal of the core and of morphemes, and the preset's verdicts; returns how many are kept."""
    array = pa.array(texts, pa.large_string())
    table = together(core(texts), morphemes.measure(array))
    return int((judge(list(rules_by_name().values()), table).first < 0).sum())


def hanji_ko(texts: Sequence[str]) -> int:
    """Every signal of a run, and the verdicts of hanji_ko on eojeol; returns how many are kept."""
    return int((judge(list(preset_rules("hanji_ko")), core(texts)).first < 0).sum())


def speed_rows(sources: dict[str, list[str]]) -> tuple[list[Row], list[str]]:
    texts = sample(sources, 10**9, SPEED_CHARACTERS)
    megabytes = sum(len(one.encode()) for one in texts) / 1e6
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "texts.jsonl"
        path.write_text(lines(texts), "utf-8")
        peer = subprocess.Popen(
            [install(OWN), "-W", "ignore", PEER, "chain", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert peer.stdin is not None and peer.stdout is not None
        assert peer.stdout.readline().strip() == "ready"
        kept: dict[str, int] = {}

        def datatrove() -> float:
            assert peer.stdin is not None and peer.stdout is not None
            peer.stdin.write("\n")
            peer.stdin.flush()
            answer = json.loads(peer.stdout.readline())
            kept["peer"] = answer["kept"]
            return float(answer["seconds"])

        kept["ours"] = ours_chain(texts)
        repeated = list(texts) * EOJEOL_TIMES
        hanji_ko(repeated)
        taken = interleaved(
            {
                "peer": datatrove,
                "ours": lambda: cpu_seconds(partial(ours_chain, texts)),
                "eojeol": lambda: cpu_seconds(partial(hanji_ko, repeated)) / EOJEOL_TIMES,
            }
        )
        peer.stdin.close()
        peer.wait()
    theirs, mine, own = (megabytes / median(taken[name]) for name in ("peer", "ours", "eojeol"))
    row = Row(
        f"FineWeb-2's Korean chain on Kiwi, {len(texts):,} documents, {megabytes:.2f} MB",
        f"{theirs:.4f} MB/s",
        f"{mine:.3f} MB/s",
        f"{mine / theirs:.1f}×",
        "≥ 2×",
        mine >= 2 * theirs,
    )
    without_kiwi = Row(
        "hanji_ko (all signals, every rule) against that chain",
        f"{theirs:.4f} MB/s",
        f"{own:.1f} MB/s",
        f"{own / theirs:,.0f}×",
        "≥ 10 MB/s",
        own >= 10,
    )
    note = (
        f"Speed: whole documents of all {len(sources)} Korean sources until there are {SPEED_CHARACTERS:,} "
        f"characters of each; datatrove stops at a document's first broken rule ({kept['peer']} kept), here all "
        f"signals are measured ({kept['ours']} kept). Loading Kiwi (2 s on both sides) is not counted."
    )
    return [row, without_kiwi], [note]


def main() -> None:
    sources = korean_sources()
    texts = sample(sources, AGREEMENT_DOCUMENTS, AGREEMENT_CHARACTERS)
    size = sum(len(one.encode()) for one in texts) / 1e6
    say(f"{len(texts):,} of {sum(map(len, sources.values())):,} Korean documents, {size:.1f} MB")
    table, notes = speed_rows(sources)
    say("speed measured")
    for peer in (SAME, OWN):
        readings = peer_reads(texts, peer)
        say(f"{peer} has read the sample")
        parts = [verdict_rows(sources, texts, readings, peer)]
        if peer == OWN:
            parts.append(number_rows(texts, readings))
        for more, explained in parts:
            table += more
            notes += explained
    table += eojeol_rows(texts)
    numbers = sum(bool(NUMBERS.search(one)) for one in texts)
    notes.append(
        f"{numbers} documents of the sample have a run of 20 digits and commas: datatrove cuts it out before it "
        "asks Kiwi, and takes its words from the uncut text at the offsets of the cut one."
    )
    notes.append(f"Here: {library_versions('kiwipiepy', 'kiwipiepy_model')}, model {morphemes.MODEL}.")
    report("Korean by Kiwi's morphemes", table, notes)


if __name__ == "__main__":
    main()
