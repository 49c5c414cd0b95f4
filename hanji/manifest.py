"""The shard manifest: the one place where curation and training meet.

``shards/manifest.json`` lists every component (language × domain × tier × split) with its shards, and says
which tokenizer made them, so that a trainer needs nothing else of a curation run. A shard is a Megatron
``.bin``/``.idx`` pair with one sequence per document (its tokens, then EOD if ``append_eod``) and a sidecar
``.docs.parquet`` with one row per document in the same order::

    document_id          large_string  32 hexadecimal digits
    source               large_string  name of the source in the recipe
    token_offset         int64         first token of the document within the shard's .bin, in tokens
    tokens               int32         number of tokens, EOD included
    bytes                int64         UTF-8 bytes of the text
    occurrences          int64         records of the inputs that are this document
    cluster              large_string  id of its cluster of duplicates; null if it is like no other document
    cluster_size         int32         documents in that cluster, itself and those that fell included; 1 without one
    cluster_occurrences  int64         records that are documents of that cluster; its occurrences without one
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from hanji.errors import InputError
from hanji.recipe import Settings
from hanji.storage import Storage

MANIFEST = "manifest.json"


class TokenizerFacts(Settings):
    """The tokenizer behind the shards and how documents are delimited."""

    file: str = Field(description="path of tokenizer.json relative to the manifest")
    sha256: str
    vocab_size: int = Field(description="number of ids, added tokens included; the largest id is below it")
    eod_id: int
    eod_token: str
    append_eod: bool = True
    bos_id: int | None = None
    prepend_bos: bool = False


class FileFacts(Settings):
    """Name (relative to the manifest), size in bytes and SHA-256 of one file."""

    path: str
    bytes: int
    sha256: str


class Shard(Settings):
    """One Megatron indexed dataset and its sidecar."""

    prefix: str = Field(description="path without .bin/.idx, relative to the manifest")
    documents: int
    tokens: int
    bytes: int = Field(description="UTF-8 bytes of text, not of the files")
    bin: FileFacts
    idx: FileFacts
    docs: FileFacts


class Component(Settings):
    """All shards of one language × domain × tier × split. Shards are in the order of the id hash."""

    language: str
    domain: str
    tier: str
    split: Literal["train", "valid"]
    documents: int
    tokens: int
    bytes: int
    shards: list[Shard]

    @property
    def name(self) -> str:
        """``language/domain/tier``."""
        return f"{self.language}/{self.domain}/{self.tier}"


class TakenDown(Settings):
    """What was taken out of shards by takedown lists, and of which they are a version."""

    of: str = Field(description="fingerprint of the decisions without any takedown")
    entries: int = Field(description="entries of the lists")
    sha256: str = Field(description="of the entries, in their order, as JSON Lines")
    documents: int = Field(description="documents that would be in the shards")
    bytes: int = Field(description="UTF-8 bytes of their text")


class Manifest(Settings):
    """What a curation run gives to a trainer."""

    format: Literal["hanji-shards/1"] = "hanji-shards/1"
    recipe: str = Field(description="name of the curation recipe")
    curation: str = Field(description="fingerprint of the decisions that these shards follow")
    tokenizer: TokenizerFacts
    dtype: Literal["uint16", "int32"]
    takedown: TakenDown | None = None
    components: list[Component]

    def select(self, split: str) -> list[Component]:
        """The components of a split, ordered by language, domain, tier."""
        chosen = [component for component in self.components if component.split == split]
        return sorted(chosen, key=lambda component: (component.language, component.domain, component.tier))


def read_manifest(directory: str) -> tuple[Manifest, Storage]:
    """Read ``directory/manifest.json``; returns it with the storage that its paths are relative to.

    Raises InputError when there is none or it is not a manifest this version understands.
    """
    storage = Storage(directory)
    if not storage.exists(MANIFEST):
        raise InputError(
            f"{storage.describe(MANIFEST)}: no shard manifest here; name a run's shards/ directory, "
            "or run `hanji curate` until its shards are written"
        )
    try:
        return Manifest.model_validate_json(storage.read_bytes(MANIFEST)), storage
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        of_field = f"field {field}: " if field else ""
        raise InputError(f"{storage.describe(MANIFEST)}: {of_field}{first['msg']}") from None


def write_manifest(storage: Storage, manifest: Manifest) -> None:
    """Write the manifest; it is the last file of a run's shards to appear."""
    # A manifest without takedowns is what it always was, byte for byte.
    left_out = None if manifest.takedown is not None else {"takedown"}
    storage.write_bytes(MANIFEST, (manifest.model_dump_json(indent=1, exclude=left_out) + "\n").encode())
