"""The perplexities of a finished run, and their exact percentiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.classifiers.perplexity.cutoffs import exact_cutoffs
from hanji.curation.finished import FinishedRun, open_finished
from hanji.curation.scoring import PERPLEXITY
from hanji.errors import InputError


@dataclass(frozen=True)
class RunCutOffs:
    """How many documents of a language have a perplexity, and below which ones the shares asked for lie."""

    documents: int
    cuts: list[float]


def run_cutoffs(path: str, shares: Sequence[float], *, kept: bool = True) -> dict[str, RunCutOffs]:
    """The cut-offs of each language that the run's recipe has a model for, of its kept documents or of all it read.

    Raises InputError for what is no finished run, or one without perplexities.
    """
    run = open_finished(path)
    languages = sorted(run.recipe.get("perplexity", {}))
    if not languages:
        raise InputError(f"{path}: its recipe has no perplexity, so no document has one")
    found = {}
    for language in languages:
        count = sum(len(values) for values in _perplexities(run, language, kept))
        cuts = exact_cutoffs(lambda language=language: _perplexities(run, language, kept), shares)  # type: ignore[misc]
        found[language] = RunCutOffs(count, cuts)
    return found


def _perplexities(run: FinishedRun, language: str, kept: bool) -> Iterator[np.ndarray]:
    """Perplexities of one range of ids after the other, float64."""
    for number in range(run.partitions):
        columns = ["id", "status", "language", PERPLEXITY]
        facts = run.storage.read_table(run.gathered[number].files["facts"].path, columns)
        wanted = pc.and_(pc.equal(facts["language"], language), pc.is_valid(facts[PERPLEXITY]))
        if kept:
            ledger = run.storage.read_table(run.ledgers[number].files["ledger"].path, ["id", "verdict"])
            ids = ledger.filter(pc.equal(ledger["verdict"], "kept"))["id"]
            wanted = pc.and_(
                wanted, pc.is_in(facts["id"], value_set=pa.array(ids.to_pylist(), pa.large_string()))
            )
        yield facts.filter(pc.fill_null(wanted, False))[PERPLEXITY].to_numpy()
