"""Who survives in a cluster: properties of the walk over random clusters; the compiled one against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from survivors_reference import PAIRS, SETTINGS, Document, Edge, alike, compiled, expected, likeness

from hanji.curation.decisions import survivors
from hanji.curation.decisions.survivors import grounds
from hanji.curation.dedup import stored
from hanji.curation.dedup.shingles import shingle_sets
from hanji.curation.dedup.stored import StoredSets
from hanji.curation.recipe import Dedup, UrlDuplicates

SENTENCE = (
    "mulberry bark is boiled beaten and spread in water until a sheet of paper is lifted from the screen"
)
BASE = SENTENCE.split()


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Document], list[Edge]]:
    """Documents of a few clusters whose texts are more or less alike, and verified edges between some of them."""
    rng = draw(st.randoms(use_true_random=False))
    documents = []
    for number in range(draw(st.integers(1, 24))):
        words = list(BASE[: rng.choice([3, 8, 14, 20])])
        for _ in range(rng.choice([0, 0, 1, 2, 6])):
            words[rng.randrange(len(words))] = rng.choice(["silk", "ink", "brush", "frame"])
        documents.append(
            Document(
                id=f"{rng.getrandbits(16):04x}{number:02d}",
                text=" ".join(words) if rng.random() > 0.03 else "",
                cluster=f"c{rng.randrange(3)}",
                language=rng.choice(["en", "en", "en", "ko"]),
                score=rng.choice([None, 0.25, 0.5]),
                date=rng.choice([None, "", "2020-01-01", "2021"]),
            )
        )
    edges = []
    for place, a in enumerate(documents):
        for b in documents[place + 1 :]:
            if a.cluster != b.cluster or rng.random() > 0.3:
                continue
            if a.text == b.text:
                edges.append(Edge(*sorted((a.id, b.id)), "exact", 1.0, 1.0))
            elif a.language == b.language and alike(a, b):
                edges.append(Edge(*sorted((a.id, b.id)), "near", *likeness(a, b)))
            if rng.random() < 0.1:
                edges.append(Edge(*sorted((a.id, b.id)), "url", 1.0, 1.0))
    return documents, edges


@given(clusters())
@settings(max_examples=100, deadline=None)
def test_the_compiled_walk_is_the_walk_as_it_is_defined(made: tuple[list[Document], list[Edge]]) -> None:
    documents, edges = made
    assert compiled(documents, edges)[0] == expected(documents, edges)
    off = SETTINGS.model_copy(update={"enabled": False})
    fell, needed, _ = compiled(documents, edges, off)
    assert fell == expected(documents, edges, off)
    assert not needed


@given(clusters(), st.sampled_from([1, 2, 5]), st.sampled_from([4, 40, 1 << 24]))
@settings(max_examples=100, deadline=None)
def test_no_cluster_loses_all_and_none_falls_but_to_a_kept_one_that_is_truly_like_it(
    made: tuple[list[Document], list[Edge]], most: int, sampled: int
) -> None:
    """Whatever the bound on comparisons: likeness is computed anew with Python's sets."""
    documents, edges = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survivors, "MOST_COMPARED", most)
        patch.setattr(survivors, "MOST_SAMPLED", sampled)
        patch.setattr(survivors, "LEAST_SAMPLED", 1)
        fell, _, bounded = compiled(documents, edges)
    by_id = {document.id: document for document in documents}
    kept = [document for document in documents if document.id not in fell]
    assert {document.cluster for document in kept} == {document.cluster for document in documents}
    known = {(edge.a, edge.b, edge.kind) for edge in edges}
    for identity, (to, kind, jaccard, containment) in fell.items():
        one, other = by_id[identity], by_id[to]
        assert to not in fell, "a chain"
        assert other.rank() < one.rank() and other.cluster == one.cluster
        if kind == "near":
            assert (jaccard, containment) == likeness(one, other)
            assert jaccard >= SETTINGS.min_jaccard or containment >= SETTINGS.min_containment
        else:
            assert (*sorted((identity, to)), kind) in known
    for cluster in {document.cluster for document in documents}:
        first = min((d for d in documents if d.cluster == cluster), key=Document.rank)
        assert first.id not in fell
    # Of those that stay, no two are alike, but where the bound was met: then it is counted.
    twins = [
        (a, b)
        for place, a in enumerate(kept)
        for b in kept[place + 1 :]
        if a.cluster == b.cluster and a.language == b.language and alike(a, b)
    ]
    assert len({max(pair, key=Document.rank).id for pair in twins}) <= bounded


@given(clusters(), st.randoms(use_true_random=False), st.sampled_from([1, 3, 128]))
@settings(max_examples=50, deadline=None)
def test_order_and_neighbours_do_not_matter(
    made: tuple[list[Document], list[Edge]], rng: random.Random, most: int
) -> None:
    """Members and edges in any order, and each cluster alone or together with others: the same falls."""
    documents, edges = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survivors, "MOST_COMPARED", most)
        whole, _, _ = compiled(documents, edges)
        mixed, mixed_edges = documents[:], [Edge(e.b, e.a, e.kind, e.jaccard, e.containment) for e in edges]
        rng.shuffle(mixed)
        rng.shuffle(mixed_edges)
        assert compiled(mixed, mixed_edges)[0] == whole
        alone: dict[str, tuple[str, str, float, float]] = {}
        for cluster in {document.cluster for document in documents}:
            some = [document for document in documents if document.cluster == cluster]
            ids = {document.id for document in some}
            alone |= compiled(some, [edge for edge in edges if edge.a in ids])[0]
        assert alone == whole


def test_the_best_of_a_cluster_stays_and_the_others_fall_to_it() -> None:
    text = " ".join(BASE)
    documents = [Document("a", text, score=0.1), Document("b", f"{text} end", score=0.9)]
    documents.append(Document("c", text, score=0.5))
    fell, needed, _ = compiled(documents, [])
    assert {one: to for one, (to, *_) in fell.items()} == {"a": "b", "c": "b"}
    assert needed == {"a", "b", "c"}


def test_of_equal_documents_the_earlier_then_the_smaller_id_stays() -> None:
    text = " ".join(BASE)
    some = [
        Document("z", text, date="2020-01-01"),
        Document("b", text, date="2021-01-01"),
        Document("a", text),
    ]
    assert {one: to for one, (to, *_) in compiled(some, [])[0].items()} == {"a": "z", "b": "z"}
    assert set(compiled([Document("b", text), Document("a", text)], [])[0]) == {"b"}


def test_a_document_never_falls_through_a_chain() -> None:
    """a ~ b and b ~ c, but a and c are not alike: when b falls to a, c stays."""
    documents = [
        Document("a", " ".join(BASE), score=0.9),
        Document("b", "one two", score=0.5),
        Document("c", "three four", score=0.4),
    ]
    assert set(compiled(documents, [Edge("a", "b"), Edge("b", "c")])[0]) == {"b"}


def test_texts_are_asked_for_only_where_edges_do_not_decide() -> None:
    text = " ".join(BASE)
    pair = [Document("a", text, "one"), Document("b", text, "one", score=0.5)]
    star = [Document(name, f"{text} {name}", "two", score=n / 10) for n, name in enumerate("cdef")]
    edges = [Edge("a", "b"), Edge("c", "d"), Edge("c", "e"), Edge("c", "f")]
    fell, needed, _ = compiled([*pair, *star], edges)
    # The star's centre falls by its edge to the best; the two others have none to that, and are compared.
    assert needed == {"d", "e", "f"}
    assert {one: to for one, (to, *_) in fell.items()} == {"a": "b", "c": "f", "d": "f", "e": "f"}
    assert not compiled(pair, edges[:1])[1]


def pages(rng: random.Random, count: int, shared: int, own: int) -> list[Document]:
    """Pages of a template: ``shared`` words that all of them have, and ``own`` words each."""
    template = " ".join(f"t{word}" for word in range(shared))
    return [
        Document(f"{number:06d}", f"{template} " + " ".join(f"w{rng.getrandbits(40)}" for _ in range(own)))
        for number in range(count)
    ]


def test_among_many_pages_of_a_template_the_twins_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """600 pages that share half of their words, and a copy of each with another ending: the copies fall, each to
    its own page, though no page is compared with more than 16 others."""
    monkeypatch.setattr(survivors, "MOST_COMPARED", 16)
    monkeypatch.setattr(survivors, "MOST_SAMPLED", 600 * 24)
    originals = pages(random.Random(3), 600, 40, 40)
    copies = [Document(f"{d.id}-copy", d.text.rsplit(" ", 1)[0], date="2020") for d in originals]
    fell, _, bounded = compiled([*originals, *copies], [])
    assert {one: to for one, (to, *_) in fell.items()} == {f"{d.id}-copy": d.id for d in originals}
    assert bounded == 600 - 17


def test_sets_are_the_same_on_disk_and_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = pages(random.Random(5), 300, 10, 30)
    texts = pa.array([d.text for d in documents], pa.large_string())
    whole = shingle_sets(texts, PAIRS)
    places, languages = np.arange(300, dtype=np.int64)[::-1].copy(), np.zeros(300, np.int64)
    for limit, slices in ((1 << 30, 1 << 24), (0, 1 << 24), (40_000, 2_000)):
        monkeypatch.setattr(stored, "IN_MEMORY", limit)
        monkeypatch.setattr(stored, "TEXT_BYTES", slices)
        with StoredSets(300) as sets:
            sets.add(places[:100], languages[:100], texts[:100], [PAIRS])
            sets.add(places[100:], languages[100:], texts[100:], [PAIRS])
            hashes = sets.hashes()
            assert isinstance(hashes, np.memmap) == (limit < 1 << 30)
            for number, place in enumerate(places.tolist()):
                mine = hashes[sets.begin[place] : sets.end[place]]
                assert np.array_equal(mine, whole.hashes[whole.bounds[number] : whole.bounds[number + 1]])


@pytest.mark.parametrize(
    ("kind", "jaccard", "rule"),
    [("exact", 1.0, "exact"), ("url", 0.65, "url"), ("near", 0.8, "near"), ("near", 0.2, "contained")],
)
def test_the_ledger_says_what_a_document_fell_for(kind: str, jaccard: float, rule: str) -> None:
    kinds = pa.array([kind, None], pa.large_string())
    dedup = Dedup(minhash=SETTINGS, url=UrlDuplicates(min_jaccard=0.6))
    likeness = np.array([jaccard, np.nan]), np.array([0.95, np.nan])
    rules, values, thresholds = grounds(kinds, *likeness, dedup)
    assert rules.to_pylist() == [f"duplicates.{rule}", None]
    assert values[0] == (0.95 if rule == "contained" else jaccard)
    assert thresholds[0] == {"exact": 1.0, "url": 0.6, "near": 0.7, "contained": 0.9}[rule]
