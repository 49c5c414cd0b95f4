"""Asking documents through blocks: order, failures, limits; and changes as edits."""

from __future__ import annotations

import pytest
from curation_corpus import article
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("datatrove", reason="pip install 'hanji[datatrove]'")

from blocks_asked import ask, texts

from hanji.curation.blocks import chain as chains
from hanji.curation.blocks.differences import Revision, changes
from hanji.curation.records import Edit, apply_edits
from hanji.errors import RunError


def test_a_batch_says_what_each_document_says_and_one_that_fails_leaves_the_others_alone() -> None:
    documents = {str(n): f"a text {'bad ' * (n == 4)}{'word ' * (n % 3 == 0)}" for n in range(11)}
    single, batched = (
        ask(
            [{"datatrove": f"blocks_team.{name}", "name": "b", "args": {"word": "word", "bad": "bad"}}],
            documents,
        )
        for name in ("NoWord", "Batches")
    )
    assert single == batched
    assert [i for i, a in batched.items() if a.verdict and a.verdict.status == "failed"] == ["4"]
    assert batched["4"].verdict is not None
    assert batched["4"].verdict.detail == "b: ValueError: cannot read bad"
    assert batched["0"].verdict is not None and batched["0"].verdict.detail == "word stands 1 times"


def test_later_blocks_see_metadata_and_text_of_earlier_ones_and_ask_only_what_still_stands() -> None:
    no_word = {"datatrove": "blocks_team.NoWord", "args": {"word": "two", "bad": "three"}}
    documents = {"long": "one\n\n" * 20, "two": "two", "both": "two\n\n" * 20, "three": "three"}
    answers = ask(
        [
            {"datatrove": "blocks_team.Marks"},
            {"datatrove": "blocks_team.Noted", "args": {"most": 30}},
            no_word,
        ],
        documents,
    )
    assert answers["long"].text == "one\n" * 19 + "one\n"
    rules = {i: a.verdict.rules if a.verdict else None for i, a in answers.items()}
    assert rules == {
        "long": ("block.Noted",),
        "two": ("block.NoWord",),
        "both": ("block.Noted",),
        "three": (),
    }
    everywhere = ask(
        [
            {"datatrove": "blocks_team.Marks"},
            {"datatrove": "blocks_team.Noted", "args": {"most": 30}},
            no_word | {"all": True},
        ],
        documents,
    )
    assert everywhere["both"].verdict is not None
    assert everywhere["both"].verdict.rule == "block.Noted"
    assert everywhere["both"].verdict.rules == ("block.Noted", "block.NoWord")


def test_a_block_of_one_language_is_asked_about_no_other() -> None:
    block = {"datatrove": "blocks_team.NoWord", "language": "ko", "args": {"word": "a"}}
    assert ask([block], {"x": "a"}, "en")["x"].verdict is None
    assert ask([block], {"x": "a"}, "ko")["x"].verdict is not None
    assert ask([block | {"language": ["en", "ko"]}], {"x": "a"}, "en")["x"].verdict is not None


def test_a_document_that_hangs_fails_and_the_next_is_asked() -> None:
    block = {"datatrove": "blocks_team.Hangs", "args": {"word": "trap"}, "timeout_seconds": 0.2}
    answers = ask([block], {"1": "fine", "2": "a trap", "3": "fine"})
    assert answers["1"].verdict is None and answers["3"].verdict is None
    assert answers["2"].verdict is not None
    assert answers["2"].verdict.detail == "Hangs: more than 0.2 seconds"


def test_a_text_that_cannot_be_stored_is_the_failure_of_its_document() -> None:
    answer = ask([{"datatrove": "blocks_team.Surrogate"}], {"x": "text"})["x"]
    assert answer.text == "text" and answer.edits == []
    assert answer.verdict is not None and (answer.verdict.detail or "").startswith(
        "Surrogate: UnicodeEncodeError"
    )


def test_trouble_of_the_machine_is_nobodys_failure() -> None:
    with pytest.raises(OSError, match=r"block\.Offline, document x: ConnectionError: no route"):
        ask([{"datatrove": "blocks_team.Offline"}], {"x": "text"})


@pytest.mark.parametrize("name", ["Remembers", "Draws"])
def test_a_block_that_remembers_or_draws_by_chance_ends_the_run(name: str) -> None:
    documents = {str(number): f"text {number}" for number in range(chains.ASKED_TWICE)}
    with pytest.raises(RunError, match=rf"block\.{name}: .* remembers other documents or draws by chance"):
        ask([{"datatrove": f"blocks_team.{name}"}], documents)


def test_answers_do_not_depend_on_the_order_or_the_cut() -> None:
    blocks = [
        {"datatrove": "PIIFormatter"},
        {"datatrove": "C4QualityFilter", "args": {"min_num_sentences": -1}},
        {"datatrove": "blocks_team.KoreanGopher", "args": {"min_doc_words": 40}},
        {"datatrove": "blocks_team.Batches", "args": {"word": "솥에"}},
    ]
    pytest.importorskip("spacy")
    documents = texts("ko")
    whole = ask(blocks, documents, "ko")
    assert ask(blocks, dict(reversed(documents.items())), "ko") == whole
    for identity, text in documents.items():
        assert ask(blocks, {identity: text}, "ko")[identity] == whole[identity]


LINES = st.text(alphabet="ab .\n가나", max_size=60)


@given(LINES, LINES)
@settings(max_examples=500, deadline=None)
def test_changes_turn_one_text_into_the_other(before: str, after: str) -> None:
    pieces, at = [], 0
    for change in changes(before, after):
        assert change.start >= at
        pieces += [before[at : change.start], change.replacement]
        at = change.end
    assert "".join([*pieces, before[at:]]) == after


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    text = draw(LINES)
    edits = []
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, len(text)))
        if end > start:  # lines and personal data are removed or replaced, never inserted
            replacement = draw(st.sampled_from(["", "x", "가나다"]))
            edits.append(Edit(draw(st.sampled_from(["lines", "pii"])), start, end, replacement, "r"))
    return text, edits


@given(edited(), st.lists(LINES, max_size=4))
@settings(max_examples=1000, deadline=None)
def test_all_edits_together_give_what_the_last_block_made(
    case: tuple[str, list[Edit]], made: list[str]
) -> None:
    text, edits = case
    revision = Revision(text, edits)
    assert revision.text == apply_edits(text, edits)
    for number, after in enumerate(made):
        revision.replace(after, f"block.{number}")
    own = revision.edits()
    assert (
        apply_edits(text, [*edits, *own])
        == apply_edits(text, [*own, *edits])
        == (made or [revision.text])[-1]
    )


def test_a_formatter_that_touches_every_line_is_no_single_edit() -> None:
    text = "\n".join(f"{line}  " for line in article("en", 1, 400).split("\n"))
    found = changes(text, "\n".join(line.rstrip() for line in text.split("\n")))
    assert len(found) == text.count("\n") + 1
    assert all(change.replacement == "" and change.end - change.start == 2 for change in found)
