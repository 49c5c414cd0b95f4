"""Take documents down from a run that is finished: what it would change, and changing it.

It starts from what the run decided, not from its inputs, which may be gone: the search (takedown/search.py),
the ledger, tokens and shards of what it touches, the report. All is done by the steps that a run has, so that
`hanji curate` with the same list finds nothing left to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation import reporting
from hanji.curation.columns import flat
from hanji.curation.deciding import write_ledger
from hanji.curation.decisions.rules import load_rules
from hanji.curation.engines.base import Engine
from hanji.curation.engines.choice import make_engine
from hanji.curation.recipe import CurationRecipe
from hanji.curation.records import TEXT
from hanji.curation.report.metrics import finish
from hanji.curation.report.page import write_report
from hanji.curation.takedown import erasing, search
from hanji.curation.takedown.effects import Effects, effects, name_successors
from hanji.curation.takedown.erasing import Erased
from hanji.curation.takedown.lists import (
    STANDING,
    Entry,
    TakedownList,
    joined,
    parse_list,
    read_lists,
    standing_list,
)
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, newest_commits
from hanji.curation.writing import ShardWriting
from hanji.errors import InputError, RunError
from hanji.manifest import Manifest, read_manifest
from hanji.progress import Progress, SilentProgress
from hanji.recipe import parse_recipe
from hanji.storage import Storage

NEEDED = ("gather", "decide", "takedown", "write")


@dataclass(frozen=True)
class Takedown:
    """What a takedown does to a run, or has done. ``entries`` are those of the list that was given."""

    run: str
    applied: bool
    entries: TakedownList
    effects: Effects
    manifest: Manifest
    erased: Erased | None


def take_down(
    run: str,
    lists: list[str],
    *,
    apply: bool = False,
    erase: bool = False,
    duplicates: bool = True,
    changes: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Takedown:
    """Say what taking these lists' documents down from a finished run changes, and with ``apply`` do it.

    ``duplicates``: kept documents that are truly like a listed one go too. ``erase``: with ``apply``, their texts
    are blanked in the run's own tables as well. ``changes`` of the recipe's engine settings. Without ``apply``
    nothing of the run changes; what the search found stays beside it, for the time when it is applied, until the
    next `hanji curate` sweeps it out.

    Raises RecipeError for a list that is wrong, InputError for a directory that is no finished run.
    """
    storage = Storage(run)
    opened = _open(storage)
    given = read_lists(lists)
    given = given if duplicates else given.only_listed()
    settings = opened.recipe.engine.model_copy(update=dict(changes or {}))
    recipe = opened.recipe.model_copy(update={"run": run, "engine": settings})
    engine = make_engine(settings)
    try:
        with storage.locked() as still_ours:
            work = _Work(storage, recipe, engine, progress or SilentProgress(), still_ours, opened)
            found = work.effects(given)
            manifest, erased = opened.manifest, None
            if apply:
                manifest, erased = work.apply(given, erase)
                name_successors(found, manifest)
            return Takedown(run, apply, given, found, manifest, erased)
    except OSError as error:
        raise RunError(f"trouble of the machine: {error}; the same command goes on from there") from error
    finally:
        engine.close()


@dataclass(frozen=True)
class _Opened:
    recipe: CurationRecipe
    facts: Mapping[str, Any]
    manifest: Manifest
    shards: Storage


def _open(run: Storage) -> _Opened:
    if not run.exists("run.json"):
        raise InputError(f"{run.describe('run.json')}: not a run directory (it has no run.json)")
    facts = json.loads(run.read_bytes("run.json"))
    if not isinstance(facts, dict) or facts.get("recipe", {}).get("kind") != "curation":
        raise InputError(f"{run.describe()}: not a curation run")
    if not facts.get("finished"):
        raise InputError(f"{run.describe()}: the run has not finished; `hanji curate` goes on with it")
    versions = facts["step_versions"]
    other = [step for step in NEEDED if versions.get(step) != STEP_VERSIONS[step]]
    if other:
        raise InputError(
            f"{run.describe()}: made by another version of the steps {', '.join(other)}, which would change more "
            "than the documents listed; `hanji curate` with its recipe first, or with `takedown` in it"
        )
    manifest, shards = read_manifest(run.describe("shards"))
    recipe = parse_recipe(facts["recipe"], CurationRecipe, origin=run.describe("run.json"))
    return _Opened(recipe, facts, manifest, shards)


class _Work:
    def __init__(
        self,
        run: Storage,
        recipe: CurationRecipe,
        engine: Engine,
        progress: Progress,
        still_ours: Callable[[], None],
        opened: _Opened,
    ) -> None:
        self.run, self.recipe, self.opened = run, recipe, opened
        self.runner = Runner(run, engine, progress, recipe.engine.task_memory_bytes)
        self.runner.still_ours = still_ours
        self.gathered, self.settled, self.ledger = (
            self._commits(step) for step in ("gather", "settle", "ledger")
        )

    def _commits(self, step: str) -> list[Commit]:
        found = sorted(newest_commits(self.run, step), key=lambda commit: commit.unit)
        if len(found) != self.recipe.partitions:
            raise InputError(
                f"{self.run.describe(f'commits/{step}')}: {len(found)} records for {self.recipe.partitions} ranges "
                "of ids; `hanji curate` with its recipe mends that"
            )
        return found

    def effects(self, given: TakedownList) -> Effects:
        minhash = self.recipe.dedup.minhash
        found = search.search(self.runner, given, minhash, self.gathered, self.settled)
        manifest, shards = self.opened.manifest, self.opened.shards
        done = effects(self.run, given, found.taken, self.ledger, manifest, shards)
        done.left_out = found.left_out
        if all(entry.duplicates for entry in given.entries):
            return done
        # What is like a listed document and stays is told, too.
        entries = tuple(replace(entry, duplicates=True) for entry in given.entries)
        more = search.search(self.runner, TakedownList(entries), minhash, self.gathered, self.settled)
        all_of_it = effects(self.run, given, more.taken, self.ledger, manifest, shards).leaving
        mine = pc.is_in(all_of_it["id"], flat(done.documents["id"]))
        done.stay = all_of_it.filter(pc.invert(mine))
        return done

    def apply(self, given: TakedownList, erase: bool) -> tuple[Manifest, Erased | None]:
        """Write the run's new version. What is cut short here is done by the same command, or by `hanji curate`."""
        before = self._before()
        texts = self._texts_of(joined([before, given])) if erase else None
        if texts is not None:
            # Without their texts nobody could find them to be like a listed one: from now on they are listed.
            more = [Entry("id", one, one, f"like {of}", False) for one, of in texts.items() if of is not None]
            given = joined([given, TakedownList(tuple(more))])
        # First of all, so that whatever happens next no run in this directory keeps these documents.
        standing = joined([standing_list(self.run), given])
        self.run.write_bytes(STANDING, standing.to_bytes())
        entries = joined([before, given])
        rules = load_rules(self.recipe.rules)
        writing = ShardWriting(self.recipe, self.run, self.runner, entries, self.opened.manifest)
        written = write_ledger(
            self.runner, self.recipe, entries, self.gathered, self.settled, writing.count_tokens
        )
        manifest, counts = writing.write(self.gathered, written.ledger)
        merged = reporting.summary(
            self.runner, rules, self.gathered, written.ledger, counts, self.recipe.stages
        )
        self._report(merged, manifest, written.warnings)
        self.runner.sweep_steps()
        erased = None
        if texts is not None:
            ids = pa.array(list(texts), TEXT)
            erased = erasing.erase(self.run, ids, self.runner.engine, self.runner.resources)
        facts = {**self.opened.facts, "curation": manifest.curation}
        self.run.write_bytes("run.json", json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")
        return manifest, erased

    def _texts_of(self, entries: TakedownList) -> dict[str, str | None]:
        """The documents that hold a text that must go, and the one that each is like; None for the listed.

        Those named, all that are truly like them whatever became of them, and what fell to one of these.
        """
        minhash = self.recipe.dedup.minhash
        found = search.search(self.runner, entries, minhash, self.gathered, self.settled, everyone=True)
        texts: dict[str, str | None] = {}
        for one in found.taken:
            if one.twins is not None:
                twins = self.run.read_table(one.twins.files["twins"].path)
                texts.update(zip(twins["id"].to_pylist(), twins["duplicate_of"].to_pylist(), strict=True))
        for one in found.taken:
            named = self.run.read_table(one.named.files["named"].path, ["id"])
            texts.update(dict.fromkeys(named["id"].to_pylist()))
        gone = pa.array(list(texts), TEXT)
        for commit in self.settled:
            table = self.run.read_table(commit.files["settled"].path, ["id", "duplicate_of"])
            fell = table.filter(pc.is_in(table["duplicate_of"], gone))
            for one, of in zip(fell["id"].to_pylist(), fell["duplicate_of"].to_pylist(), strict=True):
                texts.setdefault(one, of)
        return texts

    def _before(self) -> TakedownList:
        """The list that the run's shards follow already: its recipe's and its own."""
        known = self.opened.manifest.takedown
        lists = [standing_list(self.run)]
        if known is not None:
            path = search.list_path(known.sha256)
            lists.append(parse_list(self.run.read_bytes(path), self.run.describe(path)))
        return joined(lists)

    def _report(self, merged: dict[str, Any], manifest: Manifest, warnings: list[str]) -> None:
        """The report with the new counts; how the documents were read and measured stands as it was."""
        metrics = json.loads(self.run.read_bytes("report/metrics.json"))
        counted = set(finish(metrics, {"recipe": metrics["recipe"], "warnings": []})["warnings"])
        kept = [
            one
            for one in metrics.get("warnings", [])
            if one not in counted and one not in warnings and not one.startswith("takedown:")
        ]
        facts = {name: value for name, value in metrics.items() if name not in merged and name != "kind"}
        facts |= {"manifest": manifest.model_dump(mode="json"), "warnings": [*kept, *warnings]}
        write_report(self.run, finish(merged, facts))
