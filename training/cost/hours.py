"""Hours and money: measured where a run says so, reckoned from FLOPs else."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from hanji.training.cost.ledger import Flops, Ledger, ModelCost
from hanji.training.cost.peaks import peak_of
from hanji.training.cost.prices import PriceList, Reckoning


@dataclass(frozen=True)
class Hours:
    """Device-hours of a model, what they cost (None without a price), and whether they were measured."""

    model: ModelCost
    device: str
    hours: float
    measured: bool
    cost: float | None


def hours_of(
    ledger: Ledger, reckoning: Reckoning | None, prices: PriceList | None
) -> tuple[list[Hours], list[str]]:
    """Hours of each model, measured where its run says so, else reckoned; and names of those that have none."""
    found, without = [], []
    for model in ledger.counted:
        if model.spent is not None:
            device, hours, measured = model.spent.device, model.spent.seconds / 3600, True
        elif reckoning is not None and (flops := all_of(model).by(reckoning.convention)) is not None:
            device, hours, measured = reckoning.device, reckoning.hours(flops), False
        else:
            without.append(model.name)
            continue
        price = None if prices is None else prices.price(device)
        found.append(Hours(model, device, hours, measured, None if price is None else price * hours))
    return found, without


def all_of(model: ModelCost) -> Flops:
    """A model's training with the forward passes of its teacher: both take time."""
    return model.flops if model.teacher is None else model.flops + model.teacher


def measured_mfu(model: ModelCost) -> dict[str, float]:
    """Share of the dense BF16 peak that the training steps of a run reached, by convention; {} without a peak."""
    spent = model.spent
    peak = None if spent is None else peak_of(spent.device)
    if spent is None or peak is None or not spent.training:
        return {}
    flops = asdict(model.flops)
    return {name: value / spent.training / peak.bf16 for name, value in flops.items() if value is not None}
