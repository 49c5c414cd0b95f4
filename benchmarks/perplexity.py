"""What a small perplexity model makes of sources that it never saw: ``python -m benchmarks.perplexity``.

Trained as CCNet trains, on an encyclopaedia (Korean) or on documentation (English) alone, with a vocabulary that
fits so little text. The figures say that the machinery works and how fast it is; cut-offs of a model this small are
for nothing else. Needs hanji[perplexity] and lmplz.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import data_directory, machine, rows, say
from hanji.classifiers.perplexity.cutoffs import CutOffs, exact_cutoffs
from hanji.classifiers.perplexity.programs import find
from hanji.classifiers.perplexity.scoring import PerplexityScorer
from hanji.classifiers.perplexity.training import PerplexitySettings, train_perplexity
from hanji.classifiers.texts import TextFile
from hanji.errors import HanjiError

TRAINED_ON = {"ko": ("bench_korquad1_dev_wiki",), "en": ("en_docs_vue", "en_gov_18f_handbook")}
SCORED = {
    "ko": (
        *("ko_docs_progit2", "ko_court_precedents", "ko_news_dps_fixture", "ko_petitions"),
        *("ko_seo_affiliate_products", "ko_nsmc_reviews", "ko_comments_korean_hate_speech"),
    ),
    "en": ("en_docs_progit2", "en_gutenberg_books", "en_email_spamassassin", "en_tweets_hate_davidson"),
}
TEXTS = 300
VOCABULARY = 6000


def measure(language: str) -> None:
    """Train, score some texts of each source, and say medians, shares by the percentiles of all, and speed."""
    sources = [TextFile(str(data_directory() / f"{name}.jsonl.gz")) for name in TRAINED_ON[language]]
    with tempfile.TemporaryDirectory() as scratch:
        made = train_perplexity(
            sources, Path(scratch) / language, language, PerplexitySettings(VOCABULARY, memory="500M")
        )
        scorer = PerplexityScorer(made.model, made.sentencepiece)
        found: dict[str, np.ndarray] = {}
        size = seconds = 0.0
        for name in SCORED[language]:
            texts = [row["text"] for row, _ in zip(rows(name), range(TEXTS), strict=False) if row.get("text")]
            started = time.process_time()
            values = scorer.score(texts)
            seconds += time.process_time() - started
            size += sum(len(text.encode()) for text in texts) / 1e6
            found[name] = values[~np.isnan(values)]
    head, middle = exact_cutoffs(lambda: found.values())
    say(f"\n## {language}: trained on {made.texts:,} texts, {made.pieces:,} pieces\n")
    say("| source | median perplexity | head | middle | tail |\n|---|---|---|---|---|")
    for name, values in sorted(found.items(), key=lambda item: float(np.median(item[1]))):
        shares = np.bincount(CutOffs(head, middle).places(values), minlength=3) / len(values)
        say(f"| {name} | {np.median(values):,.0f} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
    say(
        f"\nhead below {head:.0f}, middle below {middle:.0f}: the 30th and 60th percentile of all these; held-out "
        f"texts of the training's kind: {made.head:.0f} and {made.middle:.0f}; {size / seconds:.1f} MB/s of "
        f"processor time ({size:.1f} MB)"
    )


def main() -> None:
    try:
        find("lmplz")
        import kenlm  # noqa: F401
        import sentencepiece  # noqa: F401
    except (HanjiError, ImportError) as error:
        say(f"skipped: {error}")
        sys.exit(0)
    say(machine())
    for language in TRAINED_ON:
        measure(language)


if __name__ == "__main__":
    main()
