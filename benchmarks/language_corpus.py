"""Snippets of known language from the development data, halved by hash: one half to choose by, one to report.

Other languages come from the Universal Declaration of Human Rights, Korean and English from it and from the
prose of sources of every kind that the data holds. Code, markup and addresses are taken out first: they are
in no language.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.harness import rows

# English-based creoles and pidgins, Scots, and rows that name no language: reported apart.
APART = frozenset({"sco", "jam", "pcm", "bis", "tpi", "pis", "kri", "srn", "djk", "hwc", "gul", "und"})
ENGLISH = (
    "bench_gsm8k",
    "bench_ifeval",
    "dpo_hh_rlhf_harmless_test",
    "en_docs_progit2",
    "en_docs_rust_book_editions",
    "en_docs_vue",
    "en_gov_18f_handbook",
    "en_gutenberg_books",
    "neardup_mrpc",
)
KOREAN = (
    "bench_kmmlu_fewshot",
    "bench_kobest",
    "bench_korquad1_dev_wiki",
    "html_ko_cheese10yun",
    "ko_comments_korean_hate_speech",
    "ko_court_precedents",
    "ko_docs_d2l",
    "ko_docs_rust_book_editions",
    "ko_docs_vue",
    "ko_literature_kim_yujeong",
    "ko_news_dps_fixture",
    "ko_nsmc_reviews",
    "ko_petitions",
    "ko_statutes",
)
WHOLE = 1_000_000
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_LETTER = re.compile(r"[^\W\d_]")
_NOT_PROSE = re.compile(
    r"(?sm:^(```|~~~|----).*?^\1[ \t]*$)"
    r"|(?m:^[ \t]*(?:[<{}|:/#*!\[=+-]|import |const |let |fn |use |pub |\$)[^\n]*$)"
    r"|`[^`\n]*`|https?://\S+|</?[a-zA-Z][^>]*>|\S*[{}=<>_/]\S*"
)


@dataclass(frozen=True)
class Snippet:
    """``group`` is the language of a declaration or the source; ``half`` 0 was used to choose thresholds."""

    language: str
    group: str
    half: int
    text: str


def half(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def prose(row: dict[str, Any]) -> str:
    """The running text of a row, without code, markup and addresses."""
    if "gold_text" in row:
        text = row["gold_text"]
    elif "chosen" in row:
        text = row["chosen"].replace("Human:", "").replace("Assistant:", "")
    elif "a" in row and "b" in row:
        text = f"{row['a']} {row['b']}"
    else:
        text = row.get("text")
    return _NOT_PROSE.sub(" ", text or "").strip()


def documents(names: tuple[str, ...], most: int, at_least: int = 100) -> Iterator[tuple[str, int, str]]:
    """(source, half, prose) of at most so many documents of each source, chosen by hash of the id."""
    for name in names:
        taken = 0
        for row in sorted(rows(name), key=lambda row: hashlib.sha256(str(row["id"]).encode()).digest()):
            text = prose(row)
            if len(text) >= at_least:
                yield name, half(name + str(row["id"])), text
                taken += 1
            if taken >= most:
                break


def declarations() -> Iterator[tuple[str, str, str]]:
    """(language, id, text) of each declaration; Korean and English as "ko" and "en"."""
    for row in rows("lid_udhr"):
        yield {"kor": "ko", "eng": "en"}.get(row["lang"], row["lang"]), row["id"], row["text"]


def snippets(size: int) -> list[Snippet]:
    """Snippets of that many characters (WHOLE: whole texts), at most ten a declaration, three a document."""
    found = []
    for language, _, text in declarations():
        found += [Snippet(language, language, half(language), part) for part in _cut(text, size, 10)]
    for language, names in (("en", ENGLISH), ("ko", KOREAN)):
        for source, part_half, text in documents(names, 150):
            found += [
                Snippet(language, source, part_half, part)
                for part in _cut(text, size, 3)
                if language == "en" or _has_korean(part)
            ]
    return found


def _has_korean(text: str) -> bool:
    """Whether a snippet of a Korean source has Korean in it: Hangul is a sixth of its letters.

    Technical pages have stretches of nothing but code, or the English that they translate.
    """
    return 6 * len(_HANGUL.findall(text)) >= len(_LETTER.findall(text)) > 0


def _cut(text: str, size: int, most: int) -> list[str]:
    if size >= WHOLE:
        return [text]
    text = " ".join(text.split())
    step = max(size, (len(text) - size) // most)
    return [text[at : at + size] for at in range(0, len(text) - size + 1, step)][:most]
