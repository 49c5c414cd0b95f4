"""What a run records: losses and tokens by component, rates, phases, and the file itself."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hanji.training.cost import flops_per_token
from hanji.training.loop.groups import ratios_by_group, sums_by_group
from hanji.training.loop.metrics import MetricsFile, iterate_metrics, read_metrics
from hanji.training.loop.phases import PHASES, Phases, phase_of
from hanji.training.loop.rates import Hardware, Rates
from hanji.training.loop.tensorboard import TensorBoard, scalars
from hanji.training.presets import PRESETS

Entries = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def entries(undisturbed: Path) -> Entries:
    """The lines of a run by their kind."""
    by_kind: Entries = defaultdict(list)
    for entry in iterate_metrics(undisturbed / "metrics.jsonl"):
        by_kind[entry["kind"]].append(entry)
    return by_kind


def test_intervals_end_at_every_fourth_step_and_before_every_checkpoint_and_leave_no_step_out(
    entries: Entries,
) -> None:
    ends = [entry["step"] for entry in entries["interval"]]
    assert ends == sorted({*range(4, 61, 4), *range(10, 61, 10)})
    assert [entry["first"] for entry in entries["interval"]] == [1, *(end + 1 for end in ends[:-1])]


def test_losses_by_component_add_up_to_the_losses_of_the_steps(entries: Entries) -> None:
    for interval in entries["interval"]:
        steps = [s for s in entries["step"] if interval["first"] <= s["step"] <= interval["step"]]
        tokens = sum(step["tokens"] for step in steps)
        mean = sum(step["loss"] * step["tokens"] for step in steps) / tokens
        cells = interval["components"].values()
        assert sum(cell["tokens"] for cell in cells) == tokens == interval["tokens"]
        assert sum(cell["tokens"] * (cell["loss"] or 0.0) for cell in cells) / tokens == pytest.approx(
            mean, rel=1e-6
        )
        assert interval["loss"] == pytest.approx(mean, rel=1e-6)
        for axis, place in (("language", 0), ("domain", 1), ("tier", 2)):
            for group, loss in interval["losses"][axis].items():
                mine = [
                    c
                    for n, c in interval["components"].items()
                    if n.split("/")[place] == group and c["tokens"]
                ]
                expected = sum(c["loss"] * c["tokens"] for c in mine) / sum(c["tokens"] for c in mine)
                assert loss == pytest.approx(expected, rel=1e-9)


def test_tokens_seen_and_epochs_are_those_of_the_family_node(undisturbed: Path, entries: Entries) -> None:
    commit = json.loads((undisturbed / "checkpoints/step-00000060/commit.json").read_text("utf-8"))
    tokens, last = commit["family"]["tokens"], entries["interval"][-1]
    assert {name: cell["seen"] for name, cell in last["components"].items()} == tokens["component"]
    assert last["seen"] == {axis: tokens[axis] for axis in ("language", "domain", "tier")}
    there = entries["start"][0]["components"]
    for name, cell in last["components"].items():
        assert cell["epochs"] == pytest.approx(cell["seen"] / there[name])
    assert (
        entries["step"][-1]["seen"]
        == tokens["total"]
        == sum(cell["seen"] for cell in last["components"].values())
    )


def test_phases_and_what_is_left_make_up_the_time(entries: Entries) -> None:
    told = [*entries["interval"], *entries["end"]]
    sums = {phase: sum(entry["phases"][phase]["mean"] for entry in told) for phase in (*PHASES, "other")}
    assert sum(sums.values()) == pytest.approx(sum(entry["elapsed"] for entry in told), rel=1e-6)
    # Two tensor ranks exchange within the passes, and gradients are reduced for one data rank.
    for phase in ("data", "forward", "backward", "optimizer", "checkpoint", "validation"):
        assert sums[phase] > 0, phase
    spent = sum(entry["seconds"] for entry in entries["step"])
    assert sums["forward"] + sums["backward"] + sums["optimizer"] + sums["data"] < spent
    assert all(entry["memory"]["resident"] > 50e6 for entry in told)
    assert entries["end"][-1]["finished"] and entries["end"][-1]["step"] == 60


def test_the_record_names_formula_peak_and_convention(entries: Entries) -> None:
    (start,) = entries["start"]
    rates = start["rates"]
    assert rates["formula"] == "tokens/s × FLOPs/token ÷ (devices × peak FLOP/s)"
    assert rates["convention"] in rates["conventions"] and rates["peak"] is None
    assert start["hardware"] == {"devices": {"CPU": 2}, "machines": 1, "cuda": False}
    flops = rates["flops_per_token"]["causal_attention"]
    for entry in entries["interval"]:
        speed = entry["rates"]["tokens_per_second_per_device"]
        assert 2 * speed == pytest.approx(entry["tokens"] / entry["seconds"])
        assert entry["rates"]["flops_per_second_per_device"] == pytest.approx(speed * flops)
        assert entry["rates"]["mfu"] is None


def test_mfu_is_tokens_times_flops_over_the_peak_of_all_devices() -> None:
    shape = PRESETS["kanana-8b"]
    flops = flops_per_token(shape, 128_256).causal_attention
    rates = Rates(shape, 128_256, Hardware({"NVIDIA H100 80GB HBM3": 8}, 1, True), "bf16")
    found = rates.of(80_000, 1.0)
    assert found["tokens_per_second_per_device"] == 10_000
    assert found["mfu"] == pytest.approx(80_000 * flops / (8 * 989.4e12)) and "mfu_fp8" not in found
    assert rates.line(found).startswith("10,000 tokens/s/GPU  ") and "MFU 5" in rates.line(found)
    assert "peak 989.4 TFLOP/s, dense BF16 of H100 SXM; causal_attention" in rates.describe()[1]
    in_fp8 = Rates(shape, 128_256, rates.hardware, "fp8").of(80_000, 1.0)
    assert in_fp8["mfu"] == found["mfu"] and in_fp8["mfu_fp8"] == pytest.approx(found["mfu"] / 2, rel=1e-3)
    mixed = Rates(shape, 128_256, Hardware({"NVIDIA H100 80GB HBM3": 4, "NVIDIA A100": 4}, 2, True), "bf16")
    assert mixed.of(80_000, 1.0)["mfu"] is None


def test_held_out_bits_are_told_by_language_domain_and_tier(entries: Entries) -> None:
    assert len(entries["validation"]) == 6
    for entry in entries["validation"]:
        assert set(entry["groups"]["language"]) == {"ko", "en"} and set(entry["groups"]["tier"]) == {
            "high",
            "low",
        }
        assert entry["groups"]["language"] == entry["bits_per_byte"]
        assert entry["groups"]["language"]["en"] == entry["components"]["en/web/high"]
        low, high = sorted(entry["components"][f"ko/web/{tier}"] for tier in ("high", "low"))
        assert low <= entry["groups"]["language"]["ko"] <= high
        assert entry["seen"] == entry["step"] * 4 * 64


def test_passes_count_only_within_a_training_step() -> None:
    phases = Phases(torch.device("cpu"))
    for _ in range(2):
        with phases.counting():
            pass_through(phases, 0.01)
        # Validation goes through the same schedules.
        pass_through(phases, 0.05)
    spent = dict(zip(PHASES, phases.take(), strict=True))
    assert 0.02 <= spent["forward"] < 0.1 and spent["backward"] == spent["communication"] == 0
    assert phases.take() == [0.0] * len(PHASES)


def pass_through(phases: Phases, seconds: float) -> None:
    """What Megatron's schedules do with a config's timers."""
    phases("forward-compute", log_level=2).start()
    time.sleep(seconds)
    phases("forward-compute").stop()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_spans_that_a_gpu_has_not_finished_are_told_later_and_cost_no_waiting() -> None:
    phases, device = Phases(torch.device("cuda")), torch.device("cuda")
    matrix = torch.ones(8192, 8192, device=device)
    torch.cuda.synchronize()
    with phases.device("optimizer"):
        for _ in range(50):
            matrix @ matrix
    early = sum(phases.take())
    torch.cuda.synchronize()
    assert early == 0.0 and phases.take()[PHASES.index("optimizer")] > 0.01


def test_megatrons_timers_are_told_apart() -> None:
    assert phase_of("forward-compute") == "forward" and phase_of("backward-compute") == "backward"
    assert phase_of("forward-send-backward-recv") == phase_of("all-grads-sync") == "communication"
    assert phase_of("embedding-grads-all-reduce") == "communication"
    assert phase_of("forward-backward") is None


@given(
    st.dictionaries(st.tuples(*[st.sampled_from("abc")] * 3).map("/".join), st.integers(0, 10**6), max_size=9)
)
def test_groups_of_each_axis_have_the_sum_of_all_components(amounts: dict[str, int]) -> None:
    groups = sums_by_group(amounts)
    assert all(sum(of_axis.values()) == sum(amounts.values()) for of_axis in groups.values())
    ratios = ratios_by_group({name: 3 * amount for name, amount in amounts.items()}, amounts)
    assert all(ratio == 3 for of_axis in ratios.values() for ratio in of_axis.values())


def step(number: int, seconds: float = 1.0) -> dict[str, Any]:
    return {"kind": "step", "step": number, "loss": 1.0, "seconds": seconds}


def test_a_run_that_goes_on_loses_the_lines_after_its_checkpoint_and_says_how_many(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = MetricsFile(path, 0)
    first.write({"kind": "start", "step": 0, "lost": first.lost})
    for number in range(1, 8):
        first.write(step(number))
        if number == 6:
            first.write({"kind": "checkpoint", "step": 4})
    first.close()
    # A line that was cut off by the end of its writer.
    with path.open("a") as file:
        file.write('{"kind": "step", "step": 8, "lo')
    second = MetricsFile(path, 4)
    assert second.lost == {"steps": 3, "seconds": 3.0}
    second.write({"kind": "start", "step": 4, "lost": second.lost})
    second.write(step(5))
    second.close()
    assert [(entry["kind"], entry["step"]) for entry in read_metrics(path)] == [
        ("start", 0), *(("step", n) for n in range(1, 5)), ("checkpoint", 4), ("start", 4), ("step", 5),
    ]  # fmt: skip
    # From the beginning, what was lost before is still known.
    assert MetricsFile(path, 0).lost == {"steps": 8, "seconds": 8.0}
    assert read_metrics(path) == []


def test_lines_that_a_crash_of_the_machine_left_are_removed_when_a_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = MetricsFile(path, 0)
    for step in range(1, 5):
        first.write({"kind": "step", "step": step, "seconds": 1.0})
    first.close()
    whole = path.read_bytes().splitlines(keepends=True)
    broken = [
        whole[0],
        b"\0" * 60 + b"\n",
        *whole[1:3],
        whole[3][:30] + b"\0\0\n",
        b'{"kind": "step", "step": 2\n',
        b"7\n",
    ]
    path.write_bytes(b"".join(broken))
    second = MetricsFile(path, 2)
    assert second.damaged == 4 and second.lost == {"steps": 1, "seconds": 1.0}
    second.write({"kind": "step", "step": 3, "seconds": 2.0})
    second.close()
    assert [entry["step"] for entry in read_metrics(path)] == [1, 2, 3]


def test_a_reader_stops_at_a_line_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(step(1)) + "\n" + json.dumps(step(2)), encoding="utf-8")
    assert [entry["step"] for entry in iterate_metrics(path)] == [1]
    assert list(iterate_metrics(tmp_path / "none.jsonl")) == []


def test_tensorboard_gets_the_intervals_and_validations(undisturbed: Path, entries: Entries) -> None:
    pytest.importorskip("tensorboard")
    found = read_board(undisturbed / "tensorboard")
    told = {(name, entry["step"]): value for kind in ("interval", "validation") for entry in entries[kind]
            for name, value in scalars(entry)}  # fmt: skip
    assert {key: pytest.approx(value, rel=1e-6) for key, value in told.items()} == found
    names = {name for name, _ in found}
    assert {"training/loss", "loss by tier/high", "epochs/ko/web/low", "seconds by phase/forward"} <= names
    assert "held-out bits per byte by language/ko" in names and "speed/mfu" not in names


def test_tensorboard_forgets_the_steps_that_a_resumed_run_does_again(
    tmp_path: Path, entries: Entries
) -> None:
    pytest.importorskip("tensorboard")
    moments = entries["validation"]
    before = TensorBoard(tmp_path, 0)
    for entry in moments:
        before.write({**entry, "components": {"a/b/c": 9.0}})
    before.close()
    after = TensorBoard(tmp_path, 30)
    after.write({**moments[-1], "components": {"a/b/c": 1.0}})
    after.close()
    of_component = [
        (at, value) for (name, at), value in read_board(tmp_path / "tensorboard").items() if "a/b/c" in name
    ]
    assert sorted(of_component) == [(0, 9.0), (15, 9.0), (30, 9.0), (60, 1.0)]


def read_board(directory: Path) -> dict[tuple[str, int], float]:
    """Scalars by name and step, as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    board.Reload()
    found = {(tag, one.step): one.value for tag in board.Tags()["scalars"] for one in board.Scalars(tag)}
    assert all(math.isfinite(value) for value in found.values())
    return found
