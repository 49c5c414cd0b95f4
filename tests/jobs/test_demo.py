"""The demo as a stranger runs it, in a checkout of its own, and a run over real data. Slow."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from ray_head import Hanji

from hanji.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_makes_shards_a_report_and_a_model_that_learned(tmp_path: Path, hanji: Hanji) -> None:
    shutil.copytree(ROOT / "jobs/recipes", tmp_path / "jobs/recipes")
    shutil.copytree(ROOT / "jobs/sample", tmp_path / "jobs/sample")
    first = hanji("demo", cwd=tmp_path, timeout=600)
    assert first.returncode == 0, first.stderr[-3000:]
    assert "read back whole through IndexedDataset" in first.stdout
    rows = re.findall(r"^    (ko|en) +([\d.]+) +([\d.]+) +([\d.]+)$", first.stdout, re.MULTILINE)
    assert [row[0] for row in rows] == ["en", "ko"]
    for _, before, after_broad, after_best in rows:
        assert float(before) > 2.5 and float(after_broad) < 1.5 and float(after_best) < 1.5
    assert (tmp_path / "runs/demo/report/index.html").is_file()

    second = hanji("demo", cwd=tmp_path, timeout=600)
    assert second.returncode == 0, second.stderr[-3000:]
    closing = [line for line in first.stdout.splitlines() if line.startswith("    ")]
    assert [line for line in second.stdout.splitlines() if line.startswith("    ")] == closing


def test_the_demo_says_where_it_runs(tmp_path: Path, hanji: Hanji) -> None:
    refused = hanji("demo", cwd=tmp_path)
    assert refused.returncode == 2 and "runs in a checkout" in refused.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tenth_of_the_real_data_gives_the_same_shards_on_ray_and_alone(
    data_dir: Path, tmp_path: Path, hanji: Hanji
) -> None:
    recipe = (
        (ROOT / "jobs/recipes/first-run.yaml").read_text("utf-8").replace("../shared/data", str(data_dir))
    )
    (tmp_path / "recipe.yaml").write_text(recipe, "utf-8")
    shards = []
    for engine in ("ray", "local"):
        run = tmp_path / engine
        arguments = [
            "curate",
            "recipe.yaml",
            f"run={run}",
            "quality={}",
            "--sample",
            "0.1",
            "--engine",
            engine,
        ]
        done = hanji(*arguments, cwd=tmp_path, timeout=600)
        assert done.returncode == 0, done.stderr[-3000:]
        manifest, _ = read_manifest(f"{run}-sample-0.1/shards")
        assert sum(component.tokens for component in manifest.components) > 500_000
        shards.append([shard.bin.sha256 for component in manifest.components for shard in component.shards])
    assert shards[0] == shards[1]
