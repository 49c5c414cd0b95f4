"""Deduplication: shingles, signatures, verified likeness and clusters."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash as ReferenceMinHash
from datasketch.lsh import _optimal_param
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.dedup.banding import found, optimal_bands
from hanji.curation.dedup.kernels import BLOCK
from hanji.curation.dedup.shingles import (
    band_hashes,
    exact_hash,
    exact_hashes,
    likeness,
    shingle_sets,
    signatures,
)
from hanji.curation.engines.local import LocalEngine
from hanji.curation.recipe import MinHash, Shingles
from hanji.curation.signals.characters import character_class, is_word_character
from hanji.curation.steps.cluster import components
from hanji.curation.work import Attempt, Outcome, Runner, Step, Unit
from hanji.progress import SilentProgress
from hanji.storage import Storage

WORDS = Shingles(unit="word", n=5)
SYLLABLES = Shingles(unit="syllable", n=8)
SETTINGS = MinHash()


def texts(*values: str) -> pa.Array:
    return pa.array(values, pa.large_string())


def jaccard(a: str, b: str, shingles: Shingles) -> float:
    value, _ = likeness(shingle_sets(texts(a, b), shingles), np.array([0]), np.array([1]))
    return float(value[0])


def reference_shingles(text: str, shingles: Shingles) -> set[tuple[str, ...]]:
    if shingles.unit == "word":
        units = re.findall(r"[a-z0-9가-힣]+", text.lower())
    else:
        units = re.findall(r"[a-z0-9가-힣]", text.lower())
    if not units:
        return set()
    return {tuple(units[i : i + shingles.n]) for i in range(max(1, len(units) - shingles.n + 1))}


alphabet = st.text(alphabet="ab가나 .\n,다Z1", max_size=60)


@given(
    st.lists(alphabet, max_size=6),
    st.sampled_from([Shingles(unit="word", n=2), Shingles(unit="syllable", n=3)]),
)
@settings(max_examples=60, deadline=None)
def test_shingle_sets_are_as_large_as_a_plain_implementation_says(
    some: list[str], shingles: Shingles
) -> None:
    sets = shingle_sets(texts(*some), shingles)
    assert sets.sizes().tolist() == [len(reference_shingles(text, shingles)) for text in some]


@given(alphabet, alphabet)
@settings(max_examples=60, deadline=None)
def test_likeness_is_the_exact_jaccard_of_the_sets(a: str, b: str) -> None:
    shingles = Shingles(unit="syllable", n=2)
    one, other = reference_shingles(a, shingles), reference_shingles(b, shingles)
    expected = len(one & other) / len(one | other) if one | other else 0.0
    assert jaccard(a, b, shingles) == pytest.approx(expected, abs=1e-12)


def test_spacing_and_punctuation_do_not_change_korean_shingles() -> None:
    assert (
        jaccard(
            "한지는 닥나무 껍질로 만든다. 질기고 오래간다!",
            "한지는닥나무껍질로 만든다 질기고, 오래 간다",
            SYLLABLES,
        )
        == 1.0
    )


def test_a_sliced_array_gives_the_shingles_of_its_own_texts() -> None:
    whole = texts("first one here", "가나다라마바사아자", "the last of them all")
    sliced = shingle_sets(whole.slice(1, 1), SYLLABLES)
    assert np.array_equal(sliced.hashes, shingle_sets(texts("가나다라마바사아자"), SYLLABLES).hashes)


def test_exact_hashes_ignore_layout_and_case_and_nothing_else() -> None:
    assert exact_hash("Hanji  is\nPaper") == exact_hash("hanji is paper")
    assert exact_hash("한지") == exact_hash("\u1112\u1161\u11ab\u110c\u1175")
    assert exact_hash("hanji is paper") != exact_hash("hanji is paper.")


jamo = "\u1100\u1112\u1161\u1175\u11a8\u11c2\u11a7\ua960\ud7b0\ud7cb가각힣ㄱㅏㅋㄳㆎﾡￂ"
signs = (
    "Aaé\u0301\u0327ß\u00a0\u3000 \t\x1f\x00ﬁ㎏½²Å\u212bΣςİı㈜①！￥\ufdfa\u0345\u0f73😀\U0001d400\U000e0001"
)


@given(st.lists(st.text(st.one_of(st.sampled_from(jamo + signs), st.characters(codec="utf-8")), max_size=12)))
@settings(max_examples=400, deadline=None)
def test_exact_hashes_of_texts_together_are_those_of_each_alone(some: list[str]) -> None:
    array = texts("before", *some).slice(1)
    assert exact_hashes(array).tobytes() == b"".join(map(exact_hash, some))


def test_forms_that_outgrow_their_texts_are_hashed_all_the_same() -> None:
    kilometres = "㌖" * 5000  # each becomes six letters
    assert exact_hashes(texts(kilometres)).tobytes() == exact_hash("キロメートル" * 5000)


def units_of(text: str, shingles: Shingles) -> list[str]:
    """Words or syllables by plain Python: NFC, letters and digits, simple case folding."""
    units, word = [], ""
    for c in unicodedata.normalize("NFC", text) + " ":
        mark = unicodedata.category(c) == "Mn" and (c in "\u034f\u180f" or "\ufe00" <= c <= "\ufe0f")
        if is_word_character(character_class(ord(c))) and not mark and c not in "\u180b\u180c\u180d\u180e":
            forms = [form for form in (c.casefold(), c.lower()) if len(form) == 1]
            word += forms[0] if forms else c
            if shingles.unit == "word":
                continue
        if word:
            units.append(word)
        word = ""
    return units


@pytest.mark.parametrize("shingles", [Shingles(unit="word", n=2), Shingles(unit="syllable", n=3)])
@given(some=st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=5))
@settings(max_examples=150, deadline=None)
def test_texts_of_any_characters_have_the_shingles_that_plain_python_says(
    some: list[str], shingles: Shingles
) -> None:
    sets = shingle_sets(texts(*some), shingles)
    for i, text in enumerate(some):
        units = units_of(text, shingles)
        grams = {tuple(units[j : j + shingles.n]) for j in range(max(1, len(units) - shingles.n + 1))}
        assert sets.sizes()[i] == (len(grams) if units else 0)


@pytest.mark.parametrize("shingles", [Shingles(unit="word", n=3), Shingles(unit="syllable", n=4)])
@given(some=st.lists(st.text(st.characters(codec="utf-8"), max_size=80), max_size=5))
@settings(max_examples=100, deadline=None)
def test_signatures_from_texts_are_those_of_their_sets(some: list[str], shingles: Shingles) -> None:
    signed = signatures(texts(*some), shingles, SETTINGS)
    sets = shingle_sets(texts(*some), shingles)
    assert np.array_equal(signed.bands, band_hashes(sets, SETTINGS))
    assert np.array_equal(signed.shingles > 0, sets.sizes() > 0)


def test_decomposed_and_upper_case_texts_have_the_same_signatures() -> None:
    for text, shingles in (
        ("한지는 닥나무 껍질로 만든다. 질기고 오래간다.", SYLLABLES),
        ("The café’s naïve owner said: “Ångström!” again and again.", WORDS),
    ):
        forms = [text, unicodedata.normalize("NFD", text), text.upper(), "다른 글 하나"]
        signed = signatures(texts(*forms), shingles, SETTINGS)
        assert np.array_equal(signed.bands[0], signed.bands[1])
        assert np.array_equal(signed.bands[0], signed.bands[2])
        assert signed.shingles[0] == signed.shingles[1] == signed.shingles[2] > 1
        sets = shingle_sets(texts(*forms), shingles)
        assert likeness(sets, np.array([0, 0]), np.array([1, 2]))[0].tolist() == [1.0, 1.0]


def test_texts_without_letters_have_no_shingles_and_one_letter_has_one() -> None:
    some = texts("", " \n", "🎉🎊❤️👨\u200d👩\u200d👧🇰🇷", "!?…", "가", "a", "7")
    for shingles in (WORDS, SYLLABLES):
        assert signatures(some, shingles, SETTINGS).shingles.tolist() == [0, 0, 0, 0, 1, 1, 1]
        assert shingle_sets(some, shingles).sizes().tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert signatures(texts(), WORDS, SETTINGS).bands.shape == (0, 14)


@pytest.mark.parametrize("n", [1, 5, 50])
@pytest.mark.parametrize("unit", ["word", "syllable"])
def test_no_shingle_is_lost_or_made_where_blocks_meet(unit: str, n: int) -> None:
    shingles = Shingles(unit=unit, n=n)
    lengths = [1, n, n + 1, *range(BLOCK - 2, BLOCK + 3), BLOCK + n, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK + 1]
    joint = " " if unit == "word" else ""
    rows = [joint.join(chr(0xAC00 + i) for i in range(length)) for length in lengths]
    expected = [max(1, length - n + 1) for length in lengths]
    sets = shingle_sets(texts(*rows), shingles)
    assert sets.sizes().tolist() == expected
    assert signatures(texts(*rows), shingles, SETTINGS).shingles.tolist() == expected
    longest = set(sets.hashes[sets.bounds[-2] : sets.bounds[-1]].tolist())
    for i, length in enumerate(lengths[:-1]):
        own = set(sets.hashes[sets.bounds[i] : sets.bounds[i + 1]].tolist())
        assert length < n or own <= longest


def test_a_page_of_60_megabytes_is_signed_in_little_memory() -> None:
    once = "한지는 닥나무 껍질로 만든다. 질기고 오래간다. " * 30 + "끝이다. "
    long = texts(once * (60_000_000 // len(once.encode())))
    signatures(texts(once), SYLLABLES, SETTINGS)
    tracemalloc.start()
    signed = signatures(long, SYLLABLES, SETTINGS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert np.array_equal(signed.bands, signatures(texts(once + once), SYLLABLES, SETTINGS).bands)


def test_signatures_are_the_same_on_every_machine() -> None:
    some = texts("The paper is made from bark, in winter.", "한지는 닥나무 껍질로 만든다. CAFÉ 7", "")
    digest = hashlib.sha256()
    for shingles in (WORDS, SYLLABLES):
        digest.update(signatures(some, shingles, SETTINGS).bands.astype("<u8").tobytes())
    assert digest.hexdigest() == "ae339dbbf09ba11bcf0b865adda0d7e8c1b98ff0fe0952e0c565af20366a8851"


@pytest.mark.parametrize("permutations", [16, 112, 128])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.72, 0.8, 0.9])
def test_bands_from_a_threshold_are_those_of_datasketch(threshold: float, permutations: int) -> None:
    assert optimal_bands(threshold, permutations) == _optimal_param(threshold, permutations, 0.5, 0.5)


def test_a_recipe_gives_a_threshold_or_bands_and_rows() -> None:
    assert (SETTINGS.bands, SETTINGS.rows) == (14, 8)
    by_threshold = MinHash(threshold=0.8, permutations=128)
    assert (by_threshold.bands, by_threshold.rows) == (9, 13)
    assert MinHash(**by_threshold.model_dump()) == by_threshold
    with pytest.raises(ValueError, match="follows from threshold"):
        MinHash(threshold=0.8, bands=14, rows=8)
    for wrong in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match="threshold"):
            MinHash(threshold=wrong)
    with pytest.raises(ValueError, match="threshold"):
        optimal_bands(1.0, 112)


def random_text(rng: random.Random, words: int) -> list[str]:
    return [f"w{rng.randrange(5000)}" for _ in range(words)]


def test_collisions_follow_the_theory_of_bands_and_rows() -> None:
    """1 − (1 − s⁸)¹⁴ over pairs of known Jaccard: within sampling error, and within .02 in the mean of 32 sets."""
    wide = MinHash(bands=14 * 32, rows=8)
    often: dict[int, list[float]] = {}
    rng = random.Random(7)
    buckets: dict[int, list[bool]] = {}
    expected: dict[int, list[float]] = {}
    one = Shingles(unit="word", n=1)
    for _ in range(600):
        base = random_text(rng, 200)
        other = [
            w if rng.random() > rng.choice([0.02, 0.06, 0.1, 0.2]) else f"x{rng.random()}"[:9] for w in base
        ]
        sets = shingle_sets(texts(" ".join(base), " ".join(other)), one)
        s = float(likeness(sets, np.array([0]), np.array([1]))[0][0])
        bands = band_hashes(sets, SETTINGS)
        buckets.setdefault(int(s * 10), []).append(bool((bands[0] == bands[1]).any()))
        expected.setdefault(int(s * 10), []).append(float(found(s, 14, 8)))
        many = band_hashes(sets, wide)
        often.setdefault(int(s * 10), []).append(
            float((many[0] == many[1]).reshape(32, 14).any(axis=1).mean())
        )
    for bin_number, hits in buckets.items():
        if len(hits) >= 40:
            mean = float(np.mean(expected[bin_number]))
            spread = 4 * np.sqrt(max(mean * (1 - mean), 0.01) / len(hits))
            assert abs(float(np.mean(hits)) - mean) < spread, bin_number
            assert abs(float(np.mean(often[bin_number])) - mean) < 0.02, bin_number


def test_signatures_estimate_likeness_as_well_as_datasketch() -> None:
    rng = random.Random(3)
    one = Shingles(unit="word", n=1)
    wide = MinHash(bands=256, rows=1)
    errors, reference_errors = [], []
    for _ in range(40):
        base = random_text(rng, 300)
        other = base[: rng.randrange(300)] + random_text(rng, 150)
        sets = shingle_sets(texts(" ".join(base), " ".join(other)), one)
        true = float(likeness(sets, np.array([0]), np.array([1]))[0][0])
        bands = band_hashes(sets, wide)
        errors.append(float((bands[0] == bands[1]).mean()) - true)
        pair = []
        for words in (base, other):
            reference = ReferenceMinHash(num_perm=256)
            reference.update_batch([w.encode() for w in words])
            pair.append(reference)
        reference_errors.append(pair[0].jaccard(pair[1]) - true)
    assert np.sqrt(np.mean(np.square(errors))) < 1.5 * np.sqrt(np.mean(np.square(reference_errors))) + 0.005


# -- clusters ---------------------------------------------------------------------------------------------


def write_edges(attempt: Attempt, pairs: list[tuple[str, str]]) -> Outcome:
    table = pa.table(
        {
            "a": pa.array([a for a, _ in pairs], pa.large_string()),
            "b": pa.array([b for _, b in pairs], pa.large_string()),
        }
    )
    attempt.write_table("edges", "edges", table)
    return Outcome()


def connected(path: Path, pairs: list[tuple[str, str]], partitions: int) -> dict[str, str]:
    runner = Runner(Storage(path), LocalEngine(1), SilentProgress(), None)
    cuts = [pairs[i::partitions] for i in range(partitions)]
    edges = runner.map(
        Step("edges", 1, write_edges), [Unit(f"p{i:05d}", cut, cut) for i, cut in enumerate(cuts)]
    )
    found: dict[str, str] = {}
    for commit in components(runner, edges, partitions):
        table = runner.run.read_table(commit.files["clusters"].path)
        found |= dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))
    return found


def union_find(pairs: list[tuple[str, str]]) -> dict[str, str]:
    parent: dict[str, str] = {}

    def root(x: str) -> str:
        while parent.setdefault(x, x) != x:
            x = parent[x]
        return x

    for a, b in pairs:
        one, other = sorted((root(a), root(b)))
        parent[other] = one
    return {x: root(x) for x in list(parent)}


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_the_connected_components(tmp_path: Path, partitions: int, seed: int) -> None:
    rng = random.Random(seed)
    names = [f"{rng.getrandbits(128):032x}" for _ in range(40)]
    pairs = [(min(p), max(p)) for p in (rng.sample(names, 2) for _ in range(25))]
    assert connected(tmp_path, pairs, partitions) == union_find(pairs)


def test_a_long_chain_becomes_one_cluster(tmp_path: Path) -> None:
    rng = random.Random(1)
    names = [f"{rng.getrandbits(128):032x}" for _ in range(120)]
    pairs = [(min(p), max(p)) for p in itertools.pairwise(names)]
    found = connected(tmp_path, pairs, 2)
    assert set(found.values()) == {min(names)}
    assert len(found) == 120


def test_no_edges_give_no_clusters(tmp_path: Path) -> None:
    assert connected(tmp_path, [], 2) == {}
