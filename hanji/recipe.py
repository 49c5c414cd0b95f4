"""Typed recipes: YAML in, frozen pydantic models out, with errors a person can act on.

A recipe class derives from :class:`Settings`: unknown fields are refused, values are checked, and an
error names the field, the value and what is allowed. ``key=value`` overrides address fields with dots,
and list items by position or by their ``name`` (``sources.sample.domain=news``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from hanji.errors import RecipeError


class Settings(BaseModel):
    """Base of every recipe class: frozen, and strict about unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Recipe = TypeVar("Recipe", bound=Settings)


def load_recipe(path: str | Path, kind: type[Recipe], overrides: Iterable[str] = ()) -> Recipe:
    """Read a YAML recipe, apply ``key=value`` overrides and check it.

    Raises RecipeError for a missing file, broken YAML, an unknown field or a value that is not allowed.
    """
    path = Path(path)
    return parse_recipe(read_yaml(path), kind, overrides, origin=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping. Raises RecipeError with the file's name."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such recipe file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is not valid YAML: {error}") from None
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of fields, this file holds {type(data).__name__}")
    return data


def parse_recipe(
    data: Mapping[str, Any], kind: type[Recipe], overrides: Iterable[str] = (), *, origin: str = "recipe"
) -> Recipe:
    """Check ``data`` as a recipe of the given kind, after applying overrides. Raises RecipeError."""
    merged: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(data), allow_unicode=True)) if data else {}
    overrides = list(overrides)
    for override in overrides:
        apply_override(merged, override)
    changed = [override.partition("=")[0] for override in overrides]
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        lines = [_explain(detail, kind, changed) for detail in _of_their_own(error.errors())]
        raise RecipeError(f"{origin}: " + ("\n  " if len(lines) > 1 else "") + "\n  ".join(lines)) from None


def apply_override(data: dict[str, Any], override: str) -> None:
    """Apply one ``a.b.c=value`` to nested mappings and lists in place; the value is read as YAML."""
    key, equals, raw = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override {override!r}: write it as field=value, for example train.steps=100")
    try:
        value = yaml.safe_load(raw) if raw else None
    except yaml.YAMLError:
        raise RecipeError(f"override {key}: the value {raw!r} is not valid YAML") from None
    node: Any = data
    parts = key.split(".")
    for position, part in enumerate(parts[:-1]):
        node = _step_into(node, part, where=".".join(parts[: position + 1]))
    last = parts[-1]
    if isinstance(node, list):
        node[_list_index(node, last, key)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise RecipeError(f"override {key}: {'.'.join(parts[:-1])} is {node!r}, which has no fields")


def _step_into(node: Any, part: str, where: str) -> Any:
    if isinstance(node, list):
        return node[_list_index(node, part, where)]
    if isinstance(node, dict):
        if node.get(part) is None:
            node[part] = {}
        return node[part]
    raise RecipeError(f"override {where}: {node!r} has no fields")


def _list_index(items: list[Any], part: str, where: str) -> int:
    names = [item.get("name") for item in items if isinstance(item, dict)]
    for index, item in enumerate(items):
        if isinstance(item, dict) and item.get("name") == part:
            return index
    if part.isdigit() and int(part) < len(items):
        return int(part)
    known = ", ".join(str(name) for name in names if name) or f"0 to {len(items) - 1}"
    raise RecipeError(f"override {where}: no item {part!r}; there are: {known}")


def closest(unknown: str, known: Iterable[str]) -> str:
    """A hint for a message: "did you mean 'x'? ", or nothing where no known name is like it."""
    close = difflib.get_close_matches(unknown, sorted(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


def _of_their_own(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Errors without those that follow from others: a list is "too short" once its broken item is left out."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(
            len(loc) > len(detail["loc"]) and loc[: len(detail["loc"])] == detail["loc"] for loc in places
        )
    ]


def _explain(detail: ErrorDetails, kind: type[BaseModel], changed: Iterable[str] = ()) -> str:
    """One line for a pydantic error: the field, the value, what is allowed, and whether an override set it."""
    location = [
        part for part in detail["loc"] if not (isinstance(part, str) and part.startswith("function-"))
    ]
    field = ".".join(str(part) for part in location) or "recipe"
    if any(field == key or field.startswith(f"{key}.") for key in changed):
        field = f"{field} (set on the command line)"
    value = detail.get("input")
    if detail["type"] == "extra_forbidden":
        known = sorted(_fields_at(kind, location[:-1]))
        unknown = str(location[-1])
        hint = closest(unknown, known)
        listing = f"allowed: {', '.join(known)}" if known else ""
        return f"{field}: unknown field; {hint}{listing}".rstrip("; ")
    if detail["type"] == "missing":
        return f"{field}: this field is required"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if detail["type"] == "value_error" and isinstance(value, Mapping | list):
        # Several fields do not go together: the message names them, and the whole would hide it.
        return f"{field}: {message}" if location else message
    shown = repr(value)
    return f"{field}: {shown if len(shown) <= 80 else shown[:77] + '...'} is not allowed: {message}"


def _fields_at(kind: type[BaseModel], location: list[Any]) -> set[str]:
    """Names of the fields of the model found by walking ``location`` from ``kind``; empty if unsure."""
    candidates: list[Any] = [kind]
    for part in location:
        following: list[Any] = []
        for candidate in candidates:
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                if part in candidate.model_fields:
                    following += _models_in(candidate.model_fields[part].annotation)
                elif candidate.__name__ == part:
                    following.append(candidate)
        if following or not isinstance(part, int):
            candidates = following or candidates
    names: set[str] = set()
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            names |= set(candidate.model_fields)
    return names


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[Any] = []
    for argument in get_args(annotation):
        found += _models_in(argument)
    return found
