"""What a model was trained on, by hash: beside MODEL.bin lies MODEL.trained-on.parquet.

Figures on texts of sites that a model knows say little, since texts of one site resemble each other. The file
holds a hash of each text and of each site of the training, so that an evaluation can tell, and no text. Its rows:
``kind`` ("site" or "text") and ``hash`` (uint64), sorted. Its metadata names the model's SHA-256.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hanji.classifiers.texts import Text, site_hash
from hanji.errors import InputError
from hanji.fingerprint import file_sha256

_OF_MODEL = b"model_sha256"


@dataclass(frozen=True)
class TrainedOn:
    """Hashes of the texts and the sites of a training, uint64, sorted, each once."""

    texts: np.ndarray
    sites: np.ndarray

    def has_text(self, text: Text) -> bool:
        return _holds(self.texts, text_number(text))

    def has_site(self, site: str) -> bool:
        return _holds(self.sites, site_number(site))


def text_number(text: Text) -> int:
    """The first 64 bits of a text's hash."""
    return int.from_bytes(text.hash()[:8], "big")


def site_number(site: str) -> int:
    """The 64 bits of a site's hash."""
    return int.from_bytes(site_hash(site), "big")


def path_beside(model: Path) -> Path:
    """Where the hashes of a model lie."""
    return model.with_suffix(".trained-on.parquet")


def write_trained_on(model: Path, texts: Iterable[Text]) -> None:
    """Write the hashes of the texts on which a model was trained beside it. The same texts give the same bytes."""
    hashes = array("Q")  # a perplexity model may be trained on millions of texts
    sites: set[str] = set()
    for text in texts:
        hashes.append(text_number(text))
        sites.add(text.site)
    columns = [
        ("site", np.unique(np.fromiter(map(site_number, sites), np.uint64, len(sites)))),
        ("text", np.unique(np.frombuffer(hashes, np.uint64))),
    ]
    kinds = np.repeat([kind for kind, _ in columns], [len(found) for _, found in columns])
    table = pa.table(
        {
            "kind": pa.array(kinds, pa.large_string()),
            "hash": pa.array(np.concatenate([found for _, found in columns]), pa.uint64()),
        }
    )
    pq.write_table(table.replace_schema_metadata({_OF_MODEL: file_sha256(model)}), path_beside(model))


def copy_trained_on(model: Path, copy: Path) -> None:
    """Take the hashes along where a model is copied."""
    if path_beside(model).is_file():
        shutil.copyfile(path_beside(model), path_beside(copy))


def read_trained_on(model: Path) -> TrainedOn | None:
    """The hashes beside a model; None if there are none, or if they are those of another model.

    Raises InputError for a file that is none of these.
    """
    path = path_beside(model)
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        if (table.schema.metadata or {}).get(_OF_MODEL, b"").decode() != file_sha256(model):
            return None
        kinds, hashes = table["kind"].to_numpy(), table["hash"].to_numpy()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: not the hashes of a training (remove it to evaluate without): {error}"
        ) from None
    return TrainedOn(np.unique(hashes[kinds == "text"]), np.unique(hashes[kinds == "site"]))


def trained_on_facts(model: Path) -> dict[str, Any]:
    """What a card says of the hashes beside a model; empty if there are none."""
    found = read_trained_on(model)
    if found is None:
        return {}
    path = path_beside(model)
    return {
        "trained_on": {
            "file": path.name,
            "sha256": file_sha256(path),
            "texts": len(found.texts),
            "sites": len(found.sites),
        }
    }


def _holds(hashes: np.ndarray, number: int) -> bool:
    place = int(np.searchsorted(hashes, np.uint64(number)))
    return place < len(hashes) and int(hashes[place]) == number
