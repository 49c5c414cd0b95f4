"""The manifest of shards that a test made."""

from __future__ import annotations

from pathlib import Path

from hanji.fingerprint import file_sha256
from hanji.manifest import Component, Manifest, TokenizerFacts, write_manifest
from hanji.storage import Storage

EOD, VOCABULARY = 299, 300


def write_made_manifest(root: Path, recipe: str, components: list[Component]) -> None:
    """Write the manifest of components below ``root``, where ``tokenizer.json`` lies."""
    manifest = Manifest(
        recipe=recipe,
        curation="0" * 32,
        tokenizer=TokenizerFacts(
            file="tokenizer.json",
            sha256=file_sha256(root / "tokenizer.json"),
            vocab_size=VOCABULARY,
            eod_id=EOD,
            eod_token="<eod>",
        ),
        dtype="uint16",
        components=components,
    )
    write_manifest(Storage(root), manifest)
