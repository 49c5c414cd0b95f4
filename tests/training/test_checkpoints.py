"""Checkpoints: any layout from any layout, while training goes on, and never one that is not whole.

What needs ranks happens in one start of checkpoint_ranks.py. That training 60 steps is the same, tensor by
tensor, as being killed half-way and going on is in test_runs.py.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hanji.errors import InputError, RunError
from hanji.training.checkpoint.digest import add, shard_digest
from hanji.training.checkpoint.files import StoredParts, write_shards
from hanji.training.checkpoint.loading import open_checked
from hanji.training.checkpoint.manifest import Verify
from hanji.training.checkpoint.record import Commit, as_parent, find_checkpoint, read_commit
from hanji.training.checkpoint.shards import Shard, boxes_of_range
from hanji.training.checkpoint.store import seal

SCRIPT = Path(__file__).with_name("checkpoint_ranks.py")
ADVICE = "remove it to go on from step 3"


def run_ranks(directory: Path, *options: str) -> dict[str, Any]:
    """What checkpoint_ranks.py found."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(SCRIPT), str(directory), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "directory": directory}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_ranks(tmp_path_factory.mktemp("ranks"))


@pytest.fixture
def checkpoint(ranks: dict[str, Any], tmp_path: Path) -> Path:
    """A copy of a checkpoint that four ranks have written."""
    copy: Path = tmp_path / "step-00000005"
    shutil.copytree(ranks["directory"] / "fp32/checkpoints/step-00000005", copy)
    return copy


def check(directory: Path, verify: Verify = "full") -> None:
    open_checked(directory, read_commit(directory), verify, ADVICE)


def check_layouts(found: dict[str, Any]) -> None:
    for precision, same, bound in (("fp32", "tensor 2 × data 2", 1e-6), ("bf16", "data 2 × context 2", 1e-3)):
        run = found["taken up"][precision]
        for name, layout in run["layouts"].items():
            assert layout["loaded_equal"], f"{precision}, {name}: a tensor is not the one that was saved"
            assert layout["optimizer_step"] == 3
            assert layout["losses"] == pytest.approx(run["losses"], rel=bound)
        assert run["layouts"][same]["losses"] == run["losses"]
        assert run["layouts"][same]["trained_equal"] and run["layouts"][same]["random"]
        assert sum(layout["random"] for layout in run["layouts"].values()) == 1


def test_every_layout_takes_up_weights_and_optimizer_bit_by_bit(ranks: dict[str, Any]) -> None:
    check_layouts(ranks)
    assert len(ranks["taken up"]["fp32"]["layouts"]) == 4


@pytest.mark.slow
def test_every_layout_of_four_ranks_takes_up_every_checkpoint(tmp_path: Path) -> None:
    found = run_ranks(tmp_path, "--all")
    check_layouts(found)
    assert len(found["taken up"]["bf16"]["layouts"]) == 10


def test_a_checkpoint_written_while_training_goes_on_holds_the_moment_that_it_began(
    ranks: dict[str, Any],
) -> None:
    for precision in ("fp32", "bf16"):
        run = ranks["taken up"][precision]
        assert run["begun"] == 0 and run["finished"] == [3]
        assert run["copies_equal"], "not what a save that training waited for has written"
        assert run["moved_on"], "training has changed nothing, so this says nothing"
        assert run["held"] == [3, True]


def test_a_disk_that_is_full_on_one_rank_is_told_on_all_and_harms_no_earlier_checkpoint(
    ranks: dict[str, Any],
) -> None:
    first, second = ranks["two"]["full"]
    assert first == second
    assert "pruned/checkpoints/step-00000007: this checkpoint could not be written" in first
    assert "rank 1: [Errno 27] File too large" in first and "rank 0" not in first
    assert ranks["two"]["left"] == ["step-00000002", "step-00000004", "step-00000006"]
    assert ranks["two"]["after"] == [2, 4, 7]


def test_the_newest_the_ends_of_stages_and_every_nth_checkpoint_are_kept(ranks: dict[str, Any]) -> None:
    assert ranks["two"]["kept"] == [2, 4, 6]


def test_a_checkpoint_of_a_model_with_another_shape_is_refused(ranks: dict[str, Any]) -> None:
    for message in (ranks["two"]["other model"], ranks["two"]["other begun"]):
        assert "step-00000007: decoder.layers." in message
        assert "has shape [4, " in message and "the recipe's model [2, " in message


def test_what_is_in_memory_after_loading_is_compared_with_what_was_saved(ranks: dict[str, Any]) -> None:
    message = "step-00000007: decoder.final_layernorm.weight in memory is not what was saved"
    assert message in ranks["two"]["stale"]


def test_a_new_run_begins_with_the_weights_alone(ranks: dict[str, Any]) -> None:
    for precision in ("fp32", "bf16"):
        child = ranks["two"][f"child {precision}"]
        assert child["weights"] and not child["moments"] and child["step"] == 0


def test_megatron_reads_what_we_write(ranks: dict[str, Any]) -> None:
    equal = ranks["megatron"]
    assert len(equal) > 10 and all(equal.values())


def test_a_save_that_was_killed_is_no_checkpoint(ranks: dict[str, Any]) -> None:
    assert ranks["killed"] == "killed_while_writing: ranks [0, 1] failed"
    run = ranks["directory"] / "killed"
    torn = run / "checkpoints/step-00000002"
    assert (torn / "__1_0.distcp").stat().st_size > 0 and not (torn / "commit.json").exists()
    assert find_checkpoint(run).name == "step-00000001"
    check(find_checkpoint(run))
    with pytest.raises(InputError, match="this save was cut off before it was whole"):
        find_checkpoint(torn)


def largest(checkpoint: Path) -> Path:
    return max(checkpoint.glob("*.distcp"), key=lambda path: path.stat().st_size)


def test_a_whole_checkpoint_is_accepted_and_names_its_parent(checkpoint: Path) -> None:
    check(checkpoint)
    check(checkpoint, "sizes")
    parent = as_parent(checkpoint, read_commit(checkpoint))
    assert parent["name"] == "tiny" and parent["step"] == 5 and len(parent["commit_sha256"]) == 64


@pytest.mark.parametrize("verify", ["full", "sizes"])
def test_a_torn_file_is_refused(checkpoint: Path, verify: Verify) -> None:
    file = largest(checkpoint)
    size = file.stat().st_size
    os.truncate(file, size - 1)
    message = rf"{file.name}: has {size - 1:,} bytes where {size:,} were saved: it is torn; {ADVICE}"
    with pytest.raises(RunError, match=message):
        check(checkpoint, verify)


def test_an_edited_file_is_refused(checkpoint: Path) -> None:
    file = largest(checkpoint)
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 1]))
    check(checkpoint, "sizes")
    with pytest.raises(RunError, match=rf"{file.name}: is not the file that was saved .*; {ADVICE}"):
        check(checkpoint)


def test_a_file_of_another_step_is_refused(ranks: dict[str, Any], checkpoint: Path) -> None:
    file = largest(checkpoint)
    stale = ranks["directory"] / "fp32/checkpoints/step-00000003" / file.name
    assert stale.stat().st_size == file.stat().st_size
    shutil.copyfile(stale, file)
    with pytest.raises(RunError, match=rf"{file.name}: .* it was changed, or belongs to another save"):
        check(checkpoint)


def test_a_missing_file_is_refused(checkpoint: Path) -> None:
    largest(checkpoint).unlink()
    with pytest.raises(RunError, match=rf"\.distcp: is missing; {ADVICE}"):
        check(checkpoint, "sizes")


def test_another_manifest_is_refused(ranks: dict[str, Any], checkpoint: Path) -> None:
    shutil.copyfile(
        ranks["directory"] / "fp32/checkpoints/step-00000003/manifest.json", checkpoint / "manifest.json"
    )
    with pytest.raises(RunError, match=r"manifest\.json: is not the manifest that was committed"):
        check(checkpoint, "sizes")
    (checkpoint / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"manifest\.json: cannot be read"):
        check(checkpoint, "sizes")


def test_a_damaged_record_is_refused(checkpoint: Path) -> None:
    (checkpoint / "commit.json").write_text('{"step": 5', encoding="utf-8")
    with pytest.raises(RunError, match=r"commit\.json: not a commit record .* remove the directory"):
        read_commit(checkpoint)


def test_a_tensor_that_is_not_there_is_told(checkpoint: Path) -> None:
    stored = StoredParts(checkpoint)
    key, (shape, dtype) = next(iter(sorted(stored.tensors().items())))
    beyond = Shard(key, torch.empty(shape, dtype=dtype), (1, *[0] * (len(shape) - 1)), shape, True)
    with pytest.raises(RunError, match=f"elements of {key} that this rank needs are in its files"):
        stored.fill([beyond])


def test_files_that_the_first_rank_does_not_see_are_not_committed(tmp_path: Path) -> None:
    for node in ("first", "second"):
        (tmp_path / node).mkdir()
    halves = [Shard("weight", torch.full((1, 3), float(row)), (row, 0), (2, 3), True) for row in range(2)]
    files = [
        write_shards(tmp_path / node / f"__{rank}_0.distcp", [half], [])
        for rank, (node, half) in enumerate(zip(("first", "second"), halves, strict=True))
    ]
    commit = Commit(1, "one", 1, False, {}, "", {}, "", 2, {})
    with pytest.raises(RunError, match=r"__1_0\.distcp: .* a file system that all ranks share"):
        seal(tmp_path / "first", commit, files)
    assert not (tmp_path / "first/commit.json").exists()
    with pytest.raises(RunError, match="weight: the ranks hold 3 elements of it in 1 parts where it has 6"):
        seal(tmp_path / "first", commit, files[:1])
    shutil.copy(tmp_path / "second/__1_0.distcp", tmp_path / "first")
    seal(tmp_path / "first", commit, files)
    check(tmp_path / "first")
    whole = torch.empty(2, 3)
    StoredParts(tmp_path / "first").fill([Shard("weight", whole, (0, 0), (2, 3), True)])
    assert whole.tolist() == [[0.0] * 3, [1.0] * 3]
    with pytest.raises(RunError, match="has been committed already"):
        seal(tmp_path / "first", commit, files)


def test_a_checkpoint_is_on_the_disk_with_its_names_when_older_ones_may_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = set(), os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    directory = tmp_path / "checkpoints/step-00000001"
    directory.mkdir(parents=True)
    shard = Shard("weight", torch.ones(2, 3), (0, 0), (2, 3), True)
    seal(
        directory,
        Commit(1, "one", 1, False, {}, "", {}, "", 1, {}),
        [write_shards(directory / "__0_0.distcp", [shard], [])],
    )
    places = [directory.parent, directory, *directory.iterdir()]
    assert len(places) == 8 and not [path.name for path in places if path.stat().st_ino not in synced]


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    ends=st.tuples(st.integers(0, 700), st.integers(0, 700)),
)
def test_the_rectangles_of_a_stretch_are_the_stretch(shape: list[int], ends: tuple[int, int]) -> None:
    count = math.prod(shape)
    start, stop = sorted(end % (count + 1) for end in ends)
    places = np.arange(count).reshape(shape)
    boxes = boxes_of_range(shape, start, stop)
    found = [places[tuple(slice(o, o + n) for o, n in zip(*box, strict=True))].reshape(-1) for box in boxes]
    assert np.concatenate([*found, np.arange(0)]).tolist() == list(range(start, stop))
    assert len(boxes) <= 2 * len(shape) - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.float64])
def test_parts_add_up_to_the_digest_of_the_whole(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    whole = torch.randint(0, 255, (6, 35, 41), generator=generator).to(dtype)
    digest = add([shard_digest(whole, (0, 0, 0), whole.shape)])
    quarters = [
        (whole[a:b, c:d], (a, c, 0)) for a, b in ((0, 2), (2, 6)) for c, d in ((0, 1), (1, 34), (34, 35))
    ]
    assert add([shard_digest(part, offset, whole.shape) for part, offset in quarters]) == digest
    stretches = [
        (whole.reshape(-1)[math.prod((s[0] * 35 + s[1], 41)) + s[2] :][: math.prod(n)].reshape(n), s)
        for s, n in boxes_of_range(whole.shape, 0, 4_000) + boxes_of_range(whole.shape, 4_000, whole.numel())
    ]
    assert add([shard_digest(part, offset, whole.shape) for part, offset in stretches]) == digest
    changed = whole.clone()
    changed[5, 34, 40] += 1
    swapped = whole[:, torch.randperm(35, generator=generator)]
    for other in (changed, swapped, torch.zeros_like(whole)):
        assert add([shard_digest(other, (0, 0, 0), whole.shape)]) != digest


def test_a_digest_is_the_sum_that_its_description_says() -> None:
    values = torch.tensor([[1.5, -2.0], [0.0, 7.0]])
    total = 0
    for place, bits in enumerate(values.numpy().view(np.uint32).reshape(-1).tolist()):
        weight = place * 0x9E3779B97F4A7C15 % 2**64
        weight ^= weight >> 32
        weight = weight * 0xD6E8FEB86659FD93 % 2**64
        total += ((weight ^ weight >> 32) | 1) * (bits + 1)
    assert add([shard_digest(values, (0, 0), (2, 2))]) == f"{total % 2**64:016x}"
