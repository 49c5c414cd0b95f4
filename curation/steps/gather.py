"""Gather: each document finds its home in the id space, and equal ones become one.

Sent by split, received by range of the id. From here on nothing depends on how the inputs were cut into
splits. Records with the same source, key and payload have the same id: they become one document with an
``occurrences`` count, whose locators are the smallest ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat, pieces, run_lengths, run_starts
from hanji.curation.exchange import Sender, Stretch, id_partition, receive, sending
from hanji.curation.model_recipe import Domains
from hanji.curation.records import DOCUMENTS, TEXT
from hanji.curation.scoring import chosen_domain, score_field
from hanji.curation.signals import morphemes
from hanji.curation.signals.text import SIGNALS
from hanji.curation.steps.measure import SIGNAL_ROWS, scores_schema
from hanji.curation.steps.morphemes import MORPHEME_ROWS
from hanji.curation.steps.texts import Group, Rows, SplitWork, groups, split_verdicts
from hanji.curation.verdicts import VERDICT_FACTS, verdict_facts
from hanji.curation.work import Attempt, Outcome
from hanji.errors import RunError

VERSION = 4
SEND_BYTES = 128_000_000
SEND_ROWS = 100_000
GROUP_BYTES, GROUP_ROWS = 16 << 20, 16_384
"""What a row group of gathered/text holds at most, if one document is not more: later steps take one at a time."""

FACTS = pa.schema(
    [column for column in DOCUMENTS if column.name != "text"]
    + [pa.field("edited_bytes", pa.int64()), pa.field("score", pa.float64())]
    + [pa.field(name, pa.int64()) for name in SIGNALS if name not in DOCUMENTS.names]
    + list(VERDICT_FACTS)
)
TEXTS = pa.schema([("id", TEXT), ("text", TEXT)])


def facts_schema(with_morphemes: bool, scores: Sequence[str] = ()) -> pa.Schema:
    """The facts of a run: with Kiwi's counts where a rule judges morphemes, and with scores of its own."""
    more = [pa.field(name, pa.int64()) for name in (morphemes.COLUMNS if with_morphemes else ())]
    return pa.schema([*FACTS, *more, *(score_field(name) for name in scores)])


_LOCATORS = [("id", "ascending"), ("path", "ascending"), ("offset", "ascending"), ("url", "ascending")]


def send_split(
    attempt: Attempt,
    work: SplitWork,
    partitions: int,
    columns_of_scores: Sequence[str],
    placed: Domains | None = None,
) -> Outcome:
    """Send the facts of every document of a split, and the edited text of those that were read.

    Texts go out whenever SEND_BYTES of them are there, and the facts when they are as many as SEND_ROWS.
    ``columns_of_scores``: what signals/quality has beside ``score``. Where domains are ``placed``, the predicted
    one takes the place of the source's in the facts, and so in all that follows; documents/ keeps that.
    """
    run = attempt.run
    assert work.signals is not None
    signals = Rows(run, work.signals.files["signals"].path, SIGNAL_ROWS)
    of_scores = scores_schema(columns_of_scores)
    scores = Rows(run, work.score.files["score"].path, of_scores) if work.score else None
    schema = facts_schema(work.morphemes is not None, columns_of_scores)
    by_kiwi = (
        Rows(run, work.morphemes.files["morphemes"].path, MORPHEME_ROWS)
        if work.morphemes is not None
        else None
    )
    verdicts = split_verdicts(run, work)
    columns = [name for name in DOCUMENTS.names if name != "text"]
    with sending(attempt, "facts", partitions) as facts, sending(attempt, "text", partitions) as texts:
        some_facts, some_texts = _Buffer(facts, partitions), _Buffer(texts, partitions)
        for group in groups(run, work, columns):
            measured = _measured(group, _aligned(signals.take(len(group)), group, work, "signals/text"))
            if scores is not None:
                scored = _aligned(scores.take(len(group)), group, work, "signals/quality")
            else:
                scored = of_scores.empty_table().take(pa.nulls(len(group), pa.int64()))
            for name in of_scores.names[1:]:
                measured = measured.append_column(name, scored[name])
            if placed is not None:
                own = group.documents.filter(pc.equal(group.documents["status"], "read"))["domain"]
                measured = measured.append_column("domain", chosen_domain(own, scored, placed))
            if by_kiwi is not None:
                counts = _aligned(by_kiwi.take(len(group)), group, work, "signals/morphemes")
                for name in morphemes.COLUMNS:
                    measured = measured.append_column(name, counts[name])
            some_facts.add(_facts(group, measured, verdicts, schema))
            some_texts.add(pa.table({"id": group.ids, "text": group.texts}))
        some_facts.send()
        some_texts.send()
    return Outcome(info={"facts": facts.index, "text": texts.index})


class _Buffer:
    """Rows that wait until sending them is worth a stretch a partition."""

    def __init__(self, sender: Sender, partitions: int) -> None:
        self._sender = sender
        self._partitions = partitions
        self._tables: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        self._tables.append(table)
        if sum(t.nbytes for t in self._tables) >= SEND_BYTES or sum(map(len, self._tables)) >= SEND_ROWS:
            self.send()

    def send(self) -> None:
        if self._tables:
            table = pa.concat_tables(self._tables)
            self._sender.add(table, id_partition(table["id"], self._partitions))
            self._tables = []


def _measured(group: Group, signals: pa.Table) -> pa.Table:
    measured = pa.table({"id": group.ids, "edited_bytes": pc.binary_length(group.texts).cast(pa.int64())})
    for name in SIGNALS:
        # Signals whose name a document column has already (characters) are the text pass's, after edits.
        measured = measured.append_column(name, signals[name].cast(pa.int64()))
    return measured


def _facts(
    group: Group, measured: pa.Table, verdicts: dict[str, dict[str, Any]], schema: pa.Schema
) -> pa.Table:
    """Facts of all documents of a group: what was measured is null for those that were not read."""
    of_verdicts = verdict_facts(group.ids.to_pylist(), verdicts)
    for name in of_verdicts.column_names:
        measured = measured.append_column(name, of_verdicts[name])
    facts = group.documents.drop_columns("text")
    read = pc.equal(facts["status"], "read").to_numpy(zero_copy_only=False)
    place = np.full(len(facts), -1)
    place[read] = np.arange(len(group))
    index = pa.array(place, mask=~read)
    for name in measured.column_names[1:]:
        column = measured[name].take(index)
        position = facts.schema.get_field_index(name)
        if position >= 0:
            kept = pc.if_else(pa.array(read), column, facts[name])
            facts = facts.set_column(position, name, kept)
        else:
            facts = facts.append_column(name, column)
    return facts.select(schema.names).cast(schema)


def receive_partition(
    attempt: Attempt,
    work: tuple[int, list[Stretch], list[Stretch]],
    with_morphemes: bool,
    columns_of_scores: Sequence[str],
) -> Outcome:
    """Write gathered/facts and gathered/text of one range of ids, sorted by id, each id once."""
    _, fact_parts, text_parts = work
    facts = receive(attempt.run, fact_parts, facts_schema(with_morphemes, columns_of_scores))
    # Of one record in two places, one reading may have timed out: the one that went through stands for both.
    failed = pc.fill_null(pc.equal(facts["verdict_status"], "failed"), False)
    unread = pc.or_(pc.not_equal(facts["status"], "read"), failed).cast(pa.int8())
    identity, *locators = _LOCATORS
    keys = facts.select([name for name, _ in _LOCATORS]).append_column("unread", unread)
    order = pc.sort_indices(keys, [identity, ("unread", "ascending"), *locators])
    rows_in = len(facts)
    first = run_starts(facts.select(["id"]).take(order), ["id"])
    counts = run_lengths(first, rows_in)
    facts = facts.take(order.take(pa.array(first))).append_column("occurrences", pa.array(counts, pa.int64()))
    texts = receive(attempt.run, text_parts, TEXTS)
    order = pc.sort_indices(texts["id"])
    texts = texts.take(order.take(pa.array(run_starts(texts.select(["id"]).take(order), ["id"]))))
    attempt.write_table("facts", "gathered/facts", facts)
    with attempt.table_writer("text", "gathered/text", TEXTS) as writer:
        sizes = pc.binary_length(texts["text"]).to_numpy().astype(np.int64)
        for start, stop in pieces(np.maximum(sizes, GROUP_BYTES // GROUP_ROWS), GROUP_BYTES):
            writer.write(texts.slice(start, stop - start))
    info = {"records": rows_in, "documents": len(first), "languages": languages_digest(facts)}
    return Outcome(info=info)


def languages_digest(facts: pa.Table) -> str:
    """A hash of the languages of the texts of some facts in their order: what signing reads beside the texts."""
    read = facts.filter(pc.equal(facts["status"], "read"))
    spoken = pc.fill_null(flat(read["language"]), "").dictionary_encode()
    digest = hashlib.blake2b(json.dumps(spoken.dictionary.to_pylist()).encode(), digest_size=16)
    digest.update(spoken.indices.to_numpy(zero_copy_only=False).astype("<i4").tobytes())
    return digest.hexdigest()


def _aligned(table: pa.Table, group: Group, work: SplitWork, what: str) -> pa.Table:
    if len(table) == len(group) and (not len(group) or flat(table["id"]).equals(group.ids)):
        return table
    raise RunError(
        f"{what} of split {work.read.unit} does not line up with its documents; remove its commit records"
    )
