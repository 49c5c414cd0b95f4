"""Texts of the educational filter's iterations: seeds, pool and held-out ones, on disk, no site on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hanji.classifiers.quality import HIGH, LOW
from hanji.classifiers.texts import HashedTexts, Text, TextSource, labelled, once, site_hash
from hanji.classifiers.training import check_labels
from hanji.errors import RecipeError


@dataclass
class Pool:
    """The pool's texts in the order of their hash: one row each. ``site``: place in ``sites``."""

    texts: HashedTexts
    hashes: list[bytes]
    site: np.ndarray
    sites: list[str]
    right: np.ndarray
    """1: its label is the good one, 0: another, −1: it has none. Reported, never used."""

    def in_order(self) -> Iterator[Text]:
        """The texts, in the order of the rows."""
        hashes = iter(self.hashes)
        wanted = next(hashes, None)
        for text in once(self.texts.texts()):
            if text.hash() == wanted:
                yield text
                wanted = next(hashes, None)


@dataclass
class Material:
    """Labelled seeds, a pool, and held-out texts of sites that are in neither. ``seed_sites`` are of good texts.

    ``choosing``: bool, a row for each held-out text in their order. Those choose what is added and which iteration
    is taken; the others, of other sites, give the figures. A label with one held-out site has its texts halved.
    """

    seeds: HashedTexts
    seed_counts: Counter[str]
    seed_sites: Counter[str]
    held_out: HashedTexts
    held_out_counts: Counter[str]
    held_out_sites: list[str]
    choosing: np.ndarray
    pool: Pool


def read_material(
    scratch: Path,
    seeds: Sequence[TextSource],
    pool: Sequence[TextSource],
    held_out: Sequence[TextSource],
    share: float,
) -> Material:
    """Put everything on disk in order. Without ``held_out``, a share of the seeds' sites of each label is held out.

    Raises RecipeError for other labels than high and low, or a side that lacks one of the two.
    """
    aside = {text.site for source in held_out for text in source} if held_out else _set_aside(seeds, share)
    kept_out = _hashed(scratch / "held-out", held_out or seeds, inside=aside)
    trained_on = _hashed(scratch / "seeds", seeds, outside=aside)
    seen: set[bytes] = set()
    sites: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    chooses = _choosing_sites(kept_out)
    choosing: list[bool] = []
    halves: set[tuple[str, bool]] = set()
    for what, texts in (("held out", kept_out), ("seeds", trained_on)):
        counts[what] = Counter()
        for label, text in texts.texts():
            seen.add(text.hash())
            counts[what][label] += 1
            if texts is trained_on:
                sites[text.site] += label == HIGH
            else:
                choosing.append(chooses.get(text.site, bool(text.hash()[-1] & 1)))
                halves.add((label, choosing[-1]))
        others = sorted(set(counts[what]) - {HIGH, LOW})
        if others:
            raise RecipeError(f"{what}: the labels are {HIGH!r} and {LOW!r}; found: {others[0]!r}")
        try:
            check_labels(counts[what], HIGH)
        except RecipeError as error:
            raise RecipeError(f"{what}: {error}") from None
    if len(halves) < 4:
        raise RecipeError(
            f"held out: too few texts ({dict(counts['held out'])}): both labels must be in the half that chooses "
            "and in the half that gives the figures"
        )
    found = _read_pool(_hashed(scratch / "pool", pool, outside=aside, need_labels=False), seen)
    return Material(
        trained_on,
        counts["seeds"],
        +sites,
        kept_out,
        counts["held out"],
        sorted(aside),
        np.array(choosing),
        found,
    )


def _choosing_sites(held_out: HashedTexts) -> dict[str, bool]:
    """Whether a held-out site chooses: every other one of a label's, by hash. A label's only site is not there."""
    of_label: dict[str, set[str]] = {}
    for label, text in held_out.texts():
        of_label.setdefault(label, set()).add(text.site)
    chooses: dict[str, bool] = {}
    for _, mine in sorted(of_label.items()):
        if len(mine) > 1:
            left = [site for site in sorted(mine, key=site_hash) if site not in chooses]
            chooses |= {site: place % 2 == 0 for place, site in enumerate(left)}
    return chooses


def _set_aside(seeds: Sequence[TextSource], share: float) -> set[str]:
    sites: dict[str, set[str]] = {}
    for source in seeds:
        for label, text in labelled(source):
            sites.setdefault(label, set()).add(text.site)
    aside: set[str] = set()
    for label, mine in sorted(sites.items()):
        if len(mine) < 2:
            raise RecipeError(
                f"held out: all texts labelled {label!r} are of one site ({next(iter(mine))}), so none can be "
                "held out by site; give held-out texts of other sites"
            )
        count = min(max(1, round(share * len(mine))), len(mine) - 1)
        aside |= set(sorted(mine, key=site_hash)[:count])
    return aside


def _hashed(
    directory: Path,
    sources: Sequence[TextSource],
    *,
    inside: set[str] | None = None,
    outside: set[str] | None = None,
    need_labels: bool = True,
) -> HashedTexts:
    directory.mkdir()
    made = HashedTexts(directory)
    made.fill(
        sources,
        need_labels=need_labels,
        takes=lambda text: (
            (inside is None or text.site in inside) and (outside is None or text.site not in outside)
        ),
    )
    return made


def _read_pool(texts: HashedTexts, seen: set[bytes]) -> Pool:
    """Each text of a pool once, without those that are among the seeds."""
    hashes: list[bytes] = []
    site: list[int] = []
    right: list[int] = []
    places: dict[str, int] = {}
    for text in once(texts.texts()):
        if text.hash() in seen:
            continue
        hashes.append(text.hash())
        site.append(places.setdefault(text.site, len(places)))
        right.append(-1 if text.label is None else int(text.label == HIGH))
    return Pool(texts, hashes, np.array(site, np.int32), list(places), np.array(right, np.int8))
