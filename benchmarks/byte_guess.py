"""The guess on raw bytes: Korean and English pages kept, other pages turned away, and the cost.

``python -m benchmarks.byte_guess``. The peer is resiliparse's ``detect_fast`` on the whole decoded page, which
is what can be asked before a page is parsed without this guess. A page is turned away by us if the guess is
"other", by the peer if it names another language than Korean or English. Cost is CPU time a page of the real
ones, interleaved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from resiliparse.parse.lang import detect_fast

from benchmarks.harness import Row, cpu_seconds, interleaved, median, report
from benchmarks.page_corpus import Page, made_pages, real_pages
from hanji.curation.text.guess import guess_page

BAR_KEPT, BAR_TURNED_AWAY, BAR_SECONDS = 0.995, 0.70, 0.000_06


def main() -> None:
    real, made = list(real_pages()), list(made_pages())
    table = []
    for kind, pages in (("real", real), ("made", made), ("all", [*real, *made])):
        for part, halves in (("chosen on", (0,)), ("unseen", (1,)), ("both", (0, 1))):
            table += _shares(f"{kind} ({part})", [page for page in pages if page.half in halves])
    table += _cost(real)
    groups = sorted({page.group for page in real})
    notes = [
        f"{len(real):,} real pages of {', '.join(groups)}; {len(made):,} made of declarations, and of Korean and "
        "English prose, in templates with misleading navigation, language attributes and charsets."
    ]
    report("Language of raw pages", table, notes)


def _shares(name: str, pages: Sequence[Page]) -> list[Row]:
    ours = np.array([guess_page(page.data, page.http_charset).language == "other" for page in pages])
    peer = np.array([_peer_language(page.data) not in ("ko", "en", "unknown") for page in pages])
    other = np.array([page.language not in ("ko", "en") for page in pages])
    rows = []
    for language in ("ko", "en"):
        of = np.array([page.language == language for page in pages])
        theirs, us = (float(np.mean(~away[of])) for away in (peer, ours))
        what = f"{language} kept, {name}, {int(of.sum()):,} pages"
        rows.append(Row(what, f"{theirs:.4f}", f"{us:.4f}", "", f"≥ {BAR_KEPT}", us >= BAR_KEPT))
    theirs, us = (float(np.mean(away[other])) for away in (peer, ours))
    what = f"others turned away, {name}, {int(other.sum()):,} pages"
    rows.append(Row(what, f"{theirs:.4f}", f"{us:.4f}", "", f"≥ {BAR_TURNED_AWAY}", us >= BAR_TURNED_AWAY))
    return rows


def _peer_language(data: bytes) -> str:
    return str(detect_fast(data.decode("utf-8", "replace"))[0])


def _cost(pages: Sequence[Page]) -> list[Row]:
    guess_page(pages[0].data)
    taken = interleaved(
        {
            "ours": lambda: cpu_seconds(lambda: [guess_page(page.data, page.http_charset) for page in pages]),
            "peer": lambda: cpu_seconds(lambda: [_peer_language(page.data) for page in pages]),
        }
    )
    ours, peer = (median(taken[name]) / len(pages) for name in ("ours", "peer"))
    size = sum(len(page.data) for page in pages) / len(pages)
    return [
        Row(
            f"CPU a page of {size / 1000:.0f} kB on average",
            f"{peer * 1e6:.0f} µs",
            f"{ours * 1e6:.0f} µs",
            f"{ours / peer:.2f}",
            f"≤ {BAR_SECONDS * 1e6:.0f} µs",
            ours <= BAR_SECONDS,
        )
    ]


if __name__ == "__main__":
    main()
