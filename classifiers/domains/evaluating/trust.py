"""What the figures of domain models cannot show: warnings, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hanji.classifiers.domains.evaluating.asked import Run
from hanji.classifiers.domains.evaluating.by_label import sites_of_labels
from hanji.classifiers.domains.evaluating.scoring import Scored
from hanji.classifiers.evaluating.trust import FEW, FEW_SITES, MOST_BY_LENGTH, sizes


def look_at(run: Run, scored: Scored) -> None:
    """Warnings of what the labelled texts cannot show."""
    assert run.labelled is not None and scored.truth is not None
    made, labels = run.labelled, run.labels
    _of_split(run)
    if made.disputed:
        run.warnings.append(f"{made.disputed:,} texts have two labels and are left out")
    texts = np.bincount(scored.truth, minlength=len(labels))
    sites = sites_of_labels(scored.truth, scored.site, len(labels))
    gone = [label for label in labels if made.before[label] and not texts[labels.index(label)]]
    if gone:
        run.warnings.append(
            f"{_names(gone)}: no text is left, so nothing is known of how well the model finds it"
        )
    missing = [label for label in labels if not made.before[label]]
    if missing:
        run.warnings.append(
            f"no texts of {_names(missing)} were given: only that others are taken for it is seen"
        )
    one_site = [label for one, label in enumerate(labels) if sites[one] == 1]
    if one_site:
        run.warnings.append(
            f"all texts of {_names(one_site)} are of one site: figures say how well that site is known, not the "
            "domain, and have no interval"
        )
    few_sites = [label for one, label in enumerate(labels) if 1 < sites[one] < FEW_SITES]
    if few_sites:
        run.warnings.append(
            f"{_names(few_sites)}: fewer than {FEW_SITES} sites, figures say little of others"
        )
    few = [f"{label} ({texts[one]:,})" for one, label in enumerate(labels) if 0 < texts[one] < FEW]
    if few:
        run.warnings.append(f"few texts of {_names(few)}: figures on so few move much")
    if int((texts > 0).sum()) == 1:
        run.warnings.append("all texts are of one label: what is taken for it wrongly is not seen")
    else:
        pairs = np.unique(np.stack([scored.source, scored.truth]), axis=1)
        if (np.bincount(pairs[0]) == 1).all():
            run.warnings.append(
                "every source has one label alone: figures say how well the model tells these sources apart, not "
                "domains within a source"
            )


def _of_split(run: Run) -> None:
    assert run.labelled is not None
    made = run.labelled
    if run.asked.split == "none" and made.known_sites:
        run.warnings.append(
            f"figures include {made.known_sites:,} texts of sites that a model was trained on, and "
            f"{made.known_texts:,} of them were in its training: they flatter it"
        )
    elif made.known_sites:
        run.warnings.append(
            f"figures include {made.known_sites:,} texts of sites that a model was trained on"
        )


def model_warnings(run: Run, place: int, told: Mapping[str, Any]) -> list[str]:
    """Warnings of one model: labels that it lacks, and whether length alone would do as well."""
    model, found = run.models[place], []
    assert run.labelled is not None
    lacking = [label for label in run.labels if label not in model.scorer.labels and run.labelled.kept[label]]
    if lacking:
        found.append(f"{model.name} does not know {_names(lacking)}, so it is wrong about every text of it")
    by_length, accuracy = told["accuracy_of_length"], told["figures"]["accuracy"]
    if accuracy - by_length < MOST_BY_LENGTH:
        found.append(
            f"{model.name}: {accuracy:.3f} of the texts are right, and {by_length:.3f} would be by always saying "
            "the most common label of texts of that length"
        )
    return found


def split_facts(run: Run) -> dict[str, Any] | None:
    """What was left out, in numbers and in a sentence; None without labelled texts."""
    if run.labelled is None:
        return None
    made, by = run.labelled, run.asked.split
    if not any(model.known is not None for model in run.models):
        said = "No model says what it was trained on, so nothing was left out."
    elif by == "none":
        said = f"Nothing was left out; {made.known_sites:,} texts are of sites that a model was trained on."
    else:
        on = (
            f"on their site ({len(made.sites_known):,} of them) or on the text itself"
            if by == "sites"
            else "on them"
        )
        said = f"{made.left_out:,} are left out: a model was trained {on}."
    return {
        "by": by,
        "said": said,
        "left_out": made.left_out,
        "left_out_of_labels": {
            label: count - made.kept[label]
            for label, count in sorted(made.before.items())
            if count > made.kept[label]
        },
        "known_sites": len(made.sites_known),
        "disputed": made.disputed,
    }


def counts(scored: Scored | None, labels: Sequence[str]) -> dict[str, Any] | None:
    """How many texts, sites, sources and bytes there are, and texts by label."""
    if scored is None:
        return None
    found = sizes(scored)
    if scored.truth is not None:
        of_label = np.bincount(scored.truth, minlength=len(labels)).tolist()
        found["labels"] = dict(zip(labels, of_label, strict=True))
    return found


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
