"""Tokenizers: training a byte-level BPE, and encoding fast with the same ids as Hugging Face tokenizers.

Encoding goes through gigatoken, which reads the same tokenizer.json and is many times faster; once a
process, its ids are compared with the reference library's on a fixed text in both languages, and the
reference serves if they ever differ.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256
from hanji.manifest import TokenizerFacts

# Llama 3's split pattern (as published in its tokenizer.json), and the special tokens that a later
# instruction tuning needs, so that the vocabulary does not have to grow.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
_CHECK = (
    "한지(韓紙)는 닥나무로 만든다. ㅋㅋㅋ  뷁!\n\n"
    "    def paper(x):\n\treturn x ** 2  # it's 1,234.5 years old\r\n"
    "Hanji’s fibres — long & strong; don't fold. 🙂 가나다라 2026년 11월\u3000\u00a0끝"
)


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, eod_token: str, path: str | Path
) -> TokenizerFacts:
    """Train a byte-level BPE and write its tokenizer.json; the same texts in order give the same file.

    Raises RecipeError if the vocabulary is too small for the bytes and the special tokens.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    special = list(SPECIAL_TOKENS) + ([] if eod_token in SPECIAL_TOKENS else [eod_token])
    if vocab_size < 256 + len(special):
        raise RecipeError(
            f"vocab_size: {vocab_size} is not allowed: bytes and special tokens need {256 + len(special)}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(tokenizer.to_str(), encoding="utf-8")
    return tokenizer_facts(target, eod_token)


def tokenizer_facts(path: str | Path, eod_token: str) -> TokenizerFacts:
    """What the manifest says of a tokenizer file. Raises InputError if missing, broken or without the EOD."""
    from tokenizers import Tokenizer

    target = Path(path)
    if not target.is_file():
        raise InputError(f"{target}: no such tokenizer file")
    try:
        tokenizer = Tokenizer.from_file(str(target))
    except Exception as error:  # the library raises bare Exception for anything wrong with the file
        raise InputError(
            f"{target}: not a tokenizer.json that the tokenizers library reads: {error}"
        ) from None
    eod = tokenizer.token_to_id(eod_token)
    if eod is None:
        added = sorted(str(token.content) for token in tokenizer.get_added_tokens_decoder().values())
        raise InputError(
            f"{target}: has no token {eod_token!r} (shards.tokenizer.eod_token); its special tokens are: "
            f"{', '.join(added[:20]) or 'none'}"
        )
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    return TokenizerFacts(
        file=target.name,
        sha256=file_sha256(target),
        vocab_size=largest + 1,
        eod_id=eod,
        eod_token=eod_token,
    )


@dataclass(frozen=True)
class Encoded:
    """Token ids of several texts, end to end: uint32[total], and int64[texts + 1] bounds."""

    ids: np.ndarray
    bounds: np.ndarray


class Encoder:
    """Encodes texts as plain text: one that spells out a special token does not get that token's id.

    (Otherwise a page about tokenizers could end documents as it pleases.) ``fast`` says whether gigatoken
    serves.
    """

    def __init__(self, path: str | Path) -> None:
        # One task has one core: threads of the tokenizer would fight with the neighbours'.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        definition = json.loads(Path(path).read_text(encoding="utf-8"))
        plain = json.dumps(definition | {"added_tokens": [], "post_processor": None})
        self._reference = Tokenizer.from_str(plain)
        self._fast = self._load_fast(plain)

    @property
    def fast(self) -> bool:
        return self._fast is not None

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Ids of each text, no BOS, no EOD."""
        if self._fast is not None:
            return _encode_fast(self._fast, texts)
        return self._encode_reference(texts)

    def _encode_reference(self, texts: Sequence[str]) -> Encoded:
        encodings = self._reference.encode_batch(list(texts), add_special_tokens=False)
        lengths = [len(encoding.ids) for encoding in encodings]
        bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.fromiter((i for e in encodings for i in e.ids), np.uint32, count=int(bounds[-1]))
        return Encoded(ids, bounds)

    def _load_fast(self, plain: str) -> Any:
        texts = [_CHECK, "", " ", "\n" + _CHECK, *SPECIAL_TOKENS]
        slow = self._encode_reference(texts)
        try:
            import gigatoken

            candidate = gigatoken.Tokenizer.from_json(plain)
            fast = _encode_fast(candidate, texts)
        except Exception:  # whatever feature of the file it does not know, the reference library serves
            return None
        same = np.array_equal(fast.ids, slow.ids) and np.array_equal(fast.bounds, slow.bounds)
        return candidate if same else None


def _encode_fast(tokenizer: Any, texts: Sequence[str]) -> Encoded:
    layout = tokenizer.encode_batch(list(texts), parallel=False).layout
    bounds = np.asarray(layout.offsets.data).astype(np.int64)
    ids = np.asarray(layout.content.data)[bounds[0] : bounds[-1]].astype(np.uint32, copy=False)
    return Encoded(ids, bounds - bounds[0])


@lru_cache(maxsize=4)
def cached_encoder(path: str, sha256: str) -> Encoder:
    """The process-wide encoder of a tokenizer file; the hash keeps a replaced file from being confused."""
    return Encoder(path)
