"""hanji calibrate, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from curation_corpus import article, make_recipe, write_rows
from ray_head import Hanji

from hanji.curation.decisions.rules import preset_rules
from hanji.jobs.cli import run

COMMON = ("calibrate", "--language", "ko", "--keep", "0.98", "--workers", "1", "--quiet")
FORM = ("--signals", "words:min,mean_word_length:both,digit_share")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with trusted articles and price lists, which is the current one."""
    write_rows(tmp_path / "good.jsonl.gz", [{"id": str(n), "text": article("ko", n)} for n in range(240)])
    prices = ["\n".join(f"메뉴 {n} 번 {at * 1000} 원" for at in range(20)) for n in range(40)]
    write_rows(tmp_path / "rest.jsonl", [{"text": text} for text in prices])
    write_rows(tmp_path / "english.jsonl", [{"text": article("en", n)} for n in range(20)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_preset_is_made_shown_and_used_by_a_recipe(hanji: Hanji, home: Path) -> None:
    asked = ("--trusted", "good.jsonl.gz", "--elsewhere", "rest.jsonl", "--samples", 1)
    made = hanji(*COMMON, *FORM, *asked, "--report", "report.html", "--output", "my_ko.yaml", cwd=home)
    assert made.returncode == 0, made.stderr
    assert "All rules together keep" in made.stdout and "digit_share: digit_share <= " in made.stdout
    assert "elsewhere, value 0." in made.stdout and "메뉴 " in made.stdout
    assert "rules.presets: {ko: [./my_ko.yaml]}" in made.stdout
    page = (home / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>") and "메뉴 " in page

    listed = hanji("rules", "my_ko.yaml", cwd=home)
    assert listed.returncode == 0 and "my_ko.digit_share" in listed.stdout

    recipe = make_recipe(Path("run"), [Path("rest.jsonl")]).model_dump(mode="json", exclude_defaults=True)
    (home / "recipe.yaml").write_text(
        yaml.safe_dump(recipe | {"rules": {"presets": {"ko": ["my_ko.yaml"]}}}), encoding="utf-8"
    )
    curated = hanji("curate", "recipe.yaml", "--engine", "local", "--workers", 1, cwd=home)
    assert curated.returncode == 0, curated.stderr
    metrics = json.loads((home / "run/report/metrics.json").read_text("utf-8"))
    assert sum(rule["count"] for name, rule in metrics["rules"].items() if name.startswith("my_ko.")) == 40


def test_the_preset_names_the_command_without_directories(home: Path) -> None:
    code = run([*COMMON, *FORM, "--trusted", str(home / "good.jsonl.gz"), "--output", str(home / "a.yaml")])
    assert code == 0
    notes = yaml.safe_load((home / "a.yaml").read_text("utf-8"))["notes"]
    assert (
        "hanji calibrate --language ko --trusted good.jsonl.gz --signals "
        "words:min,mean_word_length:both,digit_share --keep 0.98 --output a.yaml" in notes
    )
    assert str(home) not in notes


def test_an_output_is_replaced_only_by_force(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [*COMMON, *FORM, "--trusted", "good.jsonl.gz", "--output", "a.yaml"]
    (home / "a.yaml").write_text("mine", encoding="utf-8")
    assert run(asked) == 2
    assert "--output: a.yaml is there already" in capsys.readouterr().err
    assert (home / "a.yaml").read_text("utf-8") == "mine"
    assert run([*asked, "--force"]) == 0
    assert preset_rules("a.yaml")[0].name == "a.words"


def test_without_a_form_the_rules_are_those_of_the_languages_preset(home: Path) -> None:
    assert run([*COMMON, "--trusted", "good.jsonl.gz", "--name", "mine", "--output", "a.yaml"]) == 0
    made = preset_rules("a.yaml")
    assert [rule.name.removeprefix("mine.") for rule in made] == [
        rule.name.removeprefix("hanji_ko.") for rule in preset_rules("hanji_ko")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--signals", "wrods"], "--signals: 'wrods' is not a signal; did you mean 'words'"),
        (["--trusted", "gone.jsonl"], "--trusted: gone.jsonl: no such file"),
        (["--trusted", "."], "--trusted: .: a directory that is no run"),
        (["--trusted", "english.jsonl"], "--trusted: english: no document is in ko; 20 are"),
        (["--keep", "0.9999"], "--keep: 0.9999 cannot be told from"),
        (["--keep", "99.5"], "--keep: 99.5 is not allowed"),
        (["--joint", "3"], "--joint: 3 is not allowed"),
        (["--fixed", "word"], "--fixed: 'word' is no rule of the form"),
        (["--compare", "gofer"], "'gofer' is not allowed: one of"),
        (["--like", "gone.yaml"], "gone.yaml: there is no such recipe file"),
        (["--text-field", "body"], "has no 'body'; it has: id, text"),
        (["--output", "a.txt"], "--output: a.txt: a preset is a file whose name ends in .yaml"),
        (["--output", "한국어.yaml"], "--name: '한국어' is not allowed"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    base = ["--trusted", "good.jsonl.gz", "--output", "a.yaml", *FORM]
    assert run([*COMMON, *base, *arguments]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not (home / "a.yaml").exists()
