"""Gather: each document finds its home in the id space, and equal ones become one.

Sent by split, received by range of the id. From here on nothing depends on how the inputs were cut into
splits. Records with the same source, key and payload have the same id: they become one document with an
``occurrences`` count, whose locators are the smallest ones.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import run_lengths, run_starts
from hanji.curation.exchange import Stretch, id_partition, receive, send
from hanji.curation.records import DOCUMENTS, TEXT
from hanji.curation.signals.text import SIGNALS
from hanji.curation.steps.texts import SplitWork, edited_texts, read_documents, split_verdicts
from hanji.curation.verdicts import VERDICT_FACTS, verdict_facts
from hanji.curation.work import Attempt, Outcome
from hanji.errors import RunError

VERSION = 3

FACTS = pa.schema(
    [column for column in DOCUMENTS if column.name != "text"]
    + [pa.field("edited_bytes", pa.int64()), pa.field("score", pa.float64())]
    + [pa.field(name, pa.int64()) for name in SIGNALS if name not in DOCUMENTS.names]
    + list(VERDICT_FACTS)
)
TEXTS = pa.schema([("id", TEXT), ("text", TEXT)])
_LOCATORS = [("id", "ascending"), ("path", "ascending"), ("offset", "ascending"), ("url", "ascending")]


def send_split(attempt: Attempt, work: SplitWork, partitions: int) -> Outcome:
    """Send the facts of every document of a split, and the edited text of those that were read."""
    run = attempt.run
    columns = [name for name in DOCUMENTS.names if name != "text"]
    documents = read_documents(run, work.read, columns)
    texts = edited_texts(run, work)
    measured = pa.table({"id": texts.ids, "edited_bytes": pc.binary_length(texts.texts).cast(pa.int64())})
    assert work.signals is not None
    signals = run.read_table(work.signals.files["signals"].path)
    _check_aligned(signals["id"], texts.ids, work.read.unit, "signals/text")
    for name in SIGNALS:
        # Signals whose name a document column has already (characters) are the text pass's, after edits.
        measured = measured.append_column(name, signals[name].cast(pa.int64()))
    score = pa.nulls(len(texts), pa.float64())
    if work.score is not None:
        scores = run.read_table(work.score.files["score"].path)
        _check_aligned(scores["id"], texts.ids, work.read.unit, "signals/quality")
        score = scores["score"]
    measured = measured.append_column("score", score)
    verdicts = verdict_facts(texts.ids.to_pylist(), split_verdicts(run, work))
    for name in verdicts.column_names:
        measured = measured.append_column(name, verdicts[name])

    read = pc.equal(documents["status"], "read").to_numpy(zero_copy_only=False)
    place = np.full(len(documents), -1)
    place[read] = np.arange(len(texts))
    index = pa.array(place, mask=~read)
    facts = documents
    for name in measured.column_names[1:]:
        column = measured[name].take(index)
        position = facts.schema.get_field_index(name)
        if position >= 0:
            kept = pc.if_else(pa.array(read), column, facts[name])
            facts = facts.set_column(position, name, kept)
        else:
            facts = facts.append_column(name, column)
    facts = facts.select(FACTS.names).cast(FACTS)
    text_table = pa.table({"id": texts.ids, "text": texts.texts})
    return Outcome(
        info={
            "facts": send(attempt, "facts", facts, id_partition(facts["id"], partitions)),
            "text": send(attempt, "text", text_table, id_partition(texts.ids, partitions)),
        }
    )


def receive_partition(attempt: Attempt, work: tuple[int, list[Stretch], list[Stretch]]) -> Outcome:
    """Write gathered/facts and gathered/text of one range of ids, sorted by id, each id once."""
    _, fact_parts, text_parts = work
    facts = receive(attempt.run, fact_parts, FACTS)
    # Of one record in two places, one reading may have timed out: the one that went through stands for both.
    failed = pc.fill_null(pc.equal(facts["verdict_status"], "failed"), False)
    unread = pc.or_(pc.not_equal(facts["status"], "read"), failed).cast(pa.int8())
    identity, *locators = _LOCATORS
    facts = facts.append_column("unread", unread).sort_by([identity, ("unread", "ascending"), *locators])
    facts = facts.drop_columns("unread")
    rows_in = len(facts)
    first = run_starts(facts, ["id"])
    counts = run_lengths(first, rows_in)
    facts = facts.take(pa.array(first)).append_column("occurrences", pa.array(counts, pa.int64()))
    texts = receive(attempt.run, text_parts, TEXTS).sort_by("id")
    texts = texts.take(pa.array(run_starts(texts, ["id"])))
    attempt.write_table("facts", "gathered/facts", facts)
    attempt.write_table("text", "gathered/text", texts)
    return Outcome(info={"records": rows_in, "documents": len(first)})


def _check_aligned(got: pa.ChunkedArray, expected: pa.Array, unit: str, what: str) -> None:
    if not got.combine_chunks().equals(expected):
        raise RunError(
            f"{what} of split {unit} does not line up with its documents; remove its commit records"
        )
