"""Names of a recipe become datatrove filters and formatters, or a message that says what is wrong with them.

Everything is checked before the first task starts: the class, its arguments against its signature, the
packages that it needs, models and word tokenizers. Workers build the same blocks from the recipe again; no
instance travels. datatrove itself (Penedo et al., https://github.com/huggingface/datatrove) is an extra.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from hanji.curation.blocks.arguments import checked_arguments
from hanji.curation.blocks.needs import check_packages, make, model_file, prepare
from hanji.curation.recipe import Block, Language
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256

LIBRARIES = ("datatrove", "fasttext", "ftfy", "kiwipiepy", "pyahocorasick", "regex", "spacy", "tldextract")
"""Distributions whose versions may change what a built-in block says."""

_NOT_BY_DOCUMENT = {
    "SamplerFilter": "draws by chance in the order of documents, so that another cut of the inputs would keep "
    "other documents; `hanji curate --sample` takes a share by hash of the id",
    "LambdaFilter": "takes a Python function, which a recipe cannot hold; write a class with a filter method "
    "and name it with its module, as in my_team.filters.MyFilter",
}


@dataclass(frozen=True)
class Resolved:
    """One block of a recipe, checked: its name in the ledger (without ``block.``), class and arguments."""

    settings: Block
    name: str
    kind: Literal["filter", "formatter"]
    cls: type
    args: dict[str, Any]
    model: str | None
    where: str

    @property
    def rule(self) -> str:
        return f"block.{self.name}"

    @property
    def languages(self) -> tuple[Language, ...] | None:
        """The languages whose documents are asked; None for all."""
        return block_languages(self.settings)

    def make(self) -> Any:
        """An instance. Raises RecipeError if the class cannot be built."""
        return make(self.cls, self.args, self.model, self.where)

    def identity(self) -> dict[str, Any]:
        """What its answers depend on, as JSON: enters the key of the step."""
        settings = self.settings.model_dump(mode="json", exclude={"datatrove", "name", "args", "model"})
        return settings | {
            "name": self.name,
            "class": f"{self.cls.__module__}.{self.cls.__qualname__}",
            "args": self.args,
            "sources": _sources(self.cls),
            "files": {path: file_sha256(path) for path in sorted({*_files(self.args)})},
            "model": None if self.model is None else file_sha256(self.model),
        }


def resolve(
    blocks: Sequence[Block], languages: Sequence[Language], lid: str = "auto", *, prepared: bool = False
) -> list[Resolved]:
    """The blocks of a recipe, in its order. ``languages`` are those that the recipe keeps.

    ``prepared`` leaves out building each block for a trial: it has been done before this run's first task.
    Raises RecipeError naming the block's place, what is wrong, and what is allowed.
    """
    if not blocks:
        return []
    _datatrove()
    found: list[Resolved] = []
    names = block_names(blocks)
    for place, (block, name) in enumerate(zip(blocks, names, strict=True)):
        where = f"blocks.{place}"
        cls = find(block.datatrove, where)
        kind = _kind(cls, block.datatrove, where)
        check_packages(cls, where)
        model, given = model_file(cls, block, lid, where)
        args = checked_arguments(cls, given, block, where)
        one = Resolved(block, name, kind, cls, args, model, where)
        if not prepared:
            prepare(one.make(), one.languages or tuple(languages), where)
        found.append(one)
    return found


def block_names(blocks: Sequence[Block]) -> list[str]:
    """Given names, else class names; the second of a class is NAME-2. Raises RecipeError for equal ones."""
    names, seen = [], Counter[str]()
    for block in blocks:
        name = block.name or block.datatrove.rpartition(".")[2]
        if block.name is None:
            seen[name] += 1
            name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        names.append(name)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"blocks: each name may stand once; twice: {', '.join(twice)}")
    return names


def block_languages(block: Block) -> tuple[Language, ...] | None:
    """The languages whose documents a block is asked about; None for all."""
    wanted = block.language
    return None if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted)


def _datatrove() -> ModuleType:
    try:
        return importlib.import_module("datatrove")
    except ImportError as error:
        raise RecipeError(f"blocks: {error}: pip install 'hanji[datatrove]'") from None


def built_in() -> dict[str, type]:
    """datatrove's filters and formatters by class name."""
    filters, formatters = (
        importlib.import_module(f"datatrove.pipeline.{room}") for room in ("filters", "formatters")
    )
    bases = _bases()
    return {
        name: cls
        for module in (filters, formatters)
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, bases) and cls not in bases
    }


def find(name: str, where: str) -> type:
    """The class of that name: without dots one of datatrove's, with dots by import. Raises RecipeError."""
    module_name, _, class_name = name.rpartition(".")
    if not module_name:
        known = built_in()
        if name not in known:
            raise RecipeError(
                f"{where}.datatrove: {name!r} is no filter or formatter of datatrove; {_close(name, known)}"
                "a class of your own is named with its module, as in my_team.filters.MyFilter"
            )
        return known[name]
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise RecipeError(
            f"{where}.datatrove: {module_name} cannot be imported ({type(error).__name__}: {error}); it must "
            "be installed, or on PYTHONPATH, on every machine that works on the run"
        ) from None
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        classes = [key for key, value in vars(module).items() if inspect.isclass(value)]
        raise RecipeError(
            f"{where}.datatrove: {module_name} has no class {class_name!r}; {_close(class_name, classes)}"
            f"its classes are: {', '.join(sorted(classes)) or 'none'}"
        )
    return found


def _close(name: str, known: Any) -> str:
    by_lower = {str(one).lower(): str(one) for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, 1)
    return f"did you mean {by_lower[close[0]]!r}? " if close else ""


def _bases() -> tuple[Any, Any]:
    filters = importlib.import_module("datatrove.pipeline.filters.base_filter")
    formatters = importlib.import_module("datatrove.pipeline.formatters.base")
    return filters.BaseFilter, formatters.BaseFormatter


def _kind(cls: Any, name: str, where: str) -> Literal["filter", "formatter"]:
    """Whether it filters or formats. Raises RecipeError for what cannot be asked document by document."""
    base_filter, base_formatter = _bases()
    where = f"{where}.datatrove: {name}"
    if not issubclass(cls, (base_filter, base_formatter)):
        raise RecipeError(f"{where} is neither a filter (BaseFilter) nor a formatter (BaseFormatter)")
    if cls.__name__ in _NOT_BY_DOCUMENT and cls in built_in().values():
        raise RecipeError(f"{where} {_NOT_BY_DOCUMENT[cls.__name__]}")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise RecipeError(f"{where} is abstract: it lacks {missing}")
    base: Any = base_filter if issubclass(cls, base_filter) else base_formatter
    if cls.run is not base.run:
        raise RecipeError(
            f"{where} has a run method of its own, which works on a stream; a block is asked document by "
            f"document, by {'filter' if base is base_filter else 'format'}"
        )
    return "filter" if base is base_filter else "formatter"


def _sources(cls: type) -> dict[str, str]:
    """SHA-256 of the source files of a class and its ancestors outside of datatrove, by module."""
    found = {}
    for one in cls.__mro__:
        room = one.__module__.partition(".")[0]
        if room not in ("builtins", "abc", "typing", "datatrove"):
            path = inspect.getsourcefile(one)
            if path is not None and Path(path).is_file():
                found[one.__module__] = file_sha256(path)
    return found


def _files(value: Any) -> Iterator[str]:
    """Arguments that are paths of files here: their content matters, not their name alone."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _files(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _files(inner)
    elif isinstance(value, str) and 0 < len(value) < 4096 and "\0" not in value:
        try:
            if Path(value).is_file():
                yield value
        except OSError:
            return
