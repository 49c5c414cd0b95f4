"""The Korean educational filter's iterations: train, score a pool, add what was found, train again.

Few texts of the web are educational, so the first labels hold few of them. The paper that this project follows
(arXiv 2502.18934, section 2.2) trains its filter again and again, each time with the educational texts that
the one before found. A quota a site in each iteration keeps one site from becoming what "educational" means,
and figures on texts of sites that no training saw say whether it helps.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hanji.classifiers import fasttext_model
from hanji.classifiers.cards import write_card
from hanji.classifiers.educational_texts import Material, read_material
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.figures import at_threshold, best_recall, drift, roc_auc
from hanji.classifiers.preparing import DEFAULTS, training_line
from hanji.classifiers.quality import HIGH, LOW, QualityScorer
from hanji.classifiers.texts import Text, TextSource
from hanji.classifiers.trained_on import copy_trained_on, write_trained_on
from hanji.classifiers.training import batches, default_training, scored
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256, library_versions
from hanji.progress import Progress, SilentProgress

LIMITS = (
    "The figures are on one half of the held-out texts; the other half, of the same sites, chose the iteration and "
    "what was added. What the pool lacks the filter cannot learn; what the first labels mean by educational it "
    "keeps. Scores order texts of one language, and a threshold holds for this model alone."
)


@dataclass(frozen=True)
class Iterating:
    """How the iterations go.

    ``quota``: most texts of a site that one iteration adds. ``growth``: most texts that it adds, as a share of
    the educational ones there are. ``add_from``: smallest score of a text that is added,
    raised to where the held-out texts that choose have ``add_precision`` (0: it is not). ``keep``: the
    threshold that the figures are for; ``precision``: that at which recall is told. They end after
    ``iterations`` models, when nothing is found, or when fewer than ``least_change`` of the pool's texts cross
    ``keep``.
    """

    iterations: int = 5
    quota: int = 100
    growth: float = 1.0
    add_from: float = 0.5
    add_precision: float = 0.9
    keep: float = 0.5
    precision: float = 0.9
    least_change: float = 0.001
    held_out_share: float = 0.2

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.quota < 1:
            raise RecipeError("iterations and quota are at least 1")
        if self.growth <= 0:
            raise RecipeError(f"growth: {self.growth} is not allowed: above 0")
        for name in ("add_from", "add_precision", "keep", "precision", "least_change", "held_out_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name}: {getattr(self, name)} is not allowed: 0 to 1")


@dataclass(frozen=True)
class Iteration:
    """One model: what it was trained on, how it does on the held-out texts, and what it found in the pool.

    ``recall`` is the most at the wanted precision (0 if no threshold has it), ``recall_threshold`` where.
    ``change``: share of the pool that crossed the keep threshold since the iteration before; ``drift``:
    population stability index of the pool's scores since then. ``largest_site``: the largest share of one site
    in the educational texts. ``choosing_…``: the same figures on the half of the held-out texts that chooses;
    ``bound``: the smallest score from which texts were added. ``added_right``: of the texts added that have a
    label in the pool, the share whose label is the good one.
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
    bound: float | None
    added: int
    added_sites: int
    most_of_a_site: int
    added_right: float | None
    rate: float
    notes: list[str]


@dataclass(frozen=True)
class Trained:
    """The iterations, the number of the one whose model was taken, and where all of it lies."""

    directory: str
    model: str
    card: str
    best: int
    stopped: str
    iterations: list[Iteration]
    held_out: dict[str, int]
    held_out_sites: list[str]


def train_educational(
    seeds: Sequence[TextSource],
    pool: Sequence[TextSource],
    output: str | Path,
    *,
    language: str = "ko",
    held_out: Sequence[TextSource] = (),
    how: Iterating | None = None,
    settings: Training | None = None,
    preparation: str | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train by iterations into a directory: ``model.bin``, its card, ``iterations.json``, and those of each one.

    ``seeds`` are labelled ``high`` or ``low``; labels that the pool has are told of (``added_right``) and not
    used. Figures are on ``held_out``, or on a share of the seeds' sites of each label; texts of these sites
    leave seeds and pool. One half of them, by hash, chooses what is added and the model that is taken (most
    recall at the wanted precision, then the largest AUC); the other half gives the figures. The same texts
    give the same bytes. Raises RecipeError for seeds or held-out texts without both labels, or a directory
    that holds another training.
    """
    how, progress = how or Iterating(), progress or SilentProgress()
    preparation = preparation or DEFAULTS[language]
    settings = settings or default_training(language)
    output = Path(output)
    if output.exists() and any(output.iterdir()):
        raise RecipeError(f"{output}: is not empty; name a new directory, or remove what is there")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        texts = read_material(Path(scratch), seeds, pool, held_out, how.held_out_share)
        made = _Run(Path(scratch), output, language, preparation, how, settings, texts)
        iterations, stopped = made.iterate(progress)
        best = max(iterations, key=lambda one: (one.choosing_recall, one.choosing_auc or 0.0, -one.number))
        model = output / "model.bin"
        shutil.copyfile(made.path(best.number), model)
        copy_trained_on(made.path(best.number), model)
        sources = [*seeds, *pool, *held_out]
        card = made.card(best.number) | {
            "model": model.name,
            "kind": "educational",
            "labels_are": "as the files have them, by source, by a language model or by people; the iterations add "
            "labels of their own making",
            "iterating": asdict(how),
            "iterations": [asdict(one) for one in iterations],
            "taken": best.number,
            "stopped": stopped,
            "held_out": {"texts": dict(texts.held_out_counts), "sites": texts.held_out_sites},
            "data": {source.name: source.identity() for source in sources},
            "limits": LIMITS,
        }
        card_path = write_card(model, card)
        (output / "iterations.json").write_text(
            json.dumps([asdict(one) for one in iterations], ensure_ascii=False, indent=1) + "\n", "utf-8"
        )
    return Trained(
        *(str(output), str(model), card_path, best.number, stopped, iterations),
        *(dict(texts.held_out_counts), texts.held_out_sites),
    )


class _Run:
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
        added = np.zeros(len(pool.hashes), bool)
        before: np.ndarray | None = None
        for number in range(1, how.iterations + 1):
            rate, notes = self._train(number, added)
            scorer = QualityScorer(self.path(number))
            truth, scores = scored(scorer, self.texts.held_out.texts(), HIGH)
            found = self._score_pool(scorer)
            bound = self._bound(truth, scores)
            new = self._choose(found, added, bound)
            iterations.append(
                self._told(number, added, new, truth, scores, found, before, rate, notes, bound)
            )
            write_card(self.path(number), self.card(number) | {"figures": asdict(iterations[-1])})
            self._write_added(number, new, found)
            progress.advance()
            progress.note(_line(iterations[-1]))
            change = iterations[-1].change
            if not new.any():
                return iterations, "nothing more was found in the pool"
            if change is not None and change < how.least_change:
                return iterations, f"{change:.2%} of the pool's texts changed sides"
            added |= new
            before = found
        return iterations, f"{how.iterations} iterations were asked for"

    def _train(self, number: int, added: np.ndarray) -> tuple[float, list[str]]:
        lines = self.scratch / "lines.txt"
        self.path(number).parent.mkdir()
        with lines.open("w", encoding="utf-8") as file:
            for label, text in self._taught(added):
                file.write(training_line(label, text.text, self.preparation))
        trained = fasttext_model.train(lines, self.path(number), self.settings)
        write_trained_on(self.path(number), (text for _, text in self._taught(added)))
        return trained

    def _taught(self, added: np.ndarray) -> Iterator[tuple[str, Text]]:
        """What one iteration is trained on, in the order of hashes: the seeds, and what was added before."""
        extra = ((HIGH, text) for row, text in enumerate(self.pool.in_order()) if added[row])
        yield from heapq.merge(self.texts.seeds.texts(), extra, key=lambda pair: pair[1].hash())

    def _score_pool(self, scorer: QualityScorer) -> np.ndarray:
        found = [
            scorer.score([text.text for _, text in batch])
            for batch in batches(("", text) for text in self.pool.in_order())
        ]
        return np.concatenate([np.zeros(0), *found])

    def _bound(self, truth: np.ndarray, scores: np.ndarray) -> float | None:
        """The smallest score to add from; None where no threshold has the precision that adding asks for."""
        if not self.how.add_precision:
            return self.how.add_from
        mine = self.texts.choosing
        found = best_recall(truth[mine], scores[mine], self.how.add_precision)
        return None if found is None else max(found.threshold, self.how.add_from)

    def _choose(self, scores: np.ndarray, added: np.ndarray, bound: float | None) -> np.ndarray:
        """The best texts that are not yet in: at most the quota of each site, and so many that growth allows."""
        chosen = np.zeros(len(scores), bool)
        if bound is None:
            return chosen
        rows = np.flatnonzero(~added & (scores >= bound))
        rows = rows[np.argsort(-scores[rows], kind="stable")]  # equal scores in the order of hashes
        most = math.ceil(self.how.growth * (self.texts.seed_counts[HIGH] + int(added.sum())))
        of_site: Counter[int] = Counter()
        for row in rows.tolist():
            if most == 0:
                break
            site = int(self.pool.site[row])
            if of_site[site] < self.how.quota:
                of_site[site] += 1
                chosen[row] = True
                most -= 1
        return chosen

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
        truth, scores = truth[~choosing], scores[~choosing]
        sites = self.texts.seed_sites + Counter(
            self.pool.sites[site] for site in self.pool.site[added].tolist()
        )
        high = sum(sites.values())
        kept = at_threshold(truth, scores, self.how.keep)
        recall = best_recall(truth, scores, self.how.precision)
        of_new = Counter(self.pool.site[new].tolist())
        known = self.pool.right[new]
        known = known[known >= 0]
        sides = found >= self.how.keep
        return Iteration(
            number,
            high,
            self.texts.seed_counts[LOW],
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
            bound,
            int(new.sum()),
            len(of_new),
            max(of_new.values(), default=0),
            float(known.mean()) if len(known) else None,
            rate,
            notes,
        )

    def card(self, number: int) -> dict[str, Any]:
        """What a scorer and a reader need of one iteration's model."""
        return {
            "kind": "educational iteration",
            "language": self.language,
            "model": self.path(number).name,
            "sha256": file_sha256(self.path(number)),
            "high": HIGH,
            "preparation": self.preparation,
            "training": dataclasses.asdict(self.settings),
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
                }
                file.write(json.dumps(facts, ensure_ascii=False) + "\n")


def _line(one: Iteration) -> str:
    return (
        f"iteration {one.number}: {one.high} educational texts of {one.sites} sites, macro-F1 {one.macro_f1:.3f}, "
        f"recall {one.recall:.3f}, {one.added} found"
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
