"""Why: the story of one document, whatever became of it. Looks up; the telling is in report/story.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.blocks.resolve import block_languages, block_names
from hanji.curation.decisions.rules import load_rules
from hanji.curation.recipe import CurationRecipe
from hanji.curation.relatives import cluster_of, placement, row_of, rows_of, twin_of
from hanji.curation.repeated.evidence import documents_with
from hanji.curation.report.kin import Style
from hanji.curation.report.story import tell, within
from hanji.curation.report.tiers import read_cuts, tier_lines
from hanji.curation.signals import ratios
from hanji.curation.work import newest_commits
from hanji.errors import InputError
from hanji.recipe import parse_recipe
from hanji.storage import Storage

MOST = 20


def why(run: str, key: str, style: Style | None = None) -> str:
    """The story of the documents with this id (or the beginning of it), URL or path, as text for a terminal.

    Raises InputError if the run is none, or knows no such document.
    """
    storage = Storage(run)
    if not storage.exists("run.json"):
        raise InputError(f"{storage.describe('run.json')}: not a run directory (it has no run.json)")
    facts = json.loads(storage.read_bytes("run.json"))
    recipe = parse_recipe(facts["recipe"], CurationRecipe, origin=storage.describe("run.json"))
    found = list(_find(storage, key))
    if not found:
        raise InputError(
            f"{run}: no document has the id, URL or path {key!r}; ids are 32 hexadecimal digits "
            "(8 or more of them suffice), URLs are compared as they stand in the inputs"
        )
    identities = sorted({document["id"] for document, _ in found})
    stories = [
        _story(storage, recipe, identity, [pair for pair in found if pair[0]["id"] == identity], style)
        for identity in identities[:MOST]
    ]
    if len(identities) > MOST:
        stories.append(f"… and {len(identities) - MOST} more documents with this URL or path.")
    return "\n\n".join(stories)


def _find(run: Storage, key: str) -> Iterator[tuple[dict[str, Any], str]]:
    """(document row, name of its split) of every row that the key names."""
    is_id = 8 <= len(key) <= 32 and all(c in "0123456789abcdef" for c in key)
    for commit in newest_commits(run, "read"):
        path = commit.files["documents"].path
        table = run.read_table(path, ["id", "url", "path"])
        hit = pc.fill_null(
            pc.or_(pc.equal(table["path"], key), pc.fill_null(pc.equal(table["url"], key), False)), False
        )
        if is_id:
            hit = pc.or_(hit, pc.starts_with(table["id"], key))
        rows = pc.indices_nonzero(hit)
        if len(rows):
            for row in run.read_table(path).take(rows).to_pylist():
                yield row, commit.unit


def _story(
    run: Storage,
    recipe: CurationRecipe,
    identity: str,
    rows: list[tuple[dict[str, Any], str]],
    style: Style | None,
) -> str:
    document, unit = min(rows, key=lambda pair: (pair[0]["path"], pair[0]["offset"]))
    edits = [
        {name: value for name, value in row.items() if name != "id"}
        for step, made in (
            ("edit", True),
            ("repeated", recipe.dedup.lines.enabled),
            ("blocks", bool(recipe.blocks)),
            ("contaminate", recipe.contamination is not None),
        )
        if made
        for row in rows_of(run, step, "edits", identity, unit)
    ]
    edits = [json.loads(line) for line in dict.fromkeys(json.dumps(edit) for edit in edits)]
    ledger = row_of(run, "ledger", "ledger", identity)
    facts = row_of(run, "gather", "facts", identity)
    judgements = _judgements(recipe, facts) if facts is not None and document["status"] == "read" else []
    asked = _asked(recipe, facts) if facts is not None and document["status"] == "read" else []
    return tell(
        document,
        edits,
        judgements,
        ledger,
        placement(run, ledger),
        cluster_of(run, ledger),
        asked,
        twin_of(run, ledger),
        style or Style(),
        _repeats(run, document, edits),
        _scored(recipe, facts) if facts is not None and document["status"] == "read" else None,
        _tier(run, ledger),
    )


def _tier(run: Storage, ledger: dict[str, Any] | None) -> list[str]:
    """Why the document has its tier, as far as the report knows how tiers were cut."""
    path = "report/metrics.json"
    if ledger is None or ledger["tier"] is None or not run.exists(path):
        return []
    metrics = json.loads(run.read_bytes(path))
    if "tier_cuts" not in metrics:  # of an earlier version
        return []
    cuts = read_cuts(metrics["recipe"], metrics["tier_cuts"])
    return tier_lines(cuts, ledger) if len(cuts.tiers) > 1 else []


def _scored(recipe: CurationRecipe, facts: dict[str, Any]) -> dict[str, Any]:
    """What models of the document's language said of it."""
    wanted = ["perplexity"] if facts["language"] in recipe.perplexity else []
    if recipe.domains is not None and facts["language"] in recipe.domains.models():
        wanted += ["predicted_domain", "domain_probability", "domain"]
    return {name: facts[name] for name in wanted if name in facts}


def _repeats(run: Storage, document: dict[str, Any], edits: list[dict[str, Any]]) -> dict[int, int]:
    """In how many documents each removed line stands, by the position of its edit."""
    lines = [edit for edit in edits if edit["step"] == "repeated"]
    if not lines or not document.get("text"):
        return {}
    # Counted were the lines as the edits before had left them.
    earlier = [edit for edit in edits if edit["step"] in ("lines", "pii")]
    texts = [within(document["text"], edit, earlier) for edit in lines]
    counts = documents_with(run, texts, document["language"])
    return {edit["start"]: count for edit, count in zip(lines, counts, strict=True) if count is not None}


def _asked(recipe: CurationRecipe, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks that were asked about a document, in order: name, whether it passed, what was said."""
    asked: list[dict[str, Any]] = []
    if facts["verdict_step"] not in (None, "blocks", "contamination"):
        return asked  # what fell before is shown to no block
    broken = facts["verdict_rules"] or []
    for block, name in zip(recipe.blocks, block_names(recipe.blocks), strict=True):
        languages = block_languages(block)
        fell = any(not one["passed"] for one in asked)
        if (languages is not None and facts["language"] not in languages) or (fell and not block.all):
            continue
        rule, detail = f"block.{name}", None
        if rule == facts["verdict_rule"]:
            detail = facts["verdict_detail"]
        failed = facts["verdict_status"] == "failed" and (facts["verdict_detail"] or "").startswith(
            f"{name}:"
        )
        asked.append({"name": rule, "passed": not (failed or rule in broken), "detail": detail})
        if failed:
            asked[-1]["detail"] = facts["verdict_detail"].partition(":")[2].strip()
            break
    return asked


def _judgements(recipe: CurationRecipe, facts: dict[str, Any]) -> list[dict[str, Any]]:
    rules = load_rules(recipe.rules).get(facts["language"], [])
    table = pa.Table.from_pylist([facts])
    judgements = []
    for rule in rules:
        value = float(ratios.value(rule.signal, table)[0])
        judgements.append(
            {
                "name": rule.name,
                "value": value,
                "threshold": rule.threshold,
                "op": rule.op,
                "passed": rule.keeps(value),
                "description": rule.description,
            }
        )
    return judgements
