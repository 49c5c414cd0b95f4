"""Which functions of this project are compiled kernels, read from its sources.

A kernel is a function under ``@kernel`` or ``@pure_kernel`` of hanji.compiled. One that Python calls is an entry;
the others are compiled with the entries that call them.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import ROOT

ROOMS = ("curation", "classifiers", "training", "jobs", "hanji")
DECORATORS = ("kernel", "pure_kernel")


@dataclass(frozen=True, order=True)
class Kernel:
    """A function by its module and name."""

    module: str
    name: str

    @property
    def compiled(self) -> bool:
        """Whether this process has compiled it, or loaded it from the cache, for any types."""
        return bool(getattr(importlib.import_module(self.module), self.name).overloads)

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Sources:
    """All kernels, and those of them that Python calls."""

    kernels: frozenset[Kernel]
    entries: frozenset[Kernel]


def read_sources(root: Path = ROOT) -> Sources:
    """The kernels of the checkout in ``root``."""
    trees = {module: ast.parse(path.read_bytes(), str(path)) for module, path in _modules(root)}
    kernels = {Kernel(module, node.name) for module, tree in trees.items() for node in _decorated(tree)}
    entries: set[Kernel] = set()
    for module, tree in trees.items():
        entries |= set(_called_from_python(module, tree, kernels, trees))
    return Sources(frozenset(kernels), frozenset(entries))


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            # The rooms are linked into hanji/ once more.
            if any(parent.is_symlink() for parent in path.parents):
                continue
            parts = [*path.relative_to(root).with_suffix("").parts]
            names = parts if room == "hanji" else ["hanji", *parts]
            yield ".".join(names[:-1] if names[-1] == "__init__" else names), path


def _decorated(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".compiled")
        for alias in node.names
        if alias.name in DECORATORS
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(one, ast.Name) and one.id in imported for one in node.decorator_list
        ):
            yield node


def _called_from_python(
    module: str, tree: ast.Module, kernels: set[Kernel], trees: dict[str, ast.Module]
) -> Iterator[Kernel]:
    """Kernels that a module names outside kernels: by their names, or as attributes of their module."""
    own = {node.name: Kernel(module, node.name) for node in _decorated(tree)}
    names, modules = dict(own), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found = Kernel(node.module, alias.name)
                if found in kernels:
                    names[alias.asname or alias.name] = found
                if f"{node.module}.{alias.name}" in trees:
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name in own:
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in names:
                yield names[node.id]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found = Kernel(modules.get(node.value.id, ""), node.attr)
                if found in kernels:
                    yield found
