"""What single classes need beyond their arguments: packages, models, word tokenizers, a fresh counter.

datatrove asks for the distribution ``fasttext-numpy2-wheel``, which owns the module ``fasttext`` as ours
does and must not stand beside it. So packages are looked for by module here, and models are loaded by
:mod:`hanji.classifiers.fasttext_model` and put where datatrove would put its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hanji.classifiers import fasttext_model
from hanji.classifiers.language import find_lid
from hanji.curation.recipe import Block
from hanji.errors import InputError, RecipeError

_WORDS = ("split_into_words", "split_into_sentences")
_FETCHED = (
    "; it fetches a file from the network the first time: where there is none, copy the cache of "
    "huggingface_hub (HF_ASSETS_CACHE) from a machine that has one"
)

_KIWI = (
    " -- pip install 'kiwipiepy<0.22' 'kiwipiepy_model<0.22' (LGPL): datatrove asks for a model of it that later "
    "versions do not bring; args.language: eng splits at spaces and signs instead"
)


class FastTextClass:
    """The part of fastText's Python class that datatrove calls; its own ``predict`` fails on numpy 2."""

    def __init__(self, path: str) -> None:
        self._model = fasttext_model.load(path)
        self.labels = [fasttext_model.LABEL + label for label in self._model.labels()]

    def predict(
        self, text: str, k: int = 1, threshold: float = 0.0, on_unicode_error: str = "strict"
    ) -> tuple[tuple[str, ...], np.ndarray]:
        """Labels and probabilities (float64), most probable first. Raises ValueError for several lines."""
        if "\n" in text:
            raise ValueError("predict processes one line at a time (remove '\\n')")
        pairs = self._model._model.f.predict(text + "\n", k, threshold, on_unicode_error)
        return tuple(label for _, label in pairs), np.array([p for p, _ in pairs], np.float64)


def check_packages(cls: type, where: str) -> None:
    """Raise RecipeError naming what to install if a package that the class needs is not there."""
    missing = {}
    for ancestor in cls.__mro__:
        for needed in vars(ancestor).get("_requires_dependencies", []):
            module, distribution = needed if isinstance(needed, tuple) else (needed, needed)
            if importlib.util.find_spec(module) is None:
                missing[module] = distribution
    if missing:
        names = " ".join(sorted(missing.values()))
        raise RecipeError(
            f"{where}: {cls.__name__} needs {' and '.join(sorted(missing))}: pip install {names} "
            "(`hanji[datatrove]` has what datatrove's own need)"
        )


def model_file(cls: type, block: Block, lid: str, where: str) -> tuple[str | None, dict[str, Any]]:
    """The fastText model of the block (local path), and its arguments, with the model among them if needed.

    ``lid`` is the recipe's language model. Raises RecipeError.
    """
    filters = importlib.import_module("datatrove.pipeline.filters")
    args = dict(block.args)
    if issubclass(cls, filters.LanguageFilter):
        if block.model is None:
            raise RecipeError(
                f"{where}.model: {cls.__name__} needs a model: auto (the recipe's own lid.176), or the path of "
                "lid.176.bin, lid.176.ftz or a GlotLID model"
            )
        path = _lid(lid, where) if block.model == "auto" else block.model
    elif issubclass(cls, filters.FastTextClassifierFilter):
        given = block.model or args.get("model_url")
        if not isinstance(given, str):
            raise RecipeError(f"{where}.model: {cls.__name__} needs the path of a fastText model")
        args["model_url"] = given
        path = given if Path(given).exists() or "://" not in given else _fetched(given, where)
    elif block.model is not None:
        raise RecipeError(f"{where}.model: {cls.__name__} takes no model here; its paths stand under args")
    else:
        return None, args
    try:
        labels = fasttext_model.load(path).labels()
    except InputError as error:
        raise RecipeError(f"{where}.model: {error}") from None
    for field in ("keep_labels", "remove_labels"):
        for label in _label_names(args.get(field)):
            if label not in labels:
                raise RecipeError(
                    f"{where}.args.{field}: {label!r} is no label of {path}; its labels are: "
                    f"{', '.join(sorted(labels)[:20])}"
                )
    return path, args


def _lid(lid: str, where: str) -> str:
    try:
        return str(find_lid()) if lid == "auto" else lid
    except InputError as error:
        raise RecipeError(f"{where}.model: {error}") from None


def _fetched(url: str, where: str) -> str:
    """A model behind a URL, in datatrove's cache."""
    download = importlib.import_module("datatrove.io").cached_asset_path_or_download
    try:
        return str(download(url, progress=False, namespace="filters", subfolder="fasttext", desc="model"))
    except Exception as error:
        raise RecipeError(f"{where}.model: {url}: {type(error).__name__}: {error}{_FETCHED}") from None


def _label_names(pairs: Any) -> list[str]:
    if not isinstance(pairs, (list, tuple)) or not pairs:
        return []
    if isinstance(pairs[0], str):
        pairs = [pairs]
    return [pair[0] for pair in pairs if isinstance(pair, (list, tuple)) and pair]


def make(cls: Any, args: dict[str, Any], model: str | None, where: str) -> Any:
    """Build a block. Raises RecipeError with what the constructor said."""
    step = importlib.import_module("datatrove.pipeline.base").PipelineStep
    try:
        if cls.__new__ is step.__new__:
            # datatrove's __new__ only looks for distributions; check_packages has looked for modules.
            block: Any = object.__new__(cls)
            cls.__init__(block, **args)
        else:
            block = cls(**args)
    except Exception as error:
        hint = _FETCHED if isinstance(error, OSError) else ""
        raise RecipeError(
            f"{where}: {cls.__name__} cannot be built: {type(error).__name__}: {error}{hint}"
        ) from None
    return _adapted(block, model)


def _adapted(block: Any, model: str | None) -> Any:
    filters = importlib.import_module("datatrove.pipeline.filters")
    if isinstance(block, filters.LanguageFilter) and model is not None:
        block.model._model = FastTextClass(model)
    elif isinstance(block, filters.FastTextClassifierFilter) and model is not None:
        block._model = FastTextClass(model)
    elif isinstance(block, filters.URLFilter):
        # The public suffix list of the installed version: no download that differs from day to day.
        block.tldextractor = importlib.import_module("tldextract").TLDExtract(suffix_list_urls=())
    return block


def prepare(block: Any, languages: Sequence[str], where: str) -> None:
    """Find out now what would fail at the first document: tokenizers, word lists, chance. RecipeError."""
    filters = importlib.import_module("datatrove.pipeline.filters")
    if isinstance(block, filters.C4BadWordsFilter):
        if block.keep_fraction > 0:
            raise RecipeError(
                f"{where}.args.keep_fraction: {block.keep_fraction} is not allowed: 0; with more, chance in the "
                "order of documents decides, and another cut of the inputs keeps other documents"
            )
        for kept in languages:
            try:
                block._get_badwords(kept)
            except Exception as error:
                raise RecipeError(
                    f"{where}: C4BadWordsFilter has no list for {kept}: {type(error).__name__}: {error}"
                    f"{_FETCHED}"
                ) from None
    language = _tokenized_language(block)
    if language is None:
        return
    words = importlib.import_module("datatrove.utils.word_tokenizers")
    try:
        words.load_word_tokenizer(language).sent_tokenize("Paper is made by hand. 종이를 손으로 뜬다.")
    except Exception as error:
        hint = _KIWI if language.partition("_")[0] in ("ko", "kor") else ""
        raise RecipeError(
            f"{where}: {type(block).__name__} splits words of the language {language!r}: {error}{hint}"
        ) from None


def _tokenized_language(block: Any) -> str | None:
    """The language whose tokenizer the block will load, as far as can be seen."""
    if getattr(block, "filter_mode", None) == "SENTENCE":
        return "eng"  # FastTextClassifierFilter passes no language on
    language = getattr(block, "language", None)
    if not isinstance(language, str):
        return None
    spaces = [vars(sys.modules[ancestor.__module__]) for ancestor in type(block).__mro__]
    return language if any(name in space for space in spaces for name in _WORDS) else None


def start_document(block: Any) -> None:
    """Bring back to the start what a block counts from document to document."""
    formatters = importlib.import_module("datatrove.pipeline.formatters")
    if isinstance(block, formatters.PIIFormatter):
        # Replacements are taken in turn: the first of each document is the first of the list.
        for replacer in (block.emails_replacer, block.ip_replacer):
            replacer._replace_i = 0
