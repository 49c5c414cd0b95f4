"""What a language model is asked, and how its answer is read.

The scale is additive, an idea of FineWeb-Edu (Penedo et al., arXiv 2406.17557), which has it from Yuan et al.
(arXiv 2401.10020): five criteria, a point for each that is met. The wording, in ``educational_ko.txt`` and
``educational_en.txt``, is this project's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

from hanji.errors import RecipeError
from hanji.fingerprint import fingerprint

HIGHEST = 5

_SCORE = re.compile(
    r"(?:점수|총점|score)[\"'*_`]*\s*(?:[:：=은는]|is)?\s*[\"'*_`<]*\s*(?P<score>\d+(?:\.\d+)?)(?!\d|\s*(?:부터|to\b))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Prompt:
    """A prompt with a place for the text, of which it shows at most the first ``characters``."""

    language: str
    template: str
    characters: int

    def message(self, text: str) -> str:
        return self.template.replace("{text}", text[: self.characters])

    def version(self) -> str:
        """Its language and a hash of its wording and of how much text it shows: part of the key of an answer."""
        return f"{self.language}-{fingerprint([self.template, self.characters])[:12]}"


def prompt(language: str, characters: int = 4000, template: str | None = None) -> Prompt:
    """The prompt of a language, "ko" or "en"; ``template`` is another wording, with ``{text}`` for the text.

    Raises RecipeError for another language or a template without a place for the text.
    """
    if language not in ("ko", "en"):
        raise RecipeError(f"language: {language!r} is not allowed: ko or en")
    if template is not None and "{text}" not in template:
        raise RecipeError("prompt: has no {text}, the place where the text goes")
    own = resources.files(__package__).joinpath(f"educational_{language}.txt")
    return Prompt(language, (template or own.read_text("utf-8")).strip(), characters)


def read_score(answer: str) -> int | None:
    """The score that an answer ends with; None if it gives none, or none from 0 to 5 in whole points."""
    found = list(_SCORE.finditer(answer))
    if not found:
        return None
    written = found[-1]["score"]
    return int(written) if written.isdigit() and int(written) <= HIGHEST else None
