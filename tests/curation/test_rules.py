"""Rules: presets that load, a recipe's own, thresholds changed, and names that do not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hanji.curation.decisions.rules import judge, load_rules, preset_rules, presets
from hanji.curation.recipe import Rules
from hanji.curation.signals import ratios, text
from hanji.errors import RecipeError


def measured(*texts: str) -> pa.Table:
    table = text.measure(pa.array(list(texts), pa.large_string()), pa.array(["en"] * len(texts)))
    for name in ratios.DOCUMENT_COLUMNS:
        table = table.append_column(name, pa.array(np.zeros(len(texts))))
    return table


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads_and_says_why(name: str) -> None:
    rules = preset_rules(name)
    assert rules and all(rule.name.startswith(f"{name}.") and rule.description for rule in rules)
    assert len({rule.name for rule in rules}) == len(rules)


def test_gophers_values_are_the_papers() -> None:
    values = {rule.name: (rule.op, rule.threshold) for rule in preset_rules("gopher")}
    assert values["gopher.min_words"] == (">=", 50)
    assert values["gopher.max_words"] == ("<=", 100_000)
    assert {rule.threshold for rule in preset_rules("gopher") if rule.signal == "top_2_gram_share"} == {0.2}


def test_a_rule_of_the_recipes_own_judges_after_the_presets() -> None:
    own = {"en": [{"name": "calm", "signal": "hash_symbols", "keep": "<= 1", "why": "no tags"}]}
    rules = load_rules(Rules.model_validate({"presets": {"en": ["c4"]}, "own": own}))["en"]
    assert [r.name for r in rules] == ["c4.sentences", "c4.lorem_ipsum", "c4.curly_bracket", "own.calm"]
    table = measured("One. Two. Three. Four. Five. #a #b", "One. Two. Three. Four. Five.", "#a #b #c")
    verdicts = judge(rules, table)
    assert verdicts.broken.tolist() == [[False, False, False, True], [False] * 4, [True, False, False, True]]
    assert verdicts.first.tolist() == [3, -1, 0]
    assert (verdicts.value[0], verdicts.threshold[0]) == (2, 1)


def test_thresholds_can_be_changed_and_rules_switched_off() -> None:
    off = ["c4.lorem_ipsum", "c4.curly_bracket"]
    settings = {"presets": {"en": ["c4"]}, "thresholds": {"c4.sentences": 2}, "off": off}
    (rule,) = load_rules(Rules.model_validate(settings))["en"]
    assert rule.threshold == 2 and rule.keeps(2) and not rule.keeps(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"presets": {"en": ["gofer"]}}, "rules.presets: 'gofer' is not allowed: one of c4"),
        ({"off": ["c4.nothing"]}, "rules.off: 'c4.nothing' is no rule here"),
        (
            {"own": {"ko": [{"name": "a", "signal": "digit_shar", "keep": "<= 1", "why": "w"}]}},
            "rules.own.ko.0.signal: 'digit_shar' is not a signal; did you mean 'digit_share'",
        ),
    ],
)
def test_names_that_do_not_exist_are_refused_with_those_that_do(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        load_rules(Rules.model_validate(settings))


def test_thresholds_may_be_nested_by_preset() -> None:
    nested = Rules.model_validate({"thresholds": {"c4": {"sentences": 2}, "gopher.min_words": 40}})
    assert nested.thresholds == {"c4.sentences": 2, "gopher.min_words": 40}


PRESET = """\
preset: mine
source: the test
rules:
  - {name: words, signal: words, keep: ">= 3", why: "short"}
"""


def test_a_preset_may_be_a_file_whose_content_becomes_part_of_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PRESET)
    settings = Rules.model_validate(
        {"presets": {"ko": ["hanji_ko", str(path)]}, "thresholds": {"mine.words": 5}}
    )
    path.unlink()
    rule = load_rules(settings)["ko"][-1]
    assert (rule.name, rule.signal, rule.threshold) == ("mine.words", "words", 5)
    assert load_rules(Rules.model_validate(settings.model_dump(mode="json"))) == load_rules(settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PRESET.replace(">= 3", ">= 1.2.3"), r"mine\.yaml: rules\.0\.keep: '>= 1\.2\.3' is not allowed"),
        (
            PRESET.replace("signal: words", "signal: wrods"),
            "preset mine: rules.0.signal: 'wrods' is not a signal",
        ),
        (PRESET + PRESET.splitlines()[-1], "twice: words"),
        ("rules: [", "mine.yaml: is not valid YAML"),
    ],
)
def test_a_wrong_preset_file_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=message):
        load_rules(Rules.model_validate({"presets": {"en": [str(path)]}}))


def test_two_presets_of_one_language_may_not_share_a_name(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(PRESET)
    with pytest.raises(RecipeError, match=r"presets\.ko: two presets are called mine"):
        load_rules(Rules.model_validate({"presets": {"ko": [str(path), str(path)]}}))
