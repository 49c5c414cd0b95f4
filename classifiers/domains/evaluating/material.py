"""The labelled texts of an evaluation of domains: each once, in the order of their hash, on disk.

Texts of sites that a model was trained on are left out, or counted (``Split``), as for models of good texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from hanji.classifiers.evaluating.material import Split
from hanji.classifiers.texts import HashedTexts, Text, TextSource
from hanji.classifiers.trained_on import TrainedOn
from hanji.errors import InputError, RecipeError


@dataclass
class Labelled:
    """Texts with a domain each.

    ``before`` and ``kept``: rows by label, given and not left out; ``left_out``: rows of sites, or texts, that a
    model was trained on. Once they were gone through: ``known_sites`` and ``known_texts``, those of the texts in
    use that are of such sites, and that a model was trained on; ``disputed``: texts with two labels, not in use.
    """

    texts: HashedTexts
    known: Sequence[TrainedOn] = ()
    most: int | None = None
    before: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    known_sites: int = 0
    known_texts: int = 0
    left_out: int = 0
    disputed: int = 0
    sites_known: set[str] = field(default_factory=set)

    def in_order(self) -> Iterator[tuple[str, Text]]:
        """(label, text) of the texts that have one label, in the order of their hash."""
        disputed = of_sites = of_texts = 0
        for _, rows in groupby(self.texts.texts(self.most), key=lambda row: row[1].text):
            found = list(rows)
            if len(found) > 1:
                disputed += 1
                continue
            label, text = found[0]
            of_sites += text.site in self.sites_known
            of_texts += any(one.has_text(text) for one in self.known)
            yield label, text
        self.disputed, self.known_sites, self.known_texts = disputed, of_sites, of_texts


def read_labelled(
    directory: Path,
    sources: Sequence[TextSource],
    labels: Sequence[str],
    known: Sequence[TrainedOn],
    split: Split,
    most: int | None = None,
) -> Labelled:
    """Put labelled texts on disk without those that the split leaves out; of each label ``most``, by hash.

    Raises InputError for a text without a label or with one that is none of ``labels``, and RecipeError if nothing
    is left.
    """
    directory.mkdir()
    made = Labelled(HashedTexts(directory), known, most)

    def takes(text: Text) -> bool:
        label = text.label or ""
        made.before[label] += 1
        of_site = any(one.has_site(text.site) for one in known)
        of_text = any(one.has_text(text) for one in known)
        if of_site:
            made.sites_known.add(text.site)
        out = (of_site and split == "sites") or (of_text and split != "none")
        made.left_out += out
        made.kept[label] += not out
        return not out

    made.texts.fill([_OfLabels(source, tuple(labels)) for source in sources], takes=takes)
    before, kept = made.before.total(), made.kept.total()
    if not before:
        raise RecipeError(f"labels: no texts in {', '.join(source.name for source in sources)}")
    if not kept:
        what = "of sites that" if split == "sites" else "texts that"
        raise RecipeError(
            f"labels: all {before:,} texts are {what} a model was trained on. Give texts of other sites, train "
            "with --hold-out sites, or take all of them with --split none, for figures that flatter the model"
        )
    return made


@dataclass(frozen=True)
class _OfLabels:
    """A source whose labels are some that a model has. Raises InputError for any other."""

    of: TextSource
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.of.name

    def identity(self) -> str:
        return self.of.identity()

    def __iter__(self) -> Iterator[Text]:
        for number, text in enumerate(self.of, 1):
            if text.label not in self.labels:
                where = f"{getattr(self.of, 'path', self.of.name)}: text {number:,}"
                if text.label is None:
                    raise InputError(f"{where}: no field 'label'; --label DOMAIN=FILE gives all of it one")
                raise InputError(
                    f"{where}: label {text.label!r} is none that the model has: {', '.join(self.labels)}. "
                    "What it does with other kinds of text, --pool shows"
                )
            yield text
