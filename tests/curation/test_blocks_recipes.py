"""What a recipe may not name as a block is refused before anything runs, with what is wrong and allowed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datatrove", reason="pip install 'hanji[datatrove]'")

from curation_corpus import make_recipe, write_rows

from hanji.classifiers import training
from hanji.classifiers.language import find_lid
from hanji.curation.blocks import needs
from hanji.curation.blocks.resolve import block_names, built_in, resolve
from hanji.curation.pipeline import curate
from hanji.curation.recipe import Block
from hanji.errors import RecipeError


def refused(**block: Any) -> str:
    with pytest.raises(RecipeError) as error:
        resolve([Block(**block)], ["ko", "en"])
    return str(error.value)


def test_a_name_that_is_close_to_one_is_guessed() -> None:
    said = refused(datatrove="gopherqualityfilter")
    assert said.startswith("blocks.0.datatrove: 'gopherqualityfilter' is no filter or formatter of datatrove")
    assert "did you mean 'GopherQualityFilter'?" in said
    assert "blocks_team has no class 'Nowords'; did you mean 'NoWord'?" in refused(
        datatrove="blocks_team.Nowords"
    )


def test_a_module_that_cannot_be_imported_says_why() -> None:
    said = refused(datatrove="no_such_team.filters.Mine")
    assert (
        "no_such_team.filters cannot be imported (ModuleNotFoundError: No module named 'no_such_team')"
        in said
    )
    assert "on every machine that works on the run" in said


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("blocks_team.Plain", "is neither a filter (BaseFilter) nor a formatter (BaseFormatter)"),
        ("datatrove.pipeline.writers.JsonlWriter", "is neither a filter"),
        ("blocks_team.Incomplete", "is abstract: it lacks filter"),
        ("blocks_team.OwnStream", "has a run method of its own"),
        ("blocks_team.NeedsMore", "needs a_module_that_is_not_there: pip install a-distribution"),
        ("blocks_team.TakesFunction", "args.judge: TakesFunction needs a Python function"),
        ("LambdaFilter", "takes a Python function, which a recipe cannot hold"),
        ("SamplerFilter", "draws by chance"),
    ],
)
def test_what_cannot_be_a_block_is_refused(block: str, said: str) -> None:
    assert said in refused(datatrove=block)


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        (
            "GopherQualityFilter",
            {"min_words": 5},
            "blocks.0.args: GopherQualityFilter has no argument 'min_words'; did you mean 'min_doc_words'? "
            "it takes min_doc_words=50",
        ),
        (
            "GopherQualityFilter",
            {"min_doc_words": "many"},
            "args.min_doc_words: 'many' is not allowed: int or null",
        ),
        ("C4QualityFilter", {"remove_citations": 3}, "args.remove_citations: 3 is not allowed: bool"),
        ("RegexFilter", {}, "RegexFilter needs 'regex_exp'; it takes regex_exp"),
        ("RegexFilter", {"regex_exp": "("}, "RegexFilter cannot be built: error: missing ), unterminated"),
        (
            "RegexFilter",
            {"regex_exp": "x", "exclusion_writer": "y"},
            "the ledger names every dropped document",
        ),
        (
            "FTFYFormatter",
            {"normalization": "nfc"},
            "'nfc' is not allowed: 'NFC' or 'NFD' or 'NFKC' or 'NFKD' or null",
        ),
        ("C4BadWordsFilter", {"keep_fraction": 0.1}, "args.keep_fraction: 0.1 is not allowed: 0"),
        ("GopherQualityFilter", {"language": "xyz"}, "'xyz' doesn't have a tokenizer assigned"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(name: str, args: dict[str, Any], said: str) -> None:
    assert said in refused(datatrove=name, args=args)


def test_loose_annotations_are_not_held_against_a_value_that_works() -> None:
    args = {"min_avg_word_length": 2.5, "min_stop_words": None, "stop_words": ["a"]}
    found = resolve([Block(datatrove="GopherQualityFilter", args=args)], ["en"])
    assert found[0].args == args
    grams = resolve([Block(datatrove="GopherRepetitionFilter", args={"top_n_grams": [[2, 0.2]]})], ["en"])
    assert grams[0].args == {"top_n_grams": ((2, 0.2),)}


def test_the_language_of_a_block_reaches_its_tokenizer_unless_it_is_given_another() -> None:
    pytest.importorskip("spacy")
    own, given = resolve(
        [
            Block(datatrove="GopherQualityFilter", language="en"),
            Block(datatrove="GopherQualityFilter", language="ko", args={"language": "eng"}),
        ],
        ["ko", "en"],
    )
    assert (own.args["language"], given.args["language"]) == ("en", "eng")


def test_a_tokenizer_or_list_that_is_missing_is_found_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from datatrove.pipeline import filters
    from datatrove.utils import word_tokenizers

    def absent(language: str) -> Any:
        raise ImportError(f"Please install `x` to use {language} word tokenizer (`pip install x`).")

    monkeypatch.setattr(word_tokenizers, "load_word_tokenizer", absent)
    assert "splits words of the language 'en': Please install `x`" in refused(
        datatrove="FineWebQualityFilter", language="en"
    )
    assert "pip install 'kiwipiepy<0.22'" in refused(datatrove="GopherQualityFilter", language="ko")

    def offline(*_: Any) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(filters.C4BadWordsFilter, "_get_badwords", offline)
    said = refused(datatrove="C4BadWordsFilter")
    assert "has no list for ko: ConnectionError: no route to host; it fetches a file" in said
    monkeypatch.setattr(filters.UnigramLogProbFilter, "get_frequencies", offline)
    said = refused(datatrove="UnigramLogProbFilter")
    assert (
        "UnigramLogProbFilter cannot be built: ConnectionError: no route to host; it fetches a file" in said
    )


def test_models_are_local_files_and_their_labels_are_checked(tmp_path: Path) -> None:
    rows = [{"label": "high", "text": f"paper {n} of the mulberry"} for n in range(30)]
    rows += [{"label": "low", "text": f"buy {n} cheap watches"} for n in range(30)]
    training.train([write_rows(tmp_path / "seed.jsonl", rows)], tmp_path / "en.bin", "en")
    model = str(tmp_path / "en.bin")
    name = "FastTextClassifierFilter"
    assert "needs a model: auto" in refused(datatrove="LanguageFilter")
    assert "none.bin: no such model file" in refused(datatrove=name, model=str(tmp_path / "none.bin"))
    assert "RegexFilter takes no model here" in refused(
        datatrove="RegexFilter", args={"regex_exp": "x"}, model=model
    )
    said = refused(datatrove=name, model=model, args={"keep_labels": ["good", 0.5]})
    assert "args.keep_labels: 'good' is no label of" in said and "its labels are: high, low" in said
    (block,) = resolve([Block(datatrove=name, model=model, args={"keep_labels": ["high", 0.5]})], ["en"])
    from datatrove.data import Document

    made = block.make()
    assert made.filter(Document("paper of the mulberry", "1")) is True
    assert made.filter(Document("buy cheap watches", "2")) is False


def test_packages_are_looked_for_by_module_so_that_another_fasttext_need_not_stand_beside_ours() -> None:
    pytest.importorskip("fasteners")
    (block,) = resolve([Block(datatrove="LanguageFilter", model="auto", args={"languages": "ko"})], ["ko"])
    assert isinstance(block.make().model._model, needs.FastTextClass)
    assert block.model == str(find_lid())


def test_a_class_that_stands_twice_has_two_names() -> None:
    twice = [
        Block(datatrove="RegexFilter"),
        Block(datatrove="a.b.RegexFilter"),
        Block(datatrove="X", name="x"),
    ]
    assert block_names(twice) == ["RegexFilter", "RegexFilter-2", "x"]
    with pytest.raises(RecipeError, match="each name may stand once; twice: x"):
        block_names([Block(datatrove="X", name="x"), Block(datatrove="Y", name="x")])


def test_what_a_block_depends_on_is_in_its_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "a_team_of_its_own.py"
    source = Path(__file__).with_name("blocks_team.py").read_text("utf-8")
    module.write_text(source, encoding="utf-8")
    words = tmp_path / "words.txt"
    words.write_text("a")
    monkeypatch.syspath_prepend(str(tmp_path))

    def identity(**block: Any) -> dict[str, Any]:
        sys.modules.pop("a_team_of_its_own", None)
        (found,) = resolve([Block(datatrove="a_team_of_its_own.NoWord", **block)], ["ko"])
        return found.identity()

    first = identity(args={"word": str(words)})
    assert first == identity(args={"word": str(words)})
    assert first != identity(args={"word": "b"})
    words.write_text("b")
    assert first["files"] != identity(args={"word": str(words)})["files"]
    module.write_text(source + "\n# changed\n", encoding="utf-8")
    assert first["sources"] != identity(args={"word": str(words)})["sources"]


def test_datatrove_has_the_blocks_that_the_docs_list() -> None:
    listed = (Path(__file__).parents[2] / "docs" / "blocks.md").read_text("utf-8")
    missing = [name for name in built_in() if f"`{name}`" not in listed]
    assert not missing


def test_without_datatrove_the_recipe_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datatrove", None)
    recipe = make_recipe(tmp_path / "run", [tmp_path], blocks=[{"datatrove": "RegexFilter"}])
    with pytest.raises(RecipeError, match=r"pip install 'hanji\[datatrove\]'"):
        curate(recipe)
    assert not (tmp_path / "run").exists()
