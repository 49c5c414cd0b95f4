"""Compiled kernels: numba with a cache that is local to the node and can never be stale.

numba keys its cache by the file of a function alone: when a helper or a constant in another file changes, it
silently returns old code. Here the cache directory of a kernel is named by a hash of everything its code can
have been made from: the sources of its module and of all modules of this project that it imports, directly or
through others, and numba's version. What a kernel calls it must import, so nothing it was compiled from can
change without the name changing; and an edit recompiles the kernels that could see it, and no others. Data that
is read while running (tables of characters, lists of words) is handed to kernels as arguments, never as a
global: a global would be compiled in, unseen by the hash.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import caching, types

import hanji

Function = TypeVar("Function", bound=Callable[..., Any])
_ROOT = Path(hanji.__file__).parent


def kernel(function: Function) -> Function:
    """Compile a function at its first call and cache the code (``numba.njit``, no fast-math).

    Raises ValueError for a function outside this project: the hash would not see its source change.
    """
    return _compiled(function, counting=True)


def pure_kernel(function: Function) -> Function:
    """The same for a function that makes no arrays: without counting references to those that it is given.

    numba counts with an atomic operation at every call and every use of an array of a tuple; in functions that are
    called once a word that was two fifths of their time. numba refuses to compile one that does make an array.
    """
    return _compiled(function, counting=False)


def _compiled(function: Function, *, counting: bool) -> Function:
    if not sources(function.__module__):
        raise ValueError(
            f"{function.__module__} is no module of hanji: its kernels cannot be cached; use numba.njit"
        )
    numba.config.CACHE_DIR = str(cache_directory(function.__module__))
    # Said either way: a function would take the option over from the one that calls it.
    dispatcher = numba.njit(nogil=True, _nrt=counting)(function)
    dispatcher._cache = _Cache(function)  # what cache=True does, with a place that is ours
    dispatcher.get_call_template = partial(_for_wide_integers, dispatcher.get_call_template)
    return dispatcher  # type: ignore[no-any-return]


class _Locator(caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """A place that is the same for equal sources, wherever they lie.

    numba's own has a hash of the path in it, so that every job that brings its code along would compile it again.
    """

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        return "kernels"


class _CacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _CacheImpl


def _for_wide_integers(get_call_template: Callable[..., Any], args: Any, kws: Any) -> Any:
    """What numba asks before a kernel calls another: one compilation for all signed integers.

    Without it there is one more for a 0, and one more for a number that comes out of an array of 32-bit integers.
    """
    plain = {name: _wide(kind) for name, kind in dict(kws).items()}
    return get_call_template(tuple(_wide(kind) for kind in args), plain)


def _wide(kind: Any) -> Any:
    plain = types.unliteral(kind)
    return types.int64 if isinstance(plain, types.Integer) and plain.signed else plain


@cache
def cache_directory(module: str) -> Path:
    """Where the compiled kernels of a module of this project are kept on this node."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for path in sources(module):
        digest.update(path.relative_to(_ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hanji" / "numba" / f"{module.rpartition('.')[2]}-{digest.hexdigest()}"


@cache
def sources(module: str) -> tuple[Path, ...]:
    """The files of this project that a module's code can come from: its own and those it imports, in order."""
    found: dict[str, Path] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _file_of(name)
        if path is None or name in found:
            continue
        found[name] = path
        todo += _imports(path)
    return tuple(path for _, path in sorted(found.items()))


def _file_of(module: str) -> Path | None:
    """The file of a module of this project; None for other modules, packages without code and attributes."""
    top, _, rest = module.partition(".")
    if top != "hanji" or not rest:
        return None
    place = _ROOT.joinpath(*rest.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names of this project that a file imports, wherever in it; of ``from a import b`` both a and a.b."""
    return tuple(_imported(ast.parse(path.read_bytes(), filename=str(path))))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
