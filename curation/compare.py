"""Compare: what moved between two finished runs, and why.

Counts that the runs' own metrics hold (funnel, rules, components) are laid side by side. Documents are joined by
id, one stretch of ids after another (:func:`side_by_side`): who has another verdict, what moved it, and how each
signal's values drifted (:mod:`hanji.curation.joined`). Memory holds one partition of each run.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hanji.curation.finished import FinishedRun, open_finished, side_by_side, stretch_bounds
from hanji.curation.joined import Joined, Json
from hanji.curation.report.metrics import funnel_rows
from hanji.fingerprint import fingerprint
from hanji.progress import Progress, SilentProgress

EXCERPT, EXCERPTS = 200, 60
_HASH = re.compile("[0-9a-f]{32,}")
_FILES = "files of "


@dataclass(frozen=True)
class Comparison:
    """Two runs, A and B. All fields are JSON; pairs are [of A, of B], None where a run has no such thing."""

    runs: list[Json]
    """Name, directory, sample, documents, bytes, kept, kept_bytes, tokens of each."""
    recipe: dict[str, list[Any]]
    """Field of the recipe → pair, of those that differ."""
    versions: dict[str, list[Any]]
    """Library, model, tokenizer, block, or what the files of benchmarks and URL rules hold → pair of versions or of
    hashes' first 16 digits, of those that differ."""
    rules_changed: dict[str, list[str | None]]
    """Rule or tier of a language → pair of conditions, of those that differ."""
    funnel: list[Json]
    """Rows of source and language; ``reach``: pair of step → [documents, bytes, tokens] that reach it."""
    rules: list[Json]
    """Rows of a rule with pairs of documents and bytes that fell to it, the largest differences first."""
    components: list[Json]
    """Rows of language/domain/tier/split with pairs of documents, bytes and tokens; tokens are each run's own."""
    shared: int
    """Documents in both runs."""
    unchanged: int
    """Those of them with the same verdict, by the same rule."""
    only: dict[str, list[Json]]
    """Of A and of B: rows of source and verdict of the documents that the other run has not."""
    replaced: list[Json] | None
    """Rows of a pair of verdicts: documents that have the same source and key in both, and other content.

    None where more than KEYS documents are in one run alone: they are not matched then."""
    changes: list[Json]
    """Rows of a pair of verdicts of documents in both, with ``reasons`` and samples of each.

    The first EXCERPTS reasons' samples have an ``excerpt`` of the text, if there is any."""
    tiers: list[Json]
    """Rows of a pair of tiers of documents kept in both."""
    survivors: int
    """Duplicates with the same verdict in both runs that fell to another document."""
    drift: list[Json]
    """Rows of language and signal, over ``all`` documents of each run and those ``shared``."""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1) + "\n"


def compare(run_a: str, run_b: str, progress: Progress | None = None) -> Comparison:
    """Compare two finished runs. Raises InputError if one is no curation run or has not finished."""
    a, b = open_finished(run_a), open_finished(run_b)
    progress = progress or SilentProgress()
    joined = Joined(a, b)
    progress.step("compare", len(stretch_bounds(a, b)) - 1, 0)
    for piece in side_by_side(a, b):
        joined.add(*piece)
        progress.advance()
    joined.look_up_survivors()
    changes = joined.changes.rows()
    _add_excerpts(changes, b, a)
    return Comparison(
        runs=[_run(a), _run(b)],
        recipe=_differences(_settings(a), _settings(b)),
        versions=_shortened(_differences(_versions(a), _versions(b))),
        rules_changed=_differences(_conditions(a), _conditions(b)),
        funnel=_funnel(a, b),
        rules=_rules(a, b),
        components=_components(a, b),
        shared=joined.shared,
        unchanged=joined.unchanged,
        only={which: joined.only[which].rows() for which in ("A", "B")},
        replaced=joined.replaced(),
        changes=changes,
        tiers=[
            {"language": language, "tiers": [first, second], "documents": count}
            for (language, first, second), count in joined.tiers.most_common()
        ],
        survivors=joined.survivors,
        drift=joined.drift.rows(),
    )


# -- what the runs' own books say ------------------------------------------------------------------------------


def _run(run: FinishedRun) -> Json:
    metrics = run.metrics
    return {
        "name": metrics["name"],
        "run": run.storage.describe(),
        "sample": run.run_json.get("sample", 1.0),
        "documents": metrics["documents"],
        "bytes": metrics["bytes"],
        "kept": metrics["verdicts"].get("kept", 0),
        "kept_bytes": sum(cell[1] for cell in metrics["components"].values()),
        "tokens": sum(cell[2] for cell in metrics["components"].values()),
    }


def _settings(run: FinishedRun) -> dict[str, Any]:
    """The recipe's fields by their names in full; items of lists by their own names, where they have any."""
    return dict(_fields({k: v for k, v in run.recipe.items() if k != "run"}, ""))


def _fields(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    prefix = f"{name}." if name else ""
    if isinstance(value, Mapping):  # of an empty one there is nothing to tell
        for key, inner in value.items():
            yield from _fields(inner, f"{prefix}{key}")
    elif (
        isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value)
    ):
        for place, item in enumerate(value):
            yield from _fields(item, f"{prefix}{item['name'] or place}")
    else:
        yield name, value


def _versions(run: FinishedRun) -> dict[str, Any]:
    facts = run.run_json
    found = {**facts.get("versions", {}), **facts.get("block_versions", {})}
    models = facts.get("models", {})
    found |= {"model of the language": models.get("language")}
    for language, sha in models.get("quality", {}).items():
        several = sha if isinstance(sha, dict) else {"": sha}
        found |= {f"quality model of {language} {name}".rstrip(): one for name, one in several.items()}
    for kind in ("perplexity", "domains"):
        found |= {f"{kind} model of {language}": sha for language, sha in models.get(kind, {}).items()}
    found |= {f"step {name}": version for name, version in facts.get("step_versions", {}).items()}
    found |= {"tokenizer": run.metrics["manifest"]["tokenizer"]["sha256"]}
    found |= {f"block {block['name']}": fingerprint(block) for block in facts.get("blocks", [])}
    return found | {f"{_FILES}{name}": sha for name, sha in facts.get("files", {}).items()}


def _shortened(differences: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The hashes that stand in versions and identities, where those differ, by their first digits."""
    return {
        name: [
            _HASH.sub(lambda found: found[0][:16], one) if isinstance(one, str) else one for one in versions
        ]
        for name, versions in differences.items()
        # Runs of earlier versions did not say what their files held, and the recipe tells who had none.
        if not name.startswith(_FILES) or None not in versions
    }


def _conditions(run: FinishedRun) -> dict[str, Any]:
    """What rules and tiers ask, as text, by language and name."""
    found = {
        f"{language}: {rule.name}": f"{rule.signal} {rule.op} {rule.threshold:g}"
        for language, rules in run.rules.items()
        for rule in rules.values()
    }
    for language, tiers in run.metrics["tier_thresholds"].items():
        found |= {f"{language}: tier {name}": f"score >= {score:g}" for name, score in tiers.items()}
    cuts = run.metrics.get("tier_cuts", {})
    tiers = run.metrics["recipe"]["tiers"]
    for place, groups in cuts.get("quotas", {}).items():
        found |= {
            f"{group}: quota of {tiers[int(place)]['name']}": f"{cut['tokens']} of {cut['wanted']} tokens"
            for group, cut in groups.items()
        }
    return found


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Name → [in A, in B] of what differs, in order of names; None where there is no such name."""
    return {
        name: [a.get(name), b.get(name)]
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name) or (name in a) != (name in b)
    }


def _funnel(a: FinishedRun, b: FinishedRun) -> list[Json]:
    sides = []
    for run in (a, b):
        rows = funnel_rows(dict(run.metrics))
        sides.append({(row.pop("source"), row.pop("language")): row for row in rows})
    return [
        {"source": source, "language": language, "reach": [side.get((source, language)) for side in sides]}
        for source, language in sorted({*sides[0], *sides[1]})
    ]


def _rules(a: FinishedRun, b: FinishedRun) -> list[Json]:
    """Rules by the number of documents by which they differ, then by how many fell."""
    rows = []
    for name in {*a.metrics["rules"], *b.metrics["rules"]}:
        pair = [run.metrics["rules"].get(name, {"count": 0, "bytes": 0}) for run in (a, b)]
        rows.append(
            {
                "rule": name,
                "documents": [rule["count"] for rule in pair],
                "bytes": [rule["bytes"] for rule in pair],
            }
        )
    return sorted(
        rows,
        key=lambda row: (
            -abs(row["documents"][1] - row["documents"][0]),
            -sum(row["documents"]),
            row["rule"],
        ),
    )


def _components(a: FinishedRun, b: FinishedRun) -> list[Json]:
    rows = []
    for name in sorted({*a.metrics["components"], *b.metrics["components"]}):
        cells = [run.metrics["components"].get(name, [0, 0, 0]) for run in (a, b)]
        row: Json = {"component": name}
        for place, what in enumerate(("documents", "bytes", "tokens")):
            row[what] = [cell[place] for cell in cells]
        rows.append(row)
    return rows


def _add_excerpts(changes: list[Json], *runs: FinishedRun) -> None:
    """The beginnings of the samples' texts, from the first run that has one, for the most frequent reasons."""
    reasons = [reason for row in changes for reason in row["reasons"]][:EXCERPTS]
    samples = [sample for reason in reasons for sample in reason["samples"]]
    for run in runs:
        texts = run.texts(sample["id"] for sample in samples if "excerpt" not in sample)
        for sample in samples:
            if sample["id"] in texts and "excerpt" not in sample:
                sample["excerpt"] = " ".join(texts[sample["id"]][: 2 * EXCERPT].split())[:EXCERPT]
