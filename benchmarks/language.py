"""Language of text: our recall and false positives against lid.176's at the same recall, and the cost.

``python -m benchmarks.language``. The peer is fastText's lid.176.ftz as other pipelines use it: on the text
with line ends made spaces. Its threshold on P(en) is set so that its recall on the same English snippets is
ours. False positives are the mean, over the other languages, of the share of snippets called Korean or
English; languages of both halves count alike. Cost is CPU time a document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.harness import Row, cpu_seconds, interleaved, median, report
from benchmarks.language_corpus import APART, ENGLISH, KOREAN, WHOLE, Snippet, documents, snippets
from hanji.classifiers import fasttext_model
from hanji.classifiers.language import LanguageIdentifier, find_lid
from hanji.curation.recipe import LanguageModels

SIZES = (100, 200, 400, WHOLE)
BAR_RECALL, BAR_RATIO, BAR_SECONDS = 0.99, 1 / 3, 0.000_15


def main() -> None:
    identifier = LanguageIdentifier(LanguageModels())
    model = fasttext_model.load(find_lid())
    table, notes = [], []
    for size in SIZES:
        found = snippets(size)
        ours = np.array([guess.language for guess in identifier.identify([s.text for s in found])])
        english = np.array(model.probability([s.text for s in found], "en"))
        korean = np.array(model.probability([s.text for s in found], "ko"))
        for part, halves in (("chosen on", (0,)), ("unseen", (1,)), ("all", (0, 1))):
            rows_of = [at for at, s in enumerate(found) if s.half in halves]
            some = [found[at] for at in rows_of]
            name = f"{'whole' if size == WHOLE else size} ({part})"
            table += _accuracy(name, some, ours[rows_of], english[rows_of], korean[rows_of])
        called: dict[str, list[bool]] = defaultdict(list)
        for snippet, language in zip(found, ours, strict=True):
            if snippet.language in APART:
                called[snippet.language].append(language == "en")
        shares = ", ".join(f"{name} {np.mean(values):.2f}" for name, values in sorted(called.items()))
        notes.append(f"Called English at {'whole' if size == WHOLE else size}, apart: {shares}.")
    table.append(_cost(identifier, model))
    report("Language of text", table, notes)


def _accuracy(
    name: str, found: Sequence[Snippet], ours: np.ndarray, english: np.ndarray, korean: np.ndarray
) -> list[Row]:
    truth = np.array([s.language for s in found])
    made = []
    matched = {}
    for language, scores in (("ko", korean), ("en", english)):
        recall = float(np.mean(ours[truth == language] == language))
        wanted = np.sort(scores[truth == language])
        # The highest threshold at which the peer finds at least as many as we do.
        threshold = wanted[min(int(np.floor((1 - recall) * len(wanted))), len(wanted) - 1)]
        matched[language] = float(threshold)
        peer = float(np.mean(scores[truth == language] >= 0.5))
        what = f"recall of {language}, {name}"
        bar = f"≥ {BAR_RECALL}"
        made.append(Row(what, f"{peer:.4f} at P ≥ 0.5", f"{recall:.4f}", "", bar, recall >= BAR_RECALL))
    theirs = (english >= matched["en"]) | (korean >= matched["ko"])
    peer, us = (_macro(truth, called) for called in (theirs, (ours == "en") | (ours == "ko")))
    # Which label is the most probable: how lid.176 is mostly used, below any threshold.
    ratio = us / peer if peer else float(us > 0)
    made.append(
        Row(
            f"false ko or en, {name}",
            f"{peer:.4f} at P(en) ≥ {matched['en']:.3f}",
            f"{us:.4f}",
            f"{ratio:.2f}",
            "≤ 1/3",
            ratio <= BAR_RATIO,
        )
    )
    return made


def _macro(truth: np.ndarray, called: np.ndarray) -> float:
    """Mean over the other languages of the share that is called Korean or English."""
    others = sorted(set(truth.tolist()) - APART - {"ko", "en"})
    return float(np.mean([called[truth == language].mean() for language in others]))


def _cost(identifier: LanguageIdentifier, model: fasttext_model.FastTextModel) -> Row:
    """Of documents of about 5,000 characters, as many Korean as English, sources alike."""
    texts = [
        text[:5_000]
        for names in (KOREAN, ENGLISH)
        for _, _, text in list(documents(names, 40, at_least=2_500))[:200]
    ]
    identifier.identify(texts[:4])
    taken = interleaved(
        {
            "ours": lambda: cpu_seconds(lambda: identifier.identify(texts)),
            "peer": lambda: cpu_seconds(lambda: model.predict(texts)),
        }
    )
    ours, peer = (median(taken[name]) / len(texts) for name in ("ours", "peer"))
    mean = int(np.mean([len(text.encode()) for text in texts]))
    return Row(
        f"CPU a document of {mean:,} bytes",
        f"{peer * 1e3:.3f} ms on all of it",
        f"{ours * 1e3:.3f} ms",
        f"{ours / peer:.2f}",
        f"≤ {BAR_SECONDS * 1e3:.2f} ms",
        ours <= BAR_SECONDS,
    )


if __name__ == "__main__":
    main()
