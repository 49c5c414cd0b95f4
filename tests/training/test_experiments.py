"""Experiments over data: arms, what is refused, how far runs are, what differences are worth, and the tables."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sidecars import write_sidecar

from hanji.errors import HanjiError, RecipeError
from hanji.jobs.cli import run as hanji
from hanji.recipe import parse_recipe
from hanji.stages import BlendEntry
from hanji.training.checkpoint.record import find_checkpoint, read_commit
from hanji.training.experiments.annealing import mixed
from hanji.training.experiments.arms import Experiment, prepare
from hanji.training.experiments.comparing import compare, effects, paired, t_quantile
from hanji.training.experiments.recipe import ExperimentRecipe
from hanji.training.experiments.results import as_json, collect
from hanji.training.experiments.running import choose, standings
from hanji.training.experiments.table import markdown, plain

Make = Callable[..., Experiment]
KO = {"stages.one.blend": {"ko/*/*": 1.0}}
EN = {"stages.one.blend": {"en/web/*": 1.0}}
MEASURES = [
    {"name": "Korean", "components": ["ko/web/*"]},
    {"name": "English", "components": ["en/web/high"]},
]


@pytest.fixture
def make(recipe_data: Callable[..., dict[str, Any]], tmp_path: Path) -> Make:
    """Makes an experiment of two arms; keyword arguments replace fields, ``training`` those of its base recipe."""

    def prepared(*, training: dict[str, Any] | None = None, **changes: Any) -> Experiment:
        return prepare(parse_recipe(write(recipe_data, tmp_path, training, **changes), ExperimentRecipe))

    return prepared


def write(
    recipe_data: Callable[..., dict[str, Any]],
    tmp_path: Path,
    training: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    path = tmp_path / "base.yaml"
    one_stage = {"stages": [{"name": "one", "steps": 6, "blend": {"*/*/*": 1.0}}]}
    path.write_text(yaml.safe_dump(recipe_data(**{**one_stage, **(training or {})})), encoding="utf-8")
    return {
        "name": "trial",
        "directory": str(tmp_path / "trial"),
        "base": str(path),
        "arms": [{"name": "ko", "set": KO}, {"name": "en", "set": EN}],
        "seeds": [1, 2],
        "measures": MEASURES,
        **changes,
    }


def finish(experiment: Experiment, figure: Callable[[str, int, str], float]) -> None:
    """Write what finished runs leave behind, with bits per byte by arm, seed and component."""
    for run in experiment.runs:
        plan = experiment.plans[run.arm.name]
        components = {name: figure(run.arm.name, run.seed, name) for name in plan.held_out.components}
        entry = {"step": run.recipe.total_steps, "stage": "one", "when": "after", "components": components}
        began = {**entry, "step": 0, "when": "before", "components": dict.fromkeys(components, 9.0)}
        summary = {
            "finished": True,
            "step": run.recipe.total_steps,
            "seconds": 1.0,
            "shards": {"manifest_sha256": plan.manifest_sha256},
            "held_out": {"manifest_sha256": plan.held_out.manifest_sha256},
            "validation": [began, entry],
        }
        run.directory.mkdir(parents=True, exist_ok=True)
        (run.directory / "recipe.json").write_text(run.recipe.model_dump_json())
        (run.directory / "training.json").write_text(json.dumps(summary))


def test_every_arm_runs_with_every_seed_in_a_directory_of_its_own(make: Make, tmp_path: Path) -> None:
    experiment = make()
    assert [(run.arm.name, run.seed) for run in experiment.runs] == [
        ("ko", 1),
        ("en", 1),
        ("ko", 2),
        ("en", 2),
    ]
    assert len({run.directory for run in experiment.runs}) == 4
    run = experiment.run("en", 2)
    assert run.directory == tmp_path / "trial" / "en" / "seed-2" and run.recipe.seed == 2
    assert run.recipe.stages[0].weights() == {"en/web/*": 1.0}
    assert {one.state for one in standings(experiment)} == {"new"}
    assert experiment.baseline == "ko"


REFUSED = [
    ({"arms": [{"name": "ko", "set": KO}]}, "a comparison needs two"),
    ({"arms": [{"name": "a", "set": KO}, {"name": "b", "set": KO}]}, "a and b are the same training run"),
    ({"arms": [{"name": "a", "set": KO}, {"name": "a", "set": EN}]}, "arms: a stands there twice"),
    (
        {"arms": [{"name": "a"}, {"name": "b", "set": {"stages.one.steps": 6}}]},
        "arms.b.set: it changes nothing",
    ),
    ({"arms": [{"name": "a"}, {"name": "b", "set": {"stages.one.stepps": 7}}]}, "did you mean 'steps'"),
    ({"arms": [{"name": "a"}, {"name": "b", "set": {"seed": 7}}]}, "seed is set by the experiment"),
    ({"arms": [{"name": "a"}, {"name": "b", "set": {"stages.one.steps": 7}}]}, "other tokens than a"),
    (
        {"arms": [{"name": "a"}, {"name": "b", "set": {"model": {"preset": "tiny", "layers": 3}}}]},
        "layers 3 and not 2",
    ),
    ({"arms": [{"name": "a"}, {"name": "b/c"}]}, "arms.1.name"),
    ({"arms": [{"name": "a", "labels": {"x": "1"}}, {"name": "b", "set": KO}]}, "different columns"),
    ({"baseline": "none"}, "there is no arm 'none'; there are: ko, en"),
    ({"measures": [{"name": "code", "components": ["en/code/*"]}]}, "no held-out text for en/code/*"),
    ({"measures": [{"name": "code", "components": ["en"]}]}, "is not a pattern"),
    (
        {"measures": [{"name": "Korean", "components": ["ko/web/*"], "untrained": True}]},
        "arms.ko: it trains on ko/web/high, which measures.Korean wants untrained",
    ),
    ({"seeds": [1, 1]}, "seeds: 1 stands there twice"),
    (
        {"anneal": {"steps": 4, "candidates": [{"name": "c", "blend": {"ko/*/*": 1}}]}},
        "either arms or anneal",
    ),
    ({"base": "/nowhere.yaml"}, "there is no such recipe file"),
    ({"bse": "x"}, "did you mean 'base'"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[message[:32] for _, message in REFUSED])
def test_an_experiment_that_compares_nothing_is_refused(
    make: Make, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        make(**changes)
    assert message in str(caught.value)


def test_what_the_recipe_says_may_differ(make: Make) -> None:
    longer = [{"name": "a"}, {"name": "b", "set": {"stages.one.steps": 7}}]
    experiment = make(arms=longer, may_differ=["tokens"])
    assert experiment.run("b", 1).recipe.total_steps == 7


def test_arms_on_other_shards_are_measured_on_one_text(
    make: Make, shards: Path, other_shards: Path, tmp_path: Path
) -> None:
    arms = [{"name": "ko", "set": KO}, {"name": "other", "set": {"shards": str(other_shards)}}]
    with pytest.raises(
        RecipeError, match=r"arms.other: it would be measured on other held-out text.*validation.shards"
    ):
        make(arms=arms)
    with pytest.raises(RecipeError, match=r"arms.ko: it trains on documents that are held out: ko/web/high"):
        make(arms=arms, training={"validation": {"shards": str(with_ids_of(shards, other_shards, tmp_path))}})
    experiment = make(arms=arms, training={"validation": {"shards": str(shards)}})
    held_out = {name: plan.held_out.manifest_sha256 for name, plan in experiment.plans.items()}
    assert held_out["ko"] == held_out["other"]
    assert experiment.plans["ko"].manifest_sha256 != experiment.plans["other"].manifest_sha256


def with_ids_of(trained_on: Path, shards: Path, tmp_path: Path) -> Path:
    """A copy of shards whose held-out documents have ids of documents of ``trained_on``."""
    copy = tmp_path / "copy"
    shutil.copytree(shards, copy)
    train = pq.read_table(trained_on / "ko/web/high/train-00000.docs.parquet")["document_id"]
    path = copy / "ko/web/high/valid-00000.docs.parquet"
    table = pq.read_table(path)
    ids = pa.array(train.to_pylist()[: table.num_rows], pa.large_string())
    write_sidecar(copy, path, table.set_column(0, "document_id", ids))
    return copy


def test_held_out_text_of_another_tokenizer_is_refused(
    make: Make, other_shards: Path, tmp_path: Path
) -> None:
    other = tmp_path / "copy"
    shutil.copytree(other_shards, other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["tokenizer"]["sha256"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RecipeError, match=r"validation.shards: .* another tokenizer"):
        make(training={"validation": {"shards": str(other)}})


def test_a_component_that_is_not_there_cannot_be_measured(make: Make) -> None:
    with pytest.raises(RecipeError, match=r"validation.components: 'ko/news/\*' matches no component"):
        make(training={"validation": {"components": ["ko/news/*"]}})
    experiment = make(training={"validation": {"components": ["*/web/high"]}})
    assert list(experiment.plans["ko"].held_out.components) == ["en/web/high", "ko/web/high"]


def test_finished_runs_are_read_and_others_are_missing(make: Make) -> None:
    experiment = make()
    finish(experiment, lambda arm, seed, _: {"ko": 1.0, "en": 1.5}[arm] + 0.1 * seed)
    (experiment.run("en", 2).directory / "training.json").unlink()
    results = collect(experiment)
    assert [one.run.title for one in results.missing] == ["en, seed 2"]
    assert results.figures["ko"] == {
        seed: pytest.approx(dict.fromkeys(("Korean", "English"), 1.0 + 0.1 * seed)) for seed in (1, 2)
    }
    assert results.means["ko"]["Korean"].mean == pytest.approx(1.15)
    assert results.means["ko"]["Korean"].sd == pytest.approx(0.1 / math.sqrt(2))
    assert results.differences["en"]["Korean"].mean == pytest.approx(0.5)
    assert results.differences["en"]["Korean"].verdict == "unclear"
    assert "Not finished: en, seed 2 (new, step 0 of 6)." in "\n".join(plain(results))


def test_a_measure_is_bits_over_bytes_of_all_its_components(make: Make) -> None:
    experiment = make()
    finish(experiment, lambda _arm, _seed, name: 2.0 if name == "ko/web/high" else 1.0)
    parts = experiment.held_out["Korean"]
    high, low = parts["ko/web/high"].bytes, parts["ko/web/low"].bytes
    found = collect(experiment).figures["ko"][1]
    assert found["Korean"] == pytest.approx((2.0 * high + 1.0 * low) / (high + low))
    assert found["English"] == 1.0


def test_the_run_of_another_recipe_is_not_taken_for_an_arms_own(make: Make) -> None:
    finish(make(), lambda *_: 1.0)
    with pytest.raises(RecipeError, match=r"seed-1: holds another run than ko, seed 1 is now \(schedule"):
        standings(make(training={"schedule": {"peak_lr": 0.001, "warmup_steps": 2}}))
    experiment = make(measures=[*MEASURES, {"name": "rest", "components": ["ko/web/low"]}])
    summary = experiment.run("ko", 1).directory / "training.json"
    written = json.loads(summary.read_text())
    del written["validation"][-1]["components"]["ko/web/low"]
    summary.write_text(json.dumps(written))
    with pytest.raises(RecipeError, match="held-out ko/web/low was not measured"):
        standings(experiment)


def test_arms_and_seeds_can_be_chosen(make: Make) -> None:
    experiment = make()
    assert [run.title for run in choose(experiment, ["en"], [2])] == ["en, seed 2"]
    with pytest.raises(RecipeError, match="no arm 'none'; there are: ko, en"):
        choose(experiment, ["none"], [])
    with pytest.raises(RecipeError, match="no seed 3; there are: 1, 2"):
        choose(experiment, [], [3])


ANNEAL = {
    "arms": [],
    "anneal": {
        "steps": 4,
        "default": {"en/*/*": 1.0},
        "candidates": [
            {"name": "high", "blend": {"ko/*/high": 1.0}},
            {"name": "both", "blend": {"ko/*/*": 1.0}},
        ],
    },
}


def test_a_candidate_is_thirty_parts_of_a_hundred(make: Make) -> None:
    experiment = make(training={"schedule": {"peak_lr": 0.003, "warmup_steps": 2, "drops": []}}, **ANNEAL)
    assert [arm.name for arm in experiment.arms] == ["trunk", "default", "high", "both"]
    assert [arm.name for arm in experiment.compared] == ["default", "high", "both"]
    weights = experiment.run("high", 1).recipe.stages[0].weights()
    assert weights["ko/web/high"] == pytest.approx(0.3)
    # The default's part is shared by its components in proportion to their windows of 64 tokens.
    assert weights["en/web/high"] == pytest.approx(0.7 * 109 / (109 + 78))
    assert weights["en/code/low"] == pytest.approx(0.7 * 78 / (109 + 78))
    rates = experiment.run("high", 1).recipe.learning_rates()
    assert [rates(step) for step in range(4)] == pytest.approx([0.003, 0.00225, 0.0015, 0.00075])
    assert rates(4) == 0.0


def test_an_anneal_goes_on_from_the_state_of_its_seeds_run(make: Make, tmp_path: Path) -> None:
    experiment = make(**ANNEAL)
    for seed in (1, 2):
        recipe = experiment.run("both", seed).recipe
        assert recipe.init_from == str(tmp_path / "trial" / "trunk" / f"seed-{seed}")
        assert recipe.init_with == "state" and recipe.seed == seed
    assert experiment.run("trunk", 2).recipe.init_from is None
    assert [run.title for run in choose(experiment, ["both"], [2])] == ["trunk, seed 2", "both, seed 2"]


def test_candidates_are_put_in_the_order_of_what_they_gain(make: Make) -> None:
    experiment = make(**ANNEAL)
    gain = {"trunk": 0.0, "default": 0.0, "high": 0.1, "both": 0.3}
    finish(experiment, lambda arm, seed, _: 2.0 - gain[arm] + 0.5 * seed + 0.002 * seed * gain[arm])
    results = collect(experiment)
    assert results.order == ("both", "high")
    assert results.before["Korean"].mean == 9.0
    found = results.differences["both"]["Korean"]
    assert found.mean == pytest.approx(-0.2991) and found.verdict == "lower"
    text = markdown(results)
    assert "| 1 | both | -0.2991 [" in text and "| half-trained | 9.0000 ± 0.0000 |" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"candidates": [{"name": "c", "blend": {"ko/news/*": 1.0}}]},
            "anneal.candidates.c.blend: 'ko/news/*' matches no",
        ),
        ({"candidates": [{"name": "default", "blend": {"ko/*/*": 1.0}}]}, "the name of an arm of every"),
        ({"tokens": 400}, "either tokens or steps"),
        ({"candidate_share": 1.0}, "candidate_share"),
        ({"checkpoint": "/nowhere/seed-{seed}"}, "/nowhere/seed-1: no checkpoint here"),
    ],
)
def test_an_annealing_experiment_that_cannot_be_is_refused(
    make: Make, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(HanjiError) as caught:
        make(**{**ANNEAL, "anneal": {**ANNEAL["anneal"], **changes}})
    assert message in str(caught.value)


def test_the_checkpoint_of_every_seed_is_looked_at_before_anything_is_trained(
    make: Make, undisturbed: Path
) -> None:
    of_one = {"checkpoint": str(undisturbed)}
    assert len(make(**{**ANNEAL, "seeds": [1], "anneal": {**ANNEAL["anneal"], **of_one}}).runs) == 3
    with pytest.raises(RecipeError, match=r"default, seed 2: .* seed is 2 here, 1 there; .*\{seed\}"):
        make(**{**ANNEAL, "seeds": [1, 2], "anneal": {**ANNEAL["anneal"], **of_one}})
    with pytest.raises(
        RecipeError, match=r"default, seed 1: init_from: .* holds another model: model.layers"
    ):
        make(
            training={"model": {"preset": "tiny", "layers": 3}},
            **{**ANNEAL, "seeds": [1], "anneal": {**ANNEAL["anneal"], **of_one}},
        )


def test_mixed_weights_sum_to_one() -> None:
    default = {"a": BlendEntry(weight=3.0, max_epochs=2.0), "b": BlendEntry(weight=1.0)}
    found = mixed(default, {"b": BlendEntry(weight=2.0, max_epochs=4.0)}, 0.5)
    assert {name: entry.weight for name, entry in found.items()} == pytest.approx({"a": 0.375, "b": 0.625})
    assert (found["a"].max_epochs, found["b"].max_epochs) == (2.0, 4.0)


def test_intervals_are_students() -> None:
    # Quantiles as printed in tables of Student's t.
    assert t_quantile(0.975, 2) == pytest.approx(4.303, abs=5e-4)
    assert t_quantile(0.975, 10) == pytest.approx(2.228, abs=5e-4)
    found = paired([-0.1, -0.2, -0.3], 0.95)
    assert (found.mean, found.sd, found.n) == (pytest.approx(-0.2), pytest.approx(0.1), 3)
    assert (
        found.high == pytest.approx(-0.2 + 4.3027 * 0.1 / math.sqrt(3), abs=1e-4)
        and found.verdict == "unclear"
    )
    assert paired([-0.19, -0.2, -0.21], 0.95).verdict == "lower"
    assert paired([0.19, 0.2, 0.21], 0.95).verdict == "higher"
    assert paired([0.2], 0.95).verdict == "unclear"


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0).normal(0.1, 0.05, (2_000, 3))
    found = [paired(row.tolist(), 0.95) for row in draws]
    hit = sum(one.low <= 0.1 <= one.high for one in found if one.low is not None and one.high is not None)
    assert 0.935 <= hit / 2_000 <= 0.965


def test_pairing_takes_out_what_a_seed_does_to_both() -> None:
    figures = {"a": {s: {"m": float(s)} for s in (1, 2, 3)}, "b": {s: {"m": s - 0.1} for s in (1, 2, 3, 4)}}
    found = compare(figures, "b", "a", "m", 0.95)
    assert (
        found is not None and found.mean == pytest.approx(-0.1) and found.n == 3 and found.verdict == "lower"
    )
    assert compare({"a": {}, "b": {1: {"m": 1.0}}}, "b", "a", "m", 0.95) is None


def test_an_effect_is_the_mean_over_arms_alike_in_the_other_columns() -> None:
    labels = {f"{e}-{k}": {"English": e, "Korean": k} for e in ("random", "high") for k in ("web", "edu")}
    value = {"random-web": 2.0, "random-edu": 1.9, "high-web": 1.8, "high-edu": 1.5}
    figures = {arm: {seed: {"m": value[arm] + seed} for seed in (1, 2)} for arm in labels}
    found = {(e.column, e.level): e for e in effects(figures, labels, "random-web", ["m"], 0.95)}
    assert set(found) == {("English", "high"), ("Korean", "edu")}
    assert found["English", "high"].difference.mean == pytest.approx(-0.3)
    assert found["Korean", "edu"].difference.mean == pytest.approx(-0.2)
    assert found["Korean", "edu"].pairs == 2 and found["Korean", "edu"].reference == "web"


def test_the_command_plans_and_makes_tables_without_training(
    make: Make,
    recipe_data: Callable[..., dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(write(recipe_data, tmp_path)))
    assert hanji(["ablate", str(path), "--plan"]) == 0
    plan = capsys.readouterr().out
    assert hanji(["ablate", str(path), "--plan", "--set", "stages.one.steps=9", "seeds=[1]"]) == 0
    assert "2 arms × 1 seeds" in (longer := capsys.readouterr().out) and "arm ko: 9 steps" in longer
    assert "2 arms × 2 seeds" in plan and "measured: Korean: " in plan and "seed 1 new, seed 2 new" in plan
    finish(make(), lambda arm, seed, _: {"ko": 1.0, "en": 1.5}[arm] + 0.1 * seed)
    assert hanji(["ablate", str(path), "--table"]) == 0
    assert "en   +0.5000 [+0.5000, +0.5000] ▲" in capsys.readouterr().out
    assert hanji(["ablate", str(path), "--table", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (
        printed == json.loads((tmp_path / "trial" / "results.json").read_text()) == as_json(collect(make()))
    )
    assert printed["differences"]["en"]["English"]["verdict"] == "higher"
    assert (tmp_path / "trial" / "table.md").read_text().startswith("# trial\n")
    assert hanji(["ablate", str(path), "seeds=[]"]) == 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_arms_are_trained_and_finished_ones_are_left_alone(
    recipe_data: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(write(recipe_data, tmp_path, seeds=[1])))
    assert hanji(["ablate", str(path), "--quiet", "--arm", "en"]) == 0
    assert "Not finished: ko, seed 1" in capsys.readouterr().out
    written = (tmp_path / "trial/en/seed-1/training.json").stat().st_mtime_ns
    assert hanji(["ablate", str(path), "--quiet"]) == 0
    assert (tmp_path / "trial/en/seed-1/training.json").stat().st_mtime_ns == written
    results = json.loads((tmp_path / "trial/results.json").read_text())
    figures = {arm: of["1"] for arm, of in results["bits_per_byte"].items()}
    for arm, of in figures.items():
        measured = json.loads((tmp_path / f"trial/{arm}/seed-1/training.json").read_text())["validation"][-1]
        assert of["English"] == measured["components"]["en/web/high"]
        assert of["Korean"] == pytest.approx(measured["bits_per_byte"]["ko"])
    assert figures["ko"] != figures["en"]
    assert [run["state"] for run in results["runs"]] == ["finished", "finished"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_candidates_are_annealed_from_the_whole_state(
    recipe_data: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "trial.yaml"
    training = {"schedule": {"peak_lr": 0.003, "warmup_steps": 2, "drops": []}}
    path.write_text(yaml.safe_dump(write(recipe_data, tmp_path, training, seeds=[1], **ANNEAL)))
    assert hanji(["ablate", str(path), "--quiet"]) == 0
    runs = {arm: tmp_path / "trial" / arm / "seed-1" for arm in ("trunk", "default", "high", "both")}
    summary = {arm: json.loads((run / "training.json").read_text()) for arm, run in runs.items()}
    half = summary["trunk"]["validation"][-1]["components"]
    trunk = read_commit(find_checkpoint(runs["trunk"]))
    for arm in ("default", "high", "both"):
        # The weights are the half-trained run's, and so is what Adam has counted.
        assert summary[arm]["validation"][0]["components"] == pytest.approx(half, rel=1e-6)
        commit = read_commit(find_checkpoint(runs[arm]))
        assert commit.optimizer_step == trunk.optimizer_step + 4
        assert commit.family["parents"][0]["hash"] == trunk.family["hash"]
        assert commit.family["parents"][0]["position"] == trunk.consumed
    results = json.loads((tmp_path / "trial/results.json").read_text())
    assert sorted(results["order"]) == ["both", "high"]
    assert results["before"]["Korean"]["mean"] == pytest.approx(
        summary["trunk"]["validation"][-1]["bits_per_byte"]["ko"]
    )
    assert all(of["Korean"]["mean"] != 0.0 for of in results["differences"].values())


def test_stages_may_be_those_of_the_shards(make: Make, other_shards: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(other_shards, copy)
    stages = {"stages": [{"name": "one", "tokens": 2048, "blend": {"ko/*/*": 1.0, "en/*/*": 3.0}}]}
    (copy / "stages.json").write_text(json.dumps({"format": "hanji-stages/1", **stages}))
    arms = [{"name": "across"}, {"name": "within", "set": {"attention": "within"}}]
    experiment = make(arms=arms, training={"stages": [], "shards": str(copy)})
    assert experiment.run("within", 1).recipe.total_steps == 8
    finish(experiment, lambda *_: 1.0)
    assert {one.state for one in standings(experiment)} == {"finished"}
    candidates = [{"name": "ko", "blend": {"ko/*/*": 1.0}}]
    anneal = make(
        **{**ANNEAL, "anneal": {"steps": 4, "candidates": candidates}},
        directory=str(tmp_path / "anneal"),
        training={"stages": [], "shards": str(copy)},
    )
    assert anneal.run("ko", 1).recipe.stages[0].weights()["ko/web/high"] == pytest.approx(0.7 * 0.25 + 0.3)
