"""Evaluating one domain model or two: labelled texts and a pool in, one JSON-able account of all figures out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hanji.classifiers.card_data import data_facts
from hanji.classifiers.domains.evaluating.asked import Asked, Run
from hanji.classifiers.domains.evaluating.examples import apart, show
from hanji.classifiers.domains.evaluating.material import read_labelled
from hanji.classifiers.domains.evaluating.models import DomainModel
from hanji.classifiers.domains.evaluating.one_model import model_figures
from hanji.classifiers.domains.evaluating.scoring import Scored, score_texts
from hanji.classifiers.domains.evaluating.sides import side_by_side, who_is_right
from hanji.classifiers.domains.evaluating.trust import counts, look_at, split_facts
from hanji.classifiers.evaluating.asked import Tokens
from hanji.classifiers.evaluating.material import looks_like, read_pool, told_apart
from hanji.classifiers.evaluating.models import check_data
from hanji.classifiers.texts import TextSource
from hanji.errors import RecipeError
from hanji.fingerprint import fingerprint, library_versions
from hanji.progress import Progress, SilentProgress

FORMAT = "hanji-domain-evaluation/1"


def evaluate_domains(
    models: Sequence[DomainModel],
    labelled: Sequence[TextSource],
    pool: Sequence[TextSource],
    asked: Asked | None = None,
    *,
    tokens: Tokens | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate one domain model or two (``open_domain_models``) and return all figures, as JSON has them.

    ``labelled``: texts with a domain each, which a model must have for a label; ``pool``: texts that are to be
    placed, whose labels are not looked at, in whose documents, bytes and tokens (``tokens``) domains are told. One
    of the two is enough. The same texts give the same account, whatever the order of files and rows. Raises
    RecipeError for what is asked wrongly, InputError for models, labels and texts that are not as they should be.
    """
    asked, progress = asked or Asked(), progress or SilentProgress()
    if not labelled and not pool:
        raise RecipeError(
            "texts: give labelled ones (--label DOMAIN=FILE, or --labels), a pool (--pool), or both"
        )
    names = sorted({label for model in models for label in model.scorer.labels})
    scorers = [model.scorer for model in models]
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(asked, list(models), names, Path(scratch))
        progress.step("evaluate", 3 + len(models), 0)
        _read(run, labelled, pool)
        progress.advance()
        of_labelled = of_pool = None
        if run.labelled is not None:
            of_labelled = score_texts(scorers, run.labelled_texts(), names, labelled=True)
            if not len(of_labelled.bytes):
                raise RecipeError("labels: every text has two labels, so none is left")
        progress.advance()
        if run.pool is not None:
            count = tokens.count if tokens else None
            of_pool = score_texts(scorers, run.pool_texts(), names, labelled=False, count_tokens=count)
            if not len(of_pool.bytes):
                named = ", ".join(source.name for source in pool)
                raise RecipeError(f"--pool: no texts of {models[0].language!r} in {named}")
        progress.advance()
        if of_labelled is not None:
            look_at(run, of_labelled)
        told, draws = [], []
        for place in range(len(models)):
            figures, of_model = model_figures(run, place, of_labelled, of_pool)
            told.append(figures)
            draws.append(of_model)
            progress.advance()
        data = {
            "labelled": data_facts(labelled, "labelled texts"),
            "pool": data_facts(pool, "pool", labelled=False),
        }
        return {
            "format": FORMAT,
            "versions": library_versions("hanji"),
            "language": models[0].language,
            "labels": names,
            "min_probability": asked.min_probability,
            "data": data,
            "split": split_facts(run),
            "tokens": tokens.said if tokens else None,
            "texts": {"labelled": counts(of_labelled, names), "pool": counts(of_pool, names)},
            "models": told,
            "sides": _sides(run, of_labelled, of_pool, told, draws) if len(models) == 2 else None,
            "warnings": run.warnings,
            "key": fingerprint(
                [
                    sorted([row["hash"], row.get("labels", "")] for row in data["labelled"]),
                    sorted({row["hash"] for row in data["pool"]}),
                    asked.split,
                    asked.most,
                ]
            ),
        }


def _read(run: Run, labelled: Sequence[TextSource], pool: Sequence[TextSource]) -> None:
    """Put the texts on disk and look whether they are what the models are for."""
    language, asked = run.models[0].language, run.asked
    apart_by_name = told_apart([*labelled, *pool])
    labelled, pool = apart_by_name[: len(labelled)], apart_by_name[len(labelled) :]
    if labelled:
        run.warnings += check_data(run.models, labelled, asked.split)
        known = [model.known for model in run.models if model.known is not None]
        run.labelled = read_labelled(
            run.scratch / "labelled", labelled, run.labels, known, asked.split, asked.most
        )
        looked = looks_like((text for _, text in run.labelled_texts()), language, "labelled texts")
        run.warnings += [looked] if looked else []
    if pool:
        run.pool = read_pool(run.scratch / "pool", pool)
        looked = looks_like((text for _, text in run.pool_texts()), language, "pool")
        run.warnings += [looked] if looked else []


def _sides(
    run: Run, labelled: Scored | None, pool: Scored | None, told: Sequence[Any], draws: Sequence[Any]
) -> dict[str, Any]:
    """Two models side by side on the pool, else on the labelled texts, and on these which of them is right."""
    scored = pool or labelled
    assert scored is not None
    rows = apart(scored.told[0], scored.told[1], len(run.labels), run.asked.samples)
    texts = run.pool_texts if pool is not None else run.labelled_texts
    found = {
        "on": "pool" if pool is not None else "labelled",
        "names": [model.name for model in run.models],
        **side_by_side(scored, run.labels, run.asked.min_probability),
        "samples": show(texts, scored, rows, dict(enumerate(run.models)), run.labels),
        "right": None,
    }
    if labelled is not None:
        found["right"] = who_is_right(labelled, [model["figures"] for model in told], draws)
    return found
