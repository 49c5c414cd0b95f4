"""Decontamination: planted leaks that are found, clean texts that are not, and the speed.

    python -m benchmarks.decontamination [--wrong]

Items of the benchmarks in the development data are planted in documents of it: whole, whole with other spaces
(Korean: each space anywhere; English: any run of spaces, line ends and dashes between words), and a half of
them (the first or the last half of an item's words, at random). Half quotes are planted of items of at least n
units, which is what the method promises; the share over all items stands beside. Found means: the item's share
reaches the recipe's default ``min_share`` in the document it was planted in.

False alarms are documents with any such item, of sources that hold no benchmark: statutes and precedents, of
which an examination in law quotes both, with and without the statutes on the allow-list. --wrong lists them, and
what was missed, by name.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from hanji.curation.contamination.benchmarks import Item, load_items
from hanji.curation.contamination.index import BenchmarkIndex, Lengths, build_index, units_of
from hanji.curation.contamination.kernels import SYLLABLE, WORD
from hanji.curation.contamination.matching import Overlap, overlaps
from hanji.curation.recipe import Benchmark, Contamination

EXACT_BAR, HALF_BAR, FALSE_BAR = 0.99, 0.9, 0.005
BENCHMARKS = {
    "gsm8k": "bench_gsm8k",
    "humaneval": "bench_humaneval",
    "ifeval": "bench_ifeval",
    "klue": "bench_klue_sts_nli",
    "kmmlu-criminal-law": "bench_kmmlu_criminal_law",
    "kmmlu-fewshot": "bench_kmmlu_fewshot",
    "kobest": "bench_kobest",
    "korquad": "bench_korquad1_dev_wiki",
    "logickor": "bench_logickor",
}
CARRIERS = {
    "ko": ("ko_petitions", "ko_docs_d2l", "ko_court_precedents"),
    "en": ("en_gov_18f_handbook", "en_docs_vue", "en_gutenberg_books"),
}
OTHERS = (
    *("ko_petitions", "ko_docs_d2l", "ko_docs_rust_book_editions", "ko_news_dps_fixture", "ko_nsmc_reviews"),
    *("en_gov_18f_handbook", "en_docs_rust_book_editions", "en_docs_vue", "en_gutenberg_books"),
)
PLANTED = 3_000
CARRIER_CHARACTERS = 2_000


def settings() -> Contamination:
    """All benchmarks of the development data, with the defaults of the recipe."""
    directory = data_directory()
    return Contamination(
        benchmarks=[
            Benchmark(name=name, path=str(directory / f"{file}.jsonl.gz"))
            for name, file in BENCHMARKS.items()
        ]
    )


def carriers(language: str) -> list[str]:
    """Stretches of documents that items are planted in."""
    found = []
    for source in CARRIERS[language]:
        texts = [row["text"] for row in rows(source)]
        found += [text[:CARRIER_CHARACTERS] for text in texts if len(text) >= CARRIER_CHARACTERS // 2][:400]
    return found


def respaced(text: str, language: str, rng: random.Random) -> str:
    """The text with other spaces."""
    if language == "ko":
        share = rng.choice((0.0, 0.15, 0.3, 0.5))
        return "".join(c + " " * (rng.random() < share) for c in text if not c.isspace())
    words = text.split()
    return "".join(word + rng.choice((" ", "  ", "\n", " \n\n", "\t", " - ")) for word in words)


def half(text: str, rng: random.Random) -> str:
    """The first or the last half of a text's words."""
    words = text.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle] if rng.random() < 0.5 else words[-middle:])


def planted(leak: str, carrier: str, rng: random.Random) -> str:
    """A carrier with the leak as a paragraph of its own, or after a sentence within one."""
    ends = [place + 1 for place, c in enumerate(carrier) if c in ".\n"] or [len(carrier)]
    place = rng.choice(ends)
    between = rng.choice(("\n", "\n\n", " "))
    return f"{carrier[:place]}{between}{leak}{between}{carrier[place:]}"


def recall_rows(
    index: BenchmarkIndex, allowing: BenchmarkIndex, items: Sequence[Item], setup: Contamination, wrong: bool
) -> Iterator[Row]:
    """A row a language and kind of leak."""
    languages = {
        int(number): "ko" if int(part.kind[0]) == SYLLABLE else "en"
        for part in index.parts
        for number in part.numbers
    }
    yield law_row(allowing, items, setup)
    for language in ("ko", "en"):
        kind = SYLLABLE if language == "ko" else WORD
        n = Lengths.of(setup.ngrams["ko" if language == "ko" else "en"]).n
        rng = random.Random(f"planted {language}")
        mine = [number for number, of in languages.items() if of == language]
        chosen = rng.sample(mine, min(PLANTED, len(mine)))
        grounds = carriers(language)
        for what in ("exact", "re-spaced", "half quoted"):
            leaks, documents = [], []
            for number in chosen:
                text = items[number].text
                leak = {
                    "exact": text,
                    "re-spaced": respaced(text, language, rng),
                    "half quoted": half(text, rng),
                }[what]
                leaks.append(number)
                documents.append(planted(leak, rng.choice(grounds), rng))
            hit = {(o.document, o.item) for o in flagged(index, documents, setup)}
            right = [(place, number) in hit for place, number in enumerate(leaks)]
            share = sum(right) / len(right)
            bar = HALF_BAR if what == "half quoted" else EXACT_BAR
            asked = [ok for number, ok in zip(leaks, right, strict=True) if number not in index.unchecked]
            note = f"items looked for: {sum(asked) / len(asked):.4f}"
            if what == "half quoted":
                long = [
                    found
                    for number, found in zip(leaks, right, strict=True)
                    if len(units_of(items[number].text, kind).units) >= n
                ]
                note = f"all items: {share:.4f}"
                share, right = sum(long) / len(long), long
            if wrong:
                missed = Counter(items[n].benchmark for n, ok in zip(leaks, right, strict=False) if not ok)
                say(f"{language} {what}: missed {dict(missed)}")
            yield Row(
                f"recall, {language}, {what}, {len(right)} planted",
                note,
                f"{share:.4f}",
                bar=f">= {bar}",
                met=share >= bar,
            )


def law_row(allowing: BenchmarkIndex, items: Sequence[Item], setup: Contamination) -> Row:
    """What the allow-list costs: items of the examination in criminal law, planted whole."""
    rng = random.Random("law")
    grounds = carriers("ko")
    mine = [number for number, item in enumerate(items) if item.benchmark == "kmmlu-criminal-law"]
    documents = [planted(items[number].text, rng.choice(grounds), rng) for number in mine]
    hit = {(o.document, o.item) for o in flagged(allowing, documents, setup)}
    share = sum((place, number) in hit for place, number in enumerate(mine)) / len(mine)
    what = f"recall, kmmlu-criminal-law, exact, {len(mine)} planted, statutes on the list"
    return Row(what, "", f"{share:.4f}", bar=f">= {EXACT_BAR}", met=share >= EXACT_BAR)


def flagged(index: BenchmarkIndex, texts: Sequence[str], setup: Contamination) -> list[Overlap]:
    """Overlaps of which the recipe would do something."""
    found = overlaps(pa.array(texts, pa.large_string()), index)
    return [overlap for overlap in found if overlap.share >= setup.min_share]


def false_rows(
    plain: BenchmarkIndex, allowing: BenchmarkIndex, setup: Contamination, wrong: bool
) -> Iterator[Row]:
    """Documents of clean sources that are taken for leaks, without and with an allow-list."""
    statutes = [row["text"] for row in rows("ko_statutes")]
    precedents = [row["text"] for row in rows("ko_court_precedents")]
    for what, texts, index, bar in (
        ("statutes, none on the list", statutes, plain, False),
        ("precedents, no list", precedents, plain, True),
        ("statutes, all on the list", statutes, allowing, True),
        ("precedents, statutes on the list", precedents, allowing, True),
    ):
        found = flagged(index, texts, setup)
        if wrong:
            for o in found:
                say(
                    f"{what}: {index.benchmark(o.item)} {index.ids[o.item]} {o.share:.2f}, document {o.document}"
                )
        count = len({overlap.document for overlap in found})
        share = count / len(texts)
        yield Row(
            f"flagged, {what}",
            "",
            f"{count} of {len(texts)}, {100 * share:.2f} %",
            bar=f"<= {100 * FALSE_BAR} %" if bar else "",
            met=share <= FALSE_BAR if bar else None,
        )
    counts: Counter[str] = Counter()
    documents = 0
    for source in OTHERS:
        texts = [row["text"] for row in rows(source)]
        documents += len(texts)
        found = flagged(allowing, texts, setup)
        counts.update({f"{source}: {len({o.document for o in found})}": 1} if found else {})
    yield Row(f"flagged, {len(OTHERS)} other sources, {documents} documents", "", ", ".join(counts) or "none")


def speed_rows(index: BenchmarkIndex) -> Iterator[Row]:
    """Megabytes of UTF-8 a CPU second, both kinds of unit searched."""
    for language, sources in (("ko", ("ko_court_precedents", "ko_petitions")), ("en", CARRIERS["en"])):
        texts = pa.array([row["text"] for source in sources for row in rows(source)], pa.large_string())
        size = texts.nbytes / 1e6
        overlaps(texts, index)
        taken = interleaved({"ours": lambda texts=texts: cpu_seconds(lambda: overlaps(texts, index))}, 5)  # type: ignore[misc]
        yield Row(f"MB/s of one core, {language}, {size:.0f} MB", "", f"{size / median(taken['ours']):.0f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wrong", action="store_true", help="list what was missed and what was flagged")
    wrong = parser.parse_args().wrong
    setup = settings()
    items = [item for benchmark in setup.benchmarks for item in load_items(benchmark)]
    built: list[BenchmarkIndex] = []
    seconds = cpu_seconds(lambda: built.append(build_index(items, setup.ngrams)))
    (plain,) = built
    listed = [row["text"] for row in rows("ko_statutes")]
    allowing = build_index(items, setup.ngrams, [pa.array(listed, pa.large_string())])
    table = [
        *recall_rows(plain, allowing, items, setup, wrong),
        *false_rows(plain, allowing, setup, wrong),
        *speed_rows(plain),
        Row(f"CPU seconds for the index of {len(items)} items", "", f"{seconds:.1f}"),
    ]
    report(
        "Decontamination",
        table,
        [
            f"{len(BENCHMARKS)} benchmarks, {len(plain.unchecked)} items too short to be looked for; with the "
            f"statutes on the allow-list {len(allowing.unchecked)} have nothing that counts.",
        ],
    )


if __name__ == "__main__":
    main()
