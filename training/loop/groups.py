"""Figures by component (language/domain/tier) put together by language, domain and tier."""

from __future__ import annotations

from collections.abc import Mapping

AXES = ("language", "domain", "tier")
"""The parts of a component's name, in their order."""


def sums_by_group(by_component: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Sums of what each component has: axis → group → sum, the groups in the order of their names."""
    found: dict[str, dict[str, float]] = {axis: {} for axis in AXES}
    for name, value in by_component.items():
        for axis, group in zip(AXES, name.split("/"), strict=True):
            found[axis][group] = found[axis].get(group, 0) + value
    return {axis: dict(sorted(groups.items())) for axis, groups in found.items()}


def ratios_by_group(above: Mapping[str, float], below: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Sums of ``above`` over sums of ``below`` by axis and group; groups without any ``below`` are left out.

    A mean loss by tier is nats over tokens, bits per byte are bits over bytes: sums first, then the ratio.
    """
    sums, counts = sums_by_group(above), sums_by_group(below)
    return {
        axis: {group: total / counts[axis][group] for group, total in groups.items() if counts[axis][group]}
        for axis, groups in sums.items()
    }
