"""datatrove's documents read and written, against datatrove's own readers and writers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curation_corpus import make_recipe
from typer.testing import CliRunner

from hanji.curation.export import Selection, export
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe, Fields, Source
from hanji.curation.records import Record
from hanji.curation.sources.reading import Reader
from hanji.curation.sources.splits import plan_splits
from hanji.errors import InputError
from hanji.jobs.cli import app
from hanji.storage import Storage

datatrove = pytest.importorskip("datatrove", reason="datatrove is an extra")

ROWS = [
    {
        "text": f"문서 {i} and text",
        "id": f"<urn:uuid:{i}>",
        "url": f"http://e.com/{i}",
        "date": f"2024-01-0{i + 1}",
    }
    for i in range(4)
]


def documents() -> list[Any]:
    from datatrove.data import Document

    return [
        Document(row["text"], row["id"], metadata={"url": row["url"], "date": row["date"], "score": 0.5})
        for row in ROWS
    ]


def read(path: Path, **source: Any) -> list[Record]:
    given = Source(name="s", paths=[str(path)], **source)
    recipe = CurationRecipe(name="t", run="r", sources=[given])
    return [record for split in plan_splits(recipe) for record in Reader(split, given)]


def facts(records: list[Record]) -> list[dict[str, Any]]:
    return [{"text": r.text, "id": r.key, "url": r.url, "date": r.date} for r in records]


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_what_datatrove_writes_is_read_with_ids_urls_and_dates(
    tmp_path: Path, kind: str, expand: bool
) -> None:
    from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

    writer: Any = JsonlWriter if kind == "jsonl" else ParquetWriter
    with writer(str(tmp_path), expand_metadata=expand) as out:
        for document in documents():
            out.write(document)
    layout = "flat" if expand else "datatrove"
    assert facts(read(tmp_path, format=kind, layout=layout)) == ROWS


def test_fields_lead_into_objects_texts_of_objects_and_maps(tmp_path: Path) -> None:
    nested = {"doc": {"body": "text"}, "meta": {"src": {"link": "http://e.com"}}, "a.b": "7"}
    (tmp_path / "a.jsonl").write_text(
        json.dumps(nested) + "\n" + json.dumps(nested | {"meta": '{"src": {"link": "x"}}'})
    )
    fields = Fields(text="doc.body", url="meta.src.link", id="a.b", date="meta.no.where")
    found = read(tmp_path / "a.jsonl", format="jsonl", fields=fields)
    assert [(r.text, r.url, r.key, r.date) for r in found] == [
        ("text", "http://e.com", "7", None),
        ("text", "x", "7", None),
    ]
    maps = pa.array([[("url", "http://e.com")]], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"text": ["t"], "metadata": maps}), tmp_path / "a.parquet")
    (record,) = read(tmp_path / "a.parquet", format="parquet", layout="datatrove")
    assert (record.text, record.url) == ("t", "http://e.com")
    (record,) = read(tmp_path / "a.jsonl", format="jsonl", fields=Fields(text="doc.none"))[:1]
    assert record.error is not None
    assert record.error.startswith("field-missing")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from curation_corpus import corpus_rows, write_rows

    base = tmp_path_factory.mktemp("export")
    path = write_rows(base / "in.jsonl", corpus_rows())
    curate(make_recipe(base / "run", [path], tiers=[{"name": "high", "min_score": 0.5}, {"name": "low"}]))
    return base / "run"


def kept(run: Path) -> dict[str, dict[str, Any]]:
    tables = [pq.read_table(path) for path in (run / "ledger").glob("*.parquet")]
    rows = [row for table in tables for row in table.to_pylist() if row["verdict"] == "kept"]
    texts = [
        row for path in (run / "gathered/text").glob("*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    by_id = {row["id"]: row["text"] for row in texts}
    return {row["id"]: row | {"text": by_id[row["id"]]} for row in rows}


@pytest.mark.parametrize("form", ["datatrove", "parquet"])
def test_an_export_read_by_datatrove_is_the_kept_documents_with_their_final_text(
    run: Path, tmp_path: Path, form: Any
) -> None:
    from datatrove.pipeline.readers import JsonlReader, ParquetReader

    found = export(str(run), str(tmp_path / "out"), form)
    reader: Any = JsonlReader if form == "datatrove" else ParquetReader
    read_back = {document.id: document for document in reader(str(tmp_path / "out")).run()}
    expected = kept(run)
    assert set(read_back) == set(expected)
    assert sum(found.documents.values()) == len(expected) > 20
    for identity, row in expected.items():
        document = read_back[identity]
        assert document.text == row["text"]
        for name in ("source", "url", "language", "tier", "split", "score", "cluster_size", "path", "offset"):
            assert document.metadata.get(name) == row[name], name
        assert document.metadata["key"]
        assert document.metadata["language_score"] > 0
        place = f"/out/{row['language']}/{row['domain']}/{row['tier']}/"
        assert place in document.metadata["file_path"]


def test_an_export_comes_back_with_its_texts_and_ids(run: Path, tmp_path: Path) -> None:
    export(str(run), str(tmp_path / "out"))
    found = read(tmp_path / "out", format="jsonl", layout="datatrove")
    expected = kept(run)
    assert {(r.key, r.text, r.url) for r in found} == {
        (i, row["text"], row["url"]) for i, row in expected.items()
    }


def test_an_export_takes_what_is_asked_for_and_is_the_same_whoever_writes_it(
    run: Path, tmp_path: Path
) -> None:
    chosen = Selection(language="ko", tier="low", split="train")
    one = export(str(run), str(tmp_path / "one"), selection=chosen)
    two = export(str(run), str(tmp_path / "two"), selection=chosen, workers=2)
    expected = [
        row
        for row in kept(run).values()
        if (row["language"], row["tier"], row["split"]) == ("ko", "low", "train")
    ]
    assert sum(one.documents.values()) == len(expected) > 3
    assert one.documents == two.documents
    files = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*.gz")}
    assert files == {
        p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*.gz")
    }
    assert all(
        json.loads(line)["metadata"]["tier"] == "low"
        for data in files.values()
        for line in gzip.decompress(data).splitlines()
    )


def test_what_cannot_be_exported_is_refused_by_name(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        export(str(tmp_path), str(tmp_path / "out"))
    with pytest.raises(InputError, match="no kept document"):
        export(str(run), str(tmp_path / "out"), selection=Selection(tier="none"))
    export(str(run), str(tmp_path / "out"))
    with pytest.raises(InputError, match="already"):
        export(str(run), str(tmp_path / "out"))
    unfinished = Storage(tmp_path / "unfinished")
    unfinished.write_bytes("run.json", b'{"finished": false}')
    with pytest.raises(InputError, match="has not finished"):
        export(unfinished.root, str(tmp_path / "other"))


def test_the_command_says_what_it_wrote(run: Path, tmp_path: Path) -> None:
    arguments = ["export", str(run), "--output", str(tmp_path / "out"), "--language", "en", "--quiet"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "en/web/low" in result.output
    assert "documents in" in result.output
