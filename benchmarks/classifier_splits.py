"""Which sites train and which test: written down before anything was measured with them.

- A stratum is a group of kinds that share their sites (mail: spam and ham; pages: articles and what is around
  them), a kind of at least three sites, or what is left of a label.
- *Final* sites are the first 40 % of each stratum that has at least two sites, by a hash of the site's name. No
  setting is chosen by them: they are tested once, when all is chosen (``final``), by models of five seeds, each
  trained on the other sites but for a fifth that the seed leaves out.
- The other sites are for *development* (``development``): five splits, in each a third of the sites of each stratum
  is tested and the rest trained on. A stratum of one site (tweets; the Korean encyclopaedia) is always trained on;
  how a kind does that was never trained on is a figure of its own (``unseen``).
- A test has at most 100 texts of a site and kind and 200 of a kind, and as many good texts as others: of each label
  the kinds give one text after another in turn, in the order of hashes.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.classifier_corpus import KINDS, Sample, corpus
from hanji.classifiers.texts import site_hash

SEEDS = 5
FINAL, TESTED, LEFT_OUT = 0.4, 1 / 3, 0.2
TEST_OF_SITE, TEST_OF_KIND = 100, 200
TOGETHER = {"spam": "mail", "ham": "mail", "articles": "pages", "around articles": "pages"}
OWN_STRATUM = 3
"""Sites from which a kind is a stratum of its own."""


@dataclass(frozen=True)
class Split:
    """Samples to train on and to test on; no site is on both sides."""

    name: str
    seed: int
    train: list[Sample]
    test: list[Sample]


def strata(language: str) -> dict[str, list[str]]:
    """Sites of each stratum, in the order of their hash."""
    of_kind: dict[str, set[str]] = defaultdict(set)
    for sample in corpus(language):
        of_kind[sample.kind].add(sample.site)
    found: dict[str, set[str]] = defaultdict(set)
    for kind, mine in of_kind.items():
        left = "few sites, good" if KINDS[language][kind][0] else "few sites, other"
        found[TOGETHER.get(kind, kind if len(mine) >= OWN_STRATUM else left)] |= mine
    return {name: sorted(mine, key=site_hash) for name, mine in sorted(found.items())}


def final_sites(language: str) -> set[str]:
    """Sites that nothing is chosen by."""
    return {
        site
        for mine in strata(language).values()
        if len(mine) > 1
        for site in mine[: max(1, round(FINAL * len(mine)))]
    }


def development(language: str, seeds: int = SEEDS) -> Iterator[Split]:
    """Splits of the sites that settings are chosen by."""
    final = final_sites(language)
    samples = [sample for sample in corpus(language) if sample.site not in final]
    for seed in range(seeds):
        aside: set[str] = set()
        for mine in strata(language).values():
            known = _drawn([site for site in mine if site not in final], seed)
            if len(known) > 1:
                aside |= set(known[: max(1, round(TESTED * len(known)))])
        yield _split(f"development {seed}", seed, samples, aside)


def final(language: str) -> Iterator[Split]:
    """All final sites, for models of five seeds."""
    aside = final_sites(language)
    for seed in range(SEEDS):
        out: set[str] = set()
        for mine in strata(language).values():
            known = _drawn([site for site in mine if site not in aside], seed)
            if len(known) > 1:
                out |= set(known[: round(LEFT_OUT * len(known))])
        samples = [sample for sample in corpus(language) if sample.site not in out]
        yield _split(f"final {seed}", seed, samples, aside)


def one_site_out(language: str) -> Iterator[Split]:
    """Five splits over all sites: one of either label is tested, and all others, final or not, are trained on.

    For a language of few sites, whose final ones are whole kinds. Added after the final figures of Korean were
    known, which are those of ``final``; nothing is chosen by it.
    """
    samples = corpus(language)
    good, other = (
        sorted({sample.site for sample in samples if sample.good is label}, key=site_hash)
        for label in (True, False)
    )
    for seed in range(SEEDS):
        aside = {good[seed % len(good)], other[seed % len(other)]}
        yield _split(f"one site out {seed}", seed, samples, aside)


def each_site_out(language: str, more: bool = False) -> Iterator[Split]:
    """Each site of the label that has more of them and one of the other in turn are tested, and not trained on.

    With ``more`` the training has MORE_KINDS too; the tests stay the same. Added after the final figures were
    known; nothing is chosen by it.
    """
    samples = corpus(language)
    training = corpus(language, more)
    good, other = (
        sorted({sample.site for sample in samples if sample.good is label}, key=site_hash)
        for label in (True, False)
    )
    for turn in range(max(len(good), len(other))):
        pair = (good[turn % len(good)], other[turn % len(other)])
        yield Split(
            f"{_kind(samples, pair[0])} ({pair[0]}), {_kind(samples, pair[1])} ({pair[1]})",
            0,
            [sample for sample in training if sample.site not in pair],
            balanced(sample for sample in samples if sample.site in pair),
        )


def _kind(samples: Sequence[Sample], site: str) -> str:
    return next(sample.kind for sample in samples if sample.site == site)


def unseen(language: str) -> Iterator[Split]:
    """Each kind of which no text was trained on, against the final sites of the other label's kinds."""
    aside = final_sites(language)
    samples = corpus(language)
    for kind, (good, _) in KINDS[language].items():
        mine = [sample for sample in samples if sample.kind == kind]
        of_final = [sample for sample in mine if sample.site in aside]
        others = [sample for sample in samples if sample.site in aside and sample.good != good]
        train = [sample for sample in samples if sample.site not in aside and sample.kind != kind]
        if mine and others:
            yield Split(f"{kind}, unseen", 0, train, balanced([*(of_final or mine), *others]))


def _split(name: str, seed: int, samples: Sequence[Sample], aside: set[str]) -> Split:
    return Split(
        name,
        seed,
        [sample for sample in samples if sample.site not in aside],
        balanced(sample for sample in samples if sample.site in aside),
    )


def balanced(samples: Iterable[Sample]) -> list[Sample]:
    """A test: bounded by site and kind, as many good samples as others, the kinds of a label in turn."""
    of_site: Counter[tuple[str, str]] = Counter()
    of_kind: Counter[str] = Counter()
    taken: dict[bool, list[tuple[int, str, Sample]]] = {True: [], False: []}
    for sample in sorted(samples, key=Sample.hash):
        key = (sample.kind, sample.site)
        if of_site[key] < TEST_OF_SITE and of_kind[sample.kind] < TEST_OF_KIND:
            taken[sample.good].append((of_kind[sample.kind], sample.kind, sample))
            of_site[key] += 1
            of_kind[sample.kind] += 1
    count = min(map(len, taken.values()))
    return [sample for mine in taken.values() for *_, sample in sorted(mine, key=lambda one: one[:2])[:count]]


def _drawn(sites: Sequence[str], seed: int) -> list[str]:
    return sorted(sites, key=lambda site: hashlib.blake2b(f"{seed} {site}".encode(), digest_size=8).digest())
