"""The takedown stage of a run: what its list names, and the twins of that (steps/takedown.py)."""

from __future__ import annotations

from dataclasses import dataclass

from hanji.curation.delivery import receiving_units
from hanji.curation.recipe import MinHash, Takedown
from hanji.curation.steps import takedown as steps
from hanji.curation.takedown.lists import TakedownList, joined, read_lists, standing_list
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with
from hanji.storage import Storage

LISTS = "takedown/lists"
STEPS = ("takedown-find", "takedown-standing", "takedown-pair", "takedown-attach", "takedown-compare")


@dataclass(frozen=True)
class Search:
    """What is to go, by range of ids; ``left_out``: named documents that were not compared with their cluster."""

    taken: list[steps.Taken]
    left_out: int

    def warnings(self, entries: TakedownList) -> list[str]:
        """What a person should know of the search."""
        found = {place for taken in self.taken for place in taken.named.info["entries"]}
        said = []
        if len(found) < len(entries):
            said.append(
                f"takedown: {len(entries) - len(found)} of {len(entries)} entries name no document of this run"
            )
        if self.left_out:
            said.append(
                f"takedown: {self.left_out} listed documents were not compared with their clusters, which are too "
                "large: documents that are like them may be in the shards"
            )
        return said

    def of(self, number: int) -> steps.Taken | None:
        """What is to go of one range of ids, None where nothing is."""
        taken = self.taken[number]
        twins = taken.twins.info["twins"] if taken.twins is not None else 0
        return taken if taken.named.info["taken"] or twins else None


def wanted(settings: Takedown | None, run: Storage) -> TakedownList:
    """The entries of the recipe's lists and those that stand in the run. Raises RecipeError for a wrong list."""
    lists = [standing_list(run)]
    if settings is not None:
        of_recipe = read_lists(settings.lists)
        lists.append(of_recipe if settings.duplicates else of_recipe.only_listed())
    return joined(lists)


def list_path(sha256: str) -> str:
    """Where a run holds the list with this hash."""
    return f"{LISTS}/{sha256[:16]}.jsonl"


def search(
    runner: Runner,
    entries: TakedownList,
    minhash: MinHash,
    gathered: list[Commit],
    settled: list[Commit],
    *,
    everyone: bool = False,
) -> Search:
    """Find the documents that go. ``settled`` is what was decided without any takedown.

    ``everyone``: twins among all documents of a cluster, not only those kept (for erasing their texts).
    """
    partitions, version = len(settled), STEP_VERSIONS["takedown"]
    listed = runner.run.write_bytes(list_path(entries.sha256), entries.to_bytes())
    named = runner.map(
        Step(
            "takedown-find", version, task_with(steps.find, listed, partitions), [listed.sha256, partitions]
        ),
        [Unit(commit.unit, commit.content(), commit) for commit in settled],
    )
    if not any(commit.info["clustered"] for commit in named):
        return Search([steps.Taken(commit, None) for commit in named], 0)
    members = runner.map(
        Step(
            "takedown-standing",
            version,
            task_with(steps.standing, partitions, everyone),
            [partitions, everyone],
        ),
        [Unit(commit.unit, commit.content(), commit) for commit in settled],
    )
    member_units = receiving_units(runner, "takedown-pair", members, "members", partitions)
    paired = runner.map(
        Step("takedown-pair", version, task_with(steps.pair, partitions), [partitions, steps.MOST_PAIRS]),
        [
            Unit(unit.name, [unit.inputs, more.inputs], (unit.work[0], unit.work[1], more.work[1]))
            for unit, more in zip(
                receiving_units(runner, "takedown-pair", named, "clusters", partitions),
                member_units,
                strict=True,
            )
        ],
    )
    texts_only = [commit.files["text"].sha256 for commit in gathered]
    attached = runner.map(
        Step("takedown-attach", version, task_with(steps.attach, partitions), partitions),
        receiving_units(
            runner, "takedown-attach", paired, "pairs", partitions, extra=texts_only, works=gathered
        ),
    )
    text_units = receiving_units(runner, "takedown-compare", attached, "texts", partitions)
    twins = runner.map(
        Step("takedown-compare", version, task_with(steps.compare, minhash), minhash),
        receiving_units(
            runner,
            "takedown-compare",
            attached,
            "pairs",
            partitions,
            extra=[[unit.inputs, sha] for unit, sha in zip(text_units, texts_only, strict=True)],
            works=[(unit.work[1], home) for unit, home in zip(text_units, gathered, strict=True)],
        ),
    )
    taken = [steps.Taken(one, other) for one, other in zip(named, twins, strict=True)]
    return Search(taken, sum(commit.info["left_out"] for commit in paired))
