"""Overlap with benchmarks: what is found, what is not, and what a run does of it."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from curation_corpus import article, corpus_rows, make_recipe, shard_hashes, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.contamination import report
from hanji.curation.contamination.benchmarks import Item, files_of, identity, load_items, texts_at
from hanji.curation.contamination.index import BenchmarkIndex, Lengths, build_index, units_of
from hanji.curation.contamination.kernels import SYLLABLE, WORD
from hanji.curation.contamination.masks import mask_edits
from hanji.curation.contamination.matching import Overlap, overlaps
from hanji.curation.pipeline import curate
from hanji.curation.recipe import AllowedTexts, Benchmark, Contamination, Shingles
from hanji.curation.records import Edit, apply_edits
from hanji.curation.why import why
from hanji.errors import InputError, RecipeError
from hanji.recipe import parse_recipe

NGRAMS = Contamination(benchmarks=[Benchmark(name="b", path="b.jsonl")]).ngrams
KO = (
    "철수는 시장에서 사과 일곱 개와 배 다섯 개를 샀는데, 집에 오는 길에 사과 두 개를 이웃 할머니께 드렸다. "
    "집에 돌아와 보니 동생이 배를 세 개 먹어 버렸다. 남은 과일은 모두 몇 개인가?"
)
EN = (
    "Minji packed eleven blue crayons and nine red crayons into a tin box before the school trip, lost four of the "
    "blue ones on the bus, and traded three red ones for a pencil. How many crayons are still in the box?"
)
SHORT_KO = "정말 포근하고 따뜻한 이불이네요"
MIDDLE_EN = "Which river flows past the oldest paper mill that still works in the county of Hanji today?"


def index_of(*texts: str, allowed: tuple[str, ...] = ()) -> BenchmarkIndex:
    items = [Item("b", str(number), text) for number, text in enumerate(texts)]
    return build_index(items, NGRAMS, [pa.array(allowed, pa.large_string())] if allowed else [])


def found(index: BenchmarkIndex, *documents: str) -> list[Overlap]:
    return overlaps(pa.array(documents, pa.large_string()), index)


def planted(language: str, leak: str, number: int = 0) -> str:
    text = article(language, number)
    return f"{text[:400]}\n{leak}\n{text[400:]}"


def respaced(text: str, seed: int) -> str:
    """Korean with its spaces elsewhere."""
    rng = random.Random(seed)
    return "".join(c + " " * (rng.random() < 0.3) for c in text if c != " ")


@pytest.mark.parametrize(("language", "item"), [("ko", KO), ("en", EN)])
def test_an_item_that_stands_in_a_document_is_found_with_its_place(language: str, item: str) -> None:
    document = planted(language, item)
    (overlap,) = found(index_of(item), article(language, 1), document)
    assert (overlap.document, overlap.item, overlap.share) == (1, 0, 1.0)
    ((start, end),) = overlap.spans
    assert document[start:end] == item.rstrip("?")


@pytest.mark.parametrize("seed", range(5))
def test_spaces_do_not_hide_a_korean_item(seed: int) -> None:
    (overlap,) = found(index_of(KO), planted("ko", respaced(KO, seed)))
    assert overlap.share == 1.0


def test_case_marks_and_line_ends_do_not_hide_an_english_item() -> None:
    leak = EN.upper().replace(", ", " -- ").replace(" ", "  \n", 9)
    (overlap,) = found(index_of(EN), planted("en", leak))
    assert overlap.share == 1.0


@pytest.mark.parametrize(("language", "item"), [("ko", KO), ("en", EN)])
def test_half_an_item_has_half_a_share(language: str, item: str) -> None:
    words = item.split()
    for half in (words[: len(words) // 2], words[len(words) // 2 :]):
        (overlap,) = found(index_of(item), planted(language, " ".join(half)))
        assert 0.4 <= overlap.share <= 0.6


def test_an_english_item_is_found_in_a_korean_document() -> None:
    (overlap,) = found(index_of(KO, EN), planted("ko", EN))
    assert (overlap.item, overlap.share) == (1, 1.0)


def test_an_item_between_one_and_two_n_needs_two_fifths_in_a_row() -> None:
    length = len(MIDDLE_EN.split())
    need = Lengths.of(NGRAMS["en"]).need(length)
    assert 13 <= length < 26
    assert need == 8
    words = MIDDLE_EN.split()
    index = index_of(MIDDLE_EN)
    assert found(index, planted("en", " ".join(words[3 : 3 + need])))
    assert not found(index, planted("en", " ".join(words[3 : 2 + need])))


def test_an_item_shorter_than_n_is_found_only_whole() -> None:
    assert len(units_of(SHORT_KO, SYLLABLE).units) < 25
    index = index_of(SHORT_KO)
    assert found(index, planted("ko", f"어제 받았는데 {SHORT_KO.replace(' ', '')} 추천해요"))
    assert not found(index, planted("ko", SHORT_KO[:-2]))


def test_a_very_short_item_is_found_only_where_it_stands_by_itself() -> None:
    item = "배송이 빠르네요"
    index = index_of(item)
    assert found(index, planted("ko", item))
    assert found(index, f'품질이 좋아요. "{item}" 또 살게요.')
    assert not found(index, planted("ko", f"생각보다 {item} 다음에도 여기서 살게요"))


def test_a_short_item_is_found_only_where_a_sentence_may_begin() -> None:
    item = "포장이 아주 꼼꼼하고 좋아요"
    assert 10 <= len(units_of(item, SYLLABLE).units) < 13
    index = index_of(item)
    assert found(index, f"어제 왔다. {item} 다음에도 여기서 살게요")
    assert not found(index, f"생각보다 {item}. 다음에도 여기서 살게요")


def test_an_item_of_a_word_or_two_is_not_looked_for_and_counted_as_such() -> None:
    index = index_of("만족해요", "How many?", KO)
    assert index.unchecked == [0, 1]
    assert report.sizes(index) == {"b": {"items": 3, "unchecked": 2}}
    assert not found(index, "만족해요\nHow many?\n")


def test_a_phrase_in_common_is_no_overlap() -> None:
    assert not found(index_of(KO, EN), planted("ko", KO[:20]), planted("en", " ".join(EN.split()[:12])))


def test_what_stands_in_the_allow_list_does_not_count() -> None:
    law = (
        "이 법은 종이를 만드는 사람의 권리를 보호하고 그 기술을 이어 가게 함으로써 "
        "문화의 발전에 이바지함을 목적으로 한다"
    )
    question = (
        f"다음은 어느 법의 첫 조문이다. {law}. 위 조문에서 보호하는 권리를 가진 사람이 "
        "누구인지 고르고 까닭을 두 문장으로 적으시오"
    )
    statute = f"제1장 총칙\n제1조(목적) {law}.\n제2조(정의) 이 법에서 쓰는 말의 뜻은 다음과 같다."
    (without,) = found(index_of(question), statute)
    assert without.share > 0.4
    allowing = index_of(question, allowed=(statute,))
    assert not found(allowing, statute)
    (whole,) = found(allowing, planted("ko", question))
    assert whole.share == 1.0
    assert whole.countable < without.countable


def test_an_item_that_is_all_quotation_is_not_looked_for() -> None:
    index = index_of(KO, allowed=(f"앞말. {KO} 뒷말.",))
    assert index.unchecked == [0]
    assert not found(index, planted("ko", KO))


def test_stretches_count_together_only_where_they_stand_together() -> None:
    options = [
        f"{number}번 종이를 만드는 {number * 7}명의 장인은 해마다 {number * 31}장의 문서를 관청에 바쳐야 한다"
        for number in range(2, 6)
    ]
    index = index_of("\n".join(options))
    (near,) = found(index, planted("ko", "\n① ".join(reversed(options))))
    assert near.share == 1.0
    apart = "\n".join(f"{option}\n{article('ko', place)}" for place, option in enumerate(options))
    (far,) = found(index, apart)
    assert far.share < 0.4
    assert len(far.spans) == len(options)


def test_an_address_in_an_item_is_no_evidence() -> None:
    link = "https://dictionary.hanji.example/search/searchView?word_no=449289&searchKeywordTo=3&page=12"
    item = (
        f"오늘은 닥나무를 베어 솥에 넣고 오래 찐 다음 껍질을 벗겨 잿물에 삶았다.\n{link}\n발로 종이를 떠냈다."
    )
    index = index_of(item)
    assert not found(index, planted("ko", link))
    (overlap,) = found(index, planted("ko", item))
    assert overlap.share == 1.0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(0, 60), st.sampled_from(["word", "syllable"]))
def test_what_is_found_is_what_comparing_units_one_by_one_finds(
    seed: int, length: int, other: int, unit: str
) -> None:
    """The longest common stretch of an item and a document decides, however the seeds lie."""
    rng = random.Random(seed)
    alphabet = "가나다라마" if unit == "syllable" else ("ab", "cd", "ef", "g", "h")
    item = [rng.choice(alphabet) for _ in range(length)]
    start = rng.randrange(length)
    stop = rng.randrange(start, length) + 1
    document = (
        [rng.choice(alphabet) for _ in range(other)]
        + item[start:stop]
        + [rng.choice(alphabet) for _ in range(5)]
    )
    shingles = Shingles(unit=unit, n=8)
    index = build_index([Item("b", "0", " ".join(item))], {"ko": shingles, "en": shingles})
    lengths = Lengths.of(shingles)
    need = lengths.need(length)
    longest = max(
        sum(1 for _ in _equal(item[i:], document[j:])) for i in range(length) for j in range(len(document))
    )
    got = found(index, " ".join(document))
    if length >= lengths.floor and not index.unchecked and len(set(item)) > 1 and _varied(item, lengths.seed):
        assert bool(got) == (longest >= need)
    for overlap in got:
        assert overlap.longest <= longest


def _equal(a: list[str], b: list[str]) -> Any:
    for left, right in zip(a, b, strict=False):
        if left != right:
            return
        yield left


def _varied(item: list[str], n: int) -> bool:
    """Whether no seed of the item is one unit over and over."""
    return all(len(set(item[i : i + n])) > 1 for i in range(max(1, len(item) - n + 1)))


def test_a_document_with_more_matches_than_there_is_room_is_searched_whole() -> None:
    items = [f"{KO} {number}번 문제" for number in range(300)]
    index = index_of(*items)
    got = found(index, *[planted("ko", f"{KO}\n" * 20, number) for number in range(4)])
    assert len(got) == 4 * 300


def test_positions_hold_beside_characters_of_any_width() -> None:
    document = f"İstanbul 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ẞ 🙂🙂 ㄱ\n{KO}\n𐐀끝"
    (overlap,) = found(index_of(KO), document)
    ((start, end),) = overlap.spans
    assert document[start:end] == KO.rstrip("?")


def test_units_are_words_or_syllables_with_their_places() -> None:
    words = units_of("It's 수립ㆍ추진, OK!", WORD)
    assert [("It's 수립ㆍ추진, OK!"[b:e]) for b, e in zip(words.begins, words.stops, strict=True)] == [
        *("It", "s", "수립", "추진", "OK")
    ]
    assert len(units_of("수립ㆍ추진 OK", SYLLABLE).units) == 6
    assert len(units_of("", WORD).units) == len(units_of("?! …", SYLLABLE).units) == 0


def test_an_index_is_the_same_after_a_file() -> None:
    index = index_of(KO, EN, SHORT_KO)
    data = index.to_bytes()
    again = BenchmarkIndex.from_bytes(data)
    assert again.to_bytes() == data == index_of(KO, EN, SHORT_KO).to_bytes()
    assert found(again, planted("en", EN)) == found(index, planted("en", EN))


def test_an_n_that_any_phrase_reaches_is_refused() -> None:
    with pytest.raises(RecipeError, match="5 or more"):
        Lengths.of(Shingles(unit="word", n=4))


@given(st.integers(0, 5_000))
@settings(deadline=None, max_examples=100)
def test_masks_take_out_what_they_should_whatever_was_edited_before(seed: int) -> None:
    rng = random.Random(seed)
    original = "".join(rng.choice("abcdef ") for _ in range(60))
    earlier = []
    for number in range(rng.randrange(5)):
        start = rng.randrange(55)
        put = rng.choice(("", "[x]", "12345678"))
        earlier.append(Edit("pii", start, start + rng.randrange(1, 6), put, f"pii.{number}"))
    text = apply_edits(original, earlier)
    spans = []
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(max(1, len(text) - 1))
        end = min(len(text), start + rng.randrange(1, 12))
        if start < end:
            spans.append((start, end, "contamination.b"))
    edits = mask_edits(text, earlier, spans, "contamination", "\0")
    after = apply_edits(original, earlier + edits)
    assert all(0 <= edit.start < edit.end <= len(original) for edit in edits)
    assert (after.count("\0") > 0) == bool(spans)
    # Outside the masks the text is as it was, but for replacements that they reach into.
    kept = [c for place, c in enumerate(text) if not any(s <= place < e for s, e, _ in spans)]
    rest = iter(kept)
    assert all(any(c == one for one in rest) for c in after if c != "\0")
    if not earlier:
        assert after.replace("\0", "") == "".join(kept)


def test_items_come_from_the_fields_and_rows_that_a_recipe_names(tmp_path: Path) -> None:
    rows = [
        {
            "id": "x",
            "split": "test",
            "text": "question",
            "options": ["one", "two"],
            "qas": [{"q": "why"}, {"q": "how"}],
        },
        {"id": "y", "split": "train", "text": "another", "options": [], "qas": []},
    ]
    path = str(write_rows(tmp_path / "b.jsonl.gz", rows))
    benchmark = Benchmark(
        name="b", path=path, text=["text", "options"], each=["qas.q"], where={"split": ["test"]}
    )
    assert [(item.id, item.text) for item in load_items(benchmark)] == [
        ("x", "question\none\ntwo"),
        ("x/qas.q/0", "why"),
        ("x/qas.q/1", "how"),
    ]
    assert texts_at(rows[0], "qas.q") == ["why", "how"]
    assert texts_at(rows[0], "nothing.there") == []


def test_what_cannot_be_loaded_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        files_of(str(tmp_path / "none.jsonl"))
    empty = write_rows(tmp_path / "empty.jsonl", [{"id": 1}])
    with pytest.raises(InputError, match="no row has a text in text"):
        load_items(Benchmark(name="b", path=str(empty)))
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a"}\nnot json\n')
    with pytest.raises(InputError, match="line 2"):
        load_items(Benchmark(name="b", path=str(broken)))
    cut = tmp_path / "cut.jsonl.gz"
    whole = write_rows(
        tmp_path / "whole.jsonl.gz", [{"text": article("ko", n)} for n in range(50)]
    ).read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.jsonl\.gz"):
        load_items(Benchmark(name="b", path=str(cut)))


@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is not None, reason="the package datasets is installed"
)
def test_a_data_set_by_name_without_the_package_says_what_to_install() -> None:
    with pytest.raises(RecipeError, match="pip install datasets"):
        load_items(Benchmark(name="gsm8k", huggingface="openai/gsm8k", config="main", text=["question"]))


def test_an_identity_is_that_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one.jsonl", [{"text": KO}])
    two = write_rows(tmp_path / "two.jsonl", [{"text": KO}])
    other = write_rows(tmp_path / "other.jsonl", [{"text": EN}])
    first, second, third = (identity(Benchmark(name="b", path=str(path))) for path in (one, two, other))
    assert first == second != third
    assert identity(Benchmark(name="b", path=str(one), text=["id"])) != first
    assert identity(AllowedTexts(path=str(one))) == identity(AllowedTexts(path=str(two)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"benchmarks": [{"name": "b"}]}, "give path or huggingface"),
        ({"benchmarks": [{"name": "b", "path": "x"}, {"name": "b", "path": "y"}]}, "twice: b"),
        ({"benchmarks": []}, "benchmarks"),
        (
            {"benchmarks": [{"name": "b", "path": "x"}], "ngrams": {"ko": {"unit": "word", "n": 9}}},
            "missing: en",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(change, Contamination)


# -- whole runs --------------------------------------------------------------------------------------------


@pytest.fixture
def leaking(tmp_path: Path) -> tuple[list[Path], dict[str, Any]]:
    """The small corpus with three leaks, and the settings of two benchmarks."""
    rows = corpus_rows()
    rows += [
        {"id": "leak-ko", "text": planted("ko", respaced(KO, 1), 70)},
        {"id": "leak-en", "text": planted("en", EN, 71) + " Write to gildong@hanji-mail.kr today."},
        {"id": "leak-some", "text": planted("en", " ".join(EN.split()[:14]), 72)},
    ]
    paths = [write_rows(tmp_path / "input" / f"{i}.jsonl", rows[i::3]) for i in range(3)]
    ko = write_rows(tmp_path / "ko.jsonl", [{"id": "k1", "text": KO}])
    en = write_rows(tmp_path / "en.jsonl.gz", [{"id": "e1", "text": EN}, {"id": "e2", "text": "How many?"}])
    both = [{"name": "ko-sums", "path": str(ko)}, {"name": "en-sums", "path": str(en)}]
    return paths, {"benchmarks": both}


def _rows(query: str) -> list[dict[str, Any]]:
    relation = duckdb.sql(query)
    assert relation is not None
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _ledger(run: Path) -> dict[str, dict[str, Any]]:
    documents = _rows(f"SELECT id, key FROM '{run}/documents/*.parquet'")
    rows = {row["id"]: row for row in _rows(f"SELECT * FROM '{run}/ledger/*.parquet'")}
    return {document["key"]: rows[document["id"]] for document in documents}


def test_a_run_drops_what_holds_a_benchmark_and_says_why(
    tmp_path: Path, leaking: tuple[list[Path], dict[str, Any]]
) -> None:
    paths, contamination = leaking
    run = tmp_path / "run"
    curate(make_recipe(run, paths, contamination=contamination))
    ledger = _ledger(run)
    for key, rule in (("leak-ko", "contamination.ko-sums"), ("leak-en", "contamination.en-sums")):
        row = ledger[key]
        assert (row["verdict"], row["step"], row["rule"]) == ("dropped", "contamination", rule)
        assert (row["value"], row["threshold"]) == (1.0, 0.4)
    assert ledger["leak-some"]["step"] != "contamination"
    metrics = json.loads((run / "report" / "metrics.json").read_text())
    found_there = metrics["contamination"]
    assert found_there["ko-sums"]["drop"] == found_there["ko-sums"]["hit"] == 1
    assert (found_there["en-sums"]["items"], found_there["en-sums"]["unchecked"]) == (2, 1)
    assert (found_there["en-sums"]["drop"], found_there["en-sums"]["below"]) == (1, 1)
    assert found_there["en-sums"]["examples"] == [[1.0, "e1", ledger["leak-en"]["id"]]]
    page = (run / "report" / "index.html").read_text()
    assert "Benchmarks in documents" in page
    assert "dropped for benchmarks in them" in page
    rows = _rows(f"SELECT benchmark, item, action FROM '{run}/relations/contamination/*.parquet'")
    assert sorted((tuple(row.values()) for row in rows), key=str) == [
        ("en-sums", "e1", "drop"),
        ("en-sums", "e1", None),
        ("ko-sums", "k1", "drop"),
    ]


def test_a_run_masks_the_item_alone(tmp_path: Path, leaking: tuple[list[Path], dict[str, Any]]) -> None:
    paths, contamination = leaking
    run = tmp_path / "run"
    curate(make_recipe(run, paths, contamination=contamination | {"action": "mask", "replacement": "[…]"}))
    ledger = _ledger(run)
    assert ledger["leak-en"]["step"] != "contamination"
    identity_of = ledger["leak-en"]["id"]
    (row,) = _rows(f"SELECT text FROM '{run}/gathered/text/*.parquet' WHERE id = '{identity_of}'")
    text = row["text"]
    assert "crayons" not in text
    masked = planted("en", EN, 71).replace(EN, "[…]?")
    assert text.startswith(masked)
    assert "gildong" not in text  # the edits of other steps hold beside the masks
    reasons = _rows(f"SELECT reason FROM '{run}/edits/*.parquet' WHERE step = 'contamination'")
    assert sorted(row["reason"] for row in reasons) == ["contamination.en-sums", "contamination.ko-sums"]


def test_a_run_that_reports_makes_the_shards_of_one_without_benchmarks(
    tmp_path: Path, leaking: tuple[list[Path], dict[str, Any]]
) -> None:
    paths, contamination = leaking
    curate(make_recipe(tmp_path / "plain", paths))
    curate(make_recipe(tmp_path / "told", paths, contamination=contamination | {"action": "report"}))
    assert shard_hashes(tmp_path / "plain") == shard_hashes(tmp_path / "told")
    assert not (tmp_path / "plain" / "contamination").exists()
    assert "contamination" not in json.loads((tmp_path / "plain" / "report" / "metrics.json").read_text())
    told = json.loads((tmp_path / "told" / "report" / "metrics.json").read_text())["contamination"]
    assert [one["report"] for one in told.values()] == [1, 1]


def test_a_run_starts_again_where_a_benchmark_changed_and_nowhere_else(
    tmp_path: Path, leaking: tuple[list[Path], dict[str, Any]]
) -> None:
    paths, contamination = leaking
    recipe = make_recipe(tmp_path / "run", paths, contamination=contamination)
    curate(recipe)
    again = curate(recipe)
    assert again.skipped == again.units
    write_rows(tmp_path / "ko.jsonl", [{"id": "k1", "text": KO}, {"id": "k2", "text": article("ko", 4)}])
    curate(recipe)
    steps = {step["name"]: step for step in json.loads((tmp_path / "run" / "run.json").read_text())["steps"]}
    assert steps["read"]["skipped"] == steps["read"]["units"]
    assert steps["edit"]["skipped"] == steps["edit"]["units"]
    assert steps["contaminate"]["skipped"] == 0
    assert _ledger(tmp_path / "run")["ko-4"]["rule"] == "contamination.ko-sums"


def test_the_benchmarks_of_the_development_data_find_themselves(data_dir: Path) -> None:
    names = ("humaneval", "ifeval", "logickor", "kmmlu_criminal_law")
    benchmarks = [Benchmark(name=name, path=str(data_dir / f"bench_{name}.jsonl.gz")) for name in names]
    items = [item for benchmark in benchmarks for item in load_items(benchmark)]
    index = build_index(items, NGRAMS)
    assert not index.unchecked
    whole = {
        overlap.item for overlap in found(index, *(item.text for item in items)) if overlap.share >= 0.99
    }
    assert len(whole) == len(items)


def test_why_tells_of_a_drop_and_of_a_mask(
    tmp_path: Path, leaking: tuple[list[Path], dict[str, Any]]
) -> None:
    paths, contamination = leaking
    both = [contamination["benchmarks"][0], contamination["benchmarks"][1] | {"action": "mask"}]
    run = tmp_path / "run"
    curate(make_recipe(run, paths, contamination={"benchmarks": both}))
    ledger = _ledger(run)
    dropped = why(str(run), ledger["leak-ko"]["id"])
    assert "contamination.ko-sums" in dropped
    assert "item k1" in dropped
    masked = why(str(run), ledger["leak-en"]["id"])
    assert "contamination.en-sums × 1" in masked
