"""An evaluation on a model's card: what it was on, by hash, and the figures that a reader looks for first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hanji.classifiers.cards import write_card
from hanji.classifiers.evaluating.measure import SCORES, measure_of
from hanji.classifiers.evaluating.models import Model
from hanji.classifiers.evaluating.perplexity import TurnedPerplexity
from hanji.classifiers.quality import QualityScorer, read_card

LIMITS = (
    "Nothing is known of its training but what stands here. Figures hold for the texts that they were measured on; "
    "scores order texts of one language and are no probabilities of quality; a threshold holds for this model "
    "alone."
)
PERPLEXITY_LIMITS = (
    "Nothing is known of its training but what stands here. Low perplexity is likeness to the texts of the "
    "training, not quality; perplexities and cut-offs of two models do not compare."
)


def write_evaluation(model: Model, account: Mapping[str, Any], place: int) -> str:
    """Put the figures of ``account["models"][place]`` on the model's card; returns the card's path.

    A model without a card is given one. Raises OSError where the card cannot be written.
    """
    card = read_card(model.path) or {
        "kind": model.measure.kind,
        "language": model.language,
        "model": model.path.name,
        **_of_kind(model.scorer),
        "limits": LIMITS if model.measure is SCORES else PERPLEXITY_LIMITS,
    }
    return add_evaluation(model.path, card, account, summary(account, place))


def _of_kind(scorer: QualityScorer | TurnedPerplexity) -> dict[str, str]:
    facts = {key: sha256 for key, _, sha256 in scorer.files()}
    if isinstance(scorer, TurnedPerplexity):
        return facts | {"sentencepiece": scorer.sentencepiece.name}
    return facts | {"high": scorer.label, "preparation": scorer.preparation}


def add_evaluation(
    path: Path, card: Mapping[str, Any], account: Mapping[str, Any], figures: Mapping[str, Any]
) -> str:
    """Put ``figures`` and what an account is of on the card of the model at ``path``; returns the card's path.

    An evaluation of the same texts replaces the one before; others stay.
    """
    mine = {
        "key": account["key"],
        "data": [row for some in account["data"].values() for row in some],
        "split": (account["split"] or {"said": "No labelled texts."})["said"],
        "figures": dict(figures),
        "warnings": account["warnings"],
        "versions": account["versions"],
    }
    others = [one for one in card.get("evaluations") or [] if one.get("key") != account["key"]]
    return write_card(path, {**card, "evaluations": [*others, mine]})


def summary(account: Mapping[str, Any], place: int) -> dict[str, Any]:
    """The first figures of one model, by name."""
    told, texts = account["models"][place], account["texts"]
    measure = measure_of(told)
    found: dict[str, Any] = {}
    if (labelled := texts["labelled"]) is not None:
        figures, at = told["figures"], told["figures"]["at_threshold"]
        keep = f"{measure.keeps} {at['threshold']:g}"
        found |= {
            "good texts": labelled["good"],
            "others": labelled["others"],
            "sites": labelled["sites"],
            "ROC-AUC": figures["roc_auc"],
            "ROC-AUC, 95 % over sites": _interval(figures["intervals"]["roc_auc"]),
            "ROC-AUC among texts of like length": figures["roc_auc_of_like_length"],
            "average precision": figures["average_precision"],
            f"precision at {keep}": at["precision"],
            f"recall at {keep}": at["recall"],
            f"macro-F1 at {keep}": at["macro_f1"],
            **{
                f"recall at precision {precision}": pair[0] if pair else 0.0
                for precision, pair in figures["recall_at_precision"].items()
            },
            **_calibration(told["calibration"]),
            **{f"ROC-AUC, {row['variant']}": row["roc_auc"] for row in told["variants"] if "roc_auc" in row},
        }
        worst = [row for row in told["confusion"]["rows"] if row["missed"] + row["wrong"]]
        if worst:
            row = worst[0]
            found["most mistakes"] = f"{row['name']}: {row['missed'] + row['wrong']:,} of {row['texts']:,}"
    if (pool := texts["pool"]) is not None:
        found["texts of the pool"] = pool["texts"]
        for row in told["thresholds"]:
            if row["share"] == 0.1:
                found["threshold of the pool's best tenth"] = row["threshold"]
            elif row["share"] is None and row["threshold"] == told["threshold"]:
                found[f"share of the pool at {measure.keeps} {row['threshold']:g}"] = row["documents_share"]
        for bucket in (told.get("buckets") or {"rows": []})["rows"]:
            if bucket["below"] is not None:
                found[f"{bucket['bucket']} of the pool: perplexity below"] = bucket["below"]
    return found


def _calibration(found: Mapping[str, Any] | None) -> dict[str, float]:
    if found is None:
        return {}
    return {"expected calibration error": found["expected_error"], "Brier score": found["brier"]}


def _interval(pair: list[float] | None) -> str | None:
    return None if pair is None else f"{pair[0]:.3f} to {pair[1]:.3f}"
