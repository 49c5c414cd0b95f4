"""Repeated lines: how many documents have each line, and the lines that go for it, as edits.

1. *repeated-send*, by split: the hash of every line, once a document, with what tells the document from others,
   sent by hash.
2. *repeated-count*, by hash: in how many documents a line stands. Lines above their language's ``green`` are
   written to relations/lines, and each split that has one is sent its colour.
3. *repeated*, by split: the colours of its lines, the pattern in which they stand, and rows in edits/.

A document counts as what its longest line is: copies of a text, and versions that share that line, count once. So
what is mirrored often does not become boilerplate by it (docs/repeated-lines.md). No text leaves its split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from hanji.curation.exchange import Sender, Stretch, hash_partition, receive, send, sending
from hanji.curation.ids import as_bytes, packed
from hanji.curation.recipe import LineThresholds, RepeatedLines
from hanji.curation.records import EDITS, TEXT, Edit, edits_table
from hanji.curation.repeated import kernels
from hanji.curation.repeated.removal import STEP, removal_edits
from hanji.curation.repeated.scanning import Lines, scan
from hanji.curation.steps.texts import Group, SplitWork, groups, split_verdicts
from hanji.curation.verdicts import Verdict, verdicts_table
from hanji.curation.work import Attempt, Outcome

VERSION = 2
SEND_ROWS = 4_000_000
MOST_DOCUMENTS = 128
"""Documents of a line up to which they are counted, and that a split sends at most, so that no line is too much."""

# "document": the hash of the document's longest line; "head": the first 64 bits of its id; "split": who asks.
ASKED = pa.schema(
    [
        ("hash", pa.uint64()),
        ("document", pa.uint64()),
        ("head", pa.uint64()),
        ("language", pa.uint8()),
        ("split", pa.int32()),
    ]
)
ANSWERS = pa.schema([("hash", pa.uint64()), ("colour", pa.uint8())])
LINES = pa.schema(
    [
        ("language", TEXT),
        # Of the line's letters and digits (curation/repeated/kernels.py), within its language.
        ("hash", pa.uint64()),
        # Counted below MOST_DOCUMENTS, from there on estimated.
        ("documents", pa.int64()),
        # "yellow" or "red".
        ("colour", TEXT),
        # A document that has the line: the first 16 digits of the smallest id.
        ("example", TEXT),
    ]
)
COLOURS = ("green", "yellow", "red")
REASONS = (f"{STEP}.single", f"{STEP}.yellow", f"{STEP}.red", f"{STEP}.short")
"""Of an edit, by the colour of its line."""


def send_lines(
    attempt: Attempt, work: tuple[int, SplitWork], languages: tuple[str, ...], partitions: int
) -> Outcome:
    """Send the lines of a split to the homes of their hashes; ``languages`` are those that have thresholds."""
    number, split = work
    with sending(attempt, "lines", partitions) as sender:
        waiting: list[pa.Table] = []
        for group in groups(attempt.run, split):
            waiting.append(_asked(group, number, languages))
            if sum(map(len, waiting)) >= SEND_ROWS:
                _send(sender, waiting, partitions)
                waiting = []
        _send(sender, waiting, partitions)
    return Outcome(info={"lines": sender.index})


def _asked(group: Group, number: int, languages: tuple[str, ...]) -> pa.Table:
    """A row of ASKED for every line of a group."""
    lines = scan(group.texts, group.languages)
    codes = {language: code for code, language in enumerate(languages)}
    language = np.array([codes.get(name, 255) for name in group.languages.to_pylist()], np.uint8)
    document = lines.documents()
    rows = np.flatnonzero(language[document] != 255)
    document = document[rows]
    head = np.ascontiguousarray(as_bytes(packed(group.ids))[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
    columns = [lines.hashes[rows], lines.longest()[document], head[document], language[document]]
    columns.append(np.full(len(rows), number, np.int32))
    return pa.table([pa.array(column) for column in columns], schema=ASKED)


def _send(sender: Sender, waiting: list[pa.Table], partitions: int) -> None:
    if waiting:
        table = pa.concat_tables(waiting).combine_chunks()
        table = table.take(pa.array(_enough(*(table[name].to_numpy() for name in ASKED.names[:3]))))
        sender.add(table, hash_partition(table["hash"].to_numpy(), partitions))


def _enough(line: np.ndarray, document: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The rows that have to be sent, by line: of each its MOST_DOCUMENTS smallest documents, each once; int64.

    Of several ids of one document it is the smallest. Most lines stand once and are left unsorted.
    """
    order = np.argsort(line)
    same = line[order[1:]] == line[order[:-1]]
    often = np.append(same, False) | np.append(False, same) if len(order) else np.zeros(0, bool)
    rows = order[often]
    rows = rows[np.lexsort((head[rows], document[rows], line[rows]))]
    first, rank = _ranks(line[rows], document[rows])
    return np.concatenate([order[~often], rows[first & (rank < MOST_DOCUMENTS)]])


def _ranks(line: np.ndarray, document: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rows sorted by line and document: whether it is the first of both; how many documents are before it."""
    if not len(line):
        return np.zeros(0, bool), np.zeros(0, np.int64)
    new = np.append(True, line[1:] != line[:-1])
    first = new | np.append(True, document[1:] != document[:-1])
    number = np.cumsum(first) - 1
    return first, number - number[np.flatnonzero(new)][np.cumsum(new) - 1]


def _documents(count: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """In how many documents lines stand, int64, of how many were seen and the MOST_DOCUMENTS-th smallest of them.

    Below MOST_DOCUMENTS that is how many were seen. Above, k documents whose hashes are smallest, and lie between 0
    and ``largest`` of 2^64, estimate them as (k - 1) · 2^64 / largest (Bar-Yossef et al. 2002, k minimum values).
    """
    estimate = np.rint((MOST_DOCUMENTS - 1) * 2.0**64 / np.maximum(largest.astype(np.float64), 1.0))
    return np.where(count < MOST_DOCUMENTS, count, np.maximum(estimate, MOST_DOCUMENTS)).astype(np.int64)


def count_lines(
    attempt: Attempt,
    work: tuple[int, list[Stretch], None],
    thresholds: Mapping[str, LineThresholds],
    splits: int,
) -> Outcome:
    """Write relations/lines of one range of hashes, sorted by hash; send the splits the colours they asked for."""
    _, parts, _ = work
    asked = receive(attempt.run, parts, ASKED)
    values = [asked[name].to_numpy() for name in ASKED.names]
    order = np.lexsort((values[2], values[1], values[0]))
    line, document, head, language, split = (column[order] for column in values)
    rows = len(line)
    first = np.flatnonzero(np.append(True, line[1:] != line[:-1])) if rows else np.zeros(0, np.int64)
    new, rank = _ranks(line, document)
    seen = np.add.reduceat(new.astype(np.int64), first) if rows else np.zeros(0, np.int64)
    # What was cut away before it was sent, and where, must not show: only the smallest documents are looked at.
    among = rank < MOST_DOCUMENTS
    largest = np.maximum.reduceat(np.where(among, document, 0), first) if rows else np.zeros(0, np.uint64)
    most = np.uint64(0xFFFFFFFFFFFFFFFF)
    examples = np.minimum.reduceat(np.where(among, head, most), first) if rows else np.zeros(0, np.uint64)
    documents = _documents(seen, largest)
    names = sorted(thresholds)
    green = np.array([thresholds[name].green for name in names])[language[first]]
    red = np.array([thresholds[name].red for name in names])[language[first]]
    colour = ((documents > green).astype(np.uint8) + (documents > red)).astype(np.uint8)
    chosen = np.flatnonzero(colour != kernels.GREEN)
    table = pa.table(
        {
            "language": pa.array(names, TEXT).take(pa.array(language[first][chosen])),
            "hash": pa.array(line[first][chosen], pa.uint64()),
            "documents": pa.array(documents[chosen], pa.int64()),
            "colour": pa.array(COLOURS, TEXT).take(pa.array(colour[chosen])),
            "example": pa.array([f"{value:016x}" for value in examples[chosen].tolist()], TEXT),
        }
    ).cast(LINES)
    attempt.write_table("lines", "relations/lines", table)
    # Back to those who asked: each split and line once, by split and hash.
    of_row = np.repeat(colour, np.diff(np.append(first, rows)))
    repeated = np.flatnonzero(of_row != kernels.GREEN)
    order = repeated[np.lexsort((line[repeated], split[repeated]))]
    line, split, of_row = line[order], split[order], of_row[order]
    if len(order):
        once = np.append(True, (line[1:] != line[:-1]) | (split[1:] != split[:-1]))
        line, split, of_row = line[once], split[once], of_row[once]
    answers = pa.table([pa.array(line, pa.uint64()), pa.array(of_row, pa.uint8())], schema=ANSWERS)
    counted = {
        name: {
            "lines": int((language[first] == code).sum()),
            "yellow": int((colour[language[first] == code] == kernels.YELLOW).sum()),
            "red": int((colour[language[first] == code] == kernels.RED).sum()),
        }
        for code, name in enumerate(names)
    }
    index = send(attempt, "answers", answers, split.astype(np.int64), splits)
    return Outcome(info={"answers": index, "counted": counted})


def mark_split(
    attempt: Attempt, work: tuple[int, list[Stretch], SplitWork], settings: RepeatedLines
) -> Outcome:
    """Write the edits of one split, with books: a document of which no line would be left is dropped instead.

    Its rule is ``repeated.empty``, its value the number of its lines. It is not edited.
    """
    _, parts, split = work
    answers = receive(attempt.run, parts, ANSWERS).sort_by("hash")
    before = split_verdicts(attempt.run, split)
    counts = {"in": 0, "kept": 0, "dropped": 0, "failed": 0}
    verdicts: dict[str, Verdict] = {}
    reasons: Counter[str] = Counter()
    sizes: list[int] = []
    letters = [0, 0]
    left_alone = 0
    with attempt.table_writer("edits", "edits", EDITS) as writer:
        for group in groups(attempt.run, split):
            lines = scan(group.texts, group.languages)
            colours = _colours(lines, answers, settings)
            keep = np.ones(len(lines), np.bool_)
            kernels.keep_by_pattern(colours, lines.bounds, settings.bridge, settings.keep_single, keep)
            left_alone += kernels.remove_lines(
                colours,
                lines.kinds,
                lines.letters,
                lines.bounds,
                settings.keep_headings,
                settings.max_share,
                keep,
            )
            known = np.array([name in settings.thresholds for name in group.languages.to_pylist()], bool)
            keep |= ~known[lines.documents()]
            letters[0] += int(lines.letters.sum())
            letters[1] += int(lines.letters[~keep].sum())
            edits: list[tuple[str, Edit]] = []
            dropped = 0
            for place in np.unique(lines.documents()[~keep]).tolist():
                identity = group.ids[place].as_py()
                here = slice(int(lines.bounds[place]), int(lines.bounds[place + 1]))
                if not keep[here].any():
                    if identity not in before:
                        verdicts[identity] = _emptied(here.stop - here.start)
                        dropped += 1
                    continue
                found = removal_edits(
                    group.texts[place].as_py(),
                    group.edits.get(identity, []),
                    lines.starts[here].tolist(),
                    lines.ends[here].tolist(),
                    keep[here].tolist(),
                    [REASONS[colour] for colour in colours[here].tolist()],
                )
                reasons.update(edit.reason for edit in found)
                edits += [(identity, edit) for edit in found]
            counts["in"] += len(group)
            counts["dropped"] += dropped
            counts["kept"] += len(group) - dropped
            sizes.append(len(edits))
            writer.write(edits_table(edits))
    attempt.write_table("verdicts", "verdicts", verdicts_table(verdicts.items()))
    return Outcome(
        counts,
        {
            "groups": sizes,
            "edits": dict(sorted(reasons.items())),
            "letters": letters[0],
            "removed_letters": letters[1],
            "left_alone": left_alone,
        },
    )


def _colours(lines: Lines, answers: pa.Table, settings: RepeatedLines) -> np.ndarray:
    """The colour of each line, uint8: what its split was told, GREEN where that is nothing."""
    colours = np.zeros(len(lines), np.uint8)
    known = answers["hash"].to_numpy()
    if len(known):
        place = np.minimum(np.searchsorted(known, lines.hashes), len(known) - 1)
        hit = known[place] == lines.hashes
        colours[hit] = answers["colour"].to_numpy()[place[hit]]
    colours[(colours != kernels.GREEN) & (lines.letters < settings.min_letters)] = kernels.NEUTRAL
    return colours


def _emptied(lines: int) -> Verdict:
    rule = f"{STEP}.empty"
    return Verdict("dropped", STEP, rule, value=float(lines), detail="no line would be left", rules=(rule,))
