"""What figures cannot show: warnings, what was left out, and how many texts and sites there were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hanji.classifiers.evaluating.asked import Run
from hanji.classifiers.evaluating.scoring import Scored

FEW, FEW_SITES = 50, 10
MOST_BY_LENGTH = 0.1


def look_at(run: Run, scored: Scored) -> None:
    """Warnings of what the labelled texts cannot show."""
    assert run.labelled is not None and scored.truth is not None
    made, truth = run.labelled, scored.truth
    if run.asked.split == "none" and made.known_sites:
        run.warnings.append(
            f"figures include {made.known_sites:,} texts of sites that a model was trained on, and "
            f"{made.known_texts:,} of them were in its training: they flatter it"
        )
    elif run.asked.split == "texts" and made.known_sites > made.left_out:
        run.warnings.append(
            f"figures include {made.known_sites - made.left_out:,} texts of sites that a model was trained on"
        )
    if made.disputed:
        run.warnings.append(f"{made.disputed:,} texts have both labels and are left out")
    for kind, mine in (("good texts", truth), ("others", ~truth)):
        count, sites = int(mine.sum()), len(np.unique(scored.site[mine]))
        if 0 < count < FEW:
            run.warnings.append(f"only {count:,} {kind}: figures on so few move much")
        elif 0 < sites < FEW_SITES:
            run.warnings.append(f"the {kind} are of {sites:,} sites: figures say little of other sites")
    if truth.any() and not truth.all():
        both = np.intersect1d(scored.source[truth], scored.source[~truth])
        if not len(both):
            run.warnings.append(
                "every source has one label alone: figures say how well the model tells these sources apart, not "
                "good texts from others within a source"
            )


def length_warning(name: str, figures: Mapping[str, Any]) -> list[str]:
    """A warning where texts of like length are told apart much less well than texts of any length."""
    whole, like = figures["roc_auc"], figures["roc_auc_of_like_length"]
    if like is None:
        return [
            f"{name}: no good text is in a bin of length with another, so the figures may be those of length alone"
        ]
    if whole - like < MOST_BY_LENGTH:
        return []
    return [
        f"{name}: ROC-AUC is {whole:.3f}, and {like:.3f} among texts of like length: the model goes by length, or "
        "by what goes with it in these texts"
    ]


def split_facts(run: Run) -> dict[str, Any] | None:
    if run.labelled is None:
        return None
    made, by = run.labelled, run.asked.split
    known = [model for model in run.models if model.known is not None]
    if not known:
        said = "No model says what it was trained on, so nothing was left out."
    elif by == "none":
        said = f"Nothing was left out; {made.known_sites:,} texts are of sites that a model was trained on."
    else:
        what = f"of {len(made.sites_known):,} sites that" if by == "sites" else "that"
        said = f"{made.left_out:,} texts {what} a model was trained on are left out."
    return {
        "by": by,
        "said": said,
        "left_out": made.left_out,
        "known_sites": len(made.sites_known),
        "disputed": made.disputed,
    }


def counts(scored: Scored | None) -> dict[str, Any] | None:
    if scored is None:
        return None
    found = sizes(scored)
    if scored.truth is not None:
        found |= {"good": int(scored.truth.sum()), "others": int((~scored.truth).sum())}
    return found


class Counted(Protocol):
    """Texts that were scored: their sites and sources, and their sizes (int64[n])."""

    @property
    def sites(self) -> Sequence[str]: ...
    @property
    def sources(self) -> Sequence[str]: ...
    @property
    def bytes(self) -> np.ndarray: ...
    @property
    def tokens(self) -> np.ndarray | None: ...


def sizes(scored: Counted) -> dict[str, Any]:
    """How many texts, sites, sources, bytes and tokens there are."""
    return {
        "texts": len(scored.bytes),
        "sites": len(scored.sites),
        "sources": len(scored.sources),
        "bytes": int(scored.bytes.sum()),
        "tokens": None if scored.tokens is None else int(scored.tokens.sum()),
    }
