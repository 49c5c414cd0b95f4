"""Tokenizers and the read-back check: the same ids both ways, and no damage passes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from curation_corpus import article, make_recipe, write_rows

from hanji.curation.pipeline import curate
from hanji.curation.shards.tokenizer import Encoder, tokenizer_facts, train_tokenizer
from hanji.curation.shards.verify import verify_shards
from hanji.errors import InputError, RecipeError

TEXTS = [article(language, number) for number in range(30) for language in ("ko", "en")]
ODD = [
    "",
    " ",
    "\n\n",
    "뷁 ㅋㅋㅋ <|end_of_text|> <|begin_of_text|>",
    "a\u00a0b\u3000c",
    "🙂‍↔️ e\u0301",
    "1234567890",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train_tokenizer(TEXTS, 600, "<|end_of_text|>", path)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("whole")
    rows = [{"id": str(number), "text": text} for number, text in enumerate(TEXTS)]
    curate(make_recipe(base / "run", [write_rows(base / "rows.jsonl", rows)]))
    return base / "run/shards"


def test_the_fast_encoder_gives_the_ids_of_the_reference(tokenizer: Path) -> None:
    encoder = Encoder(tokenizer)
    assert encoder.fast
    fast, slow = encoder.encode([*TEXTS, *ODD]), encoder._encode_reference([*TEXTS, *ODD])
    assert np.array_equal(fast.ids, slow.ids) and np.array_equal(fast.bounds, slow.bounds)
    assert fast.bounds[0] == 0 and len(fast.bounds) == len(TEXTS) + len(ODD) + 1


def test_every_text_comes_back_from_its_ids(tokenizer: Path) -> None:
    encoder = Encoder(tokenizer)
    for text in [*TEXTS[:6], *ODD]:
        ids = encoder.encode([text]).ids.tolist()
        assert encoder._reference.decode(ids, skip_special_tokens=False) == text


def test_a_text_that_spells_out_a_special_token_does_not_end_a_document(tokenizer: Path) -> None:
    facts = tokenizer_facts(tokenizer, "<|end_of_text|>")
    ids = Encoder(tokenizer).encode(["before <|end_of_text|> after"]).ids
    assert facts.eod_id not in ids.tolist()


def test_the_same_texts_make_the_same_tokenizer(tokenizer: Path, tmp_path: Path) -> None:
    again = train_tokenizer(TEXTS, 600, "<|end_of_text|>", tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    assert again == tokenizer_facts(tokenizer, "<|end_of_text|>") and again.vocab_size == 600


def test_tokenizers_that_cannot_serve_are_refused(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="vocab_size: 200 is not allowed"):
        train_tokenizer(TEXTS, 200, "<eod>", tmp_path / "t.json")
    with pytest.raises(InputError, match="has no token '<eod>'"):
        tokenizer_facts(tokenizer, "<eod>")
    (tmp_path / "broken.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match=r"broken\.json: not a tokenizer\.json"):
        tokenizer_facts(tmp_path / "broken.json", "<eod>")
    with pytest.raises(InputError, match="no such tokenizer file"):
        tokenizer_facts(tmp_path / "none.json", "<eod>")


def test_whole_shards_read_back(whole: Path) -> None:
    report = verify_shards(str(whole))
    assert report.ok and report.shards > 0 and "IndexedDataset" in report.reader


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize("kind", [".bin", ".idx", ".docs.parquet"])
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_no_damage_passes(whole: Path, tmp_path: Path, kind: str, damage: Callable[[Path], None]) -> None:
    copy = tmp_path / "shards"
    shutil.copytree(whole, copy)
    target = sorted(path for path in copy.rglob(f"train-*{kind}"))[0]
    damage(target)
    report = verify_shards(str(copy))
    assert not report.ok
    assert any(target.name.removesuffix(kind) in problem for problem in report.problems), report.problems


def test_another_tokenizer_and_wrong_counts_are_found(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "shards"
    shutil.copytree(whole, copy)
    (copy / "tokenizer.json").write_text("{}", "utf-8")
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["components"][0]["tokens"] += 1
    (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    problems = "\n".join(verify_shards(str(copy)).problems)
    assert "tokenizer.json: sha256" in problems and "shards add up to" in problems


def test_a_directory_without_a_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json"):
        verify_shards(str(tmp_path))
