"""Training a perplexity model: good prose in, a SentencePiece model, a KenLM model and their card out.

As CCNet does it (its Makefile): the normal form of each text is a line; SentencePiece's unigram model with a
character coverage of 0.9995; an n-gram model of the pieces with modified Kneser-Ney smoothing, estimated by lmplz
on disk.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hanji.classifiers.card_data import data_facts
from hanji.classifiers.cards import check_place, write_card
from hanji.classifiers.perplexity import normal
from hanji.classifiers.perplexity.cutoffs import HEAD_SHARE, MIDDLE_SHARE, exact_cutoffs
from hanji.classifiers.perplexity.programs import find, run
from hanji.classifiers.perplexity.scoring import (
    INSTALL,
    MODEL,
    PIECES,
    PerplexityScorer,
    encoded,
    piece_model,
)
from hanji.classifiers.preparing import without_surrogates
from hanji.classifiers.texts import HashedTexts, Text, TextSource, held_out_byte
from hanji.classifiers.trained_on import write_trained_on
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256, library_versions

HELD_OUT_BYTES = 26
"""Texts whose hash begins with a byte below this are held out, a tenth: the card has the percentiles of these."""
COVERAGE = 0.9995
_LONGEST_LINE = 1 << 26
_AT_ONCE = 1024
_MEMORY = re.compile(r"\d+(\.\d+)?[bKMGTP%]")
_TOO_LARGE = re.compile(r"value <= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


@dataclass(frozen=True)
class PerplexitySettings:
    """What is trained: ``vocabulary`` pieces, n-grams up to ``order``.

    ``memory``: of lmplz while it sorts, as its option -S takes it. ``vocabulary_bytes``: text that SentencePiece
    learns from, which it holds in memory several times over.
    """

    vocabulary: int = 65_536
    order: int = 5
    memory: str = "2G"
    vocabulary_bytes: int = 100_000_000

    def __post_init__(self) -> None:
        if not _MEMORY.fullmatch(self.memory):
            raise RecipeError(
                f"memory: {self.memory!r} is not allowed: a number and K, M, G, T or %: 2G, 500M, 50%"
            )


@dataclass(frozen=True)
class PerplexityReport:
    """What training made: paths, how many texts and pieces, and the cut-offs of the held-out texts (NaN: none)."""

    model: str
    sentencepiece: str
    card: str
    texts: int
    pieces: int
    held_out: int
    head: float
    middle: float


def train_perplexity(
    sources: Sequence[TextSource],
    output: str | Path,
    language: str,
    settings: PerplexitySettings | None = None,
    *,
    most: int | None = None,
    told: Callable[[str], None] = lambda stage: None,
) -> PerplexityReport:
    """Write OUTPUT.arpa.bin, OUTPUT.sp.model and the card, OUTPUT.json and OUTPUT.md.

    OUTPUT.arpa.trained-on.parquet has hashes of what they were trained on. Of the texts at most ``most`` are used,
    chosen by hash. Lines lie on disk; SentencePiece works in one thread and lmplz in sorted order, so the same
    texts give the same models, whatever their files' order. ``told`` hears the name of each stage. Raises
    RecipeError where there are too few texts for the vocabulary, or the card's place is another model's, InputError
    where lmplz or build_binary is not to be found, RunError with what they said where they fail.
    """
    settings = settings or PerplexitySettings()
    lmplz, build_binary = find("lmplz"), find("build_binary")
    output = Path(output)
    model, pieces = output.with_name(output.name + MODEL), output.with_name(output.name + PIECES)
    check_place(model, "perplexity")
    _check_directory(output.parent)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as scratch:
        work = Path(scratch)
        told("texts")
        texts = HashedTexts(work)
        texts.fill(sources, need_labels=False)
        lines = work / "lines.txt"
        count = _write_lines(texts, most, lines)
        if not count:
            names = ", ".join(source.name for source in sources)
            raise RecipeError(
                f"no text of {language!r} to train on in {names}, without those that are held out"
            )
        told("sentencepiece")
        _train_pieces(lines, work / "pieces", settings)
        told("encode")
        total = _encode(lines, work / "pieces.model", work / "encoded.txt")
        told("lmplz")
        command = [str(lmplz), "-o", str(settings.order), "-S", settings.memory, "-T", f"{work}/sort"]
        command += ["--vocab_estimate", str(settings.vocabulary), "--discount_fallback", "--skip_symbols"]
        with (work / "encoded.txt").open("rb") as source, (work / "model.arpa").open("wb") as target:
            run(command, source, target)
        told("build_binary")
        run([str(build_binary), f"{work}/model.arpa", f"{work}/model.bin"])
        (work / "pieces.model").replace(pieces)
        (work / "model.bin").replace(model)
        told("held-out texts")
        scorer = PerplexityScorer(model, pieces)
        perplexities = _held_out(texts, most, scorer)
        write_trained_on(model, (text for _, text in texts.texts(most) if not _is_held_out(text)))
    head, middle = exact_cutoffs(lambda: [perplexities])
    card = {
        "kind": "perplexity",
        "language": language,
        "model": model.name,
        "sha256": file_sha256(model),
        "sentencepiece": pieces.name,
        "sentencepiece_sha256": file_sha256(pieces),
        "normal_form": normal.identity(),
        "texts": count,
        "pieces": total,
        "most": most,
        "training": asdict(settings),
        "data": data_facts(sources, labelled=False),
        "versions": library_versions("kenlm", "sentencepiece", "hanji"),
        "held_out": {
            "texts": len(perplexities),
            "head": {"share": HEAD_SHARE, "below": None if np.isnan(head) else head},
            "middle": {"share": MIDDLE_SHARE, "below": None if np.isnan(middle) else middle},
        },
        "limits": "Low perplexity is likeness to the texts of the training, not quality; perplexities and cut-offs "
        "of two models do not compare; the cut-offs above are of held-out texts of the training's own sources.",
    }
    path = write_card(model, card)
    return PerplexityReport(str(model), str(pieces), path, count, total, len(perplexities), head, middle)


def _check_directory(directory: Path) -> None:
    """Make the directory of the model. Raises RecipeError where nothing can be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise RecipeError(f"--output: {directory}: cannot be written: {error.strerror or error}") from None


def _write_lines(texts: HashedTexts, most: int | None, path: Path) -> int:
    """The normal forms of the texts that are not held out, one a line; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for _, text in texts.texts(most):
            line = "" if _is_held_out(text) else normal.normalise(without_surrogates(text.text))
            if line:
                file.write(line + "\n")
                count += 1
    return count


def _is_held_out(text: Text) -> bool:
    return held_out_byte(text) < HELD_OUT_BYTES


def _train_pieces(lines: Path, prefix: Path, settings: PerplexitySettings) -> None:
    try:
        import sentencepiece
    except ImportError:
        raise RecipeError(f"training needs SentencePiece, which is not installed: {INSTALL}") from None
    try:
        with prefix.with_suffix(".model").open("wb") as target:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_some_lines(lines, settings.vocabulary_bytes),
                model_writer=target,
                vocab_size=settings.vocabulary,
                hard_vocab_limit=True,
                character_coverage=COVERAGE,
                model_type="unigram",
                num_threads=1,
                max_sentence_length=_LONGEST_LINE,
                minloglevel=2,
            )
    except RuntimeError as error:
        raise RecipeError(_vocabulary_error(settings.vocabulary, str(error))) from None


def _vocabulary_error(vocabulary: int, said: str) -> str:
    """What SentencePiece said of a vocabulary that does not fit the texts, in our words."""
    if largest := _TOO_LARGE.search(said):
        return f"vocabulary: {vocabulary} pieces are too many for these texts: at most {largest[1]}"
    if smallest := _TOO_SMALL.search(said):
        return f"vocabulary: {vocabulary} pieces are fewer than the letters of these texts: at least {smallest[1]}"
    return f"SentencePiece cannot learn {vocabulary} pieces: {said}"


def _some_lines(path: Path, most_bytes: int) -> Iterator[str]:
    """The first lines, which are those of the smallest hashes: a random sample of the texts."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\n")
            most_bytes -= len(line.encode())
            if most_bytes <= 0:
                return


def _encode(lines: Path, model: Path, output: Path) -> int:
    """Write the pieces of each line; returns how many pieces there are."""
    status = model.stat()
    pieces = piece_model(str(model), status.st_size, status.st_mtime_ns)
    total = 0
    with lines.open(encoding="utf-8", newline="\n") as source, output.open("w", encoding="utf-8") as target:
        while batch := list(islice(source, _AT_ONCE)):
            for line in encoded(pieces, [one.rstrip("\n") for one in batch]):
                total += line.count(" ") + 1
                target.write(line + "\n")
    return total


def _held_out(texts: HashedTexts, most: int | None, scorer: PerplexityScorer) -> np.ndarray[Any, Any]:
    """Perplexities of the held-out texts."""
    some = (text.text for _, text in texts.texts(most) if _is_held_out(text))
    found = [np.zeros(0)]
    while batch := list(islice(some, _AT_ONCE)):
        found.append(scorer.score(batch))
    values = np.concatenate(found)
    return values[~np.isnan(values)]
