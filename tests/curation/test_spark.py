"""The Spark engine, embedded: what it promises of tasks, retries and errors. Byte identity is in test_engines."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import spark_tasks

from hanji.curation.engines import spark_start
from hanji.curation.engines.base import Engine, Resources
from hanji.errors import HanjiError, InputError, MissingExtraError, RecipeError, RunError

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(spark_start.why_not() is not None, reason=f"Spark: {spark_start.why_not()}"),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Spark inside this process, two cores, one retry."""
    from hanji.curation.engines.spark import SparkEngine

    started = SparkEngine(None, workers=2, retries=1)
    yield started
    started.close()
    started.close()


def test_every_item_comes_back_once_with_its_index(engine: Engine) -> None:
    results = list(engine.run(spark_tasks.double, list(range(40))))
    assert sorted(results) == [(number, 2 * number) for number in range(40)]
    assert list(engine.run(spark_tasks.double, [])) == []


def test_a_slow_task_keeps_no_other_waiting(engine: Engine, tmp_path: Path) -> None:
    items = [(str(tmp_path), number) for number in range(48)]
    order = [index for index, _ in engine.run(spark_tasks.waits, items)]
    # The first one ends when 40 has left its mark, and the two may be told of in either order; others are not.
    assert order.index(30) < order.index(0)
    assert sorted(order) == list(range(48))


def test_workers_that_die_and_full_disks_are_tried_again(engine: Engine, tmp_path: Path) -> None:
    items = [(str(tmp_path), number) for number in range(6)]
    assert sorted(engine.run(spark_tasks.dies_once, items)) == [(n, n) for n in range(6)]
    assert sorted(engine.run(spark_tasks.fails_once, items)) == [(n, n) for n in range(6)]
    assert len(list(tmp_path.glob("died-*"))) == 2
    assert len(list(tmp_path.glob("failed-*"))) == 6


def test_an_error_of_a_task_surfaces_as_itself_in_one_line(engine: Engine) -> None:
    with pytest.raises(RecipeError, match=r"^floor\.min_characters: -1 is not allowed$"):
        list(engine.run(spark_tasks.wrong_field, [1, 2]))
    with pytest.raises(MissingExtraError, match=r"^a thing needs .*hanji\[spark\]'$"):
        list(engine.run(spark_tasks.missing_extra, [1]))
    with pytest.raises(RunError, match=r"^a task failed: ZeroDivisionError: division by zero$") as failed:
        list(engine.run(spark_tasks.divided, [1]))
    assert "in divided" in str(failed.value.__cause__)


def test_what_fails_for_good_is_given_up_with_a_reason(engine: Engine) -> None:
    with pytest.raises(RunError, match=r"failed 2 times by trouble of the machine: OSError: .*No space left"):
        list(engine.run(spark_tasks.always_fails, [1]))
    with pytest.raises(RunError, match="Python worker exited unexpectedly") as died:
        list(engine.run(spark_tasks.dies, [1]))
    assert "\n" not in str(died.value)


def test_no_more_is_handed_out_than_the_bound(engine: Engine, tmp_path: Path) -> None:
    """Whoever stops asking for results finds no more done than was in flight."""
    from hanji.curation.engines.spark import LEAST_IN_FLIGHT

    results = engine.run(spark_tasks.notes, [(str(tmp_path), number) for number in range(400)])
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(list(tmp_path.glob("ran-*"))) <= LEAST_IN_FLIGHT
    # What a task needs of the machine bounds it too.
    memory = engine._bound(Resources(memory_bytes=1 << 62))  # type: ignore[attr-defined]
    assert memory == 1
    assert engine._bound(Resources(cpus=2.0)) == 1  # type: ignore[attr-defined]


def test_it_says_what_it_is(engine: Engine) -> None:
    import pyspark

    facts = engine.facts()
    assert facts["engine"] == "spark" and facts["spark"] == pyspark.__version__
    assert facts["master"] == "local[2,2]" and facts["workers"] == 2


@pytest.mark.parametrize(
    "error", [RecipeError("a"), InputError("b"), RunError("c"), MissingExtraError("d", "e")]
)
def test_errors_survive_the_way_between_processes(error: HanjiError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)


def test_a_machine_without_java_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "cannot be run: Spark needs Java 17 or newer" in (spark_start.why_not() or "")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_412\"' >&2\n")
    (tmp_path / "bin/java").chmod(0o755)
    assert "is Java 8: Spark needs Java 17" in (spark_start.why_not() or "")
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no Java" in (spark_start.why_not() or "")


def test_sizes_are_read_as_spark_reads_them() -> None:
    from hanji.curation.engines.spark import spark_bytes

    assert spark_bytes("8g") == 8 * 2**30
    assert spark_bytes("512m") == spark_bytes("512MB") == spark_bytes("512") == 512 * 2**20
