"""The page of a comparison of two runs: one HTML file, offline, made from :class:`Comparison` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hanji.page import Markup, link, number, page, percent, section, size, table, tag

if TYPE_CHECKING:
    from hanji.curation.compare import Comparison

MOST_ROWS = 400
STYLE = Markup(
    ".up{color:var(--c1)}.down{color:var(--c4)}td.n .up,td.n .down{font-variant-numeric:tabular-nums}"
    ".ab{color:var(--accent);font-weight:600}td code{white-space:nowrap}"
)
Row = dict[str, Any]


def render(found: Comparison) -> str:
    """The comparison as HTML."""
    names = [run["name"] for run in found.runs]
    parts = [
        tag("style", STYLE),
        _header(found),
        _navigation(),
        _settings(found),
        _funnel(found),
        _rules(found),
        _components(found),
        _changes(found),
        _only(found),
        _drift(found),
    ]
    return page(f"Comparison of {names[0]} and {names[1]}", parts)


def _header(found: Comparison) -> Markup:
    a, b = found.runs
    changed = found.shared - found.unchanged
    sentence = (
        f"A keeps {number(a['kept'])} of {number(a['documents'])} documents, B {number(b['kept'])} of "
        f"{number(b['documents'])}; tokens {number(a['tokens'])} → {number(b['tokens'])}. "
        f"{number(found.shared)} documents are in both, and {number(changed)} of them "
        f"({percent(changed / found.shared if found.shared else 0)}) have another verdict."
    )
    runs = [
        tag("p", tag("span", name, class_="ab"), f" {run['name']} ", tag("code", run["run"]), _sample(run))
        for name, run in zip("AB", found.runs, strict=True)
    ]
    return tag(
        "header",
        tag("p", "Hanji · comparison of two runs", class_="kicker"),
        tag("h1", f"{a['name']} → {b['name']}"),
        tag("p", sentence, class_="lead"),
        *runs,
    )


def _sample(run: Row) -> str:
    return "" if run["sample"] >= 1 else f" a sample of {run['sample']:g}"


def _navigation() -> Markup:
    items = [
        ("settings", "What differs"),
        ("funnel", "Funnel"),
        ("rules", "Rules"),
        ("components", "Components"),
        ("changes", "Other verdicts"),
        ("only", "Only in one run"),
        ("drift", "Drift of signals"),
    ]
    return tag("nav", *(tag("a", name, href=f"#{key}") for key, name in items), aria_label="Sections")


def _settings(found: Comparison) -> Markup:
    groups = (
        ("Fields of the recipes", found.recipe),
        ("Versions and models", found.versions),
        ("Rules and tiers", found.rules_changed),
    )
    tables = [
        table(
            caption,
            ["", "A", "B"],
            [[tag("code", name), _value(a), _value(b)] for name, (a, b) in pairs.items()],
            text_columns=3,
        )
        for caption, pairs in groups
        if pairs
    ]
    return section(
        "What differs",
        *(tables or [tag("p", "Recipes, versions and rules are the same.")]),
        intro="Of the recipes (but for the run's directory), of libraries and models, and of rules and tiers.",
        identity="settings",
    )


def _funnel(found: Comparison) -> Markup:
    parts = []
    for place, (what, show) in enumerate(
        (("documents", number), ("bytes of text", size), ("tokens", number))
    ):
        rows = []
        for row in found.funnel[:MOST_ROWS]:
            a, b = row["reach"]
            cells: list[Any] = [row["source"], row["language"]]
            for step in ("read", "kept", "duplicates", "rules"):
                pair = [None if side is None else side[step][place] for side in (a, b)]
                cells += _pair(pair, show)
            rows.append(cells)
        head = ["source", "language"]
        for step in ("entered", "kept", "passed the rules", "above the floor"):
            head += [f"{step}: A", "B", "difference"]
        parts.append(
            tag(
                "details",
                tag("summary", tag("b", what[0].upper() + what[1:]), tag("small", "by source and language")),
                table(f"{what} that reach each step", head, rows, text_columns=2),
                open="open" if place == 0 else None,
            )
        )
    return section(
        "Funnel",
        *parts,
        intro="How far the documents of each source came in A and in B. Tokens of documents that were not kept "
        "are estimated from their language's tokens per byte."
        + (" The runs have different tokenizers." if "tokenizer" in found.versions else ""),
        identity="funnel",
    )


def _rules(found: Comparison) -> Markup:
    rows = [
        [tag("code", row["rule"]), *_pair(row["documents"], number), *_pair(row["bytes"], size)]
        for row in found.rules[:MOST_ROWS]
    ]
    head = ["rule", "documents: A", "B", "difference", "text: A", "B", "difference"]
    return section(
        "Rules",
        table("Documents that fell to each rule", head, rows),
        intro="Each document is counted at the first rule that it breaks; those that moved most come first.",
        identity="rules",
    )


def _components(found: Comparison) -> Markup:
    rows = [
        [
            row["component"],
            *_pair(row["documents"], number),
            *_pair(row["bytes"], size),
            *_pair(row["tokens"], number),
        ]
        for row in found.components
    ]
    head = ["component"]
    for what in ("documents", "text", "tokens"):
        head += [f"{what}: A", "B", "difference"]
    moved = [[row["language"], *row["tiers"], number(row["documents"])] for row in found.tiers[:MOST_ROWS]]
    return section(
        "Components",
        table("What was kept, by language / domain / tier / split", head, rows),
        table(
            "Documents kept in both, in another tier",
            ["language", "A", "B", "documents"],
            moved,
            text_columns=3,
        )
        if moved
        else "",
        identity="components",
    )


def _changes(found: Comparison) -> Markup:
    blocks = []
    for row in found.changes[:MOST_ROWS]:
        first, second = row["verdicts"]
        reasons = ", ".join(f"{one['reason']} {number(one['documents'])}" for one in row["reasons"][:3])
        blocks.append(
            tag(
                "details",
                tag(
                    "summary",
                    tag("code", first),
                    "→",
                    tag("code", second),
                    tag("small", reasons),
                    tag("span", f"{number(row['documents'])} documents · {size(row['bytes'])}", class_="n"),
                ),
                *_reasons(row["reasons"]),
            )
        )
    survivors = f"{number(found.survivors)} duplicates of both runs fell to another document in B."
    return section(
        "Other verdicts",
        *(blocks or [tag("p", "Every document that is in both runs has the same verdict.")]),
        tag("p", survivors) if found.survivors else "",
        intro="Documents of both runs whose verdict moved: where they ended in A and in B, and what moved them. "
        "For a rule, each run's value is put before the other run's threshold; what alone turns the verdict is "
        "the reason. Excerpts are after edits: personal data is masked in them.",
        identity="changes",
    )


def _reasons(reasons: list[Row]) -> Iterator[Markup]:
    for one in reasons:
        yield tag("p", tag("b", one["reason"]), f" · {number(one['documents'])} documents")
        for sample in one["samples"]:
            where = link(sample["url"]) if sample["url"] else tag("span", sample["path"], class_="path")
            a, b = sample["text_bytes"]
            bytes_of = "" if a == b else f" · text {number(a or 0)} → {number(b or 0)} bytes"
            yield tag(
                "blockquote",
                tag("p", f"{sample['excerpt']}…") if sample.get("excerpt") else "",
                tag("p", tag("b", sample["moved"])) if sample["moved"] else "",
                tag("small", where, f" · {sample['source']} · {sample['id'][:12]}{bytes_of}"),
            )


def _only(found: Comparison) -> Markup:
    parts: list[Any] = []
    for which, rows in found.only.items():
        body = [
            [
                row["source"],
                tag("code", row["verdict"]),
                tag("small", ", ".join(f"{s['id'][:8]} {s['where']}" for s in row["samples"]), class_="path"),
                number(row["documents"]),
                size(row["bytes"]),
            ]
            for row in rows[:MOST_ROWS]
        ]
        if body:
            head = ["source", "verdict", "for example", "documents", "text"]
            parts.append(table(f"Documents that only {which} has", head, body, text_columns=3))
    if found.replaced is None:
        parts.append(
            tag("p", "Too many to say which of them have the same source and key, with other content.")
        )
    elif found.replaced:
        body = [
            [
                *(tag("code", verdict) for verdict in row["verdicts"]),
                tag("small", ", ".join(f"{a[:8]} → {b[:8]}" for a, b in row["samples"])),
                number(row["documents"]),
            ]
            for row in found.replaced[:MOST_ROWS]
        ]
        head = ["verdict in A", "verdict in B", "for example", "documents"]
        parts.append(
            table("Of these, the same source and key, with other content", head, body, text_columns=3)
        )
    return section(
        "Only in one run",
        *(parts or [tag("p", "Both runs have the same documents.")]),
        intro="A document's id is made of its source, key and content: one whose content changed is another.",
        identity="only",
    )


def _drift(found: Comparison) -> Markup:
    parts: list[Any] = []
    for language in sorted({row["language"] for row in found.drift}, key=lambda name: (name != "ko", name)):
        mine = [row for row in found.drift if row["language"] == language]
        moved = [row for row in mine if row["missing_in"] or row["changed"] or _moved(row)]
        parts.append(tag("h3", f"{language}: {len(moved)} of {len(mine)} signals moved"))
        for which, caption in (("shared", "Documents of both runs"), ("all", "All documents of each run")):
            rows = [_drift_row(row, which) for row in moved]
            head = ["signal", *(f"{n}: {r}" for n in ("p5", "median", "p95") for r in "AB"), "KS", "PSI"]
            head.insert(1, "changed in" if which == "shared" else "documents: A, B")
            if rows:
                n = " and ".join(number(count) for count in mine[0][which]["documents"])
                parts.append(
                    tag(
                        "details",
                        tag("summary", tag("b", caption), tag("small", n)),
                        table(caption, head, rows),
                        open="open" if which == "shared" else None,
                    )
                )
    return section(
        "Drift of signals",
        *(parts or [tag("p", "No document was measured.")]),
        intro="Documents that were read, by language. KS: two-sample Kolmogorov–Smirnov distance (Smirnov 1948), "
        "the largest difference of the cumulative distributions. PSI: population stability index over the "
        "deciles of A (Siddiqi 2006): under 0.1 little moved, above 0.25 much. Values are counted to 0.4 %, and "
        "formed by the expressions of the installation that compares, over the counts that each run keeps.",
        identity="drift",
    )


def _moved(row: Row) -> bool:
    return any((row[which]["kolmogorov_smirnov"] or 0) > 0 for which in ("shared", "all"))


def _drift_row(row: Row, which: str) -> list[Any]:
    part = row[which]
    said: str
    if row["missing_in"]:
        said = tag("small", f"not measured in {' and '.join(row['missing_in'])}")
    elif which == "shared":
        said = number(row["changed"])
    else:
        said = ", ".join(number(count) for count in part["documents"])
    cells: list[Any] = [tag("code", row["signal"]), said]
    for name in ("p5", "median", "p95"):
        cells += [_figure(value) for value in part[name]]
    return [*cells, *(_distance(part[name]) for name in ("kolmogorov_smirnov", "stability_index"))]


def _pair(pair: list[Any], show: Callable[[float], str]) -> list[Any]:
    a, b = pair
    if a is None or b is None:
        which = "only in A" if b is None else "only in B"
        return ["–" if value is None else show(value) for value in pair] + [tag("small", which)]
    if a == b:
        return [show(a), show(b), "="]
    relative = f" ({100 * (b - a) / a:+.1f} %)" if a else ""
    sign = "+" if b > a else "−"
    return [
        show(a),
        show(b),
        tag("span", f"{sign}{show(abs(b - a))}{relative}", class_="up" if b > a else "down"),
    ]


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return number(value) if float(value).is_integer() else f"{value:.3g}"


def _distance(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _value(value: Any) -> Any:
    return tag("small", "–") if value is None else str(value)
