"""datatrove's filters as blocks, against datatrove's own pipeline: the same answers, and what asking costs.

Peer: the pinned datatrove in this environment, its steps chained by ``run`` over the same documents. Run as
``python -m benchmarks.blocks`` with the extra ``datatrove`` installed.
"""

from __future__ import annotations

import importlib.util
from itertools import islice
from typing import Any

from benchmarks.harness import Row, cpu_seconds, interleaved, median, report, rows, say
from hanji.curation.blocks.chain import Chain, Question
from hanji.curation.blocks.resolve import resolve
from hanji.curation.recipe import Block

SOURCES = {
    "en": ("en_docs_vue", "en_docs_progit2", "en_email_spamassassin", "en_gutenberg_books"),
    "ko": ("ko_news_dps_fixture", "ko_docs_d2l", "ko_docs_vue", "ko_petitions"),
}
DOCUMENTS = 50
LONGEST = 10_000
MOST_TIME = 1.15
# English words for both languages: Kiwi, which datatrove takes for Korean, is no dependency.
CHAIN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SymbolLinesFormatter", {}),
    ("GopherRepetitionFilter", {"language": "eng"}),
    ("C4QualityFilter", {"language": "eng", "filter_no_terminal_punct": False, "min_num_sentences": 3}),
    ("GopherQualityFilter", {"language": "eng", "min_avg_word_length": 2, "min_stop_words": 0}),
    ("FineWebQualityFilter", {"language": "eng", "line_punct_thr": 0.05}),
    ("FTFYFormatter", {}),
)


class _Dropped:
    def __init__(self, reasons: dict[str, Any]) -> None:
        self._reasons = reasons

    def __enter__(self) -> _Dropped:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, doc: Any, rank: int) -> None:
        self._reasons[doc.id] = ("dropped", doc.metadata.get("filter_reason"))


def by_datatrove(texts: dict[str, str]) -> dict[str, Any]:
    """Text or (dropped, reason) of each document, by datatrove's own pipeline."""
    from datatrove.data import Document
    from datatrove.pipeline import filters, formatters

    answers: dict[str, Any] = {}
    stream: Any = (Document(text=text, id=identity) for identity, text in texts.items())
    for name, args in CHAIN:
        step = getattr(filters, name, None) or getattr(formatters, name)
        made = step(**args)
        made.exclusion_writer = _Dropped(answers)
        stream = made.run(stream)
    return answers | {doc.id: doc.text for doc in stream}


def by_blocks(chain: Chain, texts: dict[str, str], language: str) -> dict[str, Any]:
    """The same by our chain; the edits are made, as in a run."""
    questions = [Question(identity, language, text, [], {}) for identity, text in texts.items()]
    return {
        identity: answer.text if answer.verdict is None else (answer.verdict.status, answer.verdict.detail)
        for identity, answer in zip(texts, chain.ask(questions), strict=True)
    }


def main() -> None:
    """Compare answers and CPU time by language."""
    if importlib.util.find_spec("datatrove") is None or importlib.util.find_spec("spacy") is None:
        say("skipped: pip install 'hanji[datatrove]'")
        return
    chain = Chain(resolve([Block(datatrove=name, args=args) for name, args in CHAIN], ["ko", "en"]))
    table = []
    for language, sources in SOURCES.items():
        texts = {
            f"{source} {place}": row["text"][:LONGEST]
            for source in sources
            for place, row in enumerate(islice(rows(source), DOCUMENTS))
        }
        theirs, ours = by_datatrove(texts), by_blocks(chain, texts, language)
        equal = sum(theirs[identity] == ours[identity] for identity in texts)
        dropped = sum(isinstance(answer, tuple) for answer in theirs.values())
        changed = sum(isinstance(answer, str) and answer != texts[i] for i, answer in theirs.items())
        table.append(
            Row(
                f"{language}: answers ({dropped} dropped, {changed} changed)",
                f"{len(texts)}",
                f"{equal} equal",
                f"{equal / len(texts):.4f}",
                "all",
                equal == len(texts),
            )
        )
        # Fresh chains of both: datatrove keeps the words of the last texts it has split.
        taken = interleaved(
            {
                "peer": lambda texts=texts: cpu_seconds(lambda: by_datatrove(texts)),
                "ours": lambda texts=texts, language=language: cpu_seconds(
                    lambda: by_blocks(chain, texts, language)
                ),
            },
            rounds=3,
        )
        peer, own = median(taken["peer"]), median(taken["ours"])
        rate = len(texts)
        table.append(
            Row(
                f"{language}: documents a CPU second",
                f"{rate / peer:,.0f}",
                f"{rate / own:,.0f}",
                f"{own / peer:.2f}× the time",
                f"at most {MOST_TIME}×",
                own <= MOST_TIME * peer,
            )
        )
    report("datatrove's filters as blocks", table, [f"Chain: {', '.join(name for name, _ in CHAIN)}."])


if __name__ == "__main__":
    main()
