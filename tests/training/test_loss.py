"""The split cross entropy against torch's own, and its gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from hanji.training.loop.cross_entropy import VocabularyCrossEntropy


@pytest.fixture
def group(tmp_path: Path) -> Iterator[dist.ProcessGroup]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


@pytest.mark.parametrize("padding", [0, 28])
def test_loss_log_partition_and_gradients_are_torchs(group: dist.ProcessGroup, padding: int) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 5 * torch.randn(3, 7, 100 + padding, generator=generator)
    labels = torch.randint(0, 100, (3, 7), generator=generator)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, log_z = VocabularyCrossEntropy.apply(ours, labels, 0, 100, group)
    real = theirs[..., :100]
    expected = torch.nn.functional.cross_entropy(real.flatten(0, 1), labels.flatten(), reduction="none")
    expected_z = real.logsumexp(dim=-1)
    assert torch.allclose(loss.flatten(), expected, atol=1e-5)
    assert torch.allclose(log_z, expected_z, atol=1e-5)
    (loss.sum() + 0.1 * log_z.square().sum()).backward()
    (expected.sum() + 0.1 * expected_z.square().sum()).backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)
    # Ids that only pad the vocabulary are neither raised nor lowered.
    assert not ours.grad[..., 100:].any()


def test_half_precision_logits_are_summed_in_single(group: dist.ProcessGroup) -> None:
    logits = torch.full((1, 1, 70_000), 3.0, dtype=torch.bfloat16)
    loss, _ = VocabularyCrossEntropy.apply(logits, torch.zeros(1, 1, dtype=torch.int64), 0, 70_000, group)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(11.1562, abs=1e-3)
