"""Why a document has another verdict in another run, as far as both runs' numbers tell.

Of two verdicts the *cause* is asked about first: the obstacle that the document met earlier in the order of the
steps, and that stands in one run only. For a rule its value and threshold are put into the other run in thought:
what alone turns the verdict moved it. A duplicate is explained by what became of its survivor in the other run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from hanji.curation.decisions.rules import Rule
from hanji.curation.finished import FinishedRun
from hanji.curation.report.metrics import STEPS
from hanji.curation.signals import ratios

Which = Literal["A", "B"]
OTHER: dict[Which, Which] = {"A": "B", "B": "A"}
THRESHOLD, VALUE, BOTH = "the threshold moved", "the value moved", "value and threshold moved"
SURVIVOR, LIKENESS = "another survivor", "its likeness moved"
OTHERWISE = "the signal was formed otherwise"
LANGUAGE, ORDER = "another language", "another order of rules or steps"
SETTINGS = "other settings or code of the step"
# A floor of the recipe → the column that it judges.
FLOORS = {
    "min_language_score": "language_score",
    "min_characters": "characters",
    "max_characters": "characters",
    "max_payload_bytes": "payload_bytes",
    "max_replaced_share": "replaced_share",
}


@dataclass(frozen=True)
class Side:
    """Documents with one verdict in one run: ``state`` is "kept" or the rule, ``step`` as in the funnel."""

    run: FinishedRun
    name: Which
    rows: pa.Table
    state: str
    step: str
    language: str | None


@dataclass(frozen=True)
class Explained:
    """The reason of each document's change (None: its survivor must be looked up), and its numbers in words."""

    reasons: list[str | None]
    tell: Callable[[int], str]
    cause: Which


def explain(a: Side, b: Side) -> Explained:
    """Why documents that have one verdict in A have another in B. Rows of both sides are the same documents."""
    order_a, order_b = STEPS.index(a.step), STEPS.index(b.step)
    if order_a == order_b == STEPS.index("rules"):
        return _two_rules(a, b)
    if order_a == order_b == STEPS.index("duplicates"):
        return _two_likenesses(a, b)
    cause = a if order_a < order_b else b
    if cause.step == "rules":
        return _rule(cause.state, a, b, cause.name)
    if cause.step == "floor":
        return _floor(cause.state, a, b, cause.name)
    if cause.step == "duplicates":
        return _duplicate(cause, b if cause is a else a)
    return _all(a, SETTINGS, lambda row: cause.rows["ledger_detail"][row].as_py() or "", cause.name)


def _all(side: Side, reason: str, tell: Callable[[int], str], cause: Which) -> Explained:
    return Explained([reason] * len(side.rows), tell, cause)


def _two_rules(a: Side, b: Side) -> Explained:
    """One rule in A, another in B: if the document broke B's in A too, A's no longer holds it; else B's is new."""
    old, new = _rule(a.state, a, b, "A"), _rule(b.state, a, b, "B")
    broken = [b.state in (names or ()) for names in a.rows["ledger_failed_rules"].to_pylist()]
    reasons = [old.reasons[row] if there else new.reasons[row] for row, there in enumerate(broken)]
    return Explained(reasons, lambda row: (old if broken[row] else new).tell(row), "B")


def _two_likenesses(a: Side, b: Side) -> Explained:
    """A duplicate in both runs, by another kind of likeness."""
    evidence = [
        list(
            zip(
                *(side.rows[f"ledger_{name}"].to_pylist() for name in ("duplicate_of", "jaccard")),
                strict=True,
            )
        )
        for side in (a, b)
    ]
    reasons: list[str | None] = [
        SURVIVOR if x[0] != y[0] else THRESHOLD if x == y else LIKENESS
        for x, y in zip(*evidence, strict=True)
    ]

    def tell(row: int) -> str:
        (survivor_a, jaccard_a), (survivor_b, jaccard_b) = evidence[0][row], evidence[1][row]
        return f"Jaccard {jaccard_a:.3g} to {survivor_a[:8]} → {jaccard_b:.3g} to {survivor_b[:8]}"

    return Explained(reasons, tell, "B")


def _rule(name: str, a: Side, b: Side, cause: Which) -> Explained:
    if a.language != b.language:
        return _all(a, LANGUAGE, lambda _: f"language {a.language} → {b.language}", cause)
    first, second = (side.run.rules.get(side.language or "", {}).get(name) for side in (a, b))
    if first is not None and second is not None:
        return _judged(first, second, a, b, cause)
    side, rule = (a, first) if first is not None else (b, second)
    if rule is None:  # an old run's rule that no preset of today has
        return _all(a, SETTINGS, lambda _: name, cause)
    values = signal_values(rule.signal, side.rows)

    def tell(row: int) -> str:
        if values is None:
            return name
        return f"{rule.signal} {_figure(values[row])}; only {side.name} keeps {_bound(rule)}"

    return _all(a, f"the rule is only in {side.name}", tell, cause)


def _floor(name: str, a: Side, b: Side, cause: Which) -> Explained:
    field = name.removeprefix("floor.")
    if field == "languages":
        reason = LANGUAGE if a.language != b.language else "other languages are wanted"
        return _all(a, reason, lambda _: f"language {a.language} → {b.language}", cause)
    limits = [side.run.recipe["floor"].get(field) for side in (a, b)]
    if field not in FLOORS or None in limits:
        return _all(a, SETTINGS, lambda _: name, cause)
    op: Any = ">=" if field.startswith("min_") else "<="
    low, high = (Rule(name, FLOORS[field], op, float(limit), "") for limit in limits)
    return _judged(low, high, a, b, cause)


def _judged(rule_a: Rule, rule_b: Rule, a: Side, b: Side, cause: Which) -> Explained:
    """Put each run's value before the other's threshold, and see what alone turns the verdict.

    Values are formed by the expressions of this installation. Where that contradicts what a run's ledger says,
    its code had formed the signal in another way, and that is the reason.
    """
    if (rule_a.signal, rule_a.op) != (rule_b.signal, rule_b.op):
        said = f"{_condition(rule_a)} → {_condition(rule_b)}"
        return _all(a, "the rule asks another question", lambda _: said, cause)
    values_a, values_b = signal_values(rule_a.signal, a.rows), signal_values(rule_b.signal, b.rows)
    if values_a is None or values_b is None:
        where = "A" if values_a is None else "B"
        return _all(a, f"{rule_a.signal} was not measured in {where}", lambda _: rule_a.signal, cause)
    before, after = rule_a.keep(values_a), rule_b.keep(values_b)
    threshold, value = rule_b.keep(values_a) == after, rule_a.keep(values_b) == after
    otherwise = (before == _broke(rule_a.name, a)) | (after == _broke(rule_b.name, b))
    reasons = np.select(
        [otherwise, before == after, threshold & ~value, value & ~threshold],
        [OTHERWISE, ORDER, THRESHOLD, VALUE],
        BOTH,
    ).tolist()

    def tell(row: int) -> str:
        x, y = _figure(values_a[row]), _figure(values_b[row])
        moved = f"{x} in both" if values_a[row] == values_b[row] else f"{x} → {y}"
        s, t = _bound(rule_a), _bound(rule_b)
        return (
            f"{rule_a.signal} {moved}; keeps {s} in both"
            if s == t
            else (f"{rule_a.signal} {moved}; keeps {s} → {t}")
        )

    return Explained(reasons, tell, cause)


def _broke(name: str, side: Side) -> np.ndarray:
    """Which documents a rule or floor turned away, by the run's own ledger."""
    if name.startswith("floor."):
        return np.full(len(side.rows), side.state == name)
    return np.array([name in (broken or ()) for broken in side.rows["ledger_failed_rules"].to_pylist()], bool)


def signal_values(name: str, table: pa.Table) -> np.ndarray | None:
    """The signal of each row, float64; None where the table has not what it is made of."""
    try:
        return ratios.value(name, table)
    except KeyError:
        return None


def _figure(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def _bound(rule: Rule) -> str:
    sign = {">=": "≥", "<=": "≤"}.get(rule.op, rule.op)
    return f"{sign} {rule.threshold:g}"


def _condition(rule: Rule) -> str:
    return f"{rule.signal} {_bound(rule)}"


def _duplicate(cause: Side, other: Side) -> Explained:
    """Evidence that would not count by the other run's settings; all else is to be looked up."""
    settings = other.run.recipe["dedup"]["minhash"]
    here = cause.run.recipe["dedup"]["minhash"]
    jaccard = np.array(cause.rows["ledger_jaccard"].to_pylist(), np.float64)
    contained = np.array(cause.rows["ledger_containment"].to_pylist(), np.float64)
    exact = cause.state == "duplicates.exact"
    counts = (jaccard >= settings["min_jaccard"]) | (contained >= settings["min_containment"])
    enabled = other.run.recipe["dedup"]["exact"] if exact else settings["enabled"]
    reasons: list[str | None] = [
        SETTINGS if not enabled else None if exact or enough else THRESHOLD for enough in counts.tolist()
    ]

    def tell(row: int) -> str:
        first, second = (here, settings) if cause.name == "A" else (settings, here)
        return (
            f"Jaccard {jaccard[row]:.3g} (from {first['min_jaccard']:g} → {second['min_jaccard']:g}), "
            f"contained {contained[row]:.3g} (from {first['min_containment']:g} → "
            f"{second['min_containment']:g})"
        )

    return Explained(reasons, tell, cause.name)


def survivor_reason(survivor: dict[str, Any] | None, identity: str, other: Which) -> tuple[str, str]:
    """(reason, numbers in words) from what became of a duplicate's survivor in the other run.

    ``survivor`` is its ledger row there, None if it is not in that run; ``identity`` the duplicate.
    """
    if survivor is None:
        return f"its survivor is not in {other}", ""
    short = survivor["id"][:8]
    if survivor["duplicate_of"] == identity:
        return SURVIVOR, f"in {other} {short} falls to it"
    if survivor["verdict"] == "kept":
        return f"not found alike in {other}", f"{short} is kept in {other} too"
    if survivor["duplicate_of"] is not None:
        return SURVIVOR, f"in {other} {short} falls to {survivor['duplicate_of'][:8]}"
    return f"its survivor does not stand in {other}", f"in {other} {short} falls to {survivor['rule']}"
