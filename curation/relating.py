"""Relate: which documents are alike, with evidence (steps/relate.py), and the clusters they make."""

from __future__ import annotations

from hanji.curation.context import Context
from hanji.curation.delivery import receiving_units, release
from hanji.curation.steps import cluster
from hanji.curation.steps import relate as steps
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Step, Unit, task_with


def relate(context: Context, gathered: list[Commit]) -> tuple[list[Commit], list[Commit]]:
    """The commits of verified edges and of clusters, by range of ids."""
    dedup, partitions = context.recipe.dedup, context.partitions
    version = STEP_VERSIONS["relate"]
    params = [dedup.exact, dedup.minhash, partitions]
    sign_step = Step("sign", version, task_with(steps.sign, dedup, partitions), params)
    texts_only = [commit.files["text"].sha256 for commit in gathered]
    signed = context.runner.map(
        sign_step,
        [
            # Each language has its own shingles, and is no part of the texts.
            Unit(c.unit, [sha, c.info.get("languages")], c)
            for c, sha in zip(gathered, texts_only, strict=True)
        ],
    )
    if dedup.url.enabled:
        # Of its own: what is not in the texts changes with much that signatures do not depend on.
        url_step = Step(
            "sign-urls",
            version,
            task_with(steps.sign_urls, dedup.minhash, partitions),
            [sorted(dedup.minhash.shingles), partitions],
        )
        facts = [Unit(c.unit, c.files["facts"].sha256, c) for c in gathered]
        signed += context.runner.map(url_step, facts)
    pair_step = Step("pair", version, task_with(steps.pair, partitions), partitions)
    paired = context.runner.map(
        pair_step, receiving_units(context.runner, "pair", signed, "buckets", partitions)
    )
    release(context.runner, signed, "buckets")
    attach_step = Step("attach", version, task_with(steps.attach, partitions), partitions)
    attached = context.runner.map(
        attach_step,
        receiving_units(
            context.runner, "attach", paired, "wanted", partitions, extra=texts_only, works=gathered
        ),
    )
    text_units = receiving_units(context.runner, "verify", attached, "texts", partitions)
    verify_step = Step(
        "verify", version, task_with(steps.verify, dedup), [dedup.minhash, dedup.url.min_jaccard, partitions]
    )
    edges = context.runner.map(
        verify_step,
        receiving_units(
            context.runner,
            "verify",
            paired,
            "pairs",
            partitions,
            extra=[[unit.inputs, sha] for unit, sha in zip(text_units, texts_only, strict=True)],
            works=[(u.work[1], home) for u, home in zip(text_units, gathered, strict=True)],
        ),
    )
    release(context.runner, paired, "pairs", "wanted")
    release(context.runner, attached, "texts")
    return edges, cluster.components(context.runner, edges, partitions)
