"""Blocks: datatrove's filters and formatters say here what they say in datatrove, document by document."""

from __future__ import annotations

import gzip
import json
import os
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datatrove", reason="pip install 'hanji[datatrove]'")

from blocks_asked import as_datatrove, ask, by_datatrove, texts

from hanji.classifiers.language import find_lid
from hanji.curation.blocks.chain import Chain, Question
from hanji.curation.blocks.needs import FastTextClass
from hanji.curation.blocks.resolve import resolve
from hanji.curation.recipe import Block
from hanji.curation.records import apply_edits

DATA = Path(os.environ.get("HANJI_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


# English and Korean, each with the arguments that let it say yes and no.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("GopherQualityFilter", "en", {"min_doc_words": 60}),
    (
        "GopherQualityFilter",
        "ko",
        {"min_avg_word_length": 2, "stop_words": ["종이를", "물에"], "language": "eng"},
    ),
    ("GopherRepetitionFilter", "en", {}),
    ("GopherRepetitionFilter", "ko", {"language": "eng", "top_n_grams": [[2, 0.05], [3, 0.04]]}),
    ("C4QualityFilter", "en", {}),
    ("C4QualityFilter", "en", {"split_paragraph": False, "min_words_per_line": 8}),
    ("C4QualityFilter", "ko", {"min_num_sentences": -1}),
    ("C4ParagraphFilter", "en", {}),
    ("C4ParagraphFilter", "ko", {}),
    ("FineWebQualityFilter", "en", {}),
    ("FineWebQualityFilter", "ko", {"language": "eng", "stop_chars": [".", "다"], "short_line_thr": 0.5}),
    ("RegexFilter", "ko", {"regex_exp": "닥나무 .*솥"}),
    ("RegexFilter", "en", {"regex_exp": "(?i)lorem"}),
    ("SymbolLinesFormatter", "ko", {"replace_char": "·"}),
    ("SymbolLinesFormatter", "en", {}),
    ("FTFYFormatter", "en", {}),
    ("FTFYFormatter", "ko", {"fix_line_breaks": True, "normalization": "NFKC"}),
]


@pytest.mark.parametrize(("name", "language", "args"), CASES)
def test_a_built_in_block_says_what_it_says_in_datatrove(
    name: str, language: str, args: dict[str, Any]
) -> None:
    from datatrove.pipeline import filters, formatters

    if name not in ("C4ParagraphFilter", "RegexFilter", "SymbolLinesFormatter", "FTFYFormatter"):
        pytest.importorskip("spacy")
    cls = getattr(filters, name, None) or getattr(formatters, name)
    given = dict(args)
    if "stop_chars" in given:
        given["stop_chars"] = tuple(given["stop_chars"])
    expected = by_datatrove([cls(**given)], texts(language))
    answers = ask([{"datatrove": name, "args": args}], texts(language), language)
    assert as_datatrove(answers) == expected
    for identity, answer in answers.items():
        assert apply_edits(texts(language)[identity], answer.edits) == answer.text
        assert all(edit.reason == f"block.{name}" for edit in answer.edits)
    if name.endswith("Filter"):
        assert any(isinstance(said, tuple) for said in expected.values()), "the case drops nothing"
        assert any(isinstance(said, str) for said in expected.values()), "the case keeps nothing"
    else:
        assert any(answer.edits for answer in answers.values()), "the case changes nothing"


def test_a_chain_of_blocks_says_what_the_pipeline_says() -> None:
    pytest.importorskip("spacy")
    from datatrove.pipeline import filters, formatters

    steps = [
        filters.GopherRepetitionFilter(),
        filters.C4QualityFilter(),
        formatters.SymbolLinesFormatter(),
        filters.GopherQualityFilter(),
        filters.FineWebQualityFilter(),
    ]
    answers = ask([{"datatrove": type(step).__name__} for step in steps], texts("en"))
    assert as_datatrove(answers) == by_datatrove(steps, texts("en"))
    assert len({a.verdict.rule for a in answers.values() if a.verdict}) >= 3


@pytest.mark.skipif(not DATA.is_dir(), reason="the development data is not here (HANJI_DATA)")
@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("en_docs_vue", "en"),
        ("en_email_spamassassin", "en"),
        ("ko_news_dps_fixture", "ko"),
        ("ko_docs_d2l", "ko"),
    ],
)
def test_real_texts_get_the_answers_that_datatrove_gives_them(source: str, language: str) -> None:
    pytest.importorskip("spacy")
    from datatrove.pipeline import filters

    with gzip.open(DATA / f"{source}.jsonl.gz", "rb") as file:
        rows = [json.loads(line) for _, line in zip(range(60), file, strict=False)]
    documents = {str(place): row["text"][:20_000] for place, row in enumerate(rows)}
    blocks = [
        filters.GopherRepetitionFilter(language="eng"),
        filters.C4QualityFilter(min_num_sentences=-1, filter_no_terminal_punct=language == "en"),
        filters.FineWebQualityFilter(language="eng"),
    ]
    named = [
        {"datatrove": "GopherRepetitionFilter", "args": {"language": "eng"}},
        {
            "datatrove": "C4QualityFilter",
            "args": {"min_num_sentences": -1, "filter_no_terminal_punct": language == "en"},
        },
        {"datatrove": "FineWebQualityFilter", "args": {"language": "eng"}},
    ]
    answers = ask(named, documents, language)
    assert as_datatrove(answers) == by_datatrove(blocks, documents)
    for identity, answer in answers.items():
        assert apply_edits(documents[identity], answer.edits) == answer.text


def test_korean_words_come_from_kiwi_where_it_is_installed() -> None:
    if not metadata.version("kiwipiepy").startswith("0.21") if find_spec("kiwipiepy") else True:
        pytest.skip("kiwipiepy 0.21 is not installed")
    from datatrove.pipeline import filters

    args = {"min_avg_word_length": 1, "stop_words": ["를", "에"]}
    answers = ask([{"datatrove": "GopherQualityFilter", "language": "ko", "args": args}], texts("ko"), "ko")
    expected = by_datatrove([filters.GopherQualityFilter(**args, language="kor")], texts("ko"))
    assert as_datatrove(answers) == expected


def test_personal_data_is_replaced_as_datatrove_does_and_alike_in_every_document() -> None:
    from datatrove.pipeline.formatters import PIIFormatter

    documents = {f"{i}": text + " and x@y.example" for i, text in texts("en").items()}
    answers = ask([{"datatrove": "PIIFormatter"}], documents)
    for identity, text in documents.items():
        # datatrove takes its replacements in turn, on from the last document's; here each begins anew.
        assert answers[identity].text == PIIFormatter().format(text)
    assert "email@example.com" in answers["mail"].text and "@mail.example" not in answers["mail"].text


def test_urls_are_filtered_by_datatroves_rules() -> None:
    pytest.importorskip("tldextract")
    pytest.importorskip("ahocorasick")
    import tldextract
    from datatrove.pipeline.filters import URLFilter

    args: dict[str, Any] = {
        "use_integrated_lists": False,
        "extra_domains": ["bad.co.kr", "one.example.com"],
        "extra_urls": ["http://fine.example/this"],
        "banned_words": ["casino"],
        "soft_banned_words": ["free", "win"],
        "banned_subwords": ["pharm"],
    }
    urls = [
        *(
            "http://www.bad.co.kr/a",
            "http://good.co.kr/a",
            "http://one.example.com/",
            "http://two.example.com/",
        ),
        *("http://fine.example/this", "http://fine.example/that", "http://x.example/casino/1"),
        *(
            "http://x.example/casinos",
            "http://x.example/free/win",
            "http://x.example/free",
            "http://ph-arm.example/",
        ),
    ]
    reference = URLFilter(**args)
    reference.tldextractor = tldextract.TLDExtract(suffix_list_urls=())
    chain = Chain(resolve([Block(datatrove="URLFilter", args=args)], ["ko", "en"]))
    answers = chain.ask([Question(url, "en", "text", [], {"url": url}) for url in urls])
    for url, answer in zip(urls, answers, strict=True):
        expected = by_datatrove([reference], {url: "text"}, url=url)
        assert as_datatrove({url: answer}) == expected
    assert {a.verdict.detail for a in answers if a.verdict} == {
        *("domain", "subdomain", "url", "hard_blacklisted", "soft_blacklisted", "blacklisted_subword")
    }
    without = chain.ask([Question("x", "en", "text", [], {})])[0].verdict
    assert without is not None and without.status == "failed"
    assert without.detail == "URLFilter: AssertionError: Document does not have url in its metadata"


@pytest.mark.parametrize("threshold", [0.3, 0.99])
def test_the_language_filter_keeps_what_its_model_is_sure_of(threshold: float) -> None:
    pytest.importorskip("fasteners")
    documents = {f"{language} {i}": t for language in ("ko", "en") for i, t in texts(language).items()}
    block = {
        "datatrove": "LanguageFilter",
        "model": "auto",
        "args": {"languages": ["ko"], "language_threshold": threshold},
    }
    answers = ask([block], documents)
    model = FastTextClass(str(find_lid()))
    for identity, text in documents.items():
        labels, scores = model.predict(text.replace("\n", " "), k=-1)
        sure = dict(zip(labels, scores, strict=True)).get("__label__ko", 0.0) > threshold
        assert (answers[identity].verdict is None) == sure
    assert {answer.verdict is None for answer in answers.values()} == {True, False}
