"""The Korean educational filter's iterations: train, score a pool, add what was found, train again.

Few texts of the web are educational, so the first labels hold few of them. The paper that this project follows
(arXiv 2502.18934, section 2.2) trains its filter again and again, each time with the educational texts that
the one before found. A quota a site in each iteration keeps one site from becoming what "educational" means,
and figures on texts of sites that no training saw say whether it helps.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hanji.classifiers.card_data import data_facts
from hanji.classifiers.cards import write_card
from hanji.classifiers.educational_choosing import place_taken
from hanji.classifiers.educational_iterations import Iterating, Iteration, Run
from hanji.classifiers.educational_texts import read_material
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.preparing import DEFAULTS
from hanji.classifiers.texts import TextSource
from hanji.classifiers.trained_on import copy_trained_on
from hanji.classifiers.training import default_training
from hanji.errors import RecipeError
from hanji.progress import Progress, SilentProgress

__all__ = ["Iterating", "Iteration", "Trained", "train_educational"]

LIMITS = (
    "The figures are on some of the held-out sites; the others chose the iteration and what was added (halves of "
    "its texts, where a label has one such site alone). What the pool lacks the filter cannot learn; what the "
    "first labels mean by educational it keeps. Scores order texts of one language, and a threshold holds for this "
    "model alone."
)


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
    leave seeds and pool. Every other one of these sites, by hash, chooses what is added and the model that is
    taken (`place_taken`: the last one that they cannot tell from the one of most recall at the wanted precision);
    the others give the figures. The same texts give the same bytes. Raises RecipeError for seeds or held-out texts
    without both labels, or a directory that holds another training.
    """
    how, progress = how or Iterating(), progress or SilentProgress()
    preparation = preparation or DEFAULTS[language]
    settings = settings or default_training(language)
    output = Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        empty = not any(output.iterdir())
    except OSError as error:
        raise RecipeError(f"--output: {output}: {error.strerror or error}") from None
    if not empty:
        raise RecipeError(f"{output}: is not empty; name a new directory, or remove what is there")
    with tempfile.TemporaryDirectory() as scratch:
        texts = read_material(Path(scratch), seeds, pool, held_out, how.held_out_share)
        made = Run(Path(scratch), output, language, preparation, how, settings, texts)
        iterations, stopped = made.iterate(progress)
        best = iterations[
            place_taken(
                [one.choosing_recall for one in iterations],
                [one.choosing_auc or 0.0 for one in iterations],
                iterations[0].choosing_good,
            )
        ]
        model = output / "model.bin"
        shutil.copyfile(made.path(best.number), model)
        copy_trained_on(made.path(best.number), model)
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
            "data": [
                *data_facts(seeds, "first labels"),
                *data_facts(pool, "pool", labelled=False),
                *data_facts(held_out, "held out"),
            ],
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
