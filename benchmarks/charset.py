"""Charsets: pages read right, characters lost, and speed, against datatrove and charset_normalizer.

    python -m benchmarks.charset

datatrove's WARC reader runs in its own environment (``make bench-peers``); without it its column is empty.
charset_normalizer stands for what most Python code does: UTF-8, else the best guess, else nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import charset_normalizer

from benchmarks.charset_corpus import (
    PYTHON_NAMES,
    Page,
    broken,
    labelled,
    legacy_files,
    mixed,
    other_languages,
)
from benchmarks.harness import Row, cpu_seconds, interleaved, median, report, rows
from benchmarks.peers import python_of
from hanji.curation.text.charset import decode

# charset_normalizer reads about one page in 50 ms: it gets every so many.
_SAMPLED = 10
_WRONG_LABELS = ("iso-8859-1", "utf-8", "gb2312", "shift_jis", "windows-1251")


def datatrove_texts(pages: list[bytes]) -> tuple[list[str | None], float] | None:
    """(hash of each page's text or None, CPU seconds) by datatrove's rules; None without its environment."""
    interpreter = python_of("datatrove")
    if interpreter is None:
        return None
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join(map(base64.b64encode, pages)))
        file.flush()
        script = Path(__file__).with_name("peer_charset.py")
        done = subprocess.run([interpreter, script, file.name], check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["digests"], answer["seconds"]


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def by_charset_normalizer(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(data).best()
        return None if best is None else str(best)


def share(right: int, of: int) -> str:
    return f"{100 * right / max(of, 1):.2f} %" if right < of else f"all {of:,}"


def peers_on(pages: list[Page]) -> str:
    """How many pages the peers read right."""
    theirs = datatrove_texts([page.data for page in pages])
    sample = pages[::_SAMPLED]
    guessed = sum(by_charset_normalizer(page.data) == page.truth for page in sample)
    words = f"charset_normalizer {share(guessed, len(sample))}"
    if theirs is None:
        return words
    right = sum(found == digest(page.truth) for found, page in zip(theirs[0], pages, strict=True))
    return f"datatrove {share(right, len(pages))}, {words}"


def condition(what: str, pages: Iterable[Page], bar: float) -> Row:
    """Share of pages whose text is right to the last character, on both halves."""
    taken = list(pages)
    right, total = Counter[int](), Counter[int]()
    for page in taken:
        total[page.half] += 1
        right[page.half] += decode(page.data, page.label).text == page.truth
    ours = f"{share(right[0], total[0])} / {share(right[1], total[1])}"
    return Row(what, peers_on(taken), ours, "", f"{bar:.1%}", min(right[h] / total[h] for h in (0, 1)) >= bar)


def damage(what: str, pages: Iterable[Page], bar: float) -> Row:
    """Characters lost or wrong for each broken byte."""
    taken = list(pages)
    lost, bytes_broken = Counter[int](), Counter[int]()
    for page in taken:
        wanted = Counter(page.truth)
        wanted.subtract(Counter(decode(page.data, page.label).text))
        lost[page.half] += sum(number for number in wanted.values() if number > 0)
        bytes_broken[page.half] += page.broken
    each = [lost[half] / max(bytes_broken[half], 1) for half in (0, 1)]
    theirs = datatrove_texts([page.data for page in taken])
    dropped = (
        "" if theirs is None else f"datatrove drops {share(theirs[0].count(None), len(taken))} of the pages"
    )
    return Row(what, dropped, f"{each[0]:.2f} / {each[1]:.2f}", "", f"at most {bar}", max(each) <= bar)


def legacy() -> Row:
    files = list(legacy_files())
    pages = [Page(data, None, data.decode("cp949"), 0) for _, data in files]
    found = [decode(page.data) for page in pages]
    right = sum(text.text == page.truth for text, page in zip(found, pages, strict=True))
    replaced = sum(text.replaced for text in found)
    ours = f"{right} of {len(pages)}, {replaced} characters lost"
    met = right == len(pages) and replaced == 0
    return Row("files in EUC-KR as published", peers_on(pages), ours, "", "all, none lost", met)


def others() -> Row:
    """Texts of other languages in their legacy charsets, with their label and without one."""
    right = total = korean = 0
    pages = []
    for _, label, data in other_languages():
        truth = data.decode(PYTHON_NAMES.get(label, label))
        pages.append(Page(data, None, truth, 0))
        for said in (label, None):
            found = decode(data, said, markup=False)
            total += 1
            right += found.text == truth
            korean += found.charset == "cp949"
    ours = f"{right} of {total}, {korean} taken for Korean"
    return Row(
        "other languages, with and without label", peers_on(pages), ours, "", "none Korean", korean == 0
    )


def speed(what: str, pages: list[Page], bar: float | None) -> Row:
    """MB of pages a CPU second. A peer that reads UTF-8 strictly only checks it: the most that can be."""
    size = sum(len(page.data) for page in pages) / 1e6

    def ours() -> None:
        for page in pages:
            decode(page.data, page.label)

    def theirs() -> float:
        answer = datatrove_texts([page.data for page in pages])
        return float("nan") if answer is None else answer[1]

    contestants: dict[str, Callable[[], float]] = {"peer": theirs, "hanji": lambda: cpu_seconds(ours)}
    taken = {name: size / median(values) for name, values in interleaved(contestants, 3).items()}
    peer = "" if taken["peer"] != taken["peer"] else f"datatrove {taken['peer']:.0f} MB/s"
    ratio = f"{taken['hanji'] / taken['peer']:.2f}" if peer else ""
    met = None if bar is None else taken["hanji"] >= bar
    return Row(what, peer, f"{taken['hanji']:.0f} MB/s", ratio, f"{bar:.0f} MB/s" if bar else "", met)


def main() -> None:
    table = [
        legacy(),
        condition("Korean in CP949, labelled", labelled("euc-kr"), 1.0),
        condition("in CP949, meta element", labelled(None, "<meta charset=euc-kr>"), 1.0),
        condition("in CP949, no label", labelled(None), 1.0),
        *(condition(f"in CP949, said to be {label}", labelled(label), 0.99) for label in _WRONG_LABELS),
        condition("in UTF-8, said to be euc-kr", labelled("euc-kr", encoding="utf-8"), 1.0),
        condition("CP949 in a page in UTF-8", mixed("utf-8", "cp949"), 0.97),
        condition("UTF-8 in a page in CP949", mixed("cp949", "utf-8"), 0.97),
        damage("CP949, bytes added", broken("added"), 1.0),
        damage("CP949, bytes changed", broken("changed"), 1.1),
        damage("CP949, bytes lost", broken("lost"), 1.3),
        damage("UTF-8, bytes lost", broken("lost", "utf-8"), 1.1),
        others(),
        speed(
            "UTF-8 pages, Korean",
            [Page(row["html"].encode(), None, "", 0) for row in rows("html_ko_cheese10yun")],
            200,
        ),
        speed(
            "UTF-8 pages, English",
            [Page(row["html"].encode(), "utf-8", "", 0) for row in rows("html_gold_scrapinghub_aeb")],
            200,
        ),
        speed("CP949 pages", list(labelled("euc-kr")), None),
    ]
    report(
        "Charsets",
        table,
        (
            "Pages right to the last character, or characters lost for each broken byte; every source in two "
            "halves by a hash of the text, reported apart. Data: the EUC-KR pages of the httpd manual, a story, "
            "the Korean sources of the development data re-encoded, and lid_udhr for other languages.",
        ),
    )


if __name__ == "__main__":
    main()
