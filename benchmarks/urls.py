"""URL rules: memory and time of a list of 4.6 million hosts, and what the word lists block, beside datatrove.

    python -m benchmarks.urls

The large list is made up here (4,600,000 hosts, the size of UT1's ``adult``). datatrove's URLFilter runs in its
own environment (``make bench-peers``) on the same list and the same URLs; without it, only we are measured. Word
lists are judged on the URLs that the development data's pages and texts name, all but the spam mails' taken for
ordinary ones, and on a hash sample of the UT1 list of adult hosts that datatrove brings along, for recall.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Row, cpu_seconds, data_directory, report, say
from benchmarks.peers import PEERS, python_of
from hanji.curation.recipe import UrlList, Urls
from hanji.curation.sources.urls import UrlRules

HOSTS = 4_600_000
URLS = 20_000
_SYLLABLES = [
    "ba",
    "ko",
    "mi",
    "ra",
    "to",
    "ne",
    "shi",
    "lu",
    "pa",
    "dor",
    "ven",
    "gal",
    "tis",
    "jo",
    "hey",
    "qu",
]
_URL = re.compile(r"https?://[^\s\"'<>()\[\]{}|\\^`]{4,300}")


def hosts(seed: int, count: int) -> Iterator[str]:
    """Made-up host names, about 22 characters each, as UT1's are."""
    chance = random.Random(seed)
    for number in range(count):
        name = "".join(chance.choices(_SYLLABLES, k=5))
        yield f"{name}{seed}-{number}.{chance.choice(['com', 'net', 'co.kr', 'blogspot.com'])}"


def ordinary_urls(directory: Path) -> list[str]:
    """The URLs that pages and texts of the development data name, each once, but those of mails."""
    found: set[str] = set()
    for path in sorted(directory.glob("*.jsonl.gz")):
        if "email" in path.name:
            continue
        with gzip.open(path, "rb") as file:
            for line in file:
                row = json.loads(line)
                for field in ("text", "html", "url", "source"):
                    if isinstance(value := row.get(field), str):
                        found.update(url.rstrip(".,;") for url in _URL.findall(value))
    return sorted(found)


def adult_hosts(count: int) -> list[str]:
    """A hash sample of the adult hosts of UT1, from the archive in datatrove's environment; [] without it."""
    archives = sorted(
        PEERS.glob("datatrove/lib/*/site-packages/datatrove/assets/url_filterblacklists*.tar.gz")
    )
    if not archives:
        return []
    with tarfile.open(archives[-1]) as archive:
        file = archive.extractfile("domains")
        lines = [line.strip() for line in file] if file is not None else []
    chosen = [line for line in lines if line and hashlib.md5(line).digest()[:2] < b"\x02\x00"]
    return [line.decode("utf-8", "replace") for line in chosen[:count]]


def peer(*arguments: str) -> dict[str, float] | None:
    """What datatrove measures, in its own environment or in ours with the extra; None where there is none."""
    python = python_of("datatrove") or sys.executable
    script = Path(__file__).with_name("peer_urls.py")
    done = subprocess.run([python, script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"datatrove: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")
        return None
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def measure_list(path: str, urls_path: str) -> None:
    """In a process of its own: load a list, judge URLs, print JSON."""
    urls = Path(urls_path).read_text().split("\n")
    rules = UrlRules(Urls(words=[], block=[UrlList(path=path)]))
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the high-water mark, which a child inherits
    load = cpu_seconds(lambda: rules.judge("http://first.example/"))
    peak = _memory("VmHWM") - before
    started = time.process_time()
    hits = sum(rules.judge(url) is not None for url in urls)
    seconds = time.process_time() - started
    assert rules._loaded is not None
    held = sum(lists.hosts.nbytes for lists in rules._loaded.block)
    say(
        json.dumps(
            {
                "load": load,
                "peak": peak,
                "held": held,
                "micros": seconds / len(urls) * 1e6,
                "hits": hits,
            }
        )
    )


def _memory(field: str) -> int:
    """Bytes of memory of this process: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


def main() -> None:
    table: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        listed, asked = Path(directory) / "hosts.txt", Path(directory) / "urls.txt"
        listed.write_text("\n".join(hosts(1, HOSTS)))
        # Half in the list, a quarter below a host of the list, a quarter strangers.
        known = list(hosts(1, URLS))
        strangers = list(hosts(2, URLS // 4))
        urls = [f"https://{host}/page?id=1" for host in known[: URLS // 2]]
        urls += [f"http://www.{host}/" for host in known[: URLS // 4]] + [
            f"http://{host}/a" for host in strangers
        ]
        asked.write_text("\n".join(urls))
        code = f"from benchmarks.urls import measure_list; measure_list({str(listed)!r}, {str(asked)!r})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        ours = json.loads(done.stdout.strip().splitlines()[-1])
        theirs = peer("hosts", str(listed), str(asked))
        table += _list_rows(ours, theirs)
        _word_rows(table, Path(directory))
    report("URL rules", table, ["List: made up, 4,600,000 hosts; 20,000 URLs, three in four of them on it."])


def _list_rows(ours: dict[str, float], theirs: dict[str, float] | None) -> list[Row]:
    def beside(field: str, unit: str, scale: float) -> str:
        return f"{theirs[field] / scale:.1f} {unit}" if theirs else ""

    def ratio(theirs_field: str, value: float) -> str:
        return f"{theirs[theirs_field] / value:.1f}×" if theirs else ""

    return [
        Row(
            "memory of the list",
            beside("memory", "MB", 1e6),
            f"{ours['held'] / 1e6:.1f} MB",
            ratio("memory", ours["held"]),
            "≤ 60 MB",
            ours["held"] <= 60e6,
        ),
        Row("memory while it is loaded", "", f"{ours['peak'] / 1e6:.0f} MB"),
        Row(
            "loading, once a process",
            beside("load", "s", 1),
            f"{ours['load']:.1f} s",
            ratio("load", ours["load"]),
        ),
        Row(
            "judging a URL",
            beside("micros", "µs", 1),
            f"{ours['micros']:.1f} µs",
            ratio("micros", ours["micros"]),
            "≤ 20 µs",
            ours["micros"] <= 20,
        ),
        Row(
            "URLs of 20,000 found",
            f"{theirs['hits']:,.0f}" if theirs else "",
            f"{ours['hits']:,.0f}",
            "",
            "15,000",
            ours["hits"] == 15_000,
        ),
    ]


def _word_rows(table: list[Row], directory: Path) -> None:
    rules = UrlRules(Urls())
    rules.judge("http://first.example/")
    for what, urls, bar in (
        ("ordinary URLs blocked by words", ordinary_urls(data_directory()), 0.0005),
        (
            "adult hosts of UT1 found by words alone",
            [f"http://{host}/" for host in adult_hosts(30_000)],
            None,
        ),
    ):
        if not urls:
            continue
        started = time.process_time()
        hits = sum(rules.judge(url) is not None for url in urls)
        micros = (time.process_time() - started) / len(urls) * 1e6
        asked = directory / "words.txt"
        asked.write_text("\n".join(urls))
        theirs = peer("words", str(asked))
        table.append(
            Row(
                f"{what}, of {len(urls):,}",
                f"{theirs['hits']:,.0f} ({theirs['hits'] / len(urls):.2%})" if theirs else "",
                f"{hits:,} ({hits / len(urls):.2%})",
                "",
                "" if bar is None else f"≤ {bar:.2%}",
                None if bar is None else hits / len(urls) <= bar,
            )
        )
        table.append(
            Row(
                "judging one of them by words",
                f"{theirs['micros']:.1f} µs" if theirs else "",
                f"{micros:.1f} µs",
                f"{theirs['micros'] / micros:.1f}×" if theirs else "",
            )
        )


if __name__ == "__main__":
    main()
