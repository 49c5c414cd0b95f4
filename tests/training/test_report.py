"""The report of a training run, two runs side by side, and curves of any length in few points."""

from __future__ import annotations

import html.parser
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.charts import nice_ticks, short
from hanji.errors import InputError
from hanji.fingerprint import fingerprint
from hanji.jobs.cli import run as hanji
from hanji.training.checkpoint.record import parent_of
from hanji.training.report.bins import Bins
from hanji.training.report.collect import collect
from hanji.training.report.comparison import compare_training
from hanji.training.report.comparison_page import render_comparison
from hanji.training.report.figures import figures
from hanji.training.report.page import render

EMPTY = {"meta", "br", "wbr"}


class Page(html.parser.HTMLParser):
    """Checks that elements are closed in their order; keeps words, names of elements and values of attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words, self.values = "", ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.values += " ".join(value or "" for _, value in attrs) + "\n"
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def copied(run: Path, to: Path, lines: list[dict[str, Any]] | None = None, /, **recipe: Any) -> Path:
    """The parts of a run that a report reads, its metrics and fields of its recipe perhaps changed."""
    shutil.copytree(run / "checkpoints", to / "checkpoints", ignore=shutil.ignore_patterns("*.distcp"))
    known = json.loads((run / "recipe.json").read_text("utf-8"))
    (to / "recipe.json").write_text(json.dumps({**known, **recipe}), encoding="utf-8")
    if lines is None:
        shutil.copy(run / "metrics.jsonl", to / "metrics.jsonl")
    else:
        (to / "metrics.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
        )
    return to


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def test_a_run_writes_a_page_that_needs_no_network_and_no_scripts(undisturbed: Path) -> None:
    text = (undisturbed / "report/index.html").read_text("utf-8")
    page = Page(text)
    assert not page.tags & {"script", "img", "link", "iframe", "object"}
    assert "http:" not in page.values and "https:" not in page.values and "NaN" not in page.values
    assert "default-src 'none'" in page.values
    for said in ("60 of 60 steps", "15,360 tokens", "state finished", "Training loss by language", "quality tier",
                 "The blend", "No step was skipped.", "causal_attention", "step-00000060", "tensor 2"):  # fmt: skip
        assert said in page.words, said
    assert len(text.encode()) < 300_000


def test_a_report_tells_what_the_run_recorded(undisturbed: Path) -> None:
    found, lines = figures(collect(undisturbed)), lines_of(undisturbed)
    steps = [line for line in lines if line["kind"] == "step"]
    assert [(stage["name"], stage["first"], stage["last"]) for stage in found["stages"]] == [
        ("one", 1, 40), ("two", 41, 60),
    ]  # fmt: skip
    assert found["stages"][0]["before"]["step"] == 0 and found["stages"][1]["before"]["step"] == 40
    assert found["stages"][1]["after"]["step"] == 60
    # 60 steps have a bin each.
    assert [point["mean"] for point in found["curves"]["loss"]] == [step["loss"] for step in steps]
    assert [point["mean"] for point in found["curves"]["rate"]] == [step["lr"] for step in steps]
    assert set(found["curves"]["groups"]["tier"]) == {"high", "low"}
    assert found["seconds"] == pytest.approx(sum(step["seconds"] for step in steps))
    assert found["family"]["tokens"]["total"] == found["seen"] == 60 * 4 * 64


def test_a_page_can_be_made_of_a_run_that_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    run = copied(
        undisturbed, tmp_path / "run", [line for line in lines_of(undisturbed) if line["step"] <= 21][:-1]
    )
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')
    found = collect(run)
    assert found.state == "not ended" and found.step == 21
    assert "This run has not ended" in Page(render(found)).words
    # The ranks have begun and made no step yet.
    early = copied(undisturbed, tmp_path / "early", lines_of(undisturbed)[:1])
    shutil.rmtree(early / "checkpoints")
    words = Page(render(collect(early))).words
    assert "0 of 60 steps" in words and "No checkpoint is whole yet" in words


def test_skipped_steps_alarms_and_lost_steps_are_told(undisturbed: Path, tmp_path: Path) -> None:
    # A busy machine may have alarmed the run of its own accord.
    lines = [line for line in lines_of(undisturbed) if line["kind"] != "alarm"]
    for line in lines:
        if line["kind"] == "step" and line["step"] in (7, 33):
            line.update(skip="loss nan <b>", loss=math.nan, skipped=1)
    lines[0]["lost"] = {"steps": 5, "seconds": 2.5}
    lines.insert(-1, {"kind": "alarm", "step": 59, "about": "speed", "text": "slow: 3 tokens/s"})
    found = collect(copied(undisturbed, tmp_path / "run", lines))
    assert found.skips.count == 2 and found.alarms.count == 1 and found.lost == {"steps": 5, "seconds": 2.5}
    text = render(found)
    assert "2 steps were skipped" in text and "loss nan &lt;b&gt;" in text and "slow: 3 tokens/s" in text
    assert len(found.curves.loss.bins()) == 58
    told = json.dumps(figures(found), allow_nan=False)
    assert json.loads(told)["skips"]["shown"][0]["loss"] is None


def test_caps_on_epochs_stand_beside_the_epochs(undisturbed: Path, tmp_path: Path) -> None:
    recipe = json.loads((undisturbed / "recipe.json").read_text("utf-8"))
    recipe["stages"][0]["blend"] = {"*/*/*": {"weight": 1.0, "max_epochs": 4.0}, "ko/*/*": {"weight": 1.0}}
    recipe["stages"][1]["blend"] = {"*/*/high": {"weight": 1.0, "max_epochs": 2.5}}
    page = Page(render(collect(copied(undisturbed, tmp_path / "run", None, stages=recipe["stages"]))))
    assert "cap" in page.words and "2.5" in page.words
    from hanji.training.report.data import epoch_caps

    found = collect(tmp_path / "run")
    assert epoch_caps(found) == {"en/web/high": 2.5, "ko/web/high": 2.5, "en/code/low": 4.0}


def test_parents_stand_below_the_model_in_the_family(undisturbed: Path, tmp_path: Path) -> None:
    run = copied(undisturbed, tmp_path / "run")
    path = run / "checkpoints/step-00000060/commit.json"
    commit = json.loads(path.read_text("utf-8"))
    grandparent = sealed({**commit["family"], "name": "grandparent"})
    parent = sealed({**commit["family"], "name": "par<ent", "parents": [parent_of(grandparent)]})
    commit["family"] = sealed(
        {**commit["family"], "parents": [{**parent_of(parent), "commit_sha256": "ab" * 32}]}
    )
    path.write_text(json.dumps(commit), encoding="utf-8")
    text = render(collect(run))
    Page(text)
    assert text.index("par&lt;ent") < text.index("grandparent") and "commit abababab" in text


def sealed(node: dict[str, Any]) -> dict[str, Any]:
    """A family node with the hash that belongs to it."""
    content = {name: value for name, value in node.items() if name != "hash"}
    return {**content, "hash": fingerprint(content)}


def test_the_report_and_the_command_give_the_same_costs_of_a_run_with_ancestors(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(undisturbed, tmp_path / "run")
    path = run / "checkpoints/step-00000060/commit.json"
    commit = json.loads(path.read_text("utf-8"))
    imported = sealed({"kind": "import", "name": "base", "parents": [], "model": commit["family"]["model"]})
    own = {"step": 40, "name": "first", "stages": [{"name": "one", "steps": 40}]}
    parent = sealed({**commit["family"], **own, "parents": [parent_of(imported)]})
    commit["family"] = sealed({**commit["family"], "parents": [parent_of(parent)]})
    path.write_text(json.dumps(commit), encoding="utf-8")

    assert hanji(["report", str(run), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["costs"]
    assert hanji(["cost", "report", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert shown == {name: told[name] for name in shown}
    models = shown["models"]
    assert [(model["name"], model["tokens"]) for model in models] == [
        ("base", 0), ("first step 40", 40 * 4 * 64), ("small step 60", 60 * 4 * 64),
    ]  # fmt: skip
    assert models[2]["spent"]["training"] > 0 and models[1]["spent"] is None
    # What an imported model took nobody knows, nor what it makes together with others.
    assert (
        models[0]["flops"]["six_nd"] is shown["total"]["six_nd"] is models[2]["inherited"]["six_nd"] is None
    )

    # Every row of the command's table stands on the page.
    assert hanji(["cost", "report", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    page = Page((run / "report/index.html").read_text("utf-8"))
    for name in (
        "small step 60 (pretraining, from first step 40)",
        "two",
        "with ancestors (base, first step 40)",
    ):
        (line,) = (line for line in lines if line.strip().startswith(f"{name} "))
        flops = line.rsplit(maxsplit=3)[1:]
        assert name in page.words and all(value in page.words for value in flops), line
    assert "imported: what it took before is not known" in page.words


def test_hanji_report_writes_the_page_and_prints_the_figures(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(undisturbed, tmp_path / "run")
    assert hanji(["report", str(run)]) == 0
    said = capsys.readouterr().out
    assert "small: finished, step 60 of 60, 15,360 tokens" in said and "tokens/s/rank" in said
    assert (run / "report/index.html").is_file()
    assert hanji(["report", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "hanji-training-report/1"
    assert hanji(["report", str(tmp_path)]) == 1
    assert "is no run of curation or training" in " ".join(capsys.readouterr().err.split())


def test_two_runs_are_compared_at_equal_tokens(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B is A cut off after 40 steps, with losses that are higher by a half and another rate in its recipe."""
    lines = [line for line in lines_of(undisturbed) if line["step"] <= 40]
    for line in lines:
        if line["kind"] == "step":
            line["loss"] += 0.5
        elif line["kind"] == "validation":
            line["groups"] = {
                a: {g: v + 0.25 for g, v in groups.items()} for a, groups in line["groups"].items()
            }
    schedule = {**json.loads((undisturbed / "recipe.json").read_text("utf-8"))["schedule"], "peak_lr": 0.5}
    other = copied(undisturbed, tmp_path / "other", lines, schedule=schedule, name="other", run="elsewhere")
    found = compare_training(str(undisturbed), str(other))
    assert found.recipe == {"name": ["small", "other"], "schedule.peak_lr": [0.003, 0.5]}
    assert found.tokens == 40 * 4 * 64
    for row in found.loss:
        a, b = row["loss"]
        assert b - a == pytest.approx(0.5)
    steps = [line for line in lines_of(undisturbed) if line["kind"] == "step"]
    assert found.loss[-1]["loss"][0] == pytest.approx(sum(step["loss"] for step in steps[36:40]) / 4)
    assert found.equal
    bits = {(row["axis"], row["group"]): row["bits"] for row in found.held_out}
    assert bits["language", "ko"][1] - bits["language", "ko"][0] == pytest.approx(0.25)
    assert found.held_out[0]["tokens"] == [found.tokens, found.tokens] and found.same_text
    text = render_comparison(found)
    assert not Page(text).tags & {"script", "link", "img"} and "schedule.peak_lr" in Page(text).words
    # B's checkpoint is not changed by lines that are missing: its cost is that of step 60, without its time.
    assert [run["costs"]["step"] for run in found.runs] == [60, 60]
    assert found.runs[0]["costs"]["flops"] == found.runs[1]["costs"]["flops"]
    assert found.runs[0]["costs"]["device_hours"] > 0 and found.runs[1]["costs"]["device_hours"] is None
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    assert hanji(["compare", str(undisturbed), str(other), "--report", str(page), "--json", str(data)]) == 0
    said = capsys.readouterr().out
    assert "schedule.peak_lr  0.003 → 0.5" in said and "+0.5000" in said
    assert page.read_text("utf-8") == text and json.loads(data.read_text("utf-8"))["tokens"] == found.tokens


def test_figures_of_other_held_out_text_are_said_not_to_compare(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(undisturbed)
    lines[0]["held_out"]["manifest_sha256"] = "0" * 64
    other = copied(undisturbed, tmp_path / "other", lines)
    assert hanji(["compare", str(undisturbed), str(other), "--report", str(tmp_path / "page.html")]) == 0
    assert "these figures do not compare" in capsys.readouterr().out
    assert "these figures do not compare" in (tmp_path / "page.html").read_text("utf-8")


def test_a_training_run_and_something_else_are_not_compared(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hanji(["compare", str(tmp_path), str(undisturbed)]) == 1
    assert "is a training run and" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(InputError, match="is not a training run"):
        compare_training(str(undisturbed), str(tmp_path))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=400),
    st.sampled_from([2, 3, 16, 64]),
)
def test_bins_are_few_and_keep_extremes_sums_and_order(values: list[float], most: int) -> None:
    bins = Bins(most)
    for place, value in enumerate(values, 1):
        bins.add(place, value)
    real = {place: value for place, value in enumerate(values, 1) if not math.isnan(value)}
    held = bins.bins()
    assert len(held) <= most and bins.count == len(real)
    for number, bin_ in bins.numbered():
        mine = {p: v for p, v in real.items() if number * bins.width < p <= (number + 1) * bins.width}
        assert (bin_.low, bin_.high) == (min(mine.values()), max(mine.values()))
        assert bin_.mean == pytest.approx(math.fsum(mine.values()) / len(mine), abs=1e-6)
        assert (bin_.first, bin_.last) == (min(mine), max(mine)) and bin_.latest == mine[max(mine)]
    assert sum(bin_.weight for bin_ in held) == len(real)


def test_a_run_of_many_steps_gives_a_small_page(tmp_path: Path) -> None:
    """4,000 steps with 40 components; `python -m benchmarks.training_report` does a million."""
    from benchmarks.training_report import write_long_run

    run = write_long_run(tmp_path / "run", 4_000, 40)
    found = collect(run)
    assert found.step == 4_000 and len(found.curves.loss.bins()) <= 320
    lows = min(bin_.low for bin_ in found.curves.loss.bins())
    assert lows == min(line["loss"] for line in lines_of(run) if line["kind"] == "step")
    page = render(found)
    Page(page)
    assert len(page.encode()) < 2_000_000


def test_ticks_are_round_and_numbers_short() -> None:
    assert nice_ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert nice_ticks(1.93, 3.4, 4) == [2.0, 2.5, 3.0]
    assert [short(value) for value in (0, 0.00025, 3.14159, 1234, 51_200, 2.5e12)] == [
        "0", "2.5e-4", "3.14", "1,234", "51.2k", "2.5T",
    ]  # fmt: skip
