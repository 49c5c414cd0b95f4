"""The one module that touches fastText.

Stock fasttext 0.9.3 breaks on numpy 2 in ``predict`` (``np.array(copy=False)``), prints a warning at every
load, and three distributions install a module of its name; all of that is dealt with here.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hanji.errors import InputError, RecipeError, RunError
from hanji.fingerprint import file_sha256

LABEL = "__label__"


@dataclass(frozen=True)
class Prediction:
    """The most probable label, without its prefix, and its probability."""

    label: str
    probability: float


class FastTextModel:
    """A loaded model. Texts are single lines: line ends become spaces, as fastText would split on them."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.sha256 = file_sha256(self.path)
        with _quiet():
            import fasttext

            try:
                self._model: Any = fasttext.load_model(str(self.path))
            except (ValueError, RuntimeError, MemoryError) as error:
                raise InputError(f"{self.path}: not a fastText model: {error}") from None

    def labels(self) -> list[str]:
        """The model's labels without prefix. Raises InputError for a model that is no classifier."""
        try:
            return [label.removeprefix(LABEL) for label in self._model.get_labels()]
        except ValueError as error:
            raise InputError(f"{self.path}: {error}") from None

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """The best label of each text. A text without any known feature has label "" and probability 0."""
        # Straight to the C++ model: the Python wrapper's numpy call fails on numpy 2.
        labels, probabilities = self._model.f.multilinePredict(
            [one_line(text) + "\n" for text in texts], 1, 0.0, "replace"
        )
        return [
            Prediction(label[0].removeprefix(LABEL), min(float(p[0]), 1.0)) if label else Prediction("", 0.0)
            for label, p in zip(labels, probabilities, strict=True)
        ]

    def best(self, texts: Sequence[str], count: int) -> list[list[Prediction]]:
        """The ``count`` most probable labels of each text, best first; none for one without known features."""
        labels, probabilities = self._model.f.multilinePredict(
            [one_line(text) + "\n" for text in texts], count, 0.0, "replace"
        )
        return [
            [Prediction(n.removeprefix(LABEL), min(float(p), 1.0)) for n, p in zip(names, found, strict=True)]
            for names, found in zip(labels, probabilities, strict=True)
        ]

    def probability(self, texts: Sequence[str], label: str) -> list[float]:
        """Probability of one label for each text, in [0, 1]."""
        wanted = LABEL + label
        found = []
        for text in texts:
            pairs = self._model.f.predict(one_line(text) + "\n", -1, 0.0, "replace")
            found.append(next((min(float(p), 1.0) for p, name in pairs if name == wanted), 0.0))
        return found


def one_line(text: str) -> str:
    """A text without the characters at which fastText ends a line or splits words unseen."""
    return text.translate(_BREAKS)


_BREAKS = {ord(c): " " for c in "\n\r\v\f\0\u0085\u2028\u2029"}
# Lone surrogates have no form in UTF-8, in which fastText takes its texts.
_BREAKS |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


@lru_cache(maxsize=8)
def _cached(path: str, size: int, modified: int) -> FastTextModel:
    return FastTextModel(path)


def load(path: str | Path, expected_sha256: str | None = None) -> FastTextModel:
    """The model at a path, loaded once a process. Raises InputError if missing, broken or another one."""
    target = Path(path)
    try:
        status = target.stat()
    except OSError:
        raise InputError(f"{target}: no such model file") from None
    model = _cached(str(target), status.st_size, status.st_mtime_ns)
    if expected_sha256 is not None and model.sha256 != expected_sha256:
        raise InputError(f"{target}: sha256 is {model.sha256}, expected {expected_sha256}")
    return model


@dataclass(frozen=True)
class Training:
    """fastText's supervised parameters. One thread: with more, the same data gives other models."""

    lr: float = 0.1
    dim: int = 100
    epoch: int = 5
    word_ngrams: int = 2
    min_count: int = 1
    bucket: int = 2_000_000
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise RecipeError(f"rate: {self.lr} is not allowed: above 0")
        for name in ("dim", "epoch", "word_ngrams", "min_count", "bucket", "threads"):
            if not 1 <= getattr(self, name) < 2**31:
                raise RecipeError(f"{name}: {getattr(self, name)} is not allowed: 1 to {2**31 - 1}")
        if not 0 <= self.seed < 2**31:
            raise RecipeError(f"seed: {self.seed} is not allowed: 0 to {2**31 - 1}")


def train(lines: str | Path, output: str | Path, settings: Training) -> tuple[float, list[str]]:
    """Train on a file of ``__label__x text`` lines and save the model; returns (rate used, notes).

    A run that ends in NaN (fastText throws) is tried again with half the rate, up to four times, and the
    notes say so. Raises RunError if none works, and RecipeError for a file without lines.
    """
    notes: list[str] = []
    rate = settings.lr
    target = Path(output)
    _check_output(target)
    for _ in range(5):
        try:
            model = _train_once(lines, settings, rate)
        except RuntimeError as error:
            notes.append(f"learning rate {rate:g} failed ({error}); trying {rate / 2:g}")
            rate /= 2
            continue
        except ValueError as error:
            raise RecipeError(f"no text is left to train on (a share is held out): {error}") from None
        except MemoryError:
            raise RunError(
                f"a model of {settings.bucket:,} buckets and {settings.dim:,} dimensions does not fit in memory"
            ) from None
        temporary = target.with_name(f".{target.name}.part")
        try:
            model.save_model(str(temporary))
            temporary.replace(target)
        except (OSError, ValueError) as error:
            raise RunError(f"{target}: cannot be written: {error}") from None
        return rate, notes
    raise RunError(f"fastText found no rate that works: {'; '.join(notes)}")


def _check_output(path: Path) -> None:
    """Make the directory of a model to be. Raises RecipeError for a path that no model can have.

    What stands beside a model is named after it, so that its own name must end in something else.
    """
    if path.suffix != ".bin":
        raise RecipeError(f"--output: {path}: the name of a model ends in .bin")
    if path.is_dir():
        raise RecipeError(f"--output: {path}: is a directory")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecipeError(f"--output: {path}: {error.strerror or error}") from None


def _train_once(lines: str | Path, settings: Training, rate: float) -> Any:
    with _quiet(), _zeroed_memory():
        import fasttext

        model = fasttext.train_supervised(
            input=str(lines),
            lr=rate,
            dim=settings.dim,
            epoch=settings.epoch,
            wordNgrams=settings.word_ngrams,
            minCount=settings.min_count,
            bucket=settings.bucket,
            thread=settings.threads,
            seed=settings.seed,
            loss="softmax",
            verbose=0,
        )
    norm = float(abs(model.get_output_matrix()).max())
    if not math.isfinite(norm):
        raise RuntimeError("the weights are not finite")
    return model


# glibc's mallopt parameter: fill what malloc gives out with the complement of this byte.
_M_PERTURB = -6


@contextlib.contextmanager
def _zeroed_memory() -> Iterator[None]:
    """Have malloc give out zeroed memory for a while.

    fastText 0.9.3 allocates its input matrix without clearing it and, below ten threads, fills only
    threads / 10 of it with its random start (``DenseMatrix::uniform``). The rest is whatever the process
    left there: models that differ from run to run, or NaN. Elsewhere than on glibc this does nothing;
    large blocks come zeroed from the system there too, unless they are reused.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(_M_PERTURB, 0xFF)
    try:
        yield
    finally:
        mallopt(_M_PERTURB, 0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the C++ side and the wrapper print on standard error."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            saved = os.dup(2)
        except OSError:
            yield
            return
        try:
            with Path(os.devnull).open("w") as null:
                sys.stderr.flush()
                os.dup2(null.fileno(), 2)
                yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
