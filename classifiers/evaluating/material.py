"""The texts of an evaluation: labelled ones and a pool, each once, in the order of their hash, on disk.

Labelled texts of sites that a model was trained on are left out, or counted (``Split``): a classifier knows a
site's menus and greetings by heart, and figures on them say nothing of other sites.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

from hanji.classifiers.language_scripts import HANGUL, JAMO, LATIN, survey
from hanji.classifiers.quality import HIGH, LOW
from hanji.classifiers.texts import HashedTexts, Text, TextFile, TextSource
from hanji.classifiers.trained_on import TrainedOn
from hanji.errors import InputError, RecipeError

Split = Literal["sites", "texts", "none"]
"""What of the labelled texts is left out: those of sites that a model was trained on, those that it was trained on
themselves, or nothing."""
_LOOKED_AT = 500
_FEW, _HALF = 0.1, 0.5
_OF_LANGUAGE = {"ko": "Korean", "en": "English"}


@dataclass
class Labelled:
    """Labelled texts: ``in_order`` gives (whether it is good, text).

    ``known_sites`` and ``known_texts``: rows of sites, and texts themselves, that a model was trained on;
    ``left_out``: rows that the split left out; ``disputed``: texts that have both labels, which are left out too.
    """

    texts: HashedTexts
    most: int | None = None
    known_sites: int = 0
    known_texts: int = 0
    left_out: int = 0
    disputed: int = 0
    sites_known: set[str] = field(default_factory=set)

    def in_order(self) -> Iterator[tuple[bool, Text]]:
        """The texts that have one label, in the order of their hash."""
        disputed = 0
        for _, rows in groupby(self.texts.texts(self.most), key=lambda row: row[1].text):
            found = list(rows)
            if len(found) > 1:
                disputed += 1
            else:
                yield found[0][0] == HIGH, found[0][1]
        self.disputed = disputed


def read_labelled(
    directory: Path,
    sources: Sequence[TextSource],
    known: Sequence[TrainedOn],
    split: Split,
    most: int | None = None,
) -> Labelled:
    """Put labelled texts on disk without those that the split leaves out.

    Every label is HIGH or LOW; of each, ``most`` texts are used, by hash. Raises RecipeError if the split leaves
    nothing of a kind, and says what to do.
    """
    directory.mkdir()
    made = Labelled(HashedTexts(directory), most)
    before: Counter[str] = Counter()
    kept: Counter[str] = Counter()

    def takes(text: Text) -> bool:
        before[text.label or ""] += 1
        of_site = any(one.has_site(text.site) for one in known)
        of_text = any(one.has_text(text) for one in known)
        made.known_sites += of_site
        made.known_texts += of_text
        if of_site:
            made.sites_known.add(text.site)
        out = (of_site and split == "sites") or (of_text and split != "none")
        made.left_out += out
        kept[text.label or ""] += not out
        return not out

    made.texts.fill(sources, takes=takes)
    if made.left_out and not (kept[HIGH] and kept[LOW]) and before[HIGH] and before[LOW]:
        what = "of sites that it was trained on" if split == "sites" else "that it was trained on"
        raise RecipeError(
            f"labels: of {before[HIGH]:,} good texts and {before[LOW]:,} others, {kept[HIGH]:,} and "
            f"{kept[LOW]:,} are left without those {what} "
            f"({_some(made.sites_known)}). Give texts of other sites, train with --hold-out sites, or take all of "
            "them with --split none, for figures that flatter the model"
        )
    return made


def read_pool(directory: Path, sources: Sequence[TextSource]) -> HashedTexts:
    """Put a pool's texts on disk; labels are not looked at."""
    directory.mkdir()
    made = HashedTexts(directory)
    made.fill((_Unlabelled(source) for source in sources), need_labels=False)
    return made


def told_apart(sources: Sequence[TextSource]) -> list[TextSource]:
    """Sources of which no two files have one name: tables by source would add up what has nothing in common.

    A file whose name another file has, too, is told with as many of its directories as tell them apart.
    """
    paths: dict[str, set[Path]] = {}
    for source in sources:
        if isinstance(source, TextFile):
            paths.setdefault(source.stem, set()).add(Path(source.path).absolute())
    found: list[TextSource] = []
    for source in sources:
        same = paths[source.stem] if isinstance(source, TextFile) else set()
        if len(same) < 2 or not isinstance(source, TextFile):
            found.append(source)
            continue
        mine = Path(source.path).absolute().parts
        deep = 1
        while sum(path.parts[-deep:] == mine[-deep:] for path in same) > 1:
            deep += 1
        found.append(_Told(source, "/".join(mine[-deep:])))
    return found


@dataclass(frozen=True)
class _Told:
    """A source under another name in tables by source; its texts' sites stay."""

    of: TextFile
    source: str

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def path(self) -> str:
        return self.of.path

    def identity(self) -> str:
        return self.of.identity()

    def __iter__(self) -> Iterator[Text]:
        for text in self.of:
            yield Text(text.text, text.label, text.site, self.source)


def looks_like(texts: Iterator[Text], language: str, what: str) -> str | None:
    """A warning where half of some texts are not written as a language is; None where they are.

    Raises RecipeError where hardly any are: a model's scores of another language order nothing.
    """
    seen = fitting = 0
    for text, _ in zip(texts, range(_LOOKED_AT), strict=False):
        mass = survey(text.text).mass
        total = float(mass[1:].sum())
        if not total:
            continue
        hangul = float(mass[HANGUL] + mass[JAMO]) / total
        seen += 1
        fitting += (
            hangul >= _FEW if language == "ko" else float(mass[LATIN]) / total >= _HALF and hangul < _FEW
        )
    if not seen or fitting >= _HALF * seen:
        return None
    said = f"{what}: {fitting:,} of {seen:,} texts looked at are written as {_OF_LANGUAGE[language]} is"
    if fitting < _FEW * seen:
        raise RecipeError(f"{said}; the model is for {_OF_LANGUAGE[language]}")
    return said


@dataclass(frozen=True)
class _Unlabelled:
    """A source whose texts have no label: a text that stands in it under two is one text of the pool."""

    of: TextSource

    @property
    def name(self) -> str:
        return self.of.name

    def identity(self) -> str:
        return self.of.identity()

    def __iter__(self) -> Iterator[Text]:
        for text in self.of:
            yield Text(text.text, None, text.site, text.source)


@dataclass(frozen=True)
class TwoKinds:
    """A labelled source whose labels are HIGH or LOW: each label of ``good`` is HIGH, each of ``others`` LOW.

    Raises InputError for any other label.
    """

    of: TextSource
    good: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.of.name

    def identity(self) -> str:
        return self.of.identity()

    def __iter__(self) -> Iterator[Text]:
        for number, text in enumerate(self.of, 1):
            if text.label == HIGH or text.label in self.good:
                label = HIGH
            elif text.label == LOW or text.label in self.others:
                label = LOW
            else:
                where = f"{getattr(self.of, 'path', self.of.name)}: text {number:,}"
                if text.label is None:
                    raise InputError(f"{where}: no field 'label' (labels of `annotate` need --from-score)")
                allowed = ", ".join(dict.fromkeys((*self.good, HIGH, LOW, *self.others)))
                raise InputError(f"{where}: label {text.label!r} is not allowed: one of {allowed}")
            yield Text(text.text, label, text.site, text.source)


def _some(names: set[str], most: int = 3) -> str:
    shown = ", ".join(sorted(names)[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
