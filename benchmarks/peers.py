"""Peers in environments of their own, so that neither their pins nor ours decide what is measured.

python -m benchmarks.peers [NAME …]     makes benchmarks/.peers/NAME, or says that it is there
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.harness import say

PEERS = Path(__file__).resolve().parent / ".peers"
# Without extras: datatrove's pin trafilatura below 1.12 and kiwipiepy below 0.22.
_KOREAN = (
    "datatrove==0.10.1",
    "orjson",
    "regex",
    "ftfy",
    "nltk",
    "spacy==3.8.18",
    "tldextract",
    "fasttext-numpy2-wheel==0.9.2",
    "pyarrow",
    "requests",
    "aiohttp",
)
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "datatrove": (
        "datatrove==0.10.1",
        "trafilatura==2.3.1",
        "lxml_html_clean",
        "warcio==1.8.1",
        "faust-cchardet==3.2.0",
        "fasttext-numpy2-wheel==0.9.2",
        "python-magic==0.4.27",
        "orjson",
        "tldextract",
        "brotli",
        "fasteners",
        "pyahocorasick==2.3.1",
        "pyarrow",
        "requests",
        "aiohttp",
        # Words of its English filters.
        "spacy==3.8.18",
        "regex",
        "numpy",
    ),
    # With the tokenizers that its word counts use, and the newest Kiwi that it allows.
    "datatrove-ko": (*_KOREAN, "kiwipiepy==0.21.0", "kiwipiepy_model==0.21.0"),
    # The same with the Kiwi that Hanji uses (peer_korean.py names a model that it has).
    "datatrove-ko-kiwi-0.24": (*_KOREAN, "kiwipiepy==0.24.1", "kiwipiepy_model==0.24.0"),
    # Sketches: rensa, datasketch, and datatrove with what its MinHash asks for.
    "minhash": (
        "rensa==0.5.0",
        "datasketch==2.0.0",
        "datatrove==0.10.1",
        "orjson",
        "regex",
        "nltk",
        "spacy==3.8.18",
        "tldextract",
        "tokenizers",
        "xxhash<4",
        "numpy",
        # Its Korean words.
        "kiwipiepy==0.21.0",
        "kiwipiepy_model==0.21.0",
    ),
    # The filters alone: what else the package asks for (Ray, an executor, CUDA) they do not use.
    "nemo-curator": ("--no-deps", "nemo-curator==1.4.0", "regex==2026.11.19", "loguru==0.7.3"),
}


def python_of(name: str) -> Path | None:
    """The interpreter of a peer's environment; None if it has not been made."""
    interpreter = PEERS / name / "bin" / "python"
    installed = PEERS / name / ".installed"
    wanted = "\n".join(REQUIREMENTS[name])
    # An environment that was made for other requirements does not count.
    there = interpreter.exists() and installed.is_file() and installed.read_text("utf-8") == wanted
    return interpreter if there else None


def install(name: str) -> Path:
    """Make a peer's environment (minutes, from the package registry) and return its interpreter."""
    there = python_of(name)
    if there is not None:
        return there
    venv.create(PEERS / name, with_pip=True)
    interpreter = PEERS / name / "bin" / "python"
    subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]], check=True)
    (PEERS / name / ".installed").write_text("\n".join(REQUIREMENTS[name]), "utf-8")
    return interpreter


def main() -> None:
    for name in sys.argv[1:] or list(REQUIREMENTS):
        say(f"{name}: {install(name)}")


if __name__ == "__main__":
    main()
