"""The page that a person reads: one HTML file, offline, everything from data escaped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hanji.curation.contamination.report import contamination_section
from hanji.curation.report.counting import NO_LANGUAGE
from hanji.curation.report.domains import domains_section
from hanji.curation.report.duplicates import duplicates_section
from hanji.curation.report.metrics import (
    OPTIONAL_STEPS,
    OTHER,
    STEPS,
    funnel_rows,
)
from hanji.curation.report.reading import reading_section
from hanji.curation.report.signals import signals_section
from hanji.curation.report.tiers import tier_tables
from hanji.page import (
    Markup,
    histogram,
    link,
    number,
    page,
    percent,
    section,
    share_cell,
    size,
    stacked_bar,
    table,
    tag,
)
from hanji.storage import Storage

LANGUAGE_NAMES = {"ko": "Korean", "en": "English", NO_LANGUAGE: "not identified", OTHER: "other languages"}
MOST_ROWS = 200
# Step of the funnel → what is said of the documents that got past it.
PAST = {
    "read": "readable",
    "floor": "above the floor",
    "pii": "without personal data to drop",
    "repeated": "with lines of their own",
    "blocks": "passed the blocks",
    "contamination": "without benchmarks to drop",
    "takedown": "not taken down",
    "rules": "passed the rules",
    "duplicates": "kept",
}
FLOORS = {
    "takedown.id": "listed to be taken down, by its id",
    "takedown.url": "listed to be taken down, by its address",
    "takedown.prefix": "listed to be taken down, by the beginning of its address",
    "takedown.host": "listed to be taken down, by its host",
    "takedown.duplicate": "truly like a document that is listed to be taken down",
    "floor.languages": "a language that the recipe does not want",
    "floor.min_language_score": "its language is not certain enough",
    "floor.min_characters": "next to no text was found in it",
    "floor.max_characters": "longer than the recipe allows",
    "floor.max_payload_bytes": "a larger record than the recipe allows",
    "floor.max_replaced_share": "too many bytes could not be decoded",
    "floor.page_language": "its bytes are plainly in another language",
    "url.domain": "from a host on a block list",
    "url.url": "at an address on a block list",
    "url.words": "words of adult, gambling or spam sites in its address",
    "url.not_allowed": "not on the allow list",
}


def write_report(storage: Storage, metrics: dict[str, Any]) -> None:
    """Write report/metrics.json and report/index.html of a run."""
    storage.write_bytes("report/metrics.json", _json(metrics).encode())
    storage.write_bytes("report/index.html", render(metrics).encode())


def _json(metrics: dict[str, Any]) -> str:
    """Indented, but for the histograms, of which every bin would take a line."""
    fields = [
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False, indent=None if name == 'signals' else 1)}"
        for name, value in metrics.items()
    ]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def render(metrics: dict[str, Any]) -> str:
    """The report as HTML."""
    parts = [
        _header(metrics),
        _navigation(),
        *(tag("p", warning, class_="warning") for warning in metrics.get("warnings", [])),
        _cards(metrics),
        _funnel(metrics),
        reading_section(metrics),
        _scores(metrics),
        signals_section(metrics, LANGUAGE_NAMES),
        *domains_section(metrics, LANGUAGE_NAMES),
        _reasons(metrics),
        *contamination_section(metrics),
        duplicates_section(metrics),
        _shards(metrics),
        _failures(metrics),
        _work(metrics),
        _footer(metrics),
    ]
    return page(f"Curation of {metrics.get('name', 'a run')}", parts)


def _header(metrics: dict[str, Any]) -> Markup:
    verdicts = metrics["verdicts"]
    documents = metrics["documents"]
    kept = verdicts.get("kept", 0)
    tokens = sum(cell[2] for cell in metrics["components"].values())
    split = [
        (language, sum(c[0] for n, c in metrics["components"].items() if n.startswith(f"{language}/")))
        for language in ("ko", "en")
    ]
    sentence = (
        f"Of {number(documents)} documents, {number(kept)} were kept "
        f"({percent(kept / documents if documents else 0)}): "
        + " and ".join(f"{number(count)} {LANGUAGE_NAMES[language]}" for language, count in split)
        + f", {number(tokens)} tokens in all. "
        + f"{number(verdicts.get('dropped', 0))} were dropped, each by a rule named below, and "
        + f"{number(verdicts.get('failed', 0))} {'failed' if _failed_in_blocks(metrics) else 'could not be read'}."
    )
    return tag(
        "header",
        tag("p", "Hanji · curation report", class_="kicker"),
        tag("h1", metrics.get("name", "A run")),
        tag("p", sentence, class_="lead"),
    )


def _failed_in_blocks(metrics: dict[str, Any]) -> bool:
    return any(rule["verdict"] == "failed" and rule["step"] == "blocks" for rule in metrics["rules"].values())


def _navigation() -> Markup:
    items = [
        ("funnel", "Funnel"),
        ("reading", "Reading"),
        ("scores", "Scores and tiers"),
        ("signals", "Signals"),
        ("reasons", "Why documents were dropped"),
        ("duplicates", "Duplicates"),
        ("shards", "Shards"),
        ("failures", "Failures"),
        ("work", "Work"),
    ]
    return tag("nav", *(tag("a", name, href=f"#{key}") for key, name in items), aria_label="Sections")


def _cards(metrics: dict[str, Any]) -> Markup:
    components = metrics["components"]
    held = sum(c[0] for n, c in components.items() if n.endswith("/valid"))
    cards = [
        (number(metrics["documents"]), "documents entered"),
        (number(metrics["verdicts"].get("kept", 0)), "kept"),
        (number(sum(c[2] for c in components.values())), "tokens in shards"),
        (size(sum(c[1] for c in components.values())), "of text kept"),
        (number(held), "documents held out"),
        (number(metrics["occurrences"] - metrics["documents"]), "records that repeat a document"),
    ]
    return tag(
        "div", *(tag("div", tag("b", a), tag("span", b), class_="card") for a, b in cards), class_="cards"
    )


def _funnel(metrics: dict[str, Any]) -> Markup:
    rows = funnel_rows(metrics)
    ends = [
        (step, sum(cell[0] for key, cell in metrics["funnel"].items() if key.endswith(f"\t{end}")))
        for step, end in (
            ("kept", "kept"),
            ("fell to rules", "rules"),
            ("fell to blocks", "blocks"),
            ("dropped for benchmarks in them", "contamination"),
            ("taken down", "takedown"),
            ("nothing but repeated lines", "repeated"),
            ("dropped for personal data", "pii"),
            ("below the floor", "floor"),
            ("duplicates", "duplicates"),
            ("not readable", "read"),
        )
    ]
    optional = (
        *("fell to blocks", "dropped for benchmarks in them", "dropped for personal data", "taken down"),
        "nothing but repeated lines",
    )
    ends = [end for end in ends if end[1] or end[0] not in optional]
    used = {key.rpartition("\t")[2] for key in metrics["funnel"]}
    steps = [step for step in STEPS if step not in OPTIONAL_STEPS or step in used]
    head = ["source", "language", "entered", *(PAST[step] for step in steps[:-1]), "share"]
    tables = []
    for place, (what, show) in enumerate(
        (("documents", number), ("bytes of text", size), ("tokens", number))
    ):
        body = []
        for row in rows:
            values = [row[step][place] for step in steps]
            cells: list[Any] = [show(value) for value in values]
            if place == 2:
                cells = [*(f"≈ {show(value)}" for value in values[:-1]), show(values[-1])]
            share = values[-1] / values[0] if values[0] else 0.0
            language = LANGUAGE_NAMES.get(row["language"], row["language"])
            body.append(
                [
                    row["source"],
                    language,
                    *cells,
                    share_cell(share),
                ]
            )
        body.sort(key=lambda cells: (str(cells[0]), str(cells[1])))
        shown = body[:MOST_ROWS]
        note = (
            ""
            if len(body) <= MOST_ROWS
            else f" (the first {MOST_ROWS} of {len(body)} rows; all in metrics.json)"
        )
        tables.append(
            tag(
                "details",
                tag("summary", tag("b", what[0].upper() + what[1:]), tag("small", "by source and language")),
                table(f"{what} that reach each step{note}", head, shown, text_columns=2),
                open="open" if place == 0 else None,
            )
        )
    return section(
        "Funnel",
        stacked_bar(ends, metrics["documents"]),
        *tables,
        intro="How far documents came. Tokens of documents that were not kept are estimated (≈) from their "
        "language's tokens per byte.",
        identity="funnel",
    )


def _scores(metrics: dict[str, Any]) -> Markup:
    figures = []
    names = dict.fromkeys(tier["name"] for tier in metrics["recipe"]["tiers"])
    for language, tiers in sorted(metrics["scores"].items()):
        cuts = metrics.get("tier_thresholds", {}).get(language, {})
        order = [*names, *(tier for tier in tiers if tier not in names)]
        series = [(tier, tiers[tier]) for tier in order if tier in tiers]
        marks = [(tier, value) for tier, value in cuts.items() if value <= 1]
        name = LANGUAGE_NAMES.get(language, language)
        figures.append(
            histogram(series, 0.0, 1.0, title=f"{name}: kept documents by quality score", marks=marks)
        )
    totals: dict[tuple[str, str, str], list[int]] = {}
    for key, cell in metrics["components"].items():
        language, domain, tier, _ = key.split("/")
        known = totals.setdefault((language, domain, tier), [0, 0, 0])
        totals[language, domain, tier] = [a + b for a, b in zip(known, cell, strict=True)]
    everything = sum(cell[2] for cell in totals.values()) or 1
    tier_order = {name: place for place, name in enumerate(names)}
    rows = [
        [
            LANGUAGE_NAMES.get(language, language),
            domain,
            tier,
            number(cell[0]),
            size(cell[1]),
            number(cell[2]),
            share_cell(cell[2] / everything),
        ]
        for (language, domain, tier), cell in sorted(
            totals.items(), key=lambda item: (*item[0][:2], tier_order.get(item[0][2], 0))
        )
    ]
    head = ["language", "domain", "tier", "documents", "text", "tokens", "share of tokens"]
    shown = tag("div", *figures, class_="figures") if figures else tag("p", "No classifier scored this run.")
    return section(
        "Scores and tiers",
        shown,
        table("What was kept", head, rows, text_columns=3),
        *tier_tables(metrics),
        intro="Quality scores of the kept documents, with the score from which each tier begins.",
        identity="scores",
    )


def _reasons(metrics: dict[str, Any]) -> Markup:
    described = {rule["name"]: rule for rules in metrics.get("rules_applied", {}).values() for rule in rules}
    dropped = {
        name: rule
        for name, rule in metrics["rules"].items()
        if rule["step"] != "duplicates" and rule["verdict"] == "dropped"
    }
    described |= {
        name: {"description": "a block of the recipe said no"}
        for name, rule in dropped.items()
        if rule["step"] == "blocks"
    }
    blocks = [
        _reason(name, rule, described.get(name, {}).get("description", FLOORS.get(name, "")))
        for name, rule in sorted(dropped.items(), key=lambda item: (-item[1]["count"], item[0]))[:MOST_ROWS]
    ]
    return section(
        "Why documents were dropped",
        *blocks,
        intro="Each document is counted at the first rule that it breaks. Excerpts are after edits: "
        "personal data is masked in them.",
        identity="reasons",
    )


def _reason(name: str, rule: dict[str, Any], description: str) -> Markup:
    sources = sorted(rule["sources"].items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{source} {number(count)}" for source, count in sources[:6])
    return tag(
        "details",
        tag(
            "summary",
            tag("code", name),
            tag("small", description),
            tag("span", f"{number(rule['count'])} documents · {size(rule['bytes'])}", class_="n"),
        ),
        tag("p", tag("small", f"By source: {listed}")),
        *_samples(rule["samples"]),
    )


def _samples(samples: list[dict[str, Any]]) -> Iterator[Markup]:
    for sample in samples:
        value = ""
        if sample.get("value") is not None:
            value = f" · value {sample['value']:.4g}"
            if sample.get("threshold") is not None:
                value += f", threshold {sample['threshold']:.4g}"
        elif sample.get("detail"):
            value = f" · {sample['detail']}"
        where = link(sample["url"]) if sample.get("url") else tag("span", sample["path"], class_="path")
        excerpt = sample.get("excerpt")
        yield tag(
            "blockquote",
            tag("p", f"{excerpt}…") if excerpt else tag("p", tag("small", _without_excerpt(sample))),
            tag("small", where, f" · {sample['id'][:12]}{value}"),
        )


def _without_excerpt(sample: dict[str, Any]) -> str:
    why = (
        "it was taken down, or is like what was"
        if sample.get("taken_down")
        else "its text was not carried on"
    )
    return f"no excerpt: {why}"


def _shards(metrics: dict[str, Any]) -> Markup:
    manifest = metrics.get("manifest")
    if not manifest:
        return section("Shards", tag("p", "No shards were written."), identity="shards")
    rows = [
        [
            f"{c['language']}/{c['domain']}/{c['tier']}",
            c["split"],
            number(len(c["shards"])),
            number(c["documents"]),
            number(c["tokens"]),
            f"{c['bytes'] / c['tokens']:.2f}" if c["tokens"] else "–",
        ]
        for c in manifest["components"]
    ]
    tokenizer = manifest["tokenizer"]
    note = (
        f"Tokenizer of {number(tokenizer['vocab_size'])} ids, sha256 {tokenizer['sha256'][:16]}…; "
        f"tokens as {manifest['dtype']}."
    )
    head = ["component", "split", "shards", "documents", "tokens", "bytes per token"]
    return section("Shards", table("Components", head, rows, text_columns=2), intro=note, identity="shards")


def _failures(metrics: dict[str, Any]) -> Markup:
    failed = {name: rule for name, rule in metrics["rules"].items() if rule["verdict"] == "failed"}
    content: list[Any] = []
    for name, rule in sorted(failed.items(), key=lambda item: (-item[1]["count"], item[0])):
        content.append(
            tag(
                "details",
                tag(
                    "summary", tag("code", name), tag("span", f"{number(rule['count'])} records", class_="n")
                ),
                *(
                    tag("p", tag("small", f"{s['path']} @ {s['offset']}: {s['detail'] or ''}"), class_="path")
                    for s in rule["samples"]
                ),
            )
        )
    if not failed:
        content.append(tag("p", "Every record could be read."))
    skipped = [
        [source, reason, number(count)]
        for source, reasons in sorted(metrics.get("skipped_records", {}).items())
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]
    if skipped:
        content.append(
            table(
                "Records that are no documents",
                ["source", "reason", "records"],
                skipped[:MOST_ROWS],
                text_columns=2,
            )
        )
    return section(
        "Failures",
        *content,
        intro="Records that could not be read"
        + (", and documents that a block could not judge" if _failed_in_blocks(metrics) else "")
        + ", with a few of each kind.",
        identity="failures",
    )


def _work(metrics: dict[str, Any]) -> Markup:
    steps = metrics.get("steps", [])
    total = sum(step["cpu_seconds"] for step in steps) or 1.0
    merged: dict[str, dict[str, float]] = {}
    for step in steps:
        known = merged.setdefault(
            step["name"], {"units": 0, "skipped": 0, "cpu_seconds": 0, "bytes_written": 0}
        )
        for name in known:
            known[name] += step[name]
    rows = [
        [
            name,
            number(step["units"]),
            number(step["skipped"]),
            f"{step['cpu_seconds']:,.1f}",
            share_cell(step["cpu_seconds"] / total),
            size(step["bytes_written"]),
        ]
        for name, step in merged.items()
    ]
    engine = metrics.get("engine", {})
    facts = ", ".join(f"{key} {value}" for key, value in engine.items())
    versions = ", ".join(f"{key} {value}" for key, value in metrics.get("versions", {}).items())
    recipe = json.dumps(metrics.get("recipe", {}), ensure_ascii=False, indent=1)
    head = ["step", "units", "done before", "core-seconds", "share", "written"]
    return section(
        "Work",
        table(f"Core-seconds by step ({facts})", head, rows),
        tag("p", tag("small", versions)),
        tag("details", tag("summary", tag("b", "The recipe")), tag("pre", tag("code", recipe))),
        intro="What the run cost, the work of earlier runs that it could use included.",
        identity="work",
    )


def _footer(metrics: dict[str, Any]) -> Markup:
    run = metrics.get("recipe", {}).get("run", "RUN")
    return tag(
        "footer",
        "The story of one document: ",
        tag("code", f"hanji why {run} <id or URL>"),
        ". All figures are in metrics.json beside this page, all verdicts in ",
        tag("code", f"{run}/ledger/*.parquet"),
        ".",
    )
