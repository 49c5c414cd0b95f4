"""Evaluating one model or two: labelled texts and a pool in, one JSON-able account of all figures out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hanji.classifiers.card_data import data_facts
from hanji.classifiers.evaluating.asked import Asked, Run, Tokens
from hanji.classifiers.evaluating.material import TwoKinds, looks_like, read_labelled, read_pool, told_apart
from hanji.classifiers.evaluating.models import Model, check_data, check_values
from hanji.classifiers.evaluating.one_model import model_figures
from hanji.classifiers.evaluating.perplexity_figures import settle
from hanji.classifiers.evaluating.scoring import score_texts
from hanji.classifiers.evaluating.trust import counts, look_at, split_facts
from hanji.classifiers.evaluating.two_models import side_by_side
from hanji.classifiers.texts import TextSource
from hanji.errors import RecipeError
from hanji.fingerprint import fingerprint, library_versions
from hanji.progress import Progress, SilentProgress

FORMAT = "hanji-evaluation/2"


def evaluate(
    models: Sequence[Model],
    labelled: Sequence[TextSource],
    pool: Sequence[TextSource],
    asked: Asked | None = None,
    *,
    tokens: Tokens | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate one model or two (``open_models``), classifiers or perplexity models; all figures, as JSON has them.

    ``labelled``: texts labelled as the model's labels are, or high and low; ``pool``: texts whose labels are not
    looked at, in whose documents, bytes and tokens (``tokens``) thresholds are told. One of the two is enough.
    The same texts give the same account, whatever the order of files and rows. Raises RecipeError for what is asked
    wrongly, InputError for models, labels and texts that are not as they should be.
    """
    asked, progress = asked or Asked(), progress or SilentProgress()
    if not labelled and not pool:
        raise RecipeError(
            "texts: give labelled ones (--high and --low, or --labels), a pool (--pool), or both"
        )
    check_values(models, asked.values or ())
    count = tokens.count if tokens else None
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(asked, list(models), Path(scratch))
        progress.step("evaluate", 3 + len(models), 0)
        _read(run, labelled, pool)
        progress.advance()
        scorers = [model.scorer for model in models]
        of_labelled = of_pool = None
        if run.labelled is not None:
            of_labelled = score_texts(scorers, run.labelled_texts(), variants=True, count_tokens=count)
        progress.advance()
        if run.pool is not None:
            of_pool = score_texts(scorers, run.pool_texts(), variants=of_labelled is None, count_tokens=count)
            if not len(of_pool.bytes):
                raise RecipeError(f"--pool: no texts of {models[0].language!r} in {_names(pool)}")
        progress.advance()
        if of_labelled is not None:
            look_at(run, of_labelled)
        settle(run, of_pool)
        told = []
        for place in range(len(models)):
            told.append(model_figures(run, place, of_labelled, of_pool))
            progress.advance()
        both = of_pool or of_labelled
        assert both is not None
        data = {
            "labelled": data_facts(labelled, "labelled texts"),
            "pool": data_facts(pool, "pool", labelled=False),
        }
        return {
            "format": FORMAT,
            "versions": library_versions("hanji"),
            "language": models[0].language,
            "data": data,
            "split": split_facts(run),
            "tokens": tokens.said if tokens else None,
            "texts": {"labelled": counts(of_labelled), "pool": counts(of_pool)},
            "models": told,
            "sides": side_by_side(run, both) if len(models) == 2 else None,
            "warnings": run.warnings,
            "key": fingerprint([_hashes(some) for some in data.values()] + [asked.split, asked.most]),
        }


def _read(run: Run, labelled: Sequence[TextSource], pool: Sequence[TextSource]) -> None:
    """Put the texts on disk and look whether they are what the models are for."""
    models, language = run.models, run.models[0].language
    apart = told_apart([*labelled, *pool])
    labelled, pool = apart[: len(labelled)], apart[len(labelled) :]
    if labelled:
        run.warnings += check_data(models, labelled, run.asked.split)
        good = tuple(dict.fromkeys(model.scorer.label for model in models if model.scorer.label))
        others = tuple(
            dict.fromkeys(label for model in models for label in model.scorer.labels if label not in good)
        )
        known = [model.known for model in models if model.known is not None]
        sources = [TwoKinds(source, good, others) for source in labelled]
        run.labelled = read_labelled(
            run.scratch / "labelled", sources, known, run.asked.split, run.asked.most
        )
        looked = looks_like((text for _, text in run.labelled.in_order()), language, "labelled texts")
        run.warnings += [looked] if looked else []
    if pool:
        run.pool = read_pool(run.scratch / "pool", pool)
        looked = looks_like((text for _, text in run.pool_texts()), language, "pool")
        run.warnings += [looked] if looked else []


def _hashes(data: Sequence[Mapping[str, str]]) -> list[str]:
    """The hash of each source once, however it was labelled: what makes two evaluations those of the same texts."""
    return sorted(identity for _, identity in {(row["name"], row["hash"]) for row in data})


def _names(sources: Sequence[TextSource]) -> str:
    return ", ".join(source.name for source in sources)
