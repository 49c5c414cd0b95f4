"""Workers that die, tasks that fail once and tasks that run twice change nothing of what a run makes."""

from __future__ import annotations

import errno
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from curation_corpus import article, make_recipe, write_rows
from faults import POINTS, FaultyEngine, die_once, first_time, made, same_as, steps

from hanji.classifiers import training
from hanji.curation.engines.base import Engine
from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe


def every_step(base: Path, corpus: list[Path]) -> Callable[[Path], CurationRecipe]:
    """A recipe with every step that a run can have: rewriting, blocks, benchmarks, scores, morphemes, merges."""
    rows = [{"label": "high", "text": article("ko", 1000 + i)} for i in range(30)]
    rows += [{"label": "low", "text": f"대박 할인 최저가 {i} 무료배송 쿠폰 이벤트 당첨"} for i in range(30)]
    training.train([write_rows(base / "seed.jsonl", rows)], base / "ko.bin", "ko")
    items = write_rows(base / "items.jsonl", [{"question": article("ko", 7)[:200]}])
    texts = [article("en", 500 + i) for i in range(40)]
    # The first and the last of three are like the middle one and not alike enough themselves: they are compared.
    lines = article("en", 602, 48).splitlines()
    chain = ["\n".join(lines[:10]), "\n".join(lines[1:11])[:-60], "\n".join(lines[2:12])]
    large = write_rows(base / "large.jsonl.gz", [{"text": text} for text in texts + chain])
    changes: dict[str, Any] = {
        "sources": [{"name": "s", "format": "jsonl", "paths": [str(path) for path in (*corpus, large)]}],
        "rewrite_bytes": 2_000,
        "quality": {"ko": str(base / "ko.bin")},
        "tiers": [{"name": "high", "top_share": 0.25}, {"name": "low"}],
        "contamination": {
            "benchmarks": [{"name": "items", "path": str(items), "text": ["question"], "id": None}]
        },
        "rules": {"presets": {"ko": ["fineweb2_kor_Hang"], "en": ["gopher"]}},
    }
    return lambda run: make_recipe(run, corpus, **changes)


def die_by_turns(task: Callable[[Any], Any], marks: str, turn: Sequence[str], job: Any) -> Any:
    """In every step one worker dies, in some steps at one point and in some at another; four turns make all."""
    place = zlib.crc32(job[0].name.encode()) + int(turn[0])
    return die_once(task, marks, (POINTS[place % len(POINTS)],), job)


def killed_everywhere(engine: Engine, base: Path, turn: int, recipe: CurationRecipe) -> None:
    faulty = FaultyEngine(engine, die_by_turns, base / "marks", (str(turn),))
    try:
        curate(recipe, faulty)
    finally:
        faulty.close()
    hit = {mark.name.rpartition(".")[0] for mark in (base / "marks").iterdir()}
    assert hit == {step["name"] for step in steps(Path(recipe.run)) if step["units"]}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("turn", range(4))
def test_a_worker_killed_in_every_step_changes_nothing(tmp_path: Path, corpus: list[Path], turn: int) -> None:
    recipe = every_step(tmp_path, corpus)
    curate(recipe(tmp_path / "undisturbed"))
    names = {step["name"] for step in steps(tmp_path / "undisturbed") if step["units"]}
    assert {
        "rewrite",
        "benchmarks",
        "contaminate",
        "score",
        "morphemes",
        "verify",
        "answer",
        "ledger",
        "shard",
    } <= names
    killed_everywhere(LocalEngine(2), tmp_path, turn, recipe(tmp_path / "run"))
    same_as(tmp_path / "run", tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_a_ray_worker_killed_in_every_step_changes_nothing(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hanji.curation.engines.ray import RayEngine

    # The workers find what kills them.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    recipe = make_recipe(tmp_path / "run", shared_corpus)
    killed_everywhere(RayEngine(workers=2), tmp_path, 0, recipe)
    same_as(tmp_path / "run", undisturbed)


def die_twice(task: Callable[[Any], Any], marks: str, points: Sequence[str], job: Any) -> Any:
    where = {"gather": "committed", "tokenise": "written"}
    name = job[0].name
    return die_once(task, marks, (where[name],), job) if name in where else task(job)


def test_two_workers_killed_change_nothing(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path
) -> None:
    engine = FaultyEngine(LocalEngine(2), die_twice, tmp_path / "marks")
    try:
        summary = curate(make_recipe(tmp_path / "run", shared_corpus), engine)
    finally:
        engine.close()
    assert len(list((tmp_path / "marks").iterdir())) == 2
    assert summary.skipped == 0
    same_as(tmp_path / "run", undisturbed)


class Meddled:
    """A step's task with something that happens after it and before its commit record is put."""

    def __init__(self, task: Callable[[Any, Any], Any], then: Callable[[], None]) -> None:
        self._task, self._then = task, then
        self.attempt: Any = None

    def __call__(self, attempt: Any, work: Any) -> Any:
        self.attempt = attempt
        outcome = self._task(attempt, work)
        self._then()
        return outcome

    def left(self, attempt_that_counts: dict[str, Any]) -> list[str]:
        """Files of this attempt that are there still and no part of what was committed."""
        counts = {written.path for written in attempt_that_counts.values()}
        run = self.attempt.run
        return [w.path for w in self.attempt.files.values() if w.path not in counts and run.exists(w.path)]


def fail_once(task: Callable[[Any], Any], marks: str, points: Sequence[str], job: Any) -> Any:
    """Every unit's first try ends by trouble of the machine, after its files were written and booked."""

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "somewhere")

    step = job[0]
    if first_time(marks, f"{step.name}.{job[1].name}"):
        meddled = Meddled(step.task, fail)
        try:
            return task((replace(step, task=meddled), *job[1:]))
        except OSError:
            assert step.name == "shard" or not meddled.left({})
            raise
    return task(job)


def test_tasks_that_fail_once_are_tried_again_and_leave_nothing_behind(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path
) -> None:
    engine = FaultyEngine(LocalEngine(1), fail_once, tmp_path / "marks")
    curate(make_recipe(tmp_path / "run", shared_corpus), engine)
    units = {name for name in made(tmp_path / "run") if "@" in name}
    assert len(list((tmp_path / "marks").iterdir())) == len({name.partition("@")[0] for name in units})
    same_as(tmp_path / "run", undisturbed)


def run_twice(task: Callable[[Any], Any], marks: str, points: Sequence[str], job: Any) -> Any:
    """Two attempts at one unit overlap, as a scheduler does that speculates: the second one is first to commit."""
    commits: list[Any] = []
    meddled = Meddled(job[0].task, lambda: commits.append(task(job)))
    slower = task((replace(job[0], task=meddled), *job[1:]))
    assert slower.files == commits[0].files
    assert not meddled.left(slower.files)
    return slower


def test_tasks_that_run_twice_at_once_leave_one_result(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path
) -> None:
    engine = FaultyEngine(LocalEngine(1), run_twice, tmp_path / "marks")
    curate(make_recipe(tmp_path / "run", shared_corpus), engine)
    same_as(tmp_path / "run", undisturbed)


def test_one_more_input_does_again_what_depends_on_it_and_nothing_else(
    tmp_path: Path, shared_corpus: list[Path], undisturbed: Path
) -> None:
    shutil.copytree(undisturbed, tmp_path / "run")
    more = write_rows(tmp_path / "more.jsonl", [{"id": "new", "text": article("ko", 777)}])
    curate(make_recipe(tmp_path / "run", [*shared_corpus, more]))
    done: dict[str, int] = {}
    for step in steps(tmp_path / "run"):
        done[step["name"]] = done.get(step["name"], 0) + step["units"] - step["skipped"]
    # By split: the new one. By range of ids: the one that the document falls in, and for what is exchanged by
    # band those that its bands fall in. The new text is in the tokenizer's sample, so all tokens are made again.
    for name in ("read", "edit", "measure", "gather-send", "gather", "sign", "judge", "ledger"):
        assert done[name] == 1, name
    assert done["attach"] == done["verify"] == 1, done
    curate(make_recipe(tmp_path / "fresh", [*shared_corpus, more]))
    same_as(tmp_path / "run", tmp_path / "fresh")
