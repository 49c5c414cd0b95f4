"""Small corpora for runs of the whole pipeline."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import duckdb

from hanji.curation.recipe import CurationRecipe
from hanji.recipe import parse_recipe

KOREAN = (
    "한지는 닥나무 껍질로 만드는 우리 종이다",
    "겨울에 벤 닥나무를 솥에 넣고 오래 찐다",
    "벗긴 껍질을 잿물에 삶아 부드럽게 한다",
    "맑은 물에 헹구면서 티를 하나하나 골라낸다",
    "방망이로 두드려 섬유를 고르게 풀어 준다",
    "닥풀을 섞은 물에서 발로 종이를 떠낸다",
    "젖은 종이를 포개어 물기를 천천히 짜낸다",
    "햇볕에 말린 종이는 질기고 오래 보존된다",
    "창호에 바르면 빛은 들이고 바람은 막아 준다",
    "옛 책이 천 년을 견딘 까닭이 여기에 있다",
    "마을 사람들은 농한기에 모여 종이를 떴다",
    "지금은 몇 곳의 공방만 그 기술을 잇고 있다",
)
ENGLISH = (
    "The paper is made from the inner bark of the mulberry tree",
    "Branches are cut in winter and steamed until the bark comes loose",
    "The strips are boiled in lye and rinsed in a clear stream",
    "Workers pick out every speck of dirt by hand before beating the pulp",
    "A vat is filled with water and the sticky root of a hibiscus",
    "The mould is dipped and rocked so that the fibres cross each other",
    "Wet sheets are stacked with a thread between them and pressed overnight",
    "Sheets dried on a warm wall become smooth and strong",
    "Windows covered with it let light in and keep the wind out",
    "Books printed on such paper have lasted for more than a thousand years",
    "Only a handful of workshops still practise the craft today",
    "Restorers in distant museums order it to mend old prints",
)


def article(language: str, number: int, sentences: int = 24) -> str:
    """A text of its own for every number: words of the bank in an order that no other text has."""
    rng = random.Random(f"{language} {number}")
    words = [word for sentence in (KOREAN if language == "ko" else ENGLISH) for word in sentence.split()]
    lines = []
    for _ in range(sentences):
        end = (
            rng.choice(("만든다", "떠낸다", "좋다"))
            if language == "ko"
            else rng.choice(("today", "here", "again"))
        )
        lines.append(f"{' '.join(rng.sample(words, rng.randint(6, 11)))} {end}.")
    return "\n".join(" ".join(lines[place : place + 4]) for place in range(0, sentences, 4))


def corpus_rows() -> list[dict[str, Any]]:
    """Articles in both languages, with copies, near copies, spam, other languages and personal data."""
    rows: list[dict[str, Any]] = []
    for language in ("ko", "en"):
        for number in range(24):
            text = article(language, number)
            rows.append(
                {"id": f"{language}-{number}", "url": f"http://{language}.example/{number}", "text": text}
            )
        rows.append(
            {
                "id": f"{language}-copy",
                "url": f"http://mirror.example/{language}",
                "text": article(language, 3),
            }
        )
        near = article(language, 5) + (
            " 끝으로 한마디만 덧붙인다." if language == "ko" else " One more thing to add."
        )
        rows.append({"id": f"{language}-near", "text": near})
    rows.append({"id": "short", "text": "너무 짧다"})
    rows.append({"id": "de", "text": "Das Papier wird aus der Rinde des Maulbeerbaums gemacht. " * 5})
    rows.append({"id": "spam", "text": "BUY NOW cheap watches\n" * 60})
    rows.append(
        {
            "id": "pii",
            "text": article("ko", 90) + " 문의는 gildong@hanji-mail.kr 또는 010-2345-6789로 하면 된다.",
        }
    )
    return rows


def write_rows(path: Path, rows: list[Any]) -> Path:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def make_recipe(run: Path | str, paths: list[Path], **changes: Any) -> CurationRecipe:
    """A recipe for small corpora: local engine, in this process unless told otherwise."""
    data: dict[str, Any] = {
        "name": "test",
        "run": str(run),
        "sources": [{"name": "s", "format": "jsonl", "paths": [str(path) for path in paths]}],
        "engine": {"name": "local", "workers": 1},
        "partitions": 3,
        "split_bytes": 20_000,
        "tiers": [{"name": "all"}],
        "shards": {"tokenizer": {"vocab_size": 600}, "valid_share": 0.2},
    }
    return parse_recipe(data | changes, CurationRecipe)


def shard_hashes(run: Path) -> dict[str, str]:
    """Hash of every shard file by its path, from the manifest."""
    manifest = json.loads((run / "shards" / "manifest.json").read_text())
    return {
        file["path"]: file["sha256"]
        for component in manifest["components"]
        for shard in component["shards"]
        for file in (shard["bin"], shard["idx"], shard["docs"])
    } | {"tokenizer": manifest["tokenizer"]["sha256"]}


def ledger(run: Path) -> dict[str, dict[str, Any]]:
    """The rows of a run's ledger by id."""
    relation = duckdb.sql(f"SELECT * FROM '{run}/ledger/*.parquet' ORDER BY id")
    found = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    return {row["id"]: row for row in found}
