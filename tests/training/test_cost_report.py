"""The cost ledger: a family's figures, as the paper prints them; hours and money from one's own prices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hanji.errors import RecipeError
from hanji.jobs.cli import run as hanji
from hanji.recipe import load_recipe, parse_recipe
from hanji.training.cost import flops_per_token, six_nd
from hanji.training.cost.family import FamilyRecipe, compare
from hanji.training.cost.prices import PriceList, known_peak
from hanji.training.presets import PRESETS

RECIPES = Path(__file__).parents[2] / "jobs" / "recipes"
FAMILY = RECIPES / "kanana-family.yaml"


@pytest.fixture
def family() -> FamilyRecipe:
    return load_recipe(FAMILY, FamilyRecipe)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert hanji(["cost", "report", *arguments]) == 0
    return capsys.readouterr().out


def test_the_papers_family_saves_what_the_paper_prints(family: FamilyRecipe) -> None:
    """Section 2.3.2: 11.06 % saved, 6.67 % of the compute for up-scaling."""
    result = compare(family)[0]
    instead = six_nd(9.8e9 + 32.5e9, 3e12)
    spent = six_nd(8e9 + 26.8e9, 3e12) + six_nd(9.8e9 + 32.5e9, 0.2e12)
    assert result.instead.six_nd == pytest.approx(instead, rel=1e-12) == pytest.approx(6 * 126.9e21)
    assert result.spent.six_nd == pytest.approx(spent, rel=1e-12) == pytest.approx(6 * 112.86e21)
    saved, own, of_spent = result.figures
    assert saved.shares["six_nd"] == pytest.approx(1 - 112.86 / 126.9, rel=1e-12)
    assert own.shares["six_nd"] == pytest.approx(0.2 / 3, rel=1e-12)
    assert [one.shown() for one in result.figures] == ["11.06 %", "6.67 %", "7.50 %"]
    assert [one.as_printed for one in result.figures] == [True, True, None]
    assert of_spent.shares["six_nd"] == pytest.approx(8.46 / 112.86, rel=1e-12)
    # Nothing exact can be said of models whose shapes nobody has published.
    assert all(one.shares["causal_attention"] is None for one in result.figures)


def test_where_both_shapes_are_known_the_share_is_given_exactly_too(family: FamilyRecipe) -> None:
    figure = compare(family)[1].figures[0]
    small, large = (flops_per_token(PRESETS[name], 128_256) for name in ("kanana-8b", "kanana-9.8b"))
    for convention in ("causal_attention", "full_attention"):
        one, other = getattr(small, convention), getattr(large, convention)
        assert figure.shares[convention] == pytest.approx(1 - (one * 3 + other * 0.2) / (other * 3), rel=1e-9)


def test_a_figure_that_is_not_as_printed_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = yaml.safe_load(FAMILY.read_text("utf-8"))
    data["models"][2]["stages"][0]["tokens"] = "400B"
    path = tmp_path / "family.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    assert "printed 11.06 %: differs" in asked(capsys, str(path))


def test_the_ledger_counts_stages_ancestors_and_teachers(family: FamilyRecipe) -> None:
    ledger = family.ledger()
    flag = ledger.model("Flag 32.5B")
    assert [stage.name for stage in flag.stages] == ["stage 1", "stage 2"]
    assert [one.name for one in ledger.ancestors("Flag 32.5B")] == ["26.8B"]
    assert ledger.inherited("Flag 32.5B").six_nd == pytest.approx(six_nd(26.8e9, 3e12))
    nano = ledger.model("Nano 2.1B")
    exact = flops_per_token(PRESETS["kanana-8b"], 128_256)
    assert nano.teacher is not None
    # A forward pass is a third of a step: 2ND.
    assert nano.teacher.six_nd == pytest.approx(2 * 8e9 * 300e9)
    assert nano.teacher.causal_attention == pytest.approx(exact.causal_attention * 300e9 / 3)
    assert ledger.total().six_nd == pytest.approx(sum(m.flops.six_nd for m in ledger.models))  # type: ignore[misc]
    assert ledger.total().full_attention is None


def test_the_report_shows_the_derivation(capsys: pytest.CaptureFixture[str]) -> None:
    said = asked(capsys, str(FAMILY))
    assert "instead  9.80B·3.00T + 32.5B·3.00T = 1.269e+23" in said
    assert "spent    8.00B·3.00T + 26.8B·3.00T + 9.80B·200B + 32.5B·200B = 1.1286e+23" in said
    assert "= 11.06 %    printed 11.06 %\n" in said and "= 6.67 %    printed 6.67 %\n" in said
    assert "÷ spent = 8.46e+21 ÷ 1.1286e+23 = 7.50 %\n" in said
    assert "with ancestors (26.8B)" in said and "forward passes of its teacher" in said


def price_file(directory: Path, **changes: Any) -> Path:
    path = directory / "prices.yaml"
    data = {"currency": "EUR", "date": "2026-11-01", "per_gpu_hour": {"H100 SXM": 2.0}, **changes}
    path.write_text(yaml.safe_dump(data), "utf-8")
    return path


def test_hours_and_money_follow_from_a_peak_a_share_of_it_and_ones_own_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = price_file(tmp_path)
    asking = [str(FAMILY), "--gpu", "NVIDIA H100 80GB HBM3", "--mfu", "0.4", "--prices", str(prices)]
    found = json.loads(asked(capsys, *asking, "--json"))
    first = found["hours"][0]
    assert first["hours"] == pytest.approx(six_nd(8e9, 3e12) / (989.4e12 * 0.4) / 3600)
    assert first["cost"] == pytest.approx(2 * first["hours"]) and not first["measured"]
    nano = found["hours"][-1]
    assert nano["hours"] == pytest.approx((6 * 2.1e9 + 2 * 8e9) * 300e9 / (989.4e12 * 0.4) / 3600)
    assert found["currency"] == "EUR" and found["prices_of"] == "2026-11-01"
    said = asked(capsys, *asking)
    assert "FLOPs by six_nd ÷ (989.4 TFLOP/s, dense BF16 of H100 SXM × 40% MFU)" in said
    assert "prices of 2026-11-01, as given" in said
    asking[2] = "H200 SXM"
    assert "the price list has no H200 SXM" in asked(capsys, *asking)


def test_a_price_is_found_by_the_devices_own_name_first() -> None:
    prices = PriceList.model_validate(
        {
            "currency": "KRW",
            "date": "2026-11-01",
            "per_gpu_hour": {"H100 SXM": 1.0, "nvidia h100 80gb hbm3": 2.0},
        }
    )
    assert prices.price("NVIDIA H100 80GB HBM3") == 2.0
    assert prices.price("H100 SXM") == 1.0
    assert prices.price("NVIDIA A100-SXM4-80GB") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": [{"name": "a", "stages": [{"name": "s", "tokens": 1}]}]}, "models.a: give parameters"),
        (
            {
                "models": [
                    {"name": "a", "parameters": "1B", "parent": "b", "stages": [{"name": "s", "tokens": 1}]}
                ]
            },
            "models.a.parent: 'b' is not a model above it",
        ),
        ({"comparisons": [{"name": "c", "spent": ["x"], "instead": []}]}, "comparisons.0.instead"),
        (
            {"comparisons": [{"name": "c", "spent": ["x"], "instead": [{"model": "8B", "tokens": 1}]}]},
            "comparisons.c: there is no model 'x'",
        ),
    ],
)
def test_a_family_that_cannot_be_names_its_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe({**yaml.safe_load(FAMILY.read_text("utf-8")), **change}, FamilyRecipe)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mfu", "0.4"], "--gpu and --mfu go together"),
        (["--gpu", "Voodoo 2", "--mfu", "0.4"], "'Voodoo 2' is not known; there are: GB200"),
        (["--gpu", "H100 SXM", "--mfu", "0"], "--mfu: 0 is not allowed"),
        (
            ["--gpu", "H100 SXM", "--mfu", "0.4", "--by", "full_attention"],
            "--by full_attention: not known of 26.8B",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hanji(["cost", "report", str(FAMILY), *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_recipe_of_one_run_is_told_where_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert hanji(["cost", "report", str(RECIPES / "first-run-train.yaml")]) == 2
    assert "hanji train RECIPE --plan" in " ".join(capsys.readouterr().err.split())


def test_a_peak_has_two_names() -> None:
    assert known_peak("h100 sxm") is known_peak("NVIDIA H100 80GB HBM3")
