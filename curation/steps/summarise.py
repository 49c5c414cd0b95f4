"""Summarise: what one range of ids adds to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.decisions.rules import Rule
from hanji.curation.records import TEXT
from hanji.curation.report.domains import count_domains
from hanji.curation.report.histograms import count_signals
from hanji.curation.report.metrics import summarise
from hanji.curation.report.tiers import count_epochs
from hanji.curation.scoring import PREDICTED
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.stages import Upsampling

VERSION = 4


def summarise_partition(
    attempt: Attempt,
    work: tuple[Commit, Commit, Commit],
    rules: Mapping[str, Sequence[Rule]],
    upsamplings: Sequence[Upsampling] = (),
) -> Outcome:
    """Partial metrics of one ledger partition, handed on in the commit record.

    ``rules`` by language; ``upsamplings`` those of the recipe's stages.
    """
    gathered, ledger_commit, counts = work
    ledger = attempt.run.read_table(ledger_commit.files["ledger"].path)
    tokens = attempt.run.read_table(counts.files["counts"].path)
    texts = attempt.run.read_table(gathered.files["text"].path)

    def text_of(ids: list[str]) -> dict[str, str]:
        rows = texts.filter(pc.is_in(texts["id"], pa.array(ids, TEXT)))
        return dict(zip(rows["id"].to_pylist(), rows["text"].to_pylist(), strict=True))

    partial = summarise(ledger, text_of, tokens)
    facts = attempt.run.read_table(gathered.files["facts"].path)
    partial["signals"] = count_signals(facts, rules)
    if PREDICTED in facts.column_names:
        partial["signals"]["predicted_domains"] = count_domains(facts)
    if upsamplings:
        partial["epochs"] = count_epochs(ledger, tokens, upsamplings)
    return Outcome(info={"partial": partial})
