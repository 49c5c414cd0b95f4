"""How much host memory do an import and an export take, and how fast are they?

    python -m benchmarks.export [--preset kanana-2.1b --vocabulary 128256 --file-bytes 5000000000]

A LlamaForCausalLM of 0.7 GB in bf16 with random weights, in files of at most 100 MB. Each task runs in a process
of its own; its peak of resident memory (VmHWM, mapped files included) above what it had after its imports is
compared with the largest tensor plus one safetensors file. The peer is transformers: from_pretrained and
save_pretrained of the same folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Row, report, say
from hanji.training.checkpoint.files import write_shards
from hanji.training.checkpoint.shards import Shard
from hanji.training.checkpoint.store import seal
from hanji.training.huggingface.config import make_config
from hanji.training.huggingface.exporting import export_checkpoint
from hanji.training.huggingface.importing import import_folder
from hanji.training.huggingface.llama import places, stored_tensors
from hanji.training.huggingface.records import open_checkpoint
from hanji.training.huggingface.safetensors import Planned, write_safetensors
from hanji.training.model.shape import ModelShape
from hanji.training.presets import PRESETS

BAR = 1.5
RANKS = 4
SHAPE = ModelShape(
    layers=24, hidden=1024, ffn=3072, heads=8, kv_heads=2, head_dim=128, tied=False, seq_length=4096
)


@dataclass(frozen=True)
class Case:
    """What is measured: a model and the largest file."""

    shape: ModelShape
    vocabulary: int = 32_000
    file_bytes: int = 100_000_000

    def planned(self) -> list[Planned]:
        parts = places(self.shape, self.vocabulary)
        return [Planned(part.name, torch.bfloat16, part.shape) for part in parts]


def make_folder(folder: Path, case: Case) -> int:
    """Write the model, a file a part of the layers; returns its bytes."""
    folder.mkdir()
    planned = case.planned()
    generator = torch.Generator().manual_seed(0)

    def draw(tensor: Planned) -> torch.Tensor:
        return (0.02 * torch.randn(tensor.shape, generator=generator)).to(torch.bfloat16)

    files: list[list[Planned]] = [[]]
    for tensor in planned:
        if sum(other.bytes for other in files[-1]) + tensor.bytes > case.file_bytes and files[-1]:
            files.append([])
        files[-1].append(tensor)
    names = {}
    for number, file in enumerate(files, 1):
        name = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        write_safetensors(folder / name, file, draw, {"format": "pt"})
        names.update({tensor.name: name for tensor in file})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    config = make_config(case.shape, case.vocabulary, "bfloat16", bos=None, eos=0)
    (folder / "config.json").write_text(json.dumps(config))
    return sum(tensor.bytes for tensor in planned)


def cut_for_ranks(source: Path, target: Path) -> None:
    """The same checkpoint as tensor-parallel ranks write it, a file a rank."""
    model = open_checkpoint(source)
    target.mkdir()

    def part(rank: int) -> Iterator[Shard]:
        for tensor in stored_tensors(model.shape, model.vocab_size):
            for layer in [None] if tensor.layers is None else range(tensor.layers):
                rows, axis = tensor.shape[0], int(tensor.key.endswith(("linear_proj.weight", "fc2.weight")))
                if len(tensor.shape) == 1:
                    if rank == 0:
                        yield shard(
                            tensor.key, layer, model.weights.rows(tensor.key, layer, [(0, rows)]), 0, 0
                        )
                    continue
                # Gate and up projection are each shared out.
                for half in (0, 1) if "fc1" in tensor.key else (None,):
                    first, length = (0, rows) if half is None else (half * rows // 2, rows // 2)
                    whole = model.weights.rows(tensor.key, layer, [(first, first + length)])
                    size = whole.shape[axis] // RANKS
                    cut = whole.narrow(axis, rank * size, size).clone()
                    yield shard(tensor.key, layer, cut, axis, rank * size + first * (1 - axis))

    def shard(key: str, layer: int | None, data: torch.Tensor, axis: int, begin: int) -> Shard:
        offset = tuple(begin if a == axis else 0 for a in range(data.ndim))
        shape = model.weights.shape(key)
        if layer is None:
            return Shard(key, data.clone(), offset, shape, main=True)
        return Shard(key, data[None].clone(), (layer, *offset), shape, main=True)

    files = [write_shards(target / f"__{rank}_0.distcp", part(rank), []) for rank in range(RANKS)]
    seal(target, model.commit, files)


def through_transformers(source: Path, target: Path, file_bytes: int) -> None:
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
    model.save_pretrained(target, max_shard_size=file_bytes)


def through_hanji(source: Path, target: Path, file_bytes: int) -> None:
    export_checkpoint(source, target, shard_bytes=file_bytes)


TASKS: dict[str, Callable[[Path, Path, int], Any]] = {
    "transformers": through_transformers,
    "import": lambda source, target, _: import_folder(source, target),
    "export": through_hanji,
}


def status(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"{name}: this system does not say")


def child(task: str, source: str, target: str, file_bytes: str) -> None:
    """Run a task and print its memory and time."""
    if task == "transformers":
        import transformers

        assert transformers.LlamaForCausalLM
    # From here on the peak counts anew.
    Path("/proc/self/clear_refs").write_text("5")
    before, started = status("VmRSS"), time.perf_counter()
    TASKS[task](Path(source), Path(target), int(file_bytes))
    say(json.dumps({"peak": status("VmHWM") - before, "seconds": time.perf_counter() - started}))


def measured(task: str, source: Path, target: Path, case: Case) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.export"]
    command += ["--child", task, str(source), str(target), str(case.file_bytes)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--child", nargs=4, help="task, source, target, bytes of a file")
    parser.add_argument("--preset", choices=PRESETS, help="a model of hanji.training.presets")
    parser.add_argument("--vocabulary", type=int, default=Case.vocabulary)
    parser.add_argument("--file-bytes", type=int, default=Case.file_bytes)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    shape = PRESETS[arguments.preset] if arguments.preset else SHAPE
    case = Case(shape, arguments.vocabulary, arguments.file_bytes)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        size = make_folder(root / "folder", case)
        largest = max(tensor.bytes for tensor in case.planned())
        file = max(path.stat().st_size for path in (root / "folder").glob("*.safetensors"))
        allowed = largest + file
        peer: dict[str, float] | None = None
        if not shape.hidden % shape.heads:
            peer = measured("transformers", root / "folder", root / "peer", case)
        table = []

        def row(what: str, figures: dict[str, float]) -> None:
            ratio = figures["peak"] / allowed
            table.append(
                Row(
                    f"{what}: peak MB",
                    f"{peer['peak'] / 1e6:.0f}" if peer else "refuses",
                    f"{figures['peak'] / 1e6:.0f}",
                    f"{ratio:.2f} of tensor + file",
                    f"≤ {BAR:g}",
                    ratio <= BAR,
                )
            )
            rates = [
                f"{size / 1e6 / taken['seconds']:.0f}" if taken else "refuses" for taken in (peer, figures)
            ]
            table.append(Row(f"{what}: MB/s", *rates))

        row("import", measured("import", root / "folder", root / "imported", case))
        row("export of an import", measured("export", root / "imported", root / "back", case))
        cut_for_ranks(root / "imported", root / "cut")
        row(f"export of {RANKS} tensor ranks", measured("export", root / "cut", root / "again", case))
        for back in ("back", "again"):
            for path in sorted((root / "folder").glob("*.safetensors")):
                if path.read_bytes() != (root / back / path.name).read_bytes():
                    raise SystemExit(f"{back}/{path.name} is not the file that was imported")
        report(
            "Host memory of import and export",
            table,
            [
                f"The model has {size / 1e6:.0f} MB in {len(list((root / 'folder').glob('*.safetensors')))} files; "
                f"largest tensor {largest / 1e6:.0f} MB, largest file {file / 1e6:.0f} MB. Both exports have "
                "the bytes of the folder, file by file. The peer loads and saves the folder (both ways at once)."
            ],
        )


if __name__ == "__main__":
    main()
