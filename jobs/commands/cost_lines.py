"""What `hanji cost report` prints: the table, comparisons with their derivation, hours and money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hanji.jobs.commands.presets import short
from hanji.jobs.terminal import columns, number

if TYPE_CHECKING:
    from hanji.training.cost.family import ComparisonResult
    from hanji.training.cost.hours import Hours
    from hanji.training.cost.ledger import Ledger
    from hanji.training.cost.prices import PriceList, Reckoning


def table(ledger: Ledger) -> list[str]:
    """FLOPs by model, stage and convention, with those of ancestors."""
    from hanji.training.cost.rows import CONVENTION_HEADS, rows

    cells, notes = [], []
    for row in rows(ledger):
        known = ["" if value is None else short(value) for value in (row.parameters, row.tokens)]
        flops = [row.flops.by(convention) for convention in CONVENTION_HEADS]
        known += ["–" if value is None else f"{value:.4g}" for value in flops]
        cells.append(["  " * row.depth + row.name, *known])
        notes.append(row.note)
    head, *lines = columns(["", "parameters", "tokens", *CONVENTION_HEADS.values()], cells)
    told = [f"{ledger.name}: training FLOPs (forward and backward)", head]
    for line, note in zip(lines, notes, strict=True):
        told += [line, f"    {note}"] if note else [line]
    if any(model.known and model.flops.causal_attention is None for model in ledger.models):
        told.append("  –: not known, for want of a shape")
    elif not all(model.known for model in ledger.models):
        told.append("  –: not known, nor is any sum that it is part of")
    return told


def comparison_lines(result: ComparisonResult) -> list[str]:
    """Both sums and each share, as they are reckoned."""
    spent, instead = result.spent.six_nd, result.instead.six_nd
    assert spent is not None and instead is not None
    lines = [
        f"{result.comparison.name}, by 6ND",
        f"  instead  {_terms(result.instead_terms)} = {instead / 6:.5g}; 6ND = {instead:.4g} FLOPs",
        f"  spent    {_terms(result.spent_terms)} = {spent / 6:.5g}; 6ND = {spent:.4g} FLOPs",
    ]
    for one in result.figures:
        figure = one.figure
        part = "instead − spent" if figure.what == "saved" else " + ".join(figure.what)
        share = one.shares["six_nd"]
        assert share is not None
        whole = instead if figure.of == "instead" else spent
        told = ""
        if figure.printed is not None:
            told = f"    printed {figure.printed}" + ("" if one.as_printed else ": differs")
        lines.append(
            f"  {figure.name}: ({part}) ÷ {figure.of} = {share * whole / 6:.4g} ÷ {whole / 6:.5g} = "
            f"{one.shown()}{told}"
        )
        exact = {name: one.shown(name) for name in ("causal_attention", "full_attention")}
        if all(one.shares[name] is not None for name in exact):
            lines.append("    exact: " + ", ".join(f"{value} by {name}" for name, value in exact.items()))
    if result.spent.causal_attention is None or result.instead.causal_attention is None:
        lines.append("  by exact counts: not known, for want of shapes")
    return lines


def _terms(terms: Sequence[tuple[int, int]]) -> str:
    """Parameters × tokens, summed: "9.80B·3.00T + …"."""
    return " + ".join(f"{short(parameters)}·{short(tokens)}" for parameters, tokens in terms)


def money_lines(ledger: Ledger, reckoning: Reckoning | None, prices: PriceList | None) -> list[str]:
    """Device-hours of each model and what they cost by a price list, and by what they were reckoned."""
    from hanji.training.cost.hours import hours_of

    rows, without = hours_of(ledger, reckoning, prices)
    lines = []
    if rows:
        head = ["device-hours", "", "hours", *([prices.currency] if prices else []), "device"]
        cells = [
            [
                row.model.name,
                "measured" if row.measured else "reckoned",
                _amount(row.hours),
                *(["–" if row.cost is None else _amount(row.cost)] if prices else []),
                row.device,
            ]
            for row in rows
        ]
        costs = [row.cost for row in rows if row.cost is not None]
        money = _amount(sum(costs)) if len(costs) == len(rows) else "–"
        hours = _amount(sum(row.hours for row in rows))
        cells.append(["together", "", hours, *([money] if prices else []), ""])
        lines += columns(head, cells)
        lines += [f"  {line}" for row in rows if (line := _mfu_line(row))]
        if reckoning is not None and not all(row.measured for row in rows):
            lines.append(
                f"  reckoned: FLOPs by {reckoning.convention} ÷ ({reckoning.peak.bf16 / 1e12:,.1f} TFLOP/s, dense "
                f"BF16 of {reckoning.peak.name} × {reckoning.mfu:.0%} MFU), teachers included"
            )
        if prices is not None:
            lines.append(f"  prices of {prices.date.isoformat()}, as given")
            missing = sorted({row.device for row in rows if row.cost is None})
            lines += [f"  the price list has no {device}" for device in missing]
    if without and (rows or reckoning is not None or prices is not None):
        why = "nothing measured; give --gpu and --mfu" if reckoning is None else "what they took is not known"
        lines.append(f"  no hours: {', '.join(without)} ({why})")
    return lines


def _mfu_line(row: Hours) -> str | None:
    """Measured MFU of the training steps, under each convention."""
    from hanji.training.cost.hours import measured_mfu

    shares = measured_mfu(row.model)
    if not shares or not row.measured:
        return None
    told = ", ".join(f"{share:.1%} by {name}" for name, share in shares.items())
    return f"{row.model.name}: MFU of its steps {told}, of the dense BF16 peak"


def _amount(value: float) -> str:
    return number(value) if value >= 1000 else f"{value:.3g}"
