"""Runs in datatrove's environment: its URLFilter with a list of hosts of ours, or its own word lists on URLs.

    python peer_urls.py hosts HOSTS_FILE URLS_FILE     seconds to load, bytes of memory, microseconds a URL, hits
    python peer_urls.py words URLS_FILE                hits of its word lists alone

Prints one line of JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters.url_filter import ASSETS_PATH, URLFilter, get_list
from tldextract import TLDExtract


def resident(field: str) -> int:
    """Bytes of memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


def main() -> None:
    urls = Path(sys.argv[-1]).read_text().split("\n")
    documents = [Document(text="", id="", metadata={"url": url}) for url in urls]
    before = resident("VmRSS")
    started = time.process_time()
    if sys.argv[1] == "hosts":
        with Path(sys.argv[2]).open() as file:
            rule = URLFilter(use_integrated_lists=False, extra_domains=file)
    else:
        lists = {
            name: get_list(ASSETS_PATH, f"{name}.txt", set()) - {""}
            for name in ("banned_words", "banned_subwords", "soft_banned_words")
        }
        rule = URLFilter(use_integrated_lists=False, **lists)
    # Its snapshot of the public suffixes: nothing is fetched.
    rule.tldextractor = TLDExtract(suffix_list_urls=(), cache_dir=None)
    rule.filter(documents[0])
    load = time.process_time() - started
    memory = resident("VmRSS") - before
    started = time.process_time()
    verdicts = [rule.filter(document) for document in documents]
    seconds = time.process_time() - started
    hits = sum(verdict is not True for verdict in verdicts)
    print(json.dumps({"load": load, "memory": memory, "micros": seconds / len(urls) * 1e6, "hits": hits}))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
