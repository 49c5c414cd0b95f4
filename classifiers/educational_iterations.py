"""One training after another: the loop of the educational filter, and what is told of each iteration."""

from __future__ import annotations

import dataclasses
import heapq
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hanji.classifiers import fasttext_model
from hanji.classifiers.cards import write_card
from hanji.classifiers.educational_choosing import additions, bounds
from hanji.classifiers.educational_texts import Material
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.figures import at_threshold, best_recall, drift, roc_auc
from hanji.classifiers.quality import HIGH, LOW, QualityScorer
from hanji.classifiers.texts import Text
from hanji.classifiers.trained_on import write_trained_on
from hanji.classifiers.training import PIECE, batches, scored, write_lines
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256, library_versions
from hanji.progress import Progress


@dataclass(frozen=True)
class Iterating:
    """How the iterations go.

    ``quota``: most texts of a site that one iteration adds. ``growth``: most texts that it adds, as a share of
    the educational ones there are. ``add_from``: smallest score of a text that is added,
    raised to where the held-out texts that choose have ``add_precision`` (0: it is not). ``others_per_found``:
    for each educational text that is added, so many of those that are surest to be none are added as such.
    ``keep``: the threshold that the figures are for; ``precision``: that at which recall is told. They end after
    ``iterations`` models, when nothing is found, or when fewer than ``least_change`` of the pool's texts cross
    ``keep``. ``piece``: characters of the pieces that texts are trained on, 0 for whole texts.
    """

    iterations: int = 5
    quota: int = 100
    growth: float = 1.0
    add_from: float = 0.5
    add_precision: float = 0.9
    others_per_found: float = 1.0
    keep: float = 0.5
    precision: float = 0.9
    least_change: float = 0.001
    held_out_share: float = 0.2
    piece: int = PIECE

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.quota < 1:
            raise RecipeError("iterations and quota are at least 1")
        if not (math.isfinite(self.growth) and self.growth > 0):
            raise RecipeError(f"growth: {self.growth} is not allowed: above 0")
        if not (math.isfinite(self.others_per_found) and self.others_per_found >= 0) or self.piece < 0:
            raise RecipeError("others_per_found and piece are at least 0")
        for name in ("add_from", "add_precision", "keep", "precision", "least_change", "held_out_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name}: {getattr(self, name)} is not allowed: 0 to 1")


@dataclass(frozen=True)
class Iteration:
    """One model: what it was trained on, how it does on the held-out texts, and what it found in the pool.

    ``recall`` is the most at the wanted precision (0 if no threshold has it), ``recall_threshold`` where.
    ``change``: share of the pool that crossed the keep threshold since the iteration before; ``drift``:
    population stability index of the pool's scores since then. ``largest_site``: the largest share of one site
    in the educational texts. ``choosing_…``: the same figures on the half of the held-out texts that chooses,
    and how many of these are good;
    ``bound``: the smallest score from which texts were added. ``added_right``: of the educational texts added that
    have a label in the pool, the share whose label is the good one; ``added_low``, ``added_low_right``: others
    added, and the share of those with a label whose label is another. ``most_of_a_site`` is of either.
    """

    number: int
    high: int
    low: int
    sites: int
    largest_site: float
    macro_f1: float
    kept_precision: float | None
    kept_recall: float | None
    auc: float | None
    recall: float
    recall_threshold: float | None
    pool_kept: float | None
    change: float | None
    drift: float | None
    choosing_recall: float
    choosing_auc: float | None
    choosing_good: int
    bound: float | None
    added: int
    added_sites: int
    most_of_a_site: int
    added_right: float | None
    added_low: int
    added_low_right: float | None
    rate: float
    notes: list[str]


class Run:
    """What the iterations share."""

    def __init__(
        self,
        scratch: Path,
        output: Path,
        language: str,
        preparation: str,
        how: Iterating,
        settings: Training,
        texts: Material,
    ) -> None:
        self.scratch, self.output = scratch, output
        self.texts, self.pool = texts, texts.pool
        self.language, self.preparation = language, preparation
        self.how, self.settings = how, settings

    def path(self, number: int) -> Path:
        return self.output / f"iteration-{number}" / "model.bin"

    def iterate(self, progress: Progress) -> tuple[list[Iteration], str]:
        """All iterations, and why they ended."""
        how, pool = self.how, self.pool
        progress.step("iterations", how.iterations, 0)
        iterations: list[Iteration] = []
        added = np.zeros(len(pool.hashes), np.int8)
        before: np.ndarray | None = None
        for number in range(1, how.iterations + 1):
            rate, notes = self._train(number, added)
            # By name, not by the card: that is written when there are figures.
            scorer = QualityScorer(self.path(number), HIGH, self.preparation)
            truth, scores = scored(scorer, self.texts.held_out.texts(), HIGH)
            found = self._score_pool(scorer)
            mine = self.texts.choosing
            sure = bounds(truth[mine], scores[mine], how.add_precision, how.add_from)
            new = additions(
                *(found, pool.site, added, sure),
                quota=how.quota,
                most=math.ceil(how.growth * (self.texts.seed_counts[HIGH] + int((added == 1).sum()))),
                others_per_found=how.others_per_found,
            )
            iterations.append(
                self._told(number, added, new, truth, scores, found, before, rate, notes, sure.high)
            )
            write_card(self.path(number), self.card(number) | {"figures": asdict(iterations[-1])})
            self._write_added(number, new, found)
            progress.advance()
            progress.note(_line(iterations[-1]))
            change = iterations[-1].change
            if not (new == 1).any():
                return iterations, "nothing more was found in the pool"
            if change is not None and change < how.least_change:
                return iterations, f"{change:.2%} of the pool's texts changed sides"
            added += new
            before = found
        return iterations, f"{how.iterations} iterations were asked for"

    def _train(self, number: int, added: np.ndarray) -> tuple[float, list[str]]:
        lines = self.scratch / "lines.txt"
        self.path(number).parent.mkdir()
        write_lines(lines, self._taught(added), self.preparation, self.how.piece)
        trained = fasttext_model.train(lines, self.path(number), self.settings)
        write_trained_on(self.path(number), (text for _, text in self._taught(added)))
        return trained

    def _taught(self, added: np.ndarray) -> Iterator[tuple[str, Text]]:
        """What one iteration is trained on, in the order of hashes: the seeds, and what was added before."""
        names = {1: HIGH, -1: LOW}
        extra = (
            (names[int(added[row])], text) for row, text in enumerate(self.pool.in_order()) if added[row]
        )
        yield from heapq.merge(self.texts.seeds.texts(), extra, key=lambda pair: pair[1].hash())

    def _score_pool(self, scorer: QualityScorer) -> np.ndarray:
        found = [
            scorer.score([text.text for _, text in batch])
            for batch in batches(("", text) for text in self.pool.in_order())
        ]
        return np.concatenate([np.zeros(0), *found])

    def _told(
        self,
        number: int,
        added: np.ndarray,
        new: np.ndarray,
        truth: np.ndarray,
        scores: np.ndarray,
        found: np.ndarray,
        before: np.ndarray | None,
        rate: float,
        notes: list[str],
        bound: float | None,
    ) -> Iteration:
        choosing = self.texts.choosing
        chosen_by = best_recall(truth[choosing], scores[choosing], self.how.precision)
        auc = roc_auc(truth[choosing], scores[choosing])
        good = int(truth[choosing].sum())
        truth, scores = truth[~choosing], scores[~choosing]
        sites = self.texts.seed_sites + Counter(
            self.pool.sites[site] for site in self.pool.site[added == 1].tolist()
        )
        high = sum(sites.values())
        kept = at_threshold(truth, scores, self.how.keep)
        recall = best_recall(truth, scores, self.how.precision)
        of_new = Counter(self.pool.site[new == 1].tolist())
        of_low = Counter(self.pool.site[new == -1].tolist())
        sides = found >= self.how.keep
        return Iteration(
            number,
            high,
            self.texts.seed_counts[LOW] + int((added == -1).sum()),
            len(sites),
            max(sites.values()) / high,
            kept.macro_f1,
            _or_none(kept.precision),
            _or_none(kept.recall),
            _or_none(roc_auc(truth, scores)),
            recall.recall if recall else 0.0,
            recall.threshold if recall else None,
            float(sides.mean()) if len(found) else None,
            None if before is None else float((sides != (before >= self.how.keep)).mean()),
            None if before is None else _or_none(drift(before, found)),
            chosen_by.recall if chosen_by else 0.0,
            _or_none(auc),
            good,
            bound,
            of_new.total(),
            len(of_new),
            max((*of_new.values(), *of_low.values()), default=0),
            self._right(new == 1, 1),
            of_low.total(),
            self._right(new == -1, 0),
            rate,
            notes,
        )

    def _right(self, rows: np.ndarray, wanted: int) -> float | None:
        """Of some rows of the pool, the share with the wanted label among those with any."""
        known = self.pool.right[rows]
        known = known[known >= 0]
        return float((known == wanted).mean()) if len(known) else None

    def card(self, number: int) -> dict[str, Any]:
        """What a scorer and a reader need of one iteration's model."""
        return {
            "kind": "educational iteration",
            "language": self.language,
            "model": self.path(number).name,
            "sha256": file_sha256(self.path(number)),
            "high": HIGH,
            "preparation": self.preparation,
            "training": dataclasses.asdict(self.settings) | {"piece_characters": self.how.piece},
            "versions": library_versions("fasttext", "hanji"),
        }

    def _write_added(self, number: int, new: np.ndarray, scores: np.ndarray) -> None:
        path = self.path(number).with_name("added.jsonl")
        with path.open("w", encoding="utf-8") as file:
            for row in np.flatnonzero(new).tolist():
                facts = {
                    "id": self.pool.hashes[row].hex(),
                    "source": self.pool.sites[int(self.pool.site[row])],
                    "score": float(scores[row]),
                    "as": HIGH if new[row] > 0 else LOW,
                }
                file.write(json.dumps(facts, ensure_ascii=False) + "\n")


def _line(one: Iteration) -> str:
    return (
        f"iteration {one.number}: {one.high} educational texts of {one.sites} sites, macro-F1 {one.macro_f1:.3f}, "
        f"recall {one.recall:.3f}, {one.added} found"
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
