"""Arguments of a block against its constructor's signature, before anything is built."""

from __future__ import annotations

import collections.abc
import difflib
import inspect
import types
import typing
from typing import Any, Literal

from hanji.curation.recipe import Block
from hanji.errors import RecipeError

_SCALARS = (bool, int, float, str)


def checked_arguments(cls: Any, given: dict[str, Any], block: Block, where: str) -> dict[str, Any]:
    """The arguments to build the class with: those given, lists as tuples where the class wants tuples.

    A block for one language passes it on as ``language`` where the class has such an argument with a text as
    its default, and none is given. Raises RecipeError naming the argument, the value and what is allowed.
    """
    where = f"{where}.args"
    parameters = dict(list(inspect.signature(cls.__init__).parameters.items())[1:])
    hints = _hints(cls)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {n: p for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if "exclusion_writer" in given:
        raise RecipeError(f"{where}.exclusion_writer: not here; the ledger names every dropped document")
    for name in given:
        if name not in named and not open_ended:
            close = difflib.get_close_matches(str(name), named, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise RecipeError(f"{where}: {cls.__name__} has no argument {name!r}; {hint}{_takes(cls, named)}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in given:
            if _takes_function(hints.get(name)):
                raise RecipeError(
                    f"{where}.{name}: {cls.__name__} needs a Python function, which a recipe cannot hold; "
                    "write a class that has it built in, and name it with its module"
                )
            raise RecipeError(f"{where}: {cls.__name__} needs {name!r}; {_takes(cls, named)}")
    args = {
        name: _fitting(value, hints.get(name), named.get(name), f"{where}.{name}")
        for name, value in given.items()
    }
    language = named.get("language")
    if (
        "language" not in args
        and isinstance(block.language, str)
        and language is not None
        and isinstance(language.default, str)
    ):
        args["language"] = block.language
    return args


def _hints(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls.__init__)
    except Exception:
        return {}  # annotations that name what is not there: nothing is checked by them


def _takes(cls: type, named: dict[str, inspect.Parameter]) -> str:
    shown = [
        name if p.default is p.empty else f"{name}={_short(p.default)}"
        for name, p in named.items()
        if name != "exclusion_writer"
    ]
    return f"it takes {', '.join(shown)}" if shown else f"{cls.__name__} takes none"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _members(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [member for inner in typing.get_args(hint) for member in _members(inner)]
    return [hint]


def _takes_function(hint: Any) -> bool:
    return any(typing.get_origin(m) is collections.abc.Callable for m in _members(hint))


def _fitting(value: Any, hint: Any, parameter: inspect.Parameter | None, where: str) -> Any:
    """The value as the constructor wants it. Only what is plainly wrong is refused: annotations are loose."""
    if hint is None or (parameter is not None and value is None and parameter.default is None):
        return value
    members = _members(hint)
    if isinstance(value, list) and any(m is tuple or typing.get_origin(m) is tuple for m in members):
        return _tuples(value)
    literal = [choice for m in members if typing.get_origin(m) is Literal for choice in typing.get_args(m)]
    plain = [m for m in members if m in _SCALARS]
    if len(plain) + sum(typing.get_origin(m) is Literal for m in members) + members.count(type(None)) < len(
        members
    ):
        return value
    if value in literal or (value is None and type(None) in members):
        return value
    if isinstance(value, bool):
        fits = bool in plain
    elif isinstance(value, (int, float)):
        fits = int in plain or float in plain
    else:
        fits = isinstance(value, str) and str in plain
    if not fits:
        allowed = [repr(choice) for choice in literal] + [m.__name__ for m in plain]
        if type(None) in members or (parameter is not None and parameter.default is None):
            allowed.append("null")
        raise RecipeError(f"{where}: {value!r} is not allowed: {' or '.join(allowed)}")
    return value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value
