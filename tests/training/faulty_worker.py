"""A rank that goes wrong at given steps; what torchrun starts in tests instead of the worker itself.

``FAULTS`` in the environment is a JSON list of [attempt, rank, step, fault, amount]; attempt 0 means each. Faults:
"kill" (SIGKILL), "sleep" (an hour, before the batch is read), "loss" (times amount), "stop" (SIGUSR1 to itself).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any


def break_trainer(run: Path) -> None:
    """Put the faults into the loop of this process."""
    from hanji.training.loop import trainer
    from hanji.training.loop.objective import NextToken

    attempt = 1 + len(list((run / "logs").glob("attempt-*")))
    rank = int(os.environ["RANK"])
    mine = {
        (step, fault): amount
        for number, whose, step, fault, amount in json.loads(os.environ["FAULTS"])
        if number in (0, attempt) and whose == rank
    }
    step = 0
    read, loss = trainer.training_micro_batches, NextToken.loss

    def fall_over(*arguments: Any, **options: Any) -> Any:
        if (step, "kill") in mine:
            os.kill(os.getpid(), signal.SIGKILL)
        if (step, "stop") in mine:
            os.kill(os.getpid(), signal.SIGUSR1)
        if (step, "sleep") in mine:
            time.sleep(3600)
        return read(*arguments, **options)

    def spoil(self: NextToken, *arguments: Any, **options: Any) -> Any:
        sums = loss(self, *arguments, **options)
        if (step, "loss") not in mine:
            return sums
        factor = float(mine[step, "loss"])
        return replace(
            sums, total=sums.total * factor, metrics={**sums.metrics, "loss": sums.metrics["loss"] * factor}
        )

    begin = trainer.Trainer._train_step

    def count(self: trainer.Trainer, *arguments: Any, **options: Any) -> Any:
        nonlocal step
        step = self.step + 1
        return begin(self, *arguments, **options)

    trainer.training_micro_batches = fall_over
    NextToken.loss = spoil  # type: ignore[method-assign]
    trainer.Trainer._train_step = count  # type: ignore[method-assign]


def main(recipe_file: str) -> int:
    """As the worker's main, once the loop is broken."""
    from hanji.training import worker

    work = worker.work

    def broken(recipe: Any, watchdog: Any) -> None:
        from hanji.training.cpu import prepare_import

        prepare_import()
        break_trainer(Path(recipe.run))
        work(recipe, watchdog)

    worker.work = broken
    return worker.main(recipe_file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
