"""Mojibake and the normal form: what is repaired, what is left alone, and speed.

    python -m benchmarks.characters

The peers are ftfy's ``fix_encoding`` and, for the normal form, a loop over lines that has the same result.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import astuple
from itertools import islice

import ftfy

from benchmarks.charset_corpus import KOREAN, half_of
from benchmarks.harness import Row, cpu_seconds, interleaved, median, report, rows
from hanji.curation.recipe import Normalisation
from hanji.curation.text.charset_codecs import decode_tolerantly
from hanji.curation.text.mojibake import repair
from hanji.curation.text.normalise import normalise

ENGLISH = (
    "en_docs_progit2",
    "en_docs_vue",
    "en_gov_18f_handbook",
    "en_gutenberg_books",
    "en_docs_rust_book_editions",
)
MORE = ("ko_curse_detection", "ko_docs_progit2", "ko_docs_rust_book_editions", "ko_literature_kim_yujeong")
SENTENCES = 1_000
OLD_STEPS = Normalisation(jamo=False, fullwidth=False, letter_runs=None, mark_runs=None)


def texts(name: str, number: int | None = None) -> list[str]:
    return [row["text"] for row in islice(rows(name), number) if isinstance(row.get("text"), str)]


def sentences(names: tuple[str, ...]) -> list[str]:
    """Lines with characters other than ASCII, the same number from each source at most."""
    found: list[str] = []
    for name in names:
        lines = (line.strip() for text in texts(name, 2_000) for line in text.split("\n"))
        wanted = (
            line for line in lines if 20 < len(line) < 400 and not line.isascii() and "\ufffd" not in line
        )
        found += islice(wanted, SENTENCES // len(names))
    return found


def as_latin(data: bytes) -> str:
    return decode_tolerantly(data, "cp1252")


def as_cp949(data: bytes) -> str:
    return decode_tolerantly(data, "cp949")


def in_cp949(text: str) -> str:
    return text.encode("cp949", "ignore").decode("cp949")


def fixed_by_ftfy(text: str) -> str:
    return ftfy.fix_encoding(text)


def false_repairs() -> Row:
    """Sound texts that change: of all Korean and English sources and 500 languages."""
    changed = theirs = total = suspected = 0
    for name in (*KOREAN, *MORE, *ENGLISH, "lid_udhr"):
        for place, text in enumerate(texts(name)):
            found = repair(text)
            total += 1
            changed += found.text != text
            suspected += found.suspects > 0
            if place < 300:
                theirs += fixed_by_ftfy(text) != text
    ours = f"{changed} of {total:,} (suspected: {suspected})"
    return Row("sound texts that change", f"ftfy {theirs} of the first 300 each", ours, "", "0", changed == 0)


def repaired(what: str, lines: list[str], spoil: Callable[[str], str], bar: float | None) -> Row:
    """Share of lines that come back to the last character, on both halves."""
    right = {0: 0, 1: 0}
    total = {0: 0, 1: 0}
    theirs = 0
    for line in lines:
        wrong, half = spoil(line), half_of(line)
        if wrong == line:
            continue
        total[half] += 1
        right[half] += repair(wrong).text == line
        theirs += fixed_by_ftfy(wrong) == line
    shares = [right[half] / max(total[half], 1) for half in (0, 1)]
    ours = f"{shares[0]:.1%} / {shares[1]:.1%}"
    met = None if bar is None else min(shares) >= bar
    peer = f"ftfy {theirs / max(sum(total.values()), 1):.1%}"
    return Row(f"{what} ({sum(total.values())})", peer, ours, "", f"{bar:.0%}" if bar else "", met)


def words_that_lost_nothing(lines: list[str]) -> list[str]:
    """Words of Korean that keep all bytes when their UTF-8 is read as CP949, two and two."""
    words = (re.sub("[^가-힣]", "", word) for line in lines for word in line.split())
    kept = [word for word in words if len(word) > 1 and "\ufffd" not in as_cp949(word.encode())]
    return [f"{first} {second}" for first, second in zip(kept[::2], kept[1::2], strict=False)]


def line_by_line(text: str) -> str:
    text = unicodedata.normalize("NFC", re.sub("[\ud800-\udfff]", "\ufffd", text))
    text = re.sub("\r\n?|\u2028|\u2029|\u0085|\v|\f", "\n", text)
    text = re.sub(
        "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060\ufeff]",
        "",
        text,
    )
    lines = []
    for line in text.split("\n"):
        body = line.lstrip(" \t")
        indent = line[: len(line) - len(body)].expandtabs(4)
        lines.append(indent + re.sub("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+", " ", body))
    text = re.sub(" +(?=\n|$)", "", "\n".join(lines))
    return re.sub("\n{3,}", "\n\n", text).strip("\n")


def speed(
    what: str,
    names: tuple[str, ...],
    ours: Callable[[str], object],
    peer: Callable[[str], object],
    bar: float,
) -> Row:
    documents = [text for name in names for text in texts(name, 1_500)]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in documents) / 1e6

    def over(work: Callable[[str], object]) -> Callable[[], float]:
        return lambda: cpu_seconds(lambda: [work(text) for text in documents])

    taken = interleaved({"peer": over(peer), "hanji": over(ours)}, 3)
    theirs, hanji = (size / median(taken[name]) for name in ("peer", "hanji"))
    return Row(
        what,
        f"{theirs:.0f} MB/s",
        f"{hanji:.0f} MB/s",
        f"{hanji / theirs:.1f}",
        f"{bar:.0f} MB/s",
        hanji >= bar,
    )


def unchanged() -> Row:
    """Whether the old steps alone give what the loop over lines gives."""
    total = different = again = 0
    for name in (*KOREAN, *ENGLISH, "lid_udhr", "en_email_spamassassin"):
        for text in texts(name, 300):
            total += 1
            different += normalise(text, OLD_STEPS).text != line_by_line(text)
            once = normalise(text).text
            again += any(astuple(normalise(once).counts))
    ours = f"{different} of {total:,} differ, {again} change again"
    return Row("normal form against the loop over lines", "", ours, "", "0 and 0", different == again == 0)


def main() -> None:
    korean, english = sentences(("ko_petitions", "ko_docs_vue", "ko_nsmc_reviews")), sentences(ENGLISH[2:4])
    prose_ko = ("ko_petitions", "ko_news_dps_fixture", "ko_court_precedents", "ko_docs_d2l")
    prose_en = ("en_gutenberg_books", "en_gov_18f_handbook", "en_docs_progit2", "en_docs_vue")
    table = [
        false_repairs(),
        repaired("Korean, UTF-8 as windows-1252", korean, lambda s: as_latin(s.encode()), 0.99),
        repaired("Korean, that twice", korean, lambda s: as_latin(as_latin(s.encode()).encode()), 0.99),
        repaired("English, UTF-8 as windows-1252", english, lambda s: as_latin(s.encode()), 0.99),
        repaired("English, that twice", english, lambda s: as_latin(as_latin(s.encode()).encode()), 0.99),
        repaired(
            "Korean, CP949 as Latin-1", [*map(in_cp949, korean)], lambda s: as_latin(s.encode("cp949")), 0.95
        ),
        repaired(
            "Korean words, UTF-8 as CP949, whole",
            words_that_lost_nothing(korean),
            lambda s: as_cp949(s.encode()),
            0.9,
        ),
        repaired(
            "Korean sentences, UTF-8 as CP949, bytes lost", korean, lambda s: as_cp949(s.encode()), None
        ),
        speed("repair of clean Korean", prose_ko, repair, fixed_by_ftfy, 200),
        speed("repair of clean English", prose_en, repair, fixed_by_ftfy, 200),
        unchanged(),
        speed("normal form, Korean", prose_ko, normalise, line_by_line, 60),
        speed("normal form, English", prose_en, normalise, line_by_line, 60),
    ]
    report(
        "Characters",
        table,
        ("Halves of the sentences by a hash, reported apart. Data: the sources named in the file.",),
    )


if __name__ == "__main__":
    main()
