"""Filters and formatters as a team would have them: what a recipe names by module and class."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
from datatrove.pipeline.formatters.base import BaseFormatter
from datatrove.utils.word_tokenizers import WordTokenizer


class NoWord(BaseFilter):
    """Drops texts with a word, and fails on those with another."""

    name = "no word"

    def __init__(self, word: str, bad: str = "\0", most: int = 0) -> None:
        super().__init__()
        self.word, self.bad, self.most = word, bad, most

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        if self.bad in doc.text:
            raise ValueError(f"cannot read {self.bad}")
        found = doc.text.count(self.word)
        return True if found <= self.most else (False, f"{self.word} stands {found} times")


class Batches(NoWord):
    """The same in batches, as a classifier on an accelerator would take them."""

    def __init__(self, word: str, bad: str = "\0") -> None:
        super().__init__(word, bad)
        self.batch_size = 3
        self.sizes: list[int] = []

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        self.sizes.append(len(batch))
        return [self.filter(doc) for doc in batch]


class Marks(BaseFilter):
    """Leaves a note in the metadata and changes the text, and keeps everything."""

    name = "marks"

    def filter(self, doc: Document) -> bool:
        doc.metadata["length"] = len(doc.text)
        doc.text = doc.text.replace("\n\n", "\n")
        return True


class Noted(BaseFilter):
    """Drops what an earlier block noted as long."""

    name = "noted"

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def filter(self, doc: Document) -> bool:
        return bool(doc.metadata["length"] <= self.most)


class Replace(BaseFormatter):
    """A formatter of one regular expression."""

    name = "replace"

    def __init__(self, pattern: str, by: str) -> None:
        super().__init__()
        self.pattern, self.by = re.compile(pattern), by

    def format(self, text: str) -> str:
        return self.pattern.sub(self.by, text)


class Surrogate(BaseFormatter):
    name = "surrogate"

    def format(self, text: str) -> str:
        return text + "\ud800"


class Remembers(BaseFilter):
    """A deduplication: what depends on the documents before."""

    name = "remembers"

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, doc: Document) -> bool:
        known = doc.text in self.seen
        self.seen.add(doc.text)
        return not known


class Draws(BaseFilter):
    name = "draws"

    def filter(self, doc: Document) -> bool:
        return random.random() < 0.5


class Hangs(BaseFilter):
    """A regular expression that backtracks for years, on texts with a word."""

    name = "hangs"

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def filter(self, doc: Document) -> bool:
        if self.word in doc.text:
            return re.match(r"(a+)+$", "a" * 60 + "b") is None
        return True


class Offline(BaseFilter):
    name = "offline"

    def filter(self, doc: Document) -> bool:
        raise ConnectionError("no route to host")


class OwnStream(BaseFilter):
    name = "own stream"

    def filter(self, doc: Document) -> bool:
        return True

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        yield from data


class NeedsMore(BaseFilter):
    name = "needs more"
    _requires_dependencies = [("a_module_that_is_not_there", "a-distribution")]

    def filter(self, doc: Document) -> bool:
        return True


class TakesFunction(BaseFilter):
    name = "takes a function"

    def __init__(self, judge: Callable[[Document], bool]) -> None:
        super().__init__()
        self.judge = judge

    def filter(self, doc: Document) -> bool:
        return self.judge(doc)


class Incomplete(BaseFilter):
    name = "incomplete"


class Plain:
    """No block at all."""


class Spaces(WordTokenizer):
    """Words between spaces: a tokenizer that needs no package, for Korean as for English."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return [part for part in re.split(r"(?<=[.?!])\s+", text) if part]

    def span_tokenize(self, text: str) -> Iterable[tuple[int, int]]:  # type: ignore[override]
        return [(match.start(), match.end()) for match in re.finditer(r"[^.?!]+[.?!]*\s*", text)]


class KoreanGopher(GopherQualityFilter):
    """Gopher's rules with a tokenizer of the team's own."""

    def __init__(self, min_doc_words: int = 50) -> None:
        super().__init__(min_doc_words=min_doc_words, min_avg_word_length=2, min_stop_words=0)
        self.language = Spaces("ko")
