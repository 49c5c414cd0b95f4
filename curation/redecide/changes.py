"""What a person asks to be different, as a recipe: ``hanji_ko.min_words=40``, ``gopher.stop_words=off``, …

Only what is decided can be asked about: rules and tiers. Everything else of a recipe (floors, text, personal
data, deduplication) made the tables that deciding reads, and would have to be made again.
"""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import yaml

from hanji.curation.decisions.rules import Rule
from hanji.curation.recipe import CurationRecipe, Language, Rules
from hanji.errors import RecipeError
from hanji.recipe import apply_override, parse_recipe

LANGUAGES: tuple[str, ...] = get_args(Language)
Loaded = dict[Language, list[Rule]]


def changed(recipe: CurationRecipe, changes: Sequence[str]) -> CurationRecipe:
    """The recipe with the changes made, in their order.

    A change is ``PRESET.RULE=NUMBER``, ``PRESET.RULE=off`` or ``=on``, ``presets.LANGUAGE=NAME,…`` (a name with
    ``+`` or ``-`` before it joins or leaves those of the run), ``own.LANGUAGE=[…]``, or a field of the recipe
    below ``rules`` or ``tiers``. Raises RecipeError for anything else, and for what no recipe may say.
    """
    data = recipe.model_dump(mode="json")
    for change in changes:
        _apply(data, change)
    return parse_recipe(data, CurationRecipe, origin="what if")


def _apply(data: dict[str, Any], change: str) -> None:
    key, equals, raw = change.partition("=")
    key = key.strip()
    parts = key.split(".")
    if not equals or not all(parts):
        raise RecipeError(f"{change!r}: write it as RULE=VALUE, for example hanji_ko.min_words=40")
    rules = data["rules"]
    if parts[0] == "rules":
        parts = parts[1:]
    if parts[0] == "presets" and len(parts) == 2:
        rules["presets"][parts[1]] = _presets(rules["presets"].get(parts[1], []), raw, change)
    elif parts[0] == "own" and (len(parts) == 1 or parts[1] in LANGUAGES):
        apply_override(rules, change.removeprefix("rules."))
    elif parts[0] in ("thresholds", "off", "presets") or key.startswith("rules."):
        apply_override(data, f"rules.{'.'.join(parts)}={raw}")
    elif parts[0] == "tiers":
        apply_override(data, change)
    elif parts[0] in data or len(parts) == 1:
        raise _unknown(data, key, parts)
    else:
        _set_rule(rules, key, raw)


def _unknown(data: dict[str, Any], key: str, parts: list[str]) -> RecipeError:
    if parts[0] in data:
        return RecipeError(
            f"{key}: only rules and tiers are decided again; {parts[0]} shaped what the run measured, "
            "so another value needs `hanji curate`"
        )
    return RecipeError(f"{key}: is no rule; a rule is named PRESET.RULE, as `hanji rules` lists them")


def _set_rule(rules: dict[str, Any], name: str, raw: str) -> None:
    """Another threshold for a rule, or the rule off or on. A threshold switches a rule on."""
    word = raw.strip().lower()
    off = [other for other in rules["off"] if other != name]
    if word == "off":
        rules["off"] = [*off, name]
        return
    rules["off"] = off
    if word == "on":
        return
    try:
        rules["thresholds"][name] = float(word)
    except ValueError:
        raise RecipeError(f"{name}: {raw!r} is not allowed: a number, off or on") from None


def _presets(present: list[str], raw: str, change: str) -> list[str]:
    try:
        value = yaml.safe_load(raw) if raw.strip().startswith("[") else raw.split(",")
    except yaml.YAMLError:
        raise RecipeError(f"{change!r}: the list is not valid YAML") from None
    names = [str(name).strip() for name in value]
    names = [name for name in names if name]
    signed = [name for name in names if name[0] in "+-"]
    if not signed:
        return names
    if len(signed) != len(names):
        raise RecipeError(f"{change!r}: either all presets have + or - before them, or none")
    chosen = list(present)
    for name in names:
        if name[0] == "+":
            chosen += [name[1:]] if name[1:] not in chosen else []
        elif name[1:] in chosen:
            chosen.remove(name[1:])
        else:
            close = difflib.get_close_matches(name[1:], chosen, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise RecipeError(f"{change!r}: {name[1:]} is not among the run's presets; {hint}{chosen}")
    return chosen


def as_overrides(before: CurationRecipe, after: CurationRecipe) -> list[str]:
    """What ``hanji curate`` takes on its command line to decide as ``after`` does, quoted for a shell."""
    found: list[str] = []
    old, new = before.rules, after.rules
    for field in ("presets", "own"):
        for language in LANGUAGES:
            was, now = (_dumped(rules, field).get(language) for rules in (old, new))
            if was != now:
                found.append(f"rules.{field}.{language}={_flow(now or [])}")
    if set(old.thresholds) - set(new.thresholds):
        found.append(f"rules.thresholds={_flow(new.thresholds)}")
    else:
        found += [
            f"rules.thresholds.{name}={value:g}"
            for name, value in new.thresholds.items()
            if old.thresholds.get(name) != value
        ]
    if old.off != new.off:
        found.append(f"rules.off={_flow(new.off)}")
    if before.tiers != after.tiers:
        tiers = [tier.model_dump(mode="json", exclude_none=True) for tier in after.tiers]
        found.append(f"tiers={_flow(tiers)}")
    return [shlex.quote(one) for one in found]


def _dumped(rules: Rules, field: str) -> dict[str, Any]:
    dumped: dict[str, Any] = rules.model_dump(mode="json")[field]
    return dumped


def _flow(value: Any) -> str:
    """JSON, which is YAML too."""
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class RuleChange:
    """A rule that is another one now: ``before`` and ``after`` as rules, None where it is not applied."""

    name: str
    languages: tuple[str, ...]
    before: Rule | None
    after: Rule | None

    def line(self) -> str:
        """ "hanji_ko.min_words (ko): words >= 25 → >= 40"."""
        where = f"{self.name} ({', '.join(self.languages)})"
        if self.before is None or self.after is None:
            rule = self.before or self.after
            assert rule is not None
            state = "not applied → applied" if self.before is None else "applied → not applied"
            return f"{where}: {rule.signal} {rule.op} {rule.threshold:g}, {state}"
        if self.before.signal == self.after.signal:
            was, now = f"{self.before.op} {self.before.threshold:g}", self.after
            return f"{where}: {self.before.signal} {was} → {now.op} {now.threshold:g}"
        sides = [f"{rule.signal} {rule.op} {rule.threshold:g}" for rule in (self.before, self.after)]
        return f"{where}: {' → '.join(sides)}"


def rule_changes(before: Loaded, after: Loaded) -> list[RuleChange]:
    """The rules that differ, in the order in which they are judged; languages that share one are joined."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for language in sorted({*before, *after}):
        old = {rule.name: rule for rule in before.get(language, [])}
        new = {rule.name: rule for rule in after.get(language, [])}
        for name in dict.fromkeys([*new, *old]):
            was, now = old.get(name), new.get(name)
            if _judgement(was) != _judgement(now):
                found.setdefault((name, was, now), []).append(language)
    return [RuleChange(name, tuple(languages), was, now) for (name, was, now), languages in found.items()]


def _judgement(rule: Rule | None) -> tuple[str, str, float] | None:
    return None if rule is None else (rule.signal, rule.op, rule.threshold)
