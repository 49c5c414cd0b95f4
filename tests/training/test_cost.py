"""Costs, peaks and the laws that suggest a learning rate and a batch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hanji.training.cost import PEAKS, FlopsPerToken, flops_per_token, mfu, mfu_by_convention, peak_of
from hanji.training.cost.peaks import CONVENTIONS
from hanji.training.model.shape import parameter_count
from hanji.training.presets import PRESETS


@pytest.mark.parametrize(
    ("device", "name", "bf16"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM", 989.4e12),
        ("NVIDIA H100 PCIe", "H100 PCIe", 756.4e12),
        ("NVIDIA H100 NVL", "H100 NVL", 835.5e12),
        ("NVIDIA H200", "H200 SXM", 989.4e12),
        ("NVIDIA H200 NVL", "H200 NVL", 835.5e12),
        ("NVIDIA GH200 480GB", "GH200", 989.4e12),
        ("NVIDIA A100-SXM4-80GB", "A100", 312e12),
        ("NVIDIA B200", "B200", 2250e12),
        ("NVIDIA GB200", "GB200", 2500e12),
    ],
)
def test_a_device_is_known_by_the_name_that_torch_gives(device: str, name: str, bf16: float) -> None:
    peak = peak_of(device)
    assert peak is not None
    assert (peak.name, peak.rate("bf16")) == (name, bf16)


def test_a_device_that_is_not_in_the_table_has_no_peak() -> None:
    assert peak_of("Tesla V100-SXM2-32GB") is None
    assert peak_of("AMD EPYC 9654") is None


def test_fp8_is_twice_bf16_where_there_is_fp8_at_all() -> None:
    for peak in PEAKS:
        if peak.fp8 is not None:
            assert peak.rate("fp8") == pytest.approx(2 * peak.bf16, rel=0.02)
    a100 = peak_of("NVIDIA A100-SXM4-80GB")
    assert a100 is not None
    with pytest.raises(ValueError, match="A100 has no FP8"):
        a100.rate("fp8")


def test_mfu_is_the_work_done_over_the_work_that_was_possible() -> None:
    assert mfu(10_000, 4.5e10, 1e15) == pytest.approx(0.45)
    with pytest.raises(ValueError, match="not above 0"):
        mfu(10_000, 4.5e10, 0)


def test_flops_are_those_of_the_written_conventions() -> None:
    shape = PRESETS["kanana-2.1b"]
    flops = flops_per_token(shape, 128_256)
    width = shape.heads * shape.head_dim
    norms = shape.layers * 2 * shape.hidden + shape.hidden
    # The embedding is tied, so the output layer's weights are all that the vocabulary adds.
    weights = parameter_count(shape, 128_256) - norms
    scores = 12 * shape.layers * width * shape.seq_length
    assert flops.full_attention == pytest.approx(6 * weights + scores, rel=1e-12)
    halved = scores / 2 * (shape.seq_length + 1) / shape.seq_length
    assert flops.causal_attention == pytest.approx(6 * weights + halved, rel=1e-12)
    assert flops.six_n == 6 * parameter_count(shape, 128_256)


def test_mfu_is_given_under_every_convention_that_flops_are_counted_by() -> None:
    flops = flops_per_token(PRESETS["kanana-8b"], 128_256)
    shares = mfu_by_convention(9_000, flops, 989.4e12)
    assert set(shares) == set(CONVENTIONS) == set(FlopsPerToken.__dataclass_fields__)
    assert shares["six_n"] < shares["causal_attention"] < shares["full_attention"]
    assert shares["full_attention"] == pytest.approx(9_000 * flops.full_attention / 989.4e12)


def test_cost_needs_only_the_standard_library_beside_the_model_shape() -> None:
    code = (
        "import sys; import hanji.training.model.shape; shape = set(sys.modules); import hanji.training.cost;"
        "new = {m.partition('.')[0] for m in set(sys.modules) - shape} - {'hanji'};"
        "sys.exit(str(new - sys.stdlib_module_names) if new - sys.stdlib_module_names else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
