"""hanji whatif."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanji.errors import InputError
from hanji.jobs.commands.curate import RunPath
from hanji.jobs.terminal import number, say

if TYPE_CHECKING:
    from hanji.curation.redecide.differences import Change, Differences, Sample, TierChange
    from hanji.curation.whatif import WhatIf

RULE_ROWS, SAMPLED_RULES, FLOWS = 16, 6, 4
ID_DIGITS = 12


def whatif(
    run: RunPath,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RULE=VALUE]…",
            help="What is to be different: `hanji_ko.min_words=40`, `gopher.stop_words=off`, "
            "`presets.ko=hanji_ko,./mine.yaml`, `presets.en=+dclm`, `tiers.high.top_share=0.4`, "
            "or rules of your own as in a recipe (`rules.own.ko=[…]`).",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Documents to show of those gained and lost by each rule.")
    ] = 3,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Count the tokens of documents gained, which are estimated otherwise."),
    ] = False,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all of it as JSON; - for stdout alone."),
    ] = None,
) -> None:
    """Other thresholds on a finished run: what would be gained and lost, without measuring again.

    Decides every document as `hanji curate` would with these rules: rules, then who survives of near-duplicates,
    then tiers. Nothing of the run is changed. It cannot look below floors, edits and blocks.
    """
    from hanji.curation.whatif import what_if

    found = what_if(run, changes or [], samples, exact)
    if json_file is not None:
        _write_json(json_file, found)
    if json_file != "-":
        say(*lines(found))


def _write_json(path: str, found: WhatIf) -> None:
    import json

    data = json.dumps(found.as_json(), indent=1, ensure_ascii=False)
    if path == "-":
        say(data)
        return
    try:
        Path(path).write_text(data + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def lines(found: WhatIf) -> list[str]:
    """The answer for a person."""
    from hanji.curation.redecide.changes import change_lines

    differ = found.differences
    parts = [
        [f"{found.name}: what if", *(f"  {line}" for line in change_lines(found.rules))],
        _totals(differ),
        _rules(differ),
        _groups("source", differ.sources, differ, changed_only=True),
        _groups("language", differ.languages, differ),
        _tiers(found),
        _quotas(found),
        _samples("gained", differ.gained),
        _samples("lost", differ.lost),
        _ending(found),
    ]
    if not found.rules:
        parts[0] = [f"{found.name}: decided again" + (" with other tiers" if found.changes else "")]
    if found.drifted:
        shown_names = ", ".join(found.drifted[:FLOWS]) + (", …" if len(found.drifted) > FLOWS else "")
        parts[0].append(
            f"  and with {len(found.drifted)} rules as they are now, which the run had otherwise: {shown_names}"
        )
    if not differ.flows and not differ.tier_moves:
        parts[1:-1] = [["  every document is decided as it was"]]
    shown: list[str] = []
    for part in parts:
        shown += ["", *part] if shown and part else part
    return shown


# -- tables ------------------------------------------------------------------------------------------------


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Rows under their head in columns; the first ``left`` columns and the last are not aligned to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def size(count: int) -> str:
    """Bytes in a unit that leaves one to three digits before the point: "63.7 MB"."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(value) < 999.95:
            break
        value, unit = value / 1000, larger
    return f"{count} B" if unit == "B" else f"{value:,.1f} {unit}"


def share(before: int, after: int) -> str:
    """How much more or less, in percent; nothing where there was nothing."""
    if not before or before == after:
        return ""
    change = 100 * (after - before) / before
    return f"{'+' if change > 0 else '−'}{abs(change):.{2 if abs(change) < 1 else 1}f} %"


def _totals(differ: Differences) -> list[str]:
    total = differ.total
    about = "≈ " if differ.estimated else ""
    sides = (total.before, total.after, total.gained, total.lost)
    sums = [[side.tokens for side in sides][place] for place in range(4)]
    rows = [
        ["kept", "before", "after", "gained", "lost", ""],
        [
            "documents",
            *(number(side.documents) for side in sides),
            share(sides[0].documents, sides[1].documents),
        ],
        ["bytes", *(size(side.bytes) for side in sides), share(sides[0].bytes, sides[1].bytes)],
        [
            *("tokens", number(sums[0]), about + number(sums[1]), about + number(sums[2]), number(sums[3])),
            share(sums[0], sums[1]),
        ],
    ]
    shown = table(rows)
    if differ.estimated:
        shown.append("  ≈ tokens of documents gained are estimated from their bytes; --exact counts them")
    return shown


def _rules(differ: Differences) -> list[str]:
    """Each rule's documents before and after, where they come from and where they go."""
    moves: dict[str, tuple[list[tuple[int, str]], list[tuple[int, str]]]] = {}
    for flow in differ.flows:
        for rule, other, side in ((flow.target, flow.source, 0), (flow.source, flow.target, 1)):
            if rule != "kept":
                moves.setdefault(rule, ([], []))[side].append((flow.documents, other))
    if not moves:
        return []
    order = sorted(moves, key=lambda rule: -sum(n for side in moves[rule] for n, _ in side))
    rows = [["rule", "fell before", "fall now", "of which"]]
    for rule in order[:RULE_ROWS]:
        came, went = moves[rule]
        what = "; ".join(
            text
            for text in (
                _listed("+", came, "were kept", "from"),
                _listed("−", went, "are kept now", "now fall to"),
            )
            if text
        )
        before, after = differ.reasons[rule]
        rows.append([rule, number(before), number(after), what])
    shown = _ragged(rows)
    if len(order) > RULE_ROWS:
        shown.append(f"  … and {len(order) - RULE_ROWS} rules with fewer: --json has them")
    if differ.other_original:
        shown.append(f"  {number(differ.other_original)} duplicates fall to another document than before")
    return shown


def _listed(sign: str, moves: list[tuple[int, str]], kept: str, others: str) -> str:
    first = [f"{sign}{number(n)} {kept}" for n, other in moves if other == "kept"]
    rest = [(n, other) for n, other in moves if other != "kept"]
    named = [f"{sign}{number(n)} {others} {other}" for n, other in rest[:FLOWS]]
    if len(rest) > FLOWS:
        named.append(
            f"{sign}{number(sum(n for n, _ in rest[FLOWS:]))} {others} {len(rest) - FLOWS} other rules"
        )
    return ", ".join(first + named)


def _ragged(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose last column is a text of any length."""
    heads = table([row[:-1] for row in rows])
    width = max(map(len, heads))
    return [f"{head:<{width}}  {row[-1]}".rstrip() for head, row in zip(heads, rows, strict=True)]


def _groups(
    what: str, changes: Iterable[Change], differ: Differences, changed_only: bool = False
) -> list[str]:
    """Documents and tokens of sources or languages."""
    about = "≈ " if differ.estimated else ""
    rows = [[what, "documents", "after", "gained", "lost", "tokens", "after", ""]]
    same = 0
    for change in changes:
        moved = change.gained.documents or change.lost.documents
        same += not moved
        if moved or not changed_only:
            mark = about if change.gained.documents else ""
            rows.append(
                [
                    change.name,
                    number(change.before.documents),
                    number(change.after.documents),
                    number(change.gained.documents),
                    number(change.lost.documents),
                    number(change.before.tokens),
                    mark + number(change.after.tokens),
                    share(change.before.tokens, change.after.tokens),
                ]
            )
    shown = table(rows) if len(rows) > 1 else []
    if shown and changed_only and same:
        shown.append(
            f"  {same} other {what}s stay as they are" if same > 1 else f"  one other {what} stays as it is"
        )
    return shown


def _quotas(found: WhatIf) -> list[str]:
    rows = [["quota", "of", "asked for", "after", "takes", "after", ""]]
    for quota in found.quotas:
        sides = [side or (0, 0) for side in (quota.before, quota.after)]
        unmet = "not met" if quota.after is not None and sides[1][1] < sides[1][0] else ""
        amounts = [number(side[place]) for place in (0, 1) for side in sides]
        rows.append([quota.tier, quota.group, *amounts, unmet])
    return table(rows, left=2) if len(rows) > 1 else []


def _tiers(found: WhatIf) -> list[str]:
    rows = [
        ["tier", "documents", "after", "gained", "lost", "moved in", "moved out", "tokens", "after", "score"]
    ]
    about = "≈ " if found.differences.estimated else ""
    for change in found.differences.tiers:
        mark = about if change.gained.documents else ""
        rows.append(
            [
                change.name,
                *(number(amount.documents) for amount in _amounts(change)),
                number(change.before.tokens),
                mark + number(change.after.tokens),
                _threshold(found, change.name),
            ]
        )
    return table(rows) if len(rows) > 2 else []


def _amounts(change: TierChange) -> tuple[Any, ...]:
    return (change.before, change.after, change.gained, change.lost, change.moved_in, change.moved_out)


def _threshold(found: WhatIf, name: str) -> str:
    """Scores of a tier, before and after: "≥ 0.631 → 0.706"."""
    language, _, tier = name.partition("/")
    sides = found.tier_thresholds.get(language, {}).get(tier)
    if sides is None:
        return "the rest" if tier == found.rest else "–"
    shown = ["–" if score is None else f"{score:.3f}" if score <= 1 else "none" for score in sides]
    return f"≥ {shown[0]}" if shown[0] == shown[1] else f"≥ {shown[0]} → {shown[1]}"


# -- samples and notes -------------------------------------------------------------------------------------


def _samples(what: str, by_rule: dict[str, list[Sample]]) -> list[str]:
    """Some documents of each rule, from the closest to its threshold to the farthest."""
    shown: list[str] = []
    for rule, some in list(by_rule.items())[:SAMPLED_RULES]:
        # Languages may have other thresholds for a rule of one name.
        for keeps in dict.fromkeys(map(_keeps, some)):
            shown.append(f"  {what}: {'fell to' if what == 'gained' else 'now'} {rule} ({keeps})")
            rows = [[s.id[:ID_DIGITS], s.source, _value(s), _text(s)] for s in some if _keeps(s) == keeps]
            shown += [f"  {line}" for line in _ragged(rows)]
    if len(by_rule) > SAMPLED_RULES:
        shown.append(f"  … and of {len(by_rule) - SAMPLED_RULES} more rules: --json has them")
    return shown


def _keeps(sample: Sample) -> str:
    """What the rule compares: "words >= 25, now >= 10"."""
    if sample.compared is None or sample.op is None or sample.threshold is None:
        return "by no number"
    if sample.duplicate_of is not None:
        return "likeness to a kept document"
    other = sample.threshold_after
    now = "" if other is None or other == sample.threshold else f", now {sample.op} {other:g}"
    return f"keeps {sample.compared} {sample.op} {sample.threshold:g}{now}"


def _value(sample: Sample) -> str:
    return "–" if sample.value is None else f"{sample.value:.4g}"


def _text(sample: Sample) -> str:
    like = f"[like {sample.duplicate_of[:ID_DIGITS]}] " if sample.duplicate_of else ""
    return f"{like}{sample.excerpt}"


def _ending(found: WhatIf) -> list[str]:
    shown = [f"  {note}" for note in found.notes]
    if found.overrides:
        shown.append(f"  to do it   hanji curate RECIPE {' '.join(found.overrides)}")
    return [*shown, f"  one of them   hanji why {found.run} ID"] if found.differences.flows else shown
