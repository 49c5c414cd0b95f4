"""hanji compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanji.errors import InputError
from hanji.jobs.commands.compare_training import training_lines
from hanji.jobs.terminal import columns, number, progress, say

if TYPE_CHECKING:
    from hanji.curation.compare import Comparison

MOST = 12
FirstRun = Annotated[str, typer.Argument(metavar="RUN_A", help="Directory of a run.", show_default=False)]
SecondRun = Annotated[
    str, typer.Argument(metavar="RUN_B", help="Directory of the run to compare with it.", show_default=False)
]


def compare(
    run_a: FirstRun,
    run_b: SecondRun,
    report: Annotated[
        Path | None, typer.Option(help="Write all of it as a page to this file.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all of it as JSON to this file.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Tell what moved between two runs, of curation or of training, and why.

    Of curation: what differs in the recipes, the funnel side by side, rules and components, documents with
    another verdict and the reason, and how the values of each signal drifted. Documents are joined by id; the
    runs may have other sources and other partitions. Of training: what differs in the recipes, losses and
    held-out bits per byte at equal tokens, speed and memory; the runs may still go on.
    """
    if _of_training(run_a, run_b):
        from hanji.training.report.comparison import compare_training
        from hanji.training.report.comparison_page import render_comparison

        trained = compare_training(run_a, run_b)
        say(*training_lines(trained))
        if report is not None:
            _write(report, render_comparison(trained))
        if json_file is not None:
            _write(json_file, trained.to_json())
        return
    from hanji.curation.compare import compare as find
    from hanji.curation.report.comparison import render

    with progress(quiet) as shown:
        found = find(run_a, run_b, shown)
    say(*lines(found))
    if report is not None:
        _write(report, render(found))
    if json_file is not None:
        _write(json_file, found.to_json())


def _of_training(run_a: str, run_b: str) -> bool:
    """Whether both are training runs; False where neither is. Raises InputError where one is."""
    from hanji.training.report.collect import is_training_run

    trained = [is_training_run(run) for run in (run_a, run_b)]
    if trained[0] != trained[1]:
        one, other = (run_a, run_b) if trained[0] else (run_b, run_a)
        raise InputError(
            f"{one} is a training run and {other} is not: name two runs of training, or two of curation"
        )
    return all(trained)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    say(f"written  {path}")


def lines(found: Comparison) -> list[str]:
    """The comparison for a terminal: what moved most; the page and the JSON have everything."""
    return [
        *_runs(found),
        *_settings(found),
        *_funnel(found),
        *_rules(found),
        *_components(found),
        *_changes(found),
        *_only(found),
        *_drift(found),
    ]


def _runs(found: Comparison) -> Iterator[str]:
    for name, run in zip("AB", found.runs, strict=True):
        sample = "" if run["sample"] >= 1 else f", a sample of {run['sample']:g}"
        yield (
            f"{name}  {run['run']} ({run['name']}{sample}): {number(run['documents'])} documents, "
            f"{number(run['kept'])} kept, {number(run['tokens'])} tokens"
        )
    yield (
        f"   {number(found.shared)} documents are in both, {number(found.unchanged)} of them with the same verdict"
    )


def _settings(found: Comparison) -> Iterator[str]:
    groups = (
        ("recipe", found.recipe),
        ("versions", found.versions),
        ("rules and tiers", found.rules_changed),
    )
    for title, pairs in groups:
        if pairs:
            yield from ("", f"{title}: what differs")
            width = min(48, max(len(name) for name in pairs))
            for name, (a, b) in list(pairs.items())[: 2 * MOST]:
                yield f"  {name:<{width}}  {_value(a)} → {_value(b)}"
            yield from _more(len(pairs), 2 * MOST)
    if not any(pairs for _, pairs in groups):
        yield from ("", "recipes, versions and rules are the same")


def _funnel(found: Comparison) -> Iterator[str]:
    # With other tokenizers the tokens of every row differ, which says nothing of its documents.
    places = slice(0, 2 if "tokenizer" in found.versions else 3)
    moved = [row for row in found.funnel if _reach(row, 0, places) != _reach(row, 1, places)]
    still = len(found.funnel) - len(moved)
    yield from ("", "funnel: documents that entered and that were kept, and tokens of those")
    rows = []
    for row in moved:
        a, b = row["reach"]
        cells = [row["source"], row["language"]]
        for step, place in (("read", 0), ("kept", 0), ("kept", 2)):
            cells += _moved(a and a[step][place], b and b[step][place])
        rows.append(cells)
    head = ["source", "language", "entered A", "B", "", "kept A", "B", "", "tokens A", "B", ""]
    if rows:
        yield from columns(head, rows, 2)
    if still:
        yield f"  … and {number(still)} sources and languages of which nothing moved"
    if "tokenizer" in found.versions:
        yield "  The tokenizers differ: their tokens are not of one size."


def _reach(row: dict[str, Any], side: int, places: slice) -> dict[str, list[int]] | None:
    steps = row["reach"][side]
    return steps and {step: cell[places] for step, cell in steps.items()}


def _rules(found: Comparison) -> Iterator[str]:
    moved = [row for row in found.rules if row["documents"][0] != row["documents"][1]]
    yield from ("", f"rules: documents that fell to them ({len(moved)} of {len(found.rules)} moved)")
    rows = [[row["rule"], *_moved(*row["documents"])] for row in moved[:MOST]]
    if rows:
        yield from columns(["rule", "A", "B", ""], rows, 1)
    yield from _more(len(moved), MOST)


def _components(found: Comparison) -> Iterator[str]:
    moved = [row for row in found.components if row["documents"][0] != row["documents"][1]]
    yield from (
        "",
        f"components: documents and tokens ({len(moved)} of {len(found.components)} hold more or fewer documents)",
    )
    moved.sort(key=lambda row: (-abs(row["documents"][1] - row["documents"][0]), row["component"]))
    rows = [[row["component"], *_moved(*row["documents"]), *_moved(*row["tokens"])] for row in moved[:MOST]]
    if rows:
        yield from columns(["component", "documents A", "B", "", "tokens A", "B", ""], rows, 1)
    yield from _more(len(moved), MOST)


def _changes(found: Comparison) -> Iterator[str]:
    total = sum(row["documents"] for row in found.changes)
    yield from ("", f"{number(total)} documents have another verdict")
    for row in found.changes[:MOST]:
        yield f"  {number(row['documents']):>10}  {row['verdicts'][0]} → {row['verdicts'][1]}"
        for reason in row["reasons"][:3]:
            sample = reason["samples"][0] if reason["samples"] else None
            said = f": {sample['id'][:8]} {sample['moved']}".rstrip() if sample else ""
            yield f"  {number(reason['documents']):>14}  {reason['reason']}{said}"
    yield from _more(len(found.changes), MOST)
    if found.tiers:
        kinds = ", ".join(
            f"{row['language']} {row['tiers'][0]} → {row['tiers'][1]} {number(row['documents'])}"
            for row in found.tiers[:6]
        )
        moved = number(sum(row["documents"] for row in found.tiers))
        yield f"  of those kept in both, {moved} are in another tier: {kinds}"
    if found.survivors:
        yield f"  {number(found.survivors)} duplicates fell to another document"


def _only(found: Comparison) -> Iterator[str]:
    for which, rows in found.only.items():
        if rows:
            yield from ("", f"{number(sum(row['documents'] for row in rows))} documents only in {which}")
            shown = sorted(rows, key=lambda row: -row["documents"])[:MOST]
            yield from columns(
                ["source", "verdict", "documents"],
                [[row["source"], row["verdict"], number(row["documents"])] for row in shown],
                2,
            )
            yield from _more(len(rows), MOST)
    if found.replaced is None:
        yield "  too many to say which of them have the same source and key, with other content"
    for row in (found.replaced or [])[:MOST]:
        a, b = row["samples"][0]
        yield (
            f"  {number(row['documents'])} of them under the same source and key with other content: "
            f"{row['verdicts'][0]} → {row['verdicts'][1]} ({a[:8]} → {b[:8]})"
        )


def _drift(found: Comparison) -> Iterator[str]:
    moved = [row for row in found.drift if (_largest(row) or 0) > 0 or row["missing_in"]]
    yield from ("", f"signals whose values drifted: {len(moved)} of {len(found.drift)}")
    if not moved:
        return
    moved.sort(key=lambda row: -(_largest(row) or 0))
    rows = []
    for row in moved[:MOST]:
        cells = [row["language"], row["signal"], number(row["changed"])]
        for which in ("shared", "all"):
            part = row[which]
            cells.append(f"{_figure(part['median'][0])} → {_figure(part['median'][1])}")
            distances = [part[name] for name in ("kolmogorov_smirnov", "stability_index")]
            cells += ["–" if value is None else f"{value:.3f}" for value in distances]
        rows.append(cells)
    head = ["", "signal", "changed in", "median, shared", "KS", "PSI", "median, all", "KS", "PSI"]
    yield from columns(head, rows, 2)
    yield from _more(len(moved), MOST)
    yield "  KS: Kolmogorov–Smirnov distance; PSI: population stability index (under 0.1 little, above 0.25 much)"


def _largest(row: dict[str, Any]) -> float | None:
    found = [row[which]["kolmogorov_smirnov"] for which in ("shared", "all")]
    return max((value for value in found if value is not None), default=None)


def _moved(a: int | None, b: int | None) -> list[str]:
    """A's count, B's, and the difference with its share of A's."""
    if a is None or b is None:
        return [_count(a), _count(b), "only in A" if b is None else "only in B"]
    if a == b:
        return [number(a), number(b), "="]
    relative = f" ({100 * (b - a) / a:+.1f} %)" if a else ""
    return [number(a), number(b), f"{b - a:+,d}{relative}"]


def _count(value: int | None) -> str:
    return "–" if value is None else number(value)


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return number(value) if float(value).is_integer() else f"{value:.3g}"


def _value(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _more(total: int, shown: int) -> Iterator[str]:
    if total > shown:
        yield f"  … and {number(total - shown)} more"
