"""One recipe, everywhere: ``python -m benchmarks.determinism [--quick]``.

The sample corpus (pages in Korean and English with copies, near copies, personal data and leaks of a benchmark) is
curated by every engine, with 1, 2 and 4 workers, from inputs in three orders: as they are, the same files in
another order, and the same records shuffled into other files with other names; then with other partitions and
splits. What comes out is compared by SHA-256; a difference ends the program with 1 and is named.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, machine, say
from hanji.classifiers.training import default_training, train
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.manifest import read_manifest
from hanji.recipe import parse_recipe

SAMPLE = ROOT / "jobs" / "sample"
LOCATORS = ("path", "offset")
# Of the report: what tells of the run and not of the documents.
ABOUT_THE_RUN = ("recipe", "steps", "engine", "manifest")


@dataclass(frozen=True)
class Outcome:
    """SHA-256 of everything a run made, by name. ``rows`` (tables as sets) and ``metrics`` have no locators."""

    shards: dict[str, str]
    components: str
    rows: dict[str, str]
    metrics: str
    metrics_whole: str
    ledger_files: tuple[str, ...]
    manifest: str

    def differences(self, other: Outcome, *, same_inputs: bool) -> list[str]:
        """What differs. With other inputs or partitions the files of the ledger may, its rows may not."""
        found = [
            f"shards/{name}"
            for name in sorted({*self.shards, *other.shards})
            if self.shards.get(name) != other.shards.get(name)
        ]
        found += [name for name, sha in self.rows.items() if other.rows[name] != sha]
        found += [name for name in ("components", "metrics") if getattr(self, name) != getattr(other, name)]
        if same_inputs:
            names = ("ledger_files", "manifest", "metrics_whole")
            found += [name for name in names if getattr(self, name) != getattr(other, name)]
        return found


def outcome(run: Path) -> Outcome:
    """What the run in this directory made."""
    manifest, storage = read_manifest(str(run / "shards"))
    facts = manifest.model_dump(mode="json", exclude={"curation"})
    files = [
        file.path
        for component in manifest.components
        for shard in component.shards
        for file in (shard.bin, shard.idx, shard.docs)
    ]
    left_out = ", ".join(f'"{name}"' for name in LOCATORS)
    tables = {
        "ledger": f"SELECT * EXCLUDE ({left_out}) FROM '{run}/ledger/*.parquet'",
        "documents": f"SELECT DISTINCT * EXCLUDE ({left_out}) FROM '{run}/documents/*.parquet'",
        "edits": f"SELECT DISTINCT * FROM '{run}/edits/*.parquet'",
        "edges": f"SELECT * FROM '{run}/relations/edges/*.parquet'",
        "clusters": f"SELECT * FROM '{run}/relations/clusters/*.parquet'",
    }
    metrics = json.loads((run / "report" / "metrics.json").read_text(encoding="utf-8"))
    told = {name: value for name, value in metrics.items() if name not in ABOUT_THE_RUN}
    return Outcome(
        # From the files themselves, not from what the manifest says of them.
        {path: _sha256(storage.read_bytes(path)) for path in files},
        _sha256(json.dumps(facts, sort_keys=True).encode()),
        {name: _rows(query) for name, query in tables.items()},
        _sha256(json.dumps(_without_locators(told), sort_keys=True).encode()),
        _sha256(json.dumps(told, sort_keys=True).encode()),
        tuple(sorted(_sha256(path.read_bytes()) for path in (run / "ledger").glob("*.parquet"))),
        _sha256((run / "shards" / "manifest.json").read_bytes()),
    )


def _without_locators(value: Any) -> Any:
    """JSON without the places of samples."""
    if isinstance(value, dict):
        return {key: _without_locators(one) for key, one in value.items() if key not in LOCATORS}
    if isinstance(value, list):
        return [_without_locators(one) for one in value]
    return value


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rows(query: str) -> str:
    """Hash of a table's rows, whatever their order."""
    # Not above: workers of the local engine import this module too.
    import duckdb

    hashing = hashlib.sha256()
    result = duckdb.sql(f"SELECT * FROM ({query}) ORDER BY ALL")
    hashing.update(repr(result.columns).encode())
    for row in result.fetchall():
        hashing.update(repr(row).encode())
    return hashing.hexdigest()


def members(path: Path) -> Iterator[bytes]:
    """The gzip members of a WARC file, each a record, as they are."""
    data = path.read_bytes()
    while data:
        reading = zlib.decompressobj(zlib.MAX_WBITS | 16)
        reading.decompress(data)
        if not reading.eof:
            return
        yield data[: len(data) - len(reading.unused_data)]
        data = reading.unused_data


def write_inputs(directory: Path, records: list[bytes], names: list[str]) -> list[str]:
    """Deal the records to files of these names; returns the paths in that order."""
    directory.mkdir(parents=True)
    for place, name in enumerate(names):
        (directory / name).write_bytes(b"".join(records[place :: len(names)]))
    return [str(directory / name) for name in names]


@dataclass(frozen=True)
class Case:
    """One run: where, and from which inputs."""

    engine: str
    workers: int
    inputs: str
    partitions: int = 4
    split_bytes: int = 200_000

    @property
    def is_same(self) -> bool:
        """Whether the ledger's files are those of the first run too, not its rows alone."""
        return self.inputs != "other files" and self.partitions == 4


def cases(quick: bool) -> list[Case]:
    """All that is compared; the first is what the others are compared with."""
    engines, counts, orders = ("local", "ray", "spark"), (1, 2, 4), ("as they are", "reversed", "other files")
    if quick:
        # Every engine with every number of workers, and every order once for each.
        found = [
            Case(engine, workers, orders[(place + shift) % 3])
            for shift, engine in enumerate(engines)
            for place, workers in enumerate(counts)
        ]
    else:
        found = [Case(e, workers, order) for e in engines for workers in counts for order in orders]
    first = found[0]
    others = [(1, 200_000), (7, 50_000), (64, 10_000_000)]
    return found + [
        replace(first, engine=engine, workers=2, partitions=partitions, split_bytes=split)
        for engine, (partitions, split) in zip(engines, others, strict=True)
    ]


def recipe_of(base: Path, inputs: dict[str, list[str]], case: Case, number: int) -> CurationRecipe:
    """The recipe of a case; only what may change nothing differs between them."""
    data: dict[str, Any] = {
        "name": "determinism",
        "run": str(base / f"run-{number}"),
        "sources": [{"name": "sample", "format": "warc", "paths": inputs[case.inputs]}],
        "quality": {
            "ko": {name: str(base / f"quality-{name}.bin") for name in ("ko", "short")},
            "en": str(base / "quality-en.bin"),
        },
        "ensembles": {"ko": {"method": "mean", "weights": {"ko": 2, "short": 1}}},
        "tiers": [
            {"name": "high", "languages": ["ko"], "min_bucket": 15},
            {"name": "high", "languages": ["en"], "top_share": 0.2},
            {"name": "medium", "tokens": 20_000},
            {"name": "low"},
        ],
        "stages": [
            {"name": "stage2", "blend": {"*/*/high": {"weight": 1, "upsample": {"growth": "log2", "cap": 4}}}}
        ],
        "contamination": {"benchmarks": [{"name": "leaks", "path": str(base / "leaks.jsonl")}]},
        "shards": {"tokenizer": {"vocab_size": 1000}, "valid_share": 0.1},
        "engine": {"name": case.engine, "workers": case.workers},
        "partitions": case.partitions,
        "split_bytes": case.split_bytes,
    }
    return parse_recipe(data, CurationRecipe)


def prepare(base: Path) -> dict[str, list[str]]:
    """Inputs in three orders, a benchmark that leaks into them, and quality classifiers."""
    records = list(members(SAMPLE / "corpus.warc.gz"))
    names = [f"part-{place}.warc.gz" for place in range(5)]
    plain = write_inputs(base / "plain", records, names)
    shuffled = records.copy()
    random.Random(11).shuffle(shuffled)
    other = write_inputs(base / "another place", shuffled, [f"z{9 - place} 한.warc.gz" for place in range(3)])
    for language in ("ko", "en"):
        settings = replace(default_training(language), epoch=20)
        seed = SAMPLE / "seed" / f"{language}.jsonl"
        train([str(seed)], str(base / f"quality-{language}.bin"), language, settings)
        if language == "ko":
            train([str(seed)], str(base / "quality-short.bin"), language, replace(settings, epoch=2))
    items = []
    for language in ("ko", "en"):
        text = (SAMPLE / "texts" / f"articles-{language}.txt").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if len(line) > 80]
        items += [{"id": f"{language}-{place}", "text": line} for place, line in enumerate(lines[:8])]
    leaks = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    (base / "leaks.jsonl").write_text(leaks, encoding="utf-8")
    return {"as they are": plain, "reversed": plain[::-1], "other files": other}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.determinism")
    parser.add_argument("--quick", action="store_true", help="9 of the 27 combinations")
    parser.add_argument("--engines", default="local,ray,spark", help="of the runs after the first")
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="hanji-determinism-") as scratch:
        base = Path(scratch)
        inputs = prepare(base)
        first: Outcome | None = None
        rows: list[list[str]] = []
        first_case, *others = cases(given.quick)
        chosen = [case for case in others if case.engine in given.engines.split(",")]
        for number, case in enumerate([first_case, *chosen]):
            started = time.perf_counter()
            recipe = recipe_of(base, inputs, case, number)
            summary = curate(recipe)
            made = outcome(Path(recipe.run))
            first = first or made
            different = made.differences(first, same_inputs=case.is_same)
            wrong += bool(different)
            shards = _sha256(json.dumps(made.shards, sort_keys=True).encode())[:12]
            verdict = "the same" if not different else "OTHER: " + ", ".join(different[:4])
            rows.append(
                [
                    *(case.engine, str(case.workers), case.inputs, str(case.partitions)),
                    *(shards, made.rows["ledger"][:12], verdict),
                ]
            )
            say(
                f"{case.engine} × {case.workers}, inputs {case.inputs}, {case.partitions} partitions: {verdict}; "
                f"{summary.kept} of {summary.documents} kept, {len(made.shards) // 3} shards, "
                f"{time.perf_counter() - started:.1f} s"
            )
    say(f"\n{machine()}\n")
    heads = ["engine", "workers", "inputs", "partitions", "shards", "ledger rows", ""]
    for row in (heads, ["---"] * len(heads), *rows):
        say(f"| {' | '.join(row)} |")
    say(f"{len(rows)} runs, {wrong} differ from the first")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
