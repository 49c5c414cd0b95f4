"""Recipes: what is allowed passes, and what is not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hanji.curation.recipe import CurationRecipe
from hanji.errors import RecipeError
from hanji.recipe import load_recipe, parse_recipe

MINIMAL: dict[str, Any] = {
    "name": "small",
    "run": "runs/small",
    "sources": [{"name": "web", "format": "warc", "paths": ["a.warc.gz"]}],
}


def refused(data: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(data, CurationRecipe, overrides)
    return str(caught.value)


def test_defaults_fill_what_a_minimal_recipe_leaves_out() -> None:
    recipe = parse_recipe(MINIMAL, CurationRecipe)
    assert recipe.dedup.minhash.bands * recipe.dedup.minhash.rows == 112
    assert recipe.sources[0].domain == "web"


def test_an_unknown_field_is_named_with_the_closest_known_one() -> None:
    message = refused(MINIMAL | {"dedup": {"minhash": {"band": 3}}})
    assert "dedup.minhash.band: unknown field" in message
    assert "did you mean 'bands'?" in message


def test_an_unknown_field_of_a_list_item_is_named_with_its_position() -> None:
    message = refused(MINIMAL | {"sources": [MINIMAL["sources"][0] | {"pathes": []}]})
    assert "sources.0.pathes" in message
    assert "did you mean 'paths'?" in message


def test_a_value_that_is_not_allowed_is_shown_with_what_is() -> None:
    message = refused(MINIMAL | {"text": {"extractor": "beautifulsoup"}})
    assert "text.extractor: 'beautifulsoup' is not allowed" in message
    assert "'resiliparse' or 'trafilatura'" in message


def test_every_wrong_field_is_listed_at_once() -> None:
    message = refused(MINIMAL | {"partitions": 0, "max_failed_share": 2})
    assert "partitions" in message
    assert "max_failed_share" in message


def test_what_does_not_go_together_is_said_without_the_whole_recipe_and_without_what_follows() -> None:
    twice = refused(MINIMAL | {"stages": [{"name": "s", "blend": {"*/*/*": 1}}] * 2})
    assert twice == "recipe: stages: each name may stand once: s, s"
    weight = refused(MINIMAL | {"stages": [{"name": "s", "blend": {"*/*/*": 0}}]})
    assert weight == "recipe: stages.0.blend.*/*/*.weight: 0 is not allowed: input should be greater than 0"


def test_overrides_reach_nested_fields_and_named_list_items() -> None:
    recipe = parse_recipe(
        MINIMAL, CurationRecipe, ["floor.min_characters=7", "sources.web.domain=news", "tiers=[{name: all}]"]
    )
    assert recipe.floor.min_characters == 7
    assert recipe.sources[0].domain == "news"
    assert [tier.name for tier in recipe.tiers] == ["all"]


def test_an_override_without_an_equals_sign_is_refused() -> None:
    assert "write it as field=value" in refused(MINIMAL, "partitions")


def test_an_override_of_a_list_item_that_is_not_there_names_those_that_are() -> None:
    assert "there are: web" in refused(MINIMAL, "sources.mail.domain=news")


def test_the_same_source_name_twice_is_refused() -> None:
    assert "twice: web" in refused(MINIMAL | {"sources": MINIMAL["sources"] * 2})


def test_only_the_last_tier_takes_the_rest() -> None:
    assert "tiers.a" in refused(MINIMAL | {"tiers": [{"name": "a"}, {"name": "b"}]})
    assert "the last tier takes the rest" in refused(MINIMAL | {"tiers": [{"name": "a", "top_share": 0.1}]})


@pytest.mark.parametrize("content", ["a: [", "- 1\n- 2\n", "\x00"])
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=r"broken\.yaml"):
        load_recipe(path, CurationRecipe)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipe(tmp_path / "none.yaml", CurationRecipe)
