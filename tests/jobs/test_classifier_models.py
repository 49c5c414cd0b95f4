"""hanji classifier train-domain and what the perplexity commands say where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hanji.jobs.commands.classifier import app
from hanji.jobs.package import _localise_curation, _ship

LEGAL = "원고의 상고를 기각한다. 민법에 따라 피고는 손해를 배상할 책임이 있다."
NEWS = "서울에서 기자 회견이 열렸다. 정부는 새 대책을 발표했다고 전했다."


def write(path: Path, text: str) -> Path:
    rows = [{"text": f"{text} {n}번째 {text[n % 7 :]}", "source": f"{path.stem}{n % 10}"} for n in range(40)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_a_domain_classifier_is_trained_from_files_by_label(tmp_path: Path) -> None:
    model = tmp_path / "models" / "ko.bin"
    asked = ["train-domain", "--language", "ko", "-o", str(model), "--epochs", "5", "--buckets", "2000"]
    asked += ["--label", f"legal={write(tmp_path / 'l.jsonl', LEGAL)}"]
    asked += ["--label", f"news={write(tmp_path / 'n.jsonl', NEWS)}"]
    ended = CliRunner().invoke(app, asked)
    assert ended.exit_code == 0, ended.output
    assert "trained on 40 legal, 40 news" in ended.output and "domains: {ko: " in ended.output
    card = json.loads(model.with_suffix(".json").read_text("utf-8"))
    assert card["kind"] == "domains" and [row["name"] for row in card["data"]] == ["l.jsonl", "n.jsonl"]


@pytest.mark.parametrize("label", ["legal", "=x.jsonl", "legal="])
def test_a_label_without_a_file_is_told(tmp_path: Path, label: str) -> None:
    ended = CliRunner().invoke(
        app, ["train-domain", "--language", "ko", "-o", str(tmp_path / "m.bin"), "--label", label]
    )
    assert ended.exit_code != 0 and "write DOMAIN=FILE or DOMAIN=RUN" in str(ended.exception)


def test_training_a_perplexity_model_without_lmplz_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    prose = write(tmp_path / "prose.jsonl", NEWS)
    ended = CliRunner().invoke(
        app, ["train-perplexity", str(prose), "--language", "ko", "-o", str(tmp_path / "m")]
    )
    assert ended.exit_code != 0 and "hanji classifier build-lmplz" in str(ended.exception)


def test_a_head_larger_than_head_and_middle_is_told(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["perplexity-cutoffs", str(tmp_path), "--head", "0.7"])
    assert ended.exit_code != 0 and "--head: 0.7 is more than --middle" in str(ended.exception)


def test_a_job_takes_models_of_perplexity_and_domains_along(tmp_path: Path) -> None:
    models = {name: tmp_path / name for name in ("ko.arpa.bin", "ko.sp.model", "domains.bin", "domains.json")}
    for name, path in models.items():
        path.write_text(name)
    recipe = {
        "name": "shipped",
        "run": "s3://bucket/run",
        "sources": [{"name": "s", "format": "jsonl", "paths": ["s3://bucket/rows.jsonl"]}],
        "perplexity": {
            "ko": {"model": str(models["ko.arpa.bin"]), "sentencepiece": str(models["ko.sp.model"])}
        },
        "domains": {"en": str(models["domains.bin"])},
    }
    changed, found, _ = _localise_curation(recipe, "recipe.yaml", [])
    assert {Path(path).name for path, _ in found} == {"ko.arpa.bin", "ko.sp.model", "domains.bin"}
    job = tmp_path / "job"
    job.mkdir()
    shipped = _ship(found, job)
    assert (job.parent / shipped[str(models["domains.json"])]).read_text() == "domains.json"
    for path in (*changed["perplexity"]["ko"].values(), changed["domains"]["en"]):
        assert (job.parent / path).is_file() and path.startswith("job/models/")
    assert changed["domains"]["ko"] is None
