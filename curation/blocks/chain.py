"""Documents through the blocks of a recipe, one after the other, each with its answer.

As in a datatrove pipeline, a document that a filter drops is shown to no later block (but to those that ask
for it), and what a block leaves in a document's text or metadata the next one sees. An exception is the
failure of its document alone. An answer must depend on the document alone: some are asked twice.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from hanji.curation.blocks.differences import STEP, Revision
from hanji.curation.blocks.needs import start_document
from hanji.curation.blocks.resolve import Resolved
from hanji.curation.records import Edit
from hanji.curation.verdicts import Verdict
from hanji.errors import RunError

ASKED_TWICE = 16
ASKED_TWICE_CHARACTERS = 200_000
MESSAGE = 200
Item = TypeVar("Item")


@dataclass(frozen=True)
class Question:
    """A document as a block sees it: its text before any edit, the edits so far, and datatrove's metadata."""

    id: str
    language: str
    text: str
    edits: Sequence[Edit]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The text after the blocks, the edits that make it so, and the verdict if there is one."""

    text: str
    edits: list[Edit]
    verdict: Verdict | None


class _TimeUp(BaseException):
    """The document's time is over. No Exception, so that a block which catches those does not catch it."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise _TimeUp in the body once so many seconds have passed, and again each second after.

    By SIGALRM, and therefore in the main thread alone (elsewhere nothing is bounded): it stops Python code
    and regular expressions, but no native call that never comes back to the interpreter.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    armed = True

    def ring(*_: Any) -> None:
        if armed:
            raise _TimeUp

    started = time.monotonic()
    previous = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001), interval)


class _State:
    """One document on its way."""

    def __init__(self, question: Question, document_class: Callable[..., Any]) -> None:
        self.question = question
        self.revision = Revision(question.text, question.edits)
        self.document = document_class(
            text=self.revision.text, id=question.id, metadata=dict(question.metadata)
        )
        self.failed: str | None = None
        self.dropped: list[tuple[str, str | None]] = []

    def take_text(self, text: str, rule: str) -> None:
        """Take over the text that a block has left."""
        if text != self.revision.text:
            self.revision.replace(text, rule)
        self.document.text = text

    def answer(self, by: str) -> Answer:
        if self.failed is None:
            try:
                edits = self.revision.edits()
            except ValueError as error:
                self.failed, edits = f"{by}: {error}", []
        if self.failed is not None:
            # What failed half way is left as it came.
            text = Revision(self.question.text, self.question.edits).text
            return Answer(text, [], Verdict("failed", STEP, "block-error", detail=self.failed))
        verdict = None
        if self.dropped:
            rule, reason = self.dropped[0]
            rules = tuple(dict.fromkeys(rule for rule, _ in self.dropped))
            verdict = Verdict("dropped", STEP, rule, detail=reason, rules=rules)
        return Answer(self.revision.text, edits, verdict)


class Chain:
    """The blocks of a recipe, built once a process."""

    def __init__(self, blocks: Sequence[Resolved]) -> None:
        from datatrove.data import Document

        self._document_class: Callable[..., Any] = Document
        self._blocks = list(blocks)
        self._made = [block.make() for block in blocks]
        self._group = max([1, *(getattr(made, "batch_size", 1) for made in self._made)])

    def ask(self, questions: Sequence[Question], *, again: bool = True) -> list[Answer]:
        """An answer for each document, in order.

        Documents go through all blocks one by one (or in groups, where a block takes batches): datatrove
        keeps the words of its last texts, so filters that split the same text split it once. ``again`` asks
        the first of them a second time, and raises RunError if a block answers otherwise.
        """
        answers: list[Answer] = []
        for group in _batched(questions, self._group):
            answers += self._through(group)
        if again:
            self._ask_again(questions, answers)
        return answers

    def _ask_again(self, questions: Sequence[Question], answers: Sequence[Answer]) -> None:
        """The first documents once more, last first: memory and chance show themselves."""
        chosen: list[int] = []
        room = ASKED_TWICE_CHARACTERS
        for place, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            room -= len(question.text)
            if len(chosen) == ASKED_TWICE or room < 0:
                break
            if answer.verdict is None or answer.verdict.status != "failed":
                chosen.append(place)
        again: list[Answer] = []
        for group in _batched((questions[place] for place in reversed(chosen)), self._group):
            again += self._through(group)
        for place, second in zip(reversed(chosen), again, strict=True):
            first = answers[place]
            slow = second.verdict is not None and second.verdict.status == "failed"
            if first != second and not slow:
                rule = next((a.verdict.rule for a in (first, second) if a.verdict), None)
                names = rule or ", ".join(block.rule for block in self._blocks)
                raise RunError(
                    f"{names}: document {questions[place].id} got another answer when it was asked about again: "
                    "the block remembers other documents or draws by chance, so that another order of the "
                    "inputs would keep other documents; a block must judge each document by itself"
                )

    def _through(self, questions: Sequence[Question]) -> list[Answer]:
        states = [_State(question, self._document_class) for question in questions]
        for place, block in enumerate(self._blocks):
            standing = [
                state
                for state in states
                if state.failed is None
                and (block.settings.all or not state.dropped)
                and (block.languages is None or state.question.language in block.languages)
            ]
            for batch in _batched(standing, getattr(self._made[place], "batch_size", 1)):
                self._ask_batch(place, batch)
        changed_by = ", ".join(block.name for block in self._blocks)
        return [state.answer(changed_by) for state in states]

    def _ask_batch(self, place: int, batch: Sequence[_State]) -> None:
        """Ask one block about a batch; if that fails, about each document alone."""
        block = self._blocks[place]
        try:
            with bounded(block.settings.timeout_seconds * len(batch)):
                results = self._results(block, self._made[place], batch)
        except _TimeUp:
            error = f"more than {block.settings.timeout_seconds:g} seconds"
            self._made[place] = block.make()  # whatever it was in the middle of
        except (OSError, MemoryError) as trouble:
            # Trouble of the machine is nobody's failure: it is tried again, and then ends the run.
            where = f"{block.rule}, document {batch[0].question.id}"
            raise OSError(f"{where}: {type(trouble).__name__}: {trouble}") from trouble
        except Exception as exception:
            message = " ".join(str(exception).split())[:MESSAGE]
            error = f"{type(exception).__name__}: {message}" if message else type(exception).__name__
        else:
            for state, (keep, reason, text) in zip(batch, results, strict=True):
                state.take_text(text if keep else state.revision.text, block.rule)
                if not keep:
                    state.dropped.append((block.rule, reason))
            return
        for state in batch:
            state.document.text = state.revision.text
        if len(batch) == 1:
            batch[0].failed = f"{block.name}: {error}"
        else:
            for state in batch:
                self._ask_batch(place, [state])

    def _results(
        self, block: Resolved, made: Any, batch: Sequence[_State]
    ) -> list[tuple[bool, str | None, str]]:
        """(kept, reason, text left) of each document; whatever is wrong with them raises."""
        start_document(made)
        if block.kind == "formatter":
            return [(True, None, _checked(made.format(state.revision.text))) for state in batch]
        answers = list(made.filter_batch([state.document for state in batch]))
        if len(answers) != len(batch):
            raise ValueError(f"{len(answers)} answers for {len(batch)} documents")
        results = []
        for state, answer in zip(batch, answers, strict=True):
            keep, reason = answer if isinstance(answer, tuple) else (answer, None)
            text = _checked(state.document.text) if keep else ""
            results.append((bool(keep), None if reason is None else str(reason), text))
        return results


def _checked(text: Any) -> str:
    """A text that can be stored. Raises TypeError or, for lone surrogates, UnicodeEncodeError."""
    if not isinstance(text, str):
        raise TypeError(f"left {type(text).__name__} as the text")
    text.encode()
    return text


def _batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
