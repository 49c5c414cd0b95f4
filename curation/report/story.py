"""The story of one document, as plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

from hanji.curation.records import NORMALISED, Edit, apply_edits
from hanji.curation.report.kin import Cluster, Style, Twin, cluster_lines, place, twin_lines

WIDTH = 100
SNIPPET = 70


def tell(
    document: dict[str, Any],
    edits: list[dict[str, Any]],
    judgements: list[dict[str, Any]],
    ledger: dict[str, Any] | None,
    placement: dict[str, Any] | None,
    cluster: Cluster | None,
    asked: list[dict[str, Any]] | None = None,
    twin: Twin | None = None,
    style: Style = Style(),  # noqa: B008 (frozen)
    repeats: dict[int, int] | None = None,
    scored: dict[str, Any] | None = None,
    tier: list[str] | None = None,
) -> str:
    """What a document was, how it was read, what was changed, how it was judged and where it is now.

    ``document`` is a row of documents/; ``edits`` rows of edits/ without the id; ``judgements`` have name,
    value, threshold, op, passed and description; ``ledger``, ``placement`` (component, split, shard,
    token_offset, tokens), ``cluster`` and ``twin``, what it fell to, may be missing. ``asked`` are the blocks that
    were asked: name, passed and detail. ``repeats`` says by its position in how many documents a repeated line is;
    ``scored`` what models said: perplexity, predicted_domain, domain_probability, and the domain that was decided;
    ``tier`` lines that say why it is in its tier.
    """
    parts = [_origin(document), _reading(document)]
    if edits:
        parts.append(_edits(document, edits, repeats or {}))
    if asked:
        parts.append(_blocks(edits, asked))
    if scored:
        parts.append(_models(document, scored))
    if judgements:
        parts.append(_rules(judgements))
    if cluster is not None and cluster.size > 1:
        parts.append("\n".join(cluster_lines(document["id"], cluster)))
    parts.append(_verdict(document, ledger, placement))
    if tier:
        parts.append("\n".join(tier))
    if twin is not None and ledger is not None:
        parts.append("\n".join(twin_lines(ledger, twin, style)))
    text = document.get("text")
    if text:
        whole = apply_edits(text, [Edit(**edit) for edit in edits])
        excerpt = " ".join(whole[:600].split())
        parts.append("text\n" + textwrap.indent(textwrap.fill(excerpt[:400] + " …", WIDTH - 2), "  "))
    elif document["status"] == "read" and document["characters"]:
        parts.append("text       it was erased")
    return "\n\n".join(parts)


def _origin(document: dict[str, Any]) -> str:
    lines = [f"document {document['id']}"]
    for label, value in (
        ("url", document["url"]),
        ("title", document["title"]),
        ("source", f"{document['source']} (domain {document['domain']})"),
        ("date", document["date"]),
        ("published", document["published"]),
        ("found in", f"{document['path']} @ {document['offset']}"),
    ):
        if value:
            lines.append(f"  {label:<10} {value}")
    return "\n".join(lines)


def _reading(document: dict[str, Any]) -> str:
    lines = ["reading", f"  payload    {document['payload_bytes']:,} bytes"]
    for label, said in (
        ("flaw", document["flaw"]),
        ("bytes", document["page_language"] and f"look like: {document['page_language']}"),
        ("charset", _charset(document)),
        ("extractor", _extractor(document)),
        ("repaired", _repaired(document)),
        ("normalised", _normalised(document)),
        ("text", document["characters"] and _length(document)),
        ("language", document["language"] and _language(document)),
    ):
        if said:
            lines.append(f"  {label:<10} {said}")
    return "\n".join(lines)


def _charset(document: dict[str, Any]) -> str | None:
    if not document["charset"]:
        return None
    said = [f"{document['charset']} ({document['charset_from']})"]
    if document["charset_declared"] and document["charset_from"].startswith("mislabelled"):
        said.append(f"declared {document['charset_declared']}")
    for name, what in (
        ("charset_mixed", "characters in another charset"),
        ("replaced_characters", "characters could not be decoded"),
    ):
        if document[name]:
            said.append(f"{document[name]} {what}")
    return ", ".join(said)


def _extractor(document: dict[str, Any]) -> str | None:
    share = document["extracted_share"]
    taken = "" if share is None else f", {share:.0%} of the visible text"
    return document["extractor"] and f"{document['extractor']}{taken}"


def _repaired(document: dict[str, Any]) -> str | None:
    if document["repaired_characters"]:
        return f"{document['mojibake']}, {document['repaired_characters']} characters"
    if document["mojibake_suspects"]:
        return f"nothing; {document['mojibake_suspects']} characters look decoded wrongly ({document['mojibake']})"
    return None


def _normalised(document: dict[str, Any]) -> str:
    steps = [(name.removeprefix("normalised_"), document[name]) for name in NORMALISED]
    return ", ".join(f"{step} × {places}" for step, places in steps if places)


def _length(document: dict[str, Any]) -> str:
    return f"{document['characters']:,} characters, {document['text_bytes']:,} bytes"


def _language(document: dict[str, Any]) -> str:
    detail = f", {document['language_detail']}" if document["language_detail"] else ""
    return f"{document['language']} ({document['language_score']:.3f}){detail}"


def within(text: str, edit: dict[str, Any], earlier: list[dict[str, Any]]) -> str:
    """The stretch of a text that an edit takes, after those parts of earlier edits that lie in it."""
    start, end = edit["start"], edit["end"]
    inside = [
        Edit(
            e["step"],
            max(e["start"], start) - start,
            min(e["end"], end) - start,
            e["replacement"],
            e["reason"],
        )
        for e in earlier
        if e["start"] < end and e["end"] > start
    ]
    return apply_edits(text[start:end], inside)


def _edits(document: dict[str, Any], edits: list[dict[str, Any]], repeats: dict[int, int]) -> str:
    counts = Counter(edit["reason"] for edit in edits)
    lines = ["edits      " + ", ".join(f"{reason} × {count}" for reason, count in sorted(counts.items()))]
    text = document.get("text") or ""
    for edit in sorted(edits, key=lambda e: e["start"])[:12]:
        # Personal data is never shown: only what it became. What a block replaced may hold some, or be it.
        before = repr(text[edit["start"] : edit["end"]][:SNIPPET])
        if edit["step"] == "pii":
            before = "[masked]"
        elif edit["step"] == "blocks":
            before = f"[{edit['end'] - edit['start']} characters]"
        elif edit["step"] == "repeated":
            # A line may hold what was masked before it was counted.
            masks = [one for one in edits if one["step"] == "pii"]
            before = repr(within(text, edit, masks).strip()[:SNIPPET])
        after = repr(edit["replacement"]) if edit["replacement"] else "removed"
        if (documents := repeats.get(edit["start"])) is not None and edit["step"] == "repeated":
            after += f", a line of {documents} documents"
        lines.append(f"  {edit['reason']:<16} {before} → {after}")
    return "\n".join(lines)


def _blocks(edits: list[dict[str, Any]], asked: list[dict[str, Any]]) -> str:
    lines = [f"blocks     {len(asked)} asked, {sum(not one['passed'] for one in asked)} said no"]
    for one in asked:
        mark = "  " if one["passed"] else "✗ "
        said = [one["detail"]] if one["detail"] else []
        changed = sum(edit["reason"] == one["name"] for edit in edits)
        if changed:
            said.append(f"changed the text in {changed} places")
        lines.append(f"  {mark}{one['name']:<42} {', '.join(said)}".rstrip())
    return "\n".join(lines)


def _models(document: dict[str, Any], scored: dict[str, Any]) -> str:
    lines = ["models"]
    if "perplexity" in scored:
        value = scored["perplexity"]
        lines.append(f"  perplexity {'none' if value is None else f'{value:.1f}'}")
    if "predicted_domain" in scored:
        name, probability = scored["predicted_domain"], scored["domain_probability"]
        said = "none" if name is None else f"{name} ({probability:.3f})"
        if scored["domain"] != document["domain"]:
            said += f", in place of {document['domain']} of its source"
        lines.append(f"  domain     {said}")
    return "\n".join(lines)


def _rules(judgements: list[dict[str, Any]]) -> str:
    broken = sum(not judgement["passed"] for judgement in judgements)
    lines = [f"rules      {len(judgements)} applied, {broken} broken"]
    for judgement in judgements:
        mark = "  " if judgement["passed"] else "✗ "
        shown = f"{judgement['value']:.4g} {judgement['op']} {judgement['threshold']:g}"
        why = "" if judgement["passed"] else f"   {judgement['description']}"
        lines.append(f"  {mark}{judgement['name']:<42} {shown}{why}")
    return "\n".join(lines)


def _verdict(
    document: dict[str, Any], ledger: dict[str, Any] | None, placement: dict[str, Any] | None
) -> str:
    if ledger is None:
        if document["status"] == "read":
            return "verdict    none yet: the run was not finished"
        return f"verdict    {document['status']} by {document['rule']}{_numbers(document)}"
    lines = []
    if ledger["verdict"] == "kept":
        score = "" if ledger["score"] is None else f", score {ledger['score']:.3f}"
        lines.append(f"verdict    kept, tier {ledger['tier']}{score}, split {ledger['split']}")
    else:
        lines.append(
            f"verdict    {ledger['verdict']} at {ledger['step']} by {ledger['rule']}{_numbers(ledger)}"
        )
        if ledger["step"] == "contamination":
            lines.append(f"  {ledger['detail']}")
        if ledger["duplicate_of"]:
            lines.append(f"  duplicate of {ledger['duplicate_of']}")
        if ledger["step"] == "takedown" and ledger["tier"]:
            lines.append(f"  would be kept otherwise, tier {ledger['tier']}, split {ledger['split']}")
    if ledger["occurrences"] > 1:
        lines.append(f"  occurs {ledger['occurrences']} times in the inputs")
    if placement is not None:
        lines.append(f"  in shard {place(placement)}")
    return "\n".join(lines)


def _numbers(row: dict[str, Any]) -> str:
    if row.get("value") is not None:
        limit = "" if row.get("threshold") is None else f", threshold {row['threshold']:.4g}"
        return f": {row['value']:.4g}{limit}"
    return f": {row['detail']}" if row.get("detail") else ""
