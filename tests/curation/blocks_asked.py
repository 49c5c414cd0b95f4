"""Documents asked by our chain, and by datatrove's own pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from curation_corpus import ENGLISH, KOREAN, article

from hanji.curation.blocks.chain import Answer, Chain, Question
from hanji.curation.blocks.resolve import resolve
from hanji.curation.recipe import Block


def texts(language: str) -> dict[str, str]:
    """Texts that each filter finds something in: whole ones, lists, repeats, code, notices, addresses."""
    bank = KOREAN if language == "ko" else ENGLISH
    found = {f"{language}-{number}": article(language, number, 12 + 4 * number) for number in range(8)}
    found |= {
        "short": bank[0] + ".",
        "repeats": "\n".join([bank[1] + "."] * 30),
        "bullets": "\n".join(f"- {line}" for line in bank * 3),
        "ellipses": "\n".join(f"{line}..." for line in bank * 3),
        "hashes": " ".join(f"# {line}." for line in bank * 3),
        "brackets": article(language, 91) + "\nfunction f() { return 1; }.",
        "script": article(language, 92) + "\nPlease enable JavaScript to read this page.",
        "lorem": article(language, 93) + "\nLorem ipsum dolor sit amet, consectetur.",
        "policy": article(language, 94) + "\nBy reading on you accept our cookie policy today.",
        "cited": article(language, 95).replace(". ", ".[3] "),
        "long word": article(language, 96) + "\n" + "a" * 1200 + " is a word.",
        "unfinished": article(language, 97).replace(".\n", "\n") + "\n\n  no full stop here  ",
        "mail": article(language, 98) + " Write to a.b@mail.example or c@d.example or e@f.example, 8.8.8.8.",
        "symbols": article(language, 99).replace("\n", "\n=====\n-----\n") + "\n***",
        "broken": article(language, 90) + " The price â€œrisesâ€\x9d &lt;b&gt;.",
        "windows": article(language, 89).replace("\n", "\r\n"),
        "numbers": "\n".join(f"{number} {number * 7} {number * 13}." for number in range(200)),
    }
    found["paragraphs"] = "\n".join(
        article(language, number, 12).replace("\n", " ") for number in range(80, 84)
    )
    return found


class Dropped:
    """Stands where datatrove writes what it drops: the reason of each."""

    def __init__(self) -> None:
        self.reasons: dict[str, str | None] = {}

    def __enter__(self) -> Dropped:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, doc: Any, rank: int) -> None:
        self.reasons[doc.id] = doc.metadata.get("filter_reason")


def by_datatrove(steps: Sequence[Any], documents: dict[str, str], **metadata: Any) -> dict[str, Any]:
    """What datatrove's own pipeline makes of documents: the text, or ("dropped", reason)."""
    from datatrove.data import Document

    dropped = Dropped()
    stream: Iterator[Any] = iter(
        [Document(text=text, id=identity, metadata=dict(metadata)) for identity, text in documents.items()]
    )
    for step in steps:
        step.exclusion_writer = dropped
        stream = step.run(stream)
    return {doc.id: doc.text for doc in stream} | {i: ("dropped", why) for i, why in dropped.reasons.items()}


def ask(blocks: list[dict[str, Any]], documents: dict[str, str], language: str = "en") -> dict[str, Answer]:
    """What our chain makes of them."""
    chain = Chain(resolve([Block(**block) for block in blocks], ["ko", "en"]))
    questions = [Question(i, language, text, [], {"language": language}) for i, text in documents.items()]
    return dict(zip(documents, chain.ask(questions), strict=True))


def as_datatrove(answers: dict[str, Answer]) -> dict[str, Any]:
    return {
        identity: answer.text if answer.verdict is None else (answer.verdict.status, answer.verdict.detail)
        for identity, answer in answers.items()
    }
