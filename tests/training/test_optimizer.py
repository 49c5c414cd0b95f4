"""What a step does to the weights: independent weight decay, Adam's part, and the gradient of the z-loss."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

from hanji.training.cpu import prepare_import, without_cuda
from hanji.training.loop.schedule import MultiStepSettings, RateDrop, build_schedule
from hanji.training.presets import PRESETS
from hanji.training.recipe import OptimizerSettings

VOCABULARY = 300
SCHEDULE = {"warmup_steps": 2, "drops": (RateDrop(at=0.5, to=0.316), RateDrop(at=0.8, to=0.1))}
STEPS = 6


@pytest.fixture(scope="module", autouse=True)
def one_rank() -> Iterator[None]:
    prepare_import()
    with without_cuda():
        from megatron.core import parallel_state, tensor_parallel

        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        tensor_parallel.model_parallel_cuda_manual_seed(1)
        yield
        parallel_state.destroy_model_parallel()
        dist.destroy_process_group()


class Trained:
    """A tiny model under the trainer's own optimizer, whose gradients a test sets."""

    def __init__(self, peak: float, weight_decay: float) -> None:
        from hanji.training.loop.optimizer import build_optimizer, wrap_data_parallel
        from hanji.training.model.build import build_model

        layout: Any = SimpleNamespace(
            tensor=1, sequence=False, pipeline=1, virtual_pipeline=1, context=1, data=1
        )
        built = build_model(PRESETS["tiny"], VOCABULARY, layout, bf16=False, seed=7, spec="torch")
        self.chunks = wrap_data_parallel(built if isinstance(built, list) else [built])
        settings = OptimizerSettings(weight_decay=weight_decay, clip=1e9)
        self.optimizer = build_optimizer(self.chunks, settings, peak, bf16=False)
        schedule = MultiStepSettings(peak_lr=peak, **SCHEDULE)
        self.rate = build_schedule(schedule, [("only", STEPS)])
        self.done = 0

    def parameters(self) -> dict[str, torch.Tensor]:
        named = (pair for chunk in self.chunks for pair in chunk.named_parameters())
        return {name: parameter.detach().clone() for name, parameter in named}

    def step(self, gradient: float) -> float:
        """One step with this gradient everywhere; returns its learning rate."""
        from hanji.training.loop.optimizer import set_learning_rate

        for chunk in self.chunks:
            chunk.zero_grad_buffer()
            for parameter in chunk.parameters():
                parameter.main_grad.fill_(gradient)
            chunk.finish_grad_sync()
        rate = self.rate(self.done)
        set_learning_rate(self.optimizer, rate)
        done, _, _ = self.optimizer.step()
        assert done
        self.done += 1
        return rate


def test_weights_without_gradient_shrink_by_the_schedule_alone_whatever_the_peak_rate() -> None:
    low, high = Trained(1e-4, 0.1), Trained(3e-2, 0.1)
    before = low.parameters()
    shrunk = 1.0
    for step in range(STEPS):
        share = low.step(0.0) / 1e-4
        assert high.step(0.0) / 3e-2 == pytest.approx(share)
        shrunk *= 1 - share * 0.1
        for name, first in before.items():
            expected = first * shrunk if first.dim() > 1 else first
            for model in (low, high):
                torch.testing.assert_close(
                    model.parameters()[name], expected, rtol=1e-6, atol=1e-9, msg=f"{name}, step {step}"
                )
    # Half, a whole, a whole, a third, a third and a tenth of the decay.
    assert shrunk == pytest.approx(0.95 * 0.9 * 0.9 * 0.9684 * 0.9684 * 0.99, rel=1e-3)


def test_a_step_is_adams_and_the_decay_beside_it() -> None:
    model = Trained(2e-3, 0.05)
    before = model.parameters()
    rate = model.step(1e-3)
    share = rate / 2e-3
    for name, after in model.parameters().items():
        first = before[name]
        kept = first * (1 - share * 0.05) if first.dim() > 1 else first
        # Adam's first step, its moments corrected, has the size of the rate.
        expected = kept - rate * 1e-3 / (1e-3 + 1e-8)
        torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-8, msg=name)


@pytest.mark.parametrize("z_loss", [0.0, 5e-6, 0.3])
def test_the_gradient_of_the_loss_is_that_of_cross_entropy_and_squared_log_partition(z_loss: float) -> None:
    from hanji.training.loop.objective import NextToken

    generator = torch.Generator().manual_seed(3)
    logits = (3 * torch.randn(2, 5, VOCABULARY + 84, generator=generator)).requires_grad_()
    labels = torch.randint(0, VOCABULARY, (2, 5), generator=generator)
    mask = (torch.rand(2, 5, generator=generator) < 0.6).float()
    batch: Any = SimpleNamespace(labels=labels, mask=mask)
    sums = NextToken(VOCABULARY, z_loss).loss(logits, batch)
    sums.total.backward()
    exact = logits.detach()[..., :VOCABULARY].double()
    log_z = exact.logsumexp(dim=-1, keepdim=True)
    likely = (exact - log_z).exp()
    target = torch.nn.functional.one_hot(labels, VOCABULARY)
    expected = (likely - target + 2 * z_loss * log_z * likely) * mask.unsqueeze(-1)
    torch.testing.assert_close(logits.grad[..., :VOCABULARY].double(), expected, rtol=1e-4, atol=1e-6)
    assert float(sums.metrics["z_squared"]) == pytest.approx(
        float((log_z.squeeze(-1) ** 2 * mask).sum()), rel=1e-5
    )
    assert int(sums.tokens) == int(mask.sum())
