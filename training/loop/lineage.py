"""The family node: what a checkpoint is made of, written when it is saved because it cannot be found later.

It names the parents (none for a model trained from random weights), where each layer comes from, the shards, the
tokens seen by language, domain and tier, and the cost so far under both attention conventions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hanji.fingerprint import fingerprint
from hanji.training.cost import flops_per_token
from hanji.training.data.plan import DataPlan, windows_in
from hanji.training.data.repeats import up_samplings
from hanji.training.model.shape import parameter_count
from hanji.training.recipe import TrainingRecipe
from hanji.training.stages import with_stages


def family_node(
    recipe: TrainingRecipe,
    data: DataPlan,
    step: int,
    stage: str,
    consumed: Mapping[str, int],
    parents: Sequence[Mapping[str, Any]] = (),
    skipped: Sequence[int] = (),
) -> dict[str, Any]:
    """The node of a checkpoint after ``step`` steps; ``consumed`` gives windows by component.

    ``skipped`` are the steps (counted from 1) that never reached the weights.

    ``parents`` is the model that the run's first weights are from, if any: every layer is then that model's.

    ``hash`` is the fingerprint of everything else in the node.
    """
    shape, tokenizer = recipe.shape, data.manifest.tokenizer
    tokens = {name: count * shape.seq_length for name, count in sorted(consumed.items())}
    total = sum(tokens.values())
    cost = flops_per_token(shape, tokenizer.vocab_size)
    node = {
        "format": "hanji-family/1",
        "kind": "pretraining",
        "name": recipe.name,
        "parents": [dict(parent) for parent in parents],
        "layer_map": [
            {"parent": 0 if parents else None, "layer": layer if parents else None}
            for layer in range(shape.layers)
        ],
        "recipe": recipe.identity_fingerprint(),
        "step": step,
        "stage": stage,
        "stages": _stages(recipe, step),
        "batch": {"samples": recipe.batch.global_size, "seq_length": shape.seq_length},
        "skipped": list(skipped),
        # With the shards that these name, all that it takes to say what each step has read.
        "order": {
            **data.order.history(step * recipe.batch.global_size),
            "names": list(data.order.names),
            "upsample": _up_samplings(recipe, data),
        },
        "model": {
            **shape.as_dict(),
            "vocab_size": tokenizer.vocab_size,
            "parameters": parameter_count(shape, tokenizer.vocab_size),
        },
        "shards": {
            "manifest_sha256": data.manifest_sha256,
            "curation": data.manifest.curation,
            "tokenizer_sha256": tokenizer.sha256,
        },
        "tokens": {
            "total": total,
            "component": tokens,
            "language": _grouped(tokens, 0),
            "domain": _grouped(tokens, 1),
            "tier": _grouped(tokens, 2),
        },
        "flops": {
            "full_attention": cost.full_attention * total,
            "causal_attention": cost.causal_attention * total,
            "six_nd": cost.six_n * total,
        },
    }
    return {**node, "hash": fingerprint(node)}


def _up_samplings(recipe: TrainingRecipe, data: DataPlan) -> dict[str, list[dict[str, Any] | None]]:
    """By component that is divided into streams, the up-samplings that divide it, in their order."""
    if not data.runs:
        return {}
    usable = [
        name
        for name, component in data.train.items()
        if windows_in(component.tokens, recipe.shape.seq_length)
    ]
    wanted, _ = up_samplings(with_stages(recipe).stages, usable)
    return {
        name: [None if one is None else one.model_dump(mode="json") for one in wanted[name]]
        for name in sorted(data.runs)
    }


def _stages(recipe: TrainingRecipe, step: int) -> list[dict[str, Any]]:
    """The stages that were begun, and how many steps of each were done."""
    done, stages = 0, []
    for stage in recipe.stages:
        steps = min(recipe.steps_of(stage), step - done)
        if steps > 0:
            stages.append({"name": stage.name, "steps": steps})
            done += steps
    return stages


def _grouped(tokens: Mapping[str, int], part: int) -> dict[str, int]:
    groups: dict[str, int] = {}
    for name, count in tokens.items():
        key = name.split("/")[part]
        groups[key] = groups.get(key, 0) + count
    return groups
