"""What `hanji cost report` prints: the table, comparisons with their derivation, hours and money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hanji.jobs.commands.presets import short
from hanji.jobs.terminal import number

if TYPE_CHECKING:
    from hanji.training.cost.family import ComparisonResult
    from hanji.training.cost.hours import Hours
    from hanji.training.cost.ledger import Flops, Ledger
    from hanji.training.cost.prices import PriceList, Reckoning

NAME_WIDTH, SIZE_WIDTH = 50, 12


def table(ledger: Ledger) -> list[str]:
    """FLOPs by model, stage and convention, with those of ancestors."""
    from hanji.training.cost.ledger import total

    lines = [
        f"{ledger.name}: training FLOPs (forward and backward)",
        f"  {'':<{NAME_WIDTH}}{'parameters':>{SIZE_WIDTH}}{'tokens':>{SIZE_WIDTH}}{'6ND':>{SIZE_WIDTH}}"
        f"{'causal':>{SIZE_WIDTH}}{'full':>{SIZE_WIDTH}}",
    ]
    for model in ledger.models:
        parents = [parent.name for parent in ledger.ancestors(model.key) if parent.key in model.parents]
        origin = f", from {', '.join(parents)}" if parents else ""
        lines.append(
            _row(f"{model.name} ({model.kind}{origin})", model.flops, model.tokens, model.parameters)
        )
        if len(model.stages) > 1:
            lines += [_row(f"  {stage.name}", stage.flops, stage.tokens) for stage in model.stages]
        if model.teacher is not None:
            lines.append(_row("  forward passes of its teacher", model.teacher))
        if ancestors := ledger.ancestors(model.key):
            inherited = ledger.inherited(model.key)
            named = ", ".join(one.name for one in ancestors)
            lines.append(_row(f"  with ancestors ({named})", model.flops + inherited))
        if model.note:
            lines.append(f"    {model.note}")
    if len(ledger.models) > 1:
        lines.append(_row("all, each once", ledger.total()))
        if any(model.teacher for model in ledger.models):
            lines.append(_row("all, with teachers", ledger.total(teachers=True)))
    if total(model.flops for model in ledger.models).causal_attention is None:
        lines.append("  –: not known, for want of a shape")
    return lines


def _row(name: str, flops: Flops, tokens: int | None = None, parameters: float | None = None) -> str:
    cells = ["" if parameters is None else short(parameters), "" if tokens is None else short(tokens)]
    cells += [
        "–" if value is None else f"{value:.4g}"
        for value in (flops.six_nd, flops.causal_attention, flops.full_attention)
    ]
    return f"  {name:<{NAME_WIDTH}}" + "".join(f"{cell:>{SIZE_WIDTH}}" for cell in cells)


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
        unit = "" if prices is None else prices.currency
        lines.append(
            f"  {'device-hours':<{NAME_WIDTH}}{'':>{SIZE_WIDTH}}{'hours':>{SIZE_WIDTH}}{unit:>{SIZE_WIDTH}}"
        )
        lines += [
            f"  {row.model.name:<{NAME_WIDTH}}{'measured' if row.measured else 'reckoned':>{SIZE_WIDTH}}"
            f"{_amount(row.hours):>{SIZE_WIDTH}}"
            + (f"{'–' if row.cost is None else _amount(row.cost):>{SIZE_WIDTH}}" if prices else "")
            + f"  {row.device}"
            for row in rows
        ]
        costs = [row.cost for row in rows if row.cost is not None]
        money = f"{_amount(sum(costs)):>{SIZE_WIDTH}}" if prices and len(costs) == len(rows) else ""
        lines.append(
            f"  {'together':<{NAME_WIDTH}}{'':>{SIZE_WIDTH}}{_amount(sum(row.hours for row in rows)):>{SIZE_WIDTH}}"
            + money
        )
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
        lines.append(f"  no hours: {', '.join(without)} (nothing measured; give --gpu and --mfu)")
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
