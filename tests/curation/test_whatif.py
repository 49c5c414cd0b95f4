"""What if: a finished run decided again agrees, document by document, with a run that really has those rules."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import yaml
from curation_corpus import article, ledger, make_recipe, write_rows

from hanji.classifiers import training
from hanji.curation.decisions.rules import columns_of, load_rules
from hanji.curation.dedup import stored
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.redecide.again import decide_again
from hanji.curation.redecide.changes import as_overrides, changed
from hanji.curation.redecide.decided import Documents, open_run, read_documents
from hanji.curation.redecide.samples import EXCERPT, excerpt
from hanji.curation.shards.tokenizer import train_tokenizer
from hanji.curation.takedown.applying import take_down
from hanji.curation.whatif import what_if
from hanji.errors import InputError, RecipeError
from hanji.manifest import read_manifest
from hanji.recipe import parse_recipe

OWN = {
    "ko": [
        {"name": "few", "signal": "words", "keep": ">= 40", "why": "too short"},
        {"name": "many", "signal": "words", "keep": "<= 130", "why": "too long"},
        {"name": "digits", "signal": "digit_share", "keep": "<= 0.05", "why": "numbers"},
    ],
    "en": [
        {"name": "few", "signal": "words", "keep": ">= 60", "why": "too short"},
        {"name": "many", "signal": "words", "keep": "<= 170", "why": "too long"},
    ],
}
MINE = {
    "preset": "mine",
    "source": "this test",
    "rules": [
        {"name": "words", "signal": "words", "keep": ">= 55", "why": "short"},
        {"name": "digits", "signal": "digit_share", "keep": "<= 0.01", "why": "numbers"},
    ],
}
NEW_OWN = json.dumps([{"name": "size", "signal": "characters", "keep": ">= 300", "why": "short"}])
CHANGES = {
    "nothing": [],
    "fewer are too short": ["own.few=15"],
    "more are too short": ["own.few=90"],
    "the longest of a cluster falls": ["own.many=115"],
    "a longer twin passes": ["own.many=100000"],
    "a rule is off and another stricter": ["own.digits=off", "own.many=110"],
    "several at once": ["own.few=10", "own.many=200", "own.digits=0.12"],
    "presets join and leave": ["presets.en=-gopher", "presets.ko=+hanji_ko"],
    "a rule of a preset": ["gopher.min_words=100", "gopher.stop_words=off", "own.few=70"],
    "a preset of a file": ["presets.ko=./mine.yaml", "mine.words=65"],
    "own rules in the recipe's form": [f"rules.own.ko={NEW_OWN}", "own.few=80"],
    "no rules at all": ["presets.en=", "rules.own={}"],
    "tiers too": ["tiers.high.top_share=0.6", "own.many=112"],
}
ADVERTISEMENT = "대박 할인 최저가 구매 클릭 무료배송 쿠폰 이벤트 당첨"


def rows() -> Iterator[dict[str, Any]]:
    """Texts of many lengths, with numbers and advertising in some; near copies that differ in length and date."""
    for language in ("ko", "en"):
        for number in range(36):
            text = article(language, number, 2 + number % 18)
            if number % 4 == 0:
                text += f"\n{number}{number * 7} " * (number // 2)
            if number % 5 == 0:
                text += f"\n{ADVERTISEMENT}"
            yield {"id": f"{language}-{number}", "text": text, "date": f"2024-01-{1 + number % 28:02d}"}
        for number in range(100, 110):
            lines = article(language, number, 9 + number % 4)
            for copy in range(5):
                extra = article(language, 1000 * number + copy, 1 + (number * copy) % 4) if copy else ""
                text = f"{lines}\n{extra}" + (f"\n{ADVERTISEMENT}" if copy == 2 else "")
                yield {"id": f"{language}-{number}-{copy}", "text": text, "date": f"2023-0{9 - copy}-01"}
        yield {"id": f"{language}-exact", "text": article(language, 11, 13).upper()}
    yield {"id": "short", "text": "짧다"}
    yield {"id": "mail", "text": article("ko", 77) + " 문의는 gildong@hanji-mail.kr로 하면 된다."}


@dataclass(frozen=True)
class Made:
    """A finished run and the recipe that it has."""

    run: Path
    recipe: CurationRecipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.mktemp("whatif")
    seed = [{"label": "high", "text": article("ko", 3000 + i)} for i in range(40)]
    seed += [{"label": "low", "text": f"{ADVERTISEMENT} {i}"} for i in range(40)]
    training.train([write_rows(base / "seed.jsonl", seed)], base / "ko.bin", "ko")
    texts = [row["text"] for row in rows()]
    train_tokenizer(texts, 500, "<|end_of_text|>", base / "tokenizer.json")
    some = list(rows())
    for source in ("a", "b"):
        write_rows(base / source / "0.jsonl", some[source == "b" :: 2])
    recipe = make_recipe(
        base / "run",
        [],
        sources=[{"name": s, "format": "jsonl", "paths": [str(base / s)]} for s in ("a", "b")],
        quality={"ko": str(base / "ko.bin")},
        tiers=[
            {"name": "high", "top_share": 0.3},
            {"name": "middle", "min_score": 0.50025},
            {"name": "low"},
        ],
        rules={"presets": {"ko": [], "en": ["gopher"]}, "own": OWN},
        shards={"tokenizer": {"file": str(base / "tokenizer.json")}, "valid_share": 0.2},
    )
    curate(recipe)
    return Made(base / "run", recipe)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a preset of one's own."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(MINE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def really(made: Made, changes: list[str], run: Path) -> Path:
    """Curate with the changes: in a copy of the run, so that only what depends on them is done again."""
    shutil.copytree(made.run, run)
    curate(changed(made.recipe, changes).model_copy(update={"run": str(run)}))
    return run


def again(run: Path, changes: list[str]) -> dict[str, dict[str, Any]]:
    """What ``decide_again`` says, as rows like the ledger's."""
    storage, facts, recipe = open_run(str(run))
    documents = read_documents(storage, facts, recipe)
    other = changed(recipe, changes)
    after = decide_again(documents, other, load_rules(other.rules))
    reasons, tiers = documents.reasons.names, documents.tiers.names
    return {
        documents.identity(row): {
            "reason": reasons[after.reason[row]],
            "value": after.value[row],
            "threshold": after.threshold[row],
            "tier": tiers[after.tier[row]] if after.tier[row] >= 0 else None,
            "duplicate_of": documents.identity(after.original[row]) if after.original[row] >= 0 else None,
            "jaccard": after.jaccard[row],
            "containment": after.containment[row],
        }
        for row in range(len(documents))
    }


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float | np.floating):
        return bool(math.isnan(ours)) if theirs is None else float(ours) == theirs
    return bool(ours == theirs)


@pytest.mark.parametrize("name", CHANGES)
def test_every_document_is_decided_as_a_real_run_decides_it(name: str, made: Made, home: Path) -> None:
    changes = CHANGES[name]
    before, expected = ledger(made.run), ledger(really(made, changes, home / "run"))
    decided = again(made.run, changes)
    assert decided.keys() == expected.keys()
    for identity, row in expected.items():
        ours = decided[identity]
        assert ours["reason"] == ("kept" if row["verdict"] == "kept" else row["rule"]), (identity, ours, row)
        for column in ("value", "threshold", "tier", "duplicate_of", "jaccard", "containment"):
            assert same(ours[column], row[column]), (identity, column, ours[column], row[column])
    kept = {i for i, row in expected.items() if row["verdict"] == "kept"}
    was = {i for i, row in before.items() if row["verdict"] == "kept"}
    # The corpus is made so that no case is empty, and that clusters get other survivors.
    assert bool(kept ^ was) == (name != "nothing")
    if name in ("the longest of a cluster falls", "a longer twin passes"):
        assert sum(
            bool(r["duplicate_of"]) and r["duplicate_of"] != before[i]["duplicate_of"]
            for i, r in expected.items()
        )
    assert all(before[i]["split"] == expected[i]["split"] for i in kept & was)


@pytest.mark.parametrize("name", ["nothing", "more are too short", "tiers too"])
def test_what_was_taken_down_stays_gone_and_moves_no_tier(name: str, made: Made, home: Path) -> None:
    changes = CHANGES[name]
    kept = sorted(i for i, row in ledger(made.run).items() if row["tier"] in ("high", "middle"))
    (home / "list.txt").write_text("\n".join(kept[::2]))
    run = Path(shutil.copytree(made.run, home / "run"))
    take_down(str(run), [str(home / "list.txt")], apply=True)
    decided = again(run, changes)
    curate(changed(made.recipe, changes).model_copy(update={"run": str(run)}))
    expected = ledger(run)
    taken = {i for i, row in expected.items() if row["step"] == "takedown"}
    assert len(taken) >= len(kept[::2]) > 5
    # The twins of what is taken are another matter: a run finds new ones.
    lonely = [i for i, row in expected.items() if not row["cluster"]]
    for identity in lonely:
        ours, row = decided[identity], expected[identity]
        assert ours["reason"] == ("kept" if row["verdict"] == "kept" else row["rule"]), (identity, ours, row)
        assert ours["tier"] == row["tier"], (identity, ours, row)
    if name == "nothing":
        assert {i for i, row in decided.items() if row["reason"] == "kept"} == {
            i for i, row in expected.items() if row["verdict"] == "kept"
        }


@pytest.mark.parametrize(
    "name", ["several at once", "a longer twin passes", "tiers too", "more are too short"]
)
def test_the_counts_are_the_differences_of_the_two_ledgers(name: str, made: Made, home: Path) -> None:
    changes = CHANGES[name]
    before, after = ledger(made.run), ledger(really(made, changes, home / "run"))
    found = what_if(str(made.run), changes, exact=True).differences
    both = [(before[i], after[i]) for i in before]
    kept = [(was["verdict"] == "kept", now["verdict"] == "kept") for was, now in both]
    for amount, chosen in (
        (found.total.before, [was for was, _ in kept]),
        (found.total.after, [now for _, now in kept]),
        (found.total.gained, [now and not was for was, now in kept]),
        (found.total.lost, [was and not now for was, now in kept]),
    ):
        mine = [now for (_, now), yes in zip(both, chosen, strict=True) if yes]
        assert (amount.documents, amount.bytes) == (len(mine), sum(row["text_bytes"] for row in mine))
    # The tokens too: those of the two manifests, since both runs were given one tokenizer.
    for amount, run in ((found.total.before, made.run), (found.total.after, home / "run")):
        assert amount.tokens == sum(c.tokens for c in read_manifest(str(run / "shards"))[0].components)
    flows = Counter(
        (was["rule"] or "kept", now["rule"] or "kept") for was, now in both if was["rule"] != now["rule"]
    )
    assert {(flow.source, flow.target): flow.documents for flow in found.flows} == flows
    for groups, columns in (
        (found.sources, ["source"]),
        (found.languages, ["language"]),
        (found.tiers, ["language", "tier"]),
    ):
        for side, rows_of in (("before", before), ("after", after)):
            counted = Counter(
                "/".join(row[c] for c in columns) for row in rows_of.values() if row["verdict"] == "kept"
            )
            shown = {g.name: getattr(g, side).documents for g in groups if getattr(g, side).documents}
            assert shown == counted
    moves = Counter(
        (was["language"], was["tier"], now["tier"])
        for was, now in both
        if was["tier"] and now["tier"] and was["tier"] != now["tier"]
    )
    assert {(m.language, m.source, m.target): m.amount.documents for m in found.tier_moves} == moves
    assert moves or name != "tiers too"
    for rule, (was_count, now_count) in found.reasons.items():
        assert was_count == sum(row["rule"] == rule for row in before.values())
        assert now_count == sum(row["rule"] == rule for row in after.values())


def test_texts_are_read_where_edges_do_not_decide_and_their_shingles_kept_on_disk(
    made: Made, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = CHANGES["a longer twin passes"]
    read: list[int] = []
    original = Documents.texts

    def noted(self: Documents, rows: np.ndarray) -> Any:
        read.append(len(rows))
        return original(self, rows)

    monkeypatch.setattr(Documents, "texts", noted)
    whole = again(made.run, changes)
    assert len(read) == 1 and 0 < read[0] < len(whole) / 2
    monkeypatch.setattr(stored, "IN_MEMORY", 0)
    monkeypatch.setattr(stored, "TEXT_BYTES", 1)
    assert repr(again(made.run, changes)) == repr(whole)


def test_what_it_prints_for_curate_makes_the_same_recipe(made: Made, home: Path) -> None:
    import shlex

    for changes in CHANGES.values():
        other = changed(made.recipe, changes)
        overrides = [shlex.split(one)[0] for one in as_overrides(made.recipe, other, changes)]
        assert parse_recipe(made.recipe.model_dump(mode="json"), CurationRecipe, overrides) == other


def test_tokens_of_gained_documents_are_estimated_or_counted(made: Made) -> None:
    estimated = what_if(str(made.run), ["own.few=15"]).differences
    counted = what_if(str(made.run), ["own.few=15"], exact=True).differences
    gained = estimated.total.gained
    assert estimated.estimated == gained.documents > 0
    assert counted.estimated == 0
    assert gained.tokens == pytest.approx(counted.total.gained.tokens, rel=0.2)
    assert estimated.total.lost.tokens == counted.total.lost.tokens
    assert estimated.total.before == counted.total.before


def test_samples_say_which_rule_and_by_how_much(made: Made) -> None:
    found = what_if(str(made.run), ["own.few=15", "own.digits=0.001"], samples=2).differences
    before = ledger(made.run)
    texts = dict(duckdb.sql(f"SELECT id, text FROM '{made.run}/gathered/text/*.parquet'").fetchall())
    assert {"own.few"} <= set(found.gained) and {"own.digits"} <= set(found.lost)
    for rule, some in (*found.gained.items(), *found.lost.items()):
        assert 1 <= len(some) <= 2
        for sample in some:
            assert sample.rule == rule
            assert sample.excerpt == excerpt(texts[sample.id]) and "\n" not in sample.excerpt
            assert len(sample.excerpt) <= EXCERPT
    few = found.gained["own.few"]
    for sample in few:
        assert (sample.value, sample.threshold) == (
            before[sample.id]["value"],
            before[sample.id]["threshold"],
        )
        assert (sample.compared, sample.op, sample.threshold_after) == ("words", ">=", 15.0)
    assert all(
        s.value is not None and s.value > 0.001 and s.threshold == 0.001 for s in found.lost["own.digits"]
    )
    assert not what_if(str(made.run), ["own.few=15"], samples=0).differences.gained


def test_an_excerpt_is_one_line_without_control_characters() -> None:
    assert excerpt("가나\n\n  다라\t마") == "가나 다라 마"
    assert excerpt("\x1b[31m빨강") == "\ufffd[31m빨강"
    long = excerpt("한지 " * 200)
    assert len(long) <= EXCERPT and long.endswith("…")
    assert excerpt("한" * EXCERPT) == "한" * EXCERPT


def test_rules_that_changed_since_the_run_are_named(made: Made, home: Path) -> None:
    assert what_if(str(made.run), []).drifted == []
    shutil.copytree(made.run, home / "run")
    path = home / "run" / "report" / "metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    (words,) = (rule for rule in metrics["rules_applied"]["en"] if rule["name"] == "gopher.min_words")
    words["threshold"] = 7
    path.write_text(json.dumps(metrics))
    assert what_if(str(home / "run"), []).drifted == ["gopher.min_words"]


def test_nothing_of_the_run_is_changed(made: Made) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in made.run.rglob("*") if p.is_file()}

    before = state()
    what_if(str(made.run), ["own.many=90"], exact=True)
    assert state() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("own.fw=3", "'own.fw' is no rule here"),
        ("gopher.min_words=many", "gopher.min_words: 'many' is not allowed: a number, off or on"),
        ("gopher.min_words=nan", "gopher.min_words: 'nan' is not allowed"),
        ("gopher.min_words", "write it as RULE=VALUE"),
        ("min_words=3", "a rule is named PRESET.RULE"),
        ("floor.min_characters=3", "only rules and tiers are decided again"),
        ("dedup.minhash.min_jaccard=0.9", "only rules and tiers are decided again"),
        ("presets.en=-c4", "'c4' is not among the run's presets"),
        ("presets.en=+gophr", "'gophr' is not allowed"),
        ("presets.en=gopher,+c4", "either all presets have + or -"),
        ("presets.fr=gopher", "rules.presets.fr"),
        ("presets.en=gone.yaml", "gone.yaml: there is no such recipe file"),
        ("tiers.best.top_share=0.1", "no item 'best'"),
        ('own.ko=[{name: x, signal: nothing, keep: ">= 1", why: y}]', "'nothing' is not a signal"),
    ],
)
def test_a_wrong_change_is_named(change: str, said: str, made: Made, home: Path) -> None:
    with pytest.raises(RecipeError) as raised:
        what_if(str(made.run), [change])
    assert said in str(raised.value)


def test_a_rule_that_was_off_comes_on_with_a_threshold(made: Made) -> None:
    off = changed(made.recipe, ["own.few=off"])
    assert off.rules.off == ["own.few"]
    on = changed(off, ["own.few=12"])
    assert on.rules.off == [] and on.rules.thresholds["own.few"] == 12
    assert changed(off, ["own.few=on"]).rules == made.recipe.rules


def test_a_signal_that_the_run_did_not_measure_is_an_error(made: Made, home: Path) -> None:
    import pyarrow.parquet as pq

    shutil.copytree(made.run, home / "run")
    for path in (home / "run" / "gathered" / "facts").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["newlines"]), path)
    rule = '[{name: lines, signal: newlines_per_word, keep: "<= 1", why: many}]'
    assert columns_of("newlines_per_word") == {"newlines", "words"}
    with pytest.raises(RecipeError, match=r"own\.lines: newlines_per_word \(of newlines\) was not measured"):
        what_if(str(home / "run"), [f"own.ko={rule}"])
    assert what_if(str(home / "run"), ["own.many=90"]).differences.total.lost.documents


def test_a_run_that_is_none_or_not_finished_is_an_error(made: Made, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        what_if(str(tmp_path), ["own.few=3"])
    facts = json.loads((made.run / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(facts | {"finished": False}))
    with pytest.raises(InputError, match="has not finished"):
        what_if(str(tmp_path), ["own.few=3"])
