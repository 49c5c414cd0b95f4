"""hanji tokenizer train."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hanji.errors import InputError
from hanji.jobs.terminal import number, say

app = typer.Typer(no_args_is_help=True, help="Byte-level BPE tokenizers: train one.")


@app.callback()
def _group() -> None:
    """Byte-level BPE tokenizers: train one."""


@app.command("train")
def train(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="JSONL files (plain or .gz) with a text field, or .txt files.", show_default=False
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The tokenizer.json to write.")],
    vocab_size: Annotated[int, typer.Option(help="Tokens, special ones included.")] = 16_384,
    eod_token: Annotated[str, typer.Option(help="Token that ends a document.")] = "<|end_of_text|>",
    field: Annotated[str, typer.Option(help="Field of the JSONL rows that holds the text.")] = "text",
    max_bytes: Annotated[int, typer.Option(help="Stop reading after so many bytes of text.")] = 1_000_000_000,
) -> None:
    """Train a byte-level BPE with Llama 3's split pattern; the same files in the same order give the same one.

    `hanji curate` trains one by itself, from the documents that it keeps, when its recipe names no file.
    """
    from hanji.curation.shards.tokenizer import train_tokenizer

    read = [0, 0]
    facts = train_tokenizer(_texts(files, field, max_bytes, read), vocab_size, eod_token, output)
    say(
        f"{output}: {number(facts.vocab_size)} tokens from {number(read[0])} texts, "
        f"{read[1] / 1e6:,.1f} MB; sha256 {facts.sha256}"
    )


def _texts(files: list[Path], field: str, max_bytes: int, read: list[int]) -> Iterator[str]:
    """Texts of all files; ``read`` counts texts and bytes. Raises InputError naming the file and the line."""
    for path in files:
        for text in _texts_of(path, field):
            read[0] += 1
            read[1] += len(text.encode("utf-8", "surrogatepass"))
            yield text
            if read[1] >= max_bytes:
                return


def _texts_of(path: Path, field: str) -> Iterator[str]:
    import gzip
    import json
    import zlib

    try:
        if path.suffix == ".txt":
            yield path.read_text(encoding="utf-8")
            return
        opened: Any = gzip.open if path.suffix == ".gz" else Path.open
        with opened(path, "rb") as file:
            for place, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InputError(f"{path}:{place}: not JSON: {error}") from None
                if not isinstance(row, dict) or not isinstance(row.get(field), str):
                    raise InputError(f"{path}:{place}: has no field {field!r} with text; see --field")
                yield row[field]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from None
