"""What a person asks to be different, as a recipe: ``hanji_ko.min_words=40``, ``gopher.stop_words=off``, …

Only what is decided can be asked about: rules and tiers. Everything else of a recipe (floors, text, personal
data, deduplication) made the tables that deciding reads, and would have to be made again.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

import yaml

from hanji.curation.decisions.rules import Rule
from hanji.curation.recipe import CurationRecipe, Language, Preset, is_preset_path, read_preset
from hanji.errors import RecipeError
from hanji.recipe import apply_override, closest, parse_recipe

LANGUAGES: tuple[str, ...] = get_args(Language)
FEW = 3
Loaded = dict[Language, list[Rule]]


def changed(recipe: CurationRecipe, changes: Sequence[str]) -> CurationRecipe:
    """The recipe with the changes made, in their order.

    A change is ``PRESET.RULE=NUMBER``, ``PRESET.RULE=off`` or ``=on``, ``presets.LANGUAGE=NAME,…`` (a name with
    ``+`` or ``-`` before it joins or leaves those of the run), ``own.LANGUAGE=[…]``, or a field of the recipe
    below ``rules``, ``tiers`` or ``ensembles``. Raises RecipeError for anything else, and for what no recipe may
    say.
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
    elif parts[0] in ("tiers", "ensembles"):
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
        threshold = float(word)
    except ValueError:
        threshold = math.nan
    if not math.isfinite(threshold):
        raise RecipeError(f"{name}: {raw!r} is not allowed: a number, off or on")
    rules["thresholds"][name] = threshold


def _presets(present: list[Any], raw: str, change: str) -> list[Any]:
    """The presets of a language: those named, or the present ones with some joining or leaving."""
    names = _listed(raw, change)
    signed = [name for name in names if name[0] in "+-"]
    if not signed:
        return names
    if len(signed) != len(names):
        raise RecipeError(f"{change!r}: either all presets have + or - before them, or none")
    chosen = list(present)
    for sign, name in ((name[0], name[1:]) for name in names):
        there = [_preset_name(preset) for preset in chosen]
        if sign == "+":
            chosen += [name] if name not in there else []
        elif name in there:
            del chosen[there.index(name)]
        else:
            raise RecipeError(
                f"{change!r}: {name!r} is not among the run's presets; {closest(name, there)}"
                f"there are: {', '.join(there) or 'none'}"
            )
    return chosen


def _listed(raw: str, change: str) -> list[str]:
    """ "a,b" or "[a, b]" as names."""
    try:
        value = yaml.safe_load(raw) if raw.strip().startswith("[") else raw.split(",")
    except yaml.YAMLError:
        raise RecipeError(f"{change!r}: the list is not valid YAML") from None
    names = [str(name).strip() for name in value]
    return [name for name in names if name]


def _preset_name(preset: Any) -> str:
    """The name of a preset of a recipe as JSON has it: the project's by name, one of a file with its content."""
    return str(preset["preset"] if isinstance(preset, dict) else preset)


def as_overrides(before: CurationRecipe, after: CurationRecipe, changes: Sequence[str]) -> list[str]:
    """What ``hanji curate`` takes on its command line to decide as ``after`` does, quoted for a shell."""
    found: list[str] = []
    old, new = before.rules, after.rules
    presets = {language: _as_given(some, changes) for language, some in new.presets.items()}
    own = {language: [r.model_dump(mode="json") for r in some] for language, some in new.own.items()}
    found += _by_language("presets", old.presets, new.presets, presets)
    found += _by_language("own", old.own, new.own, own)
    if set(old.thresholds) - set(new.thresholds):
        found.append(f"rules.thresholds={_flow(new.thresholds)}")
    else:
        found += [
            f"rules.thresholds.{name}={value:.15g}"
            for name, value in new.thresholds.items()
            if old.thresholds.get(name) != value
        ]
    if old.off != new.off:
        found.append(f"rules.off={_flow(new.off)}")
    if before.tiers != after.tiers:
        tiers = [tier.model_dump(mode="json", exclude_defaults=True) for tier in after.tiers]
        found.append(f"tiers={_flow(tiers)}")
    if before.ensembles != after.ensembles:
        some = {
            language: one.model_dump(mode="json", exclude_none=True)
            for language, one in after.ensembles.items()
        }
        found.append(f"ensembles={_flow(some)}")
    return [shlex.quote(one) for one in found]


def _by_language(
    field: str, old: Mapping[Language, Any], new: Mapping[Language, Any], shown: Mapping[Language, Any]
) -> list[str]:
    """A field of rules for the languages in which it differs; whole where a language leaves."""
    if set(old) - set(new):
        return [f"rules.{field}={_flow(shown)}"]
    return [
        f"rules.{field}.{language}={_flow(shown[language])}"
        for language in new
        if old.get(language) != new[language]
    ]


def _as_given(presets: Sequence[str | Preset], changes: Sequence[str]) -> list[str]:
    """Presets as a person writes them: those that came from files by their paths."""
    paths = {
        read_preset(path).preset: path
        for change in changes
        if change.removeprefix("rules.").startswith("presets.")
        for path in (name.lstrip("+") for name in _listed(change.partition("=")[2], change))
        if is_preset_path(path)
    }
    return [
        preset if isinstance(preset, str) else paths.get(preset.preset, f"{preset.preset}.yaml")
        for preset in presets
    ]


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
            return f"{where}: {rule.signal} {rule.op} {rule.threshold:g}, {self._state()}"
        if self.before.signal == self.after.signal:
            was, now = f"{self.before.op} {self.before.threshold:g}", self.after
            return f"{where}: {self.before.signal} {was} → {now.op} {now.threshold:g}"
        sides = [f"{rule.signal} {rule.op} {rule.threshold:g}" for rule in (self.before, self.after)]
        return f"{where}: {' → '.join(sides)}"

    def _state(self) -> str:
        return "not applied → applied" if self.before is None else "applied → not applied"

    def preset_line(self, count: int) -> str:
        """The same for ``count`` rules of its preset at once."""
        preset = self.name.partition(".")[0]
        return f"{preset} ({', '.join(self.languages)}): {count} rules, {self._state()}"


def change_lines(changes: Sequence[RuleChange]) -> list[str]:
    """A line a rule; one for all rules of a preset where more than a few join or leave together."""
    lines: list[str] = []
    for _, group in groupby(changes, _of_one_preset):
        some = list(group)
        lines += [some[0].preset_line(len(some))] if len(some) > FEW else [change.line() for change in some]
    return lines


def _of_one_preset(change: RuleChange) -> tuple[Any, ...]:
    """Equal for rules of one preset that join or leave; another for each rule that only changes."""
    if change.before is not None and change.after is not None:
        return (change.name, change.languages)
    return (change.name.partition(".")[0], change.languages, change.before is None)


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
