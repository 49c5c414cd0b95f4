"""Personal data: precision and recall on labelled sentences by kind, and the speed on pages without a hit.

    python -m benchmarks.pii [--wrong]

The sentences are our own (``pii_set``; more than 1,000, invented numbers). A hit is right when kind, start and
end are those of the label. The peer is datatrove's PIIFormatter, which knows mail addresses and public IPv4:
its two expressions run over the same sentences, and their hits of these two kinds are counted the same way.
Precision on real text is judged by a reader: see ``pii_hits``.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from benchmarks.pii_set import Sentence, sentences
from hanji.curation.text.pii import find_hits, find_pii

BAR, SPEED_BAR = 0.98, 20.0
SOURCES = (
    *("ko_docs_d2l", "ko_docs_vue", "ko_news_dps_fixture", "ko_petitions", "ko_court_precedents"),
    *("en_docs_rust_book_editions", "en_docs_vue", "en_gov_18f_handbook", "en_gutenberg_books"),
)
LEAST_CHARACTERS = 1_000

Span = tuple[int, int, str]
Finder = Callable[[str], set[Span]]


def ours(text: str) -> set[Span]:
    """Our hits, as labels."""
    return {(hit.start, hit.end, hit.kind) for hit in find_hits(text)}


def datatrove_finder() -> Finder | None:
    """datatrove's expressions with its own check, as labels; None where it is not installed."""
    if importlib.util.find_spec("datatrove") is None:
        return None
    from datatrove.pipeline.formatters import PIIFormatter

    formatter = PIIFormatter()

    def find(text: str) -> set[Span]:
        mails = {(*match.span(), "email") for match in formatter.emails_replacer.regex.finditer(text)}
        return mails | {
            (*match.span(), "ip")
            for match in formatter.ip_replacer.regex.finditer(text)
            if formatter.ip_replacer.validator(match.group())
        }

    return find


def counted(find: Finder, labelled: list[Sentence], show: bool = False) -> dict[str, Counter[str]]:
    """Right, missed and false hits by kind."""
    by_kind: dict[str, Counter[str]] = {}
    for sentence in labelled:
        gold, got = set(sentence.spans), find(sentence.text)
        for what, found in (("right", gold & got), ("missed", gold - got), ("false", got - gold)):
            for start, end, kind in found:
                by_kind.setdefault(kind, Counter())[what] += 1
                if show and what != "right":
                    say(f"{what} {kind}: {sentence.text!r}: {sentence.text[start:end]!r}")
    return by_kind


def shares(counts: Counter[str]) -> tuple[float, float]:
    """(precision, recall); 0 where nothing was found or nothing was there."""
    right = counts["right"]
    found, there = right + counts["false"], right + counts["missed"]
    return (right / found if found else 0.0, right / there if there else 0.0)


def quality_rows(labelled: list[Sentence], show: bool) -> Iterator[Row]:
    """A row a kind, and one for all."""
    mine = counted(ours, labelled, show)
    peer_finder = datatrove_finder()
    if peer_finder is None:
        say("datatrove is not installed here: no comparison (pip install 'hanji[datatrove]')")
    peer = counted(peer_finder, labelled) if peer_finder else {}
    for kind in (*sorted(mine), "all"):
        counts = sum(mine.values(), Counter()) if kind == "all" else mine[kind]
        precision, recall = shares(counts)
        beside = ""
        if kind in ("email", "ip") and kind in peer:
            beside = "{:.3f} / {:.3f}".format(*shares(peer[kind]))
        yield Row(
            f"{kind}: precision / recall, {counts['right'] + counts['missed']} labels",
            beside,
            f"{precision:.3f} / {recall:.3f}",
            bar=f">= {BAR} both",
            met=min(precision, recall) >= BAR,
        )


def speed_rows() -> Iterator[Row]:
    """Megabytes of UTF-8 a CPU second on pages without a hit, ours and datatrove's two expressions."""
    peer = datatrove_finder()
    for language in ("ko", "en"):
        pages = [
            row["text"]
            for source in SOURCES
            if source.startswith(language)
            for row in rows(source)
            if len(row["text"]) >= LEAST_CHARACTERS and not find_hits(row["text"])
        ]
        size = sum(len(page.encode("utf-8", "surrogatepass")) for page in pages) / 1e6

        def run(find: Callable[[str], object], pages: list[str] = pages) -> float:
            return cpu_seconds(lambda: [find(page) for page in pages])

        contestants: dict[str, Callable[[], float]] = {"ours": lambda run=run: run(find_pii)}  # type: ignore[misc]
        if peer:
            contestants["peer"] = lambda run=run: run(peer)  # type: ignore[misc]
        taken = interleaved(contestants, 3)
        speed = size / median(taken["ours"])
        beside = size / median(taken["peer"]) if peer else 0.0
        yield Row(
            f"MB/s, {language}, {len(pages)} pages without a hit, {size:.0f} MB",
            f"{beside:.0f} (two kinds)" if peer else "",
            f"{speed:.0f}",
            f"{speed / beside:.2f}" if beside else "",
            f">= {SPEED_BAR:.0f}",
            speed >= SPEED_BAR,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wrong", action="store_true", help="print every missed or false hit")
    show = parser.parse_args().wrong
    labelled = sentences()
    table = list(quality_rows(labelled, show))
    data_directory()
    table += speed_rows()
    negatives = sum(not sentence.spans for sentence in labelled)
    written = sum(sentence.origin == "written" for sentence in labelled)
    report(
        "Personal data",
        table,
        [
            f"{len(labelled)} labelled sentences ({written} written one by one), {negatives} of them with nothing "
            "to find. Peer: datatrove's PIIFormatter, precision / recall on the same sentences.",
        ],
    )


if __name__ == "__main__":
    main()
