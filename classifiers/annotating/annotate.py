"""Annotation: texts in, scores 0 to 5 out, asked of an endpoint within limits; resumable at any point.

The order of texts is that of their hashes, so a run that stops early (a budget, a kill) has annotated a random
sample, and the next one goes on where it stopped.
"""

from __future__ import annotations

import itertools
import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from hanji.classifiers.annotating.asking import Limits, ask_all
from hanji.classifiers.annotating.cache import AnswerCache
from hanji.classifiers.annotating.endpoint import Endpoint
from hanji.classifiers.annotating.prompts import HIGHEST, Prompt
from hanji.classifiers.figures import Agreement, agreement
from hanji.classifiers.texts import HashedTexts, Text, TextSource, once, text_hash
from hanji.errors import InputError
from hanji.fingerprint import fingerprint
from hanji.progress import Progress, SilentProgress


@dataclass
class Annotated:
    """What annotation made. ``failed`` texts have no score, and ``left`` of all have no answer.

    ``stopped`` says why the run ended early, if it did; ``trouble`` why one of those without an answer has none.
    """

    output: str
    failures: str
    texts: int = 0
    cached: int = 0
    asked: int = 0
    scores: dict[int, int] = field(default_factory=dict)
    failed: int = 0
    left: int = 0
    spent: float = 0.0
    stopped: str | None = None
    trouble: str | None = None
    agreement: Agreement | None = None


def annotate(
    sources: Sequence[TextSource],
    output: str | Path,
    cache: str | Path,
    endpoint: Endpoint,
    prompt: Prompt,
    limits: Limits,
    *,
    most: int | None = None,
    per_site: int | None = None,
    again: bool = False,
    compare: str | Path | None = None,
    progress: Progress | None = None,
) -> Annotated:
    """Annotate texts and write ``output``: JSONL of text, score, source, model and prompt, in order of hashes.

    At most ``per_site`` texts of a site, and ``most`` in all, by hash. Answers are kept in ``cache``. One that
    could not be read as a score is kept too, told in OUTPUT.failures.jsonl, and asked for again only with
    ``again``; a text without an answer (the endpoint failed) is asked again by the next run. ``compare`` is a
    JSONL file of text and score from a person: its texts are annotated too, and the agreement is written to
    OUTPUT.agreement.json. Raises RunError when the endpoint refuses for good or answers nothing for long.
    """
    progress = progress or SilentProgress()
    output = Path(output)
    model = fingerprint_of(endpoint)
    truth = {} if compare is None else read_scores(compare)
    with tempfile.TemporaryDirectory() as scratch, AnswerCache(cache, model, prompt.version()) as answers:
        texts = HashedTexts(scratch)
        texts.fill(sources, need_labels=False)

        def wanted() -> Iterator[Text]:
            chosen = (text for text in once(texts.texts(per_site, "site")) if text.text not in truth)
            yield from itertools.islice(chosen, most)
            yield from (Text(text, None, "") for text in sorted(truth, key=text_hash))

        made = Annotated(str(output), f"{output}.failures.jsonl", texts=sum(1 for _ in wanted()))
        progress.step("annotate", made.texts, 0)
        asked = ask_all(wanted(), answers, endpoint, prompt, limits, again=again, advance=progress.advance)
        made.asked, made.cached, made.stopped = asked.asked, asked.cached, asked.stopped
        _write(wanted(), answers, endpoint, prompt, made)
        made.spent = answers.spent()
        if compare is not None:
            pairs = [
                (score, kept.score)
                for text, score in sorted(truth.items())
                if (kept := answers.get(text_hash(text))) is not None and kept.score is not None
            ]
            made.agreement = agreement([a for a, _ in pairs], [b for _, b in pairs])
            facts = {
                k: None if isinstance(v, float) and math.isnan(v) else v
                for k, v in asdict(made.agreement).items()
            }
            facts |= {"model": endpoint.model, "prompt": prompt.version(), "labels": Path(compare).name}
            with _replaced(Path(f"{output}.agreement.json")) as file:
                file.write(json.dumps(facts, ensure_ascii=False) + "\n")
    return made


def fingerprint_of(endpoint: Endpoint) -> str:
    """The model's name and a hash of the settings: the part of an answer's key that is the model."""
    return f"{endpoint.model}-{fingerprint(endpoint.settings())[:12]}"


def read_scores(path: str | Path) -> dict[str, int]:
    """Text → score of a JSONL file of a person's labels. Raises InputError naming the line that is not so."""
    found: dict[str, int] = {}
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, score = row["text"], row["score"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not an object with text and score: {error}") from None
        if not isinstance(text, str) or isinstance(score, bool) or score not in range(HIGHEST + 1):
            raise InputError(
                f"{path}:{number}: score is a whole number from 0 to {HIGHEST}, and text is text"
            )
        found[text] = int(score)
    if not found:
        raise InputError(f"{path}: has no labels")
    return found


def _write(
    texts: Iterator[Text], answers: AnswerCache, endpoint: Endpoint, prompt: Prompt, made: Annotated
) -> None:
    """Write the labels and the failures, whole or not at all."""
    scores: Counter[int] = Counter()
    facts = {"model": endpoint.model, "prompt": prompt.version()}
    with _replaced(Path(made.output)) as labels, _replaced(Path(made.failures)) as failures:
        for text in texts:
            kept = answers.get(text_hash(text.text))
            identity = {"id": text_hash(text.text).hex(), "source": text.site}
            if kept is not None and kept.score is not None:
                scores[kept.score] += 1
                row: dict[str, Any] = {**identity, "score": kept.score, **facts, "text": text.text}
                labels.write(json.dumps(row) + "\n")
                continue
            made.left += kept is None or kept.answer is None
            if kept is not None:
                made.failed += 1
                if kept.answer is None:
                    made.trouble = made.trouble or kept.failure
                row = {**identity, "failure": kept.failure, "answer": kept.answer, **facts}
                failures.write(json.dumps(row) + "\n")
    made.scores = dict(sorted(scores.items()))


@contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """A file that takes the place of another when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        yield file
    temporary.replace(path)
