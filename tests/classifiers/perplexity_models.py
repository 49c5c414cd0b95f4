"""A SentencePiece model and an n-gram model in the ARPA format, small enough to be evaluated by hand."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from hanji.classifiers.perplexity.normal import normalise

SENTENCES = (
    "한지는 닥나무 껍질로 만드는 우리 종이다.",
    "겨울에 벤 닥나무를 솥에 넣고 오래 찐다.",
    "The paper is made from the inner bark of the mulberry tree.",
    "Branches are cut in winter and steamed until the bark comes loose.",
    "옛 책이 천 년을 견딘 까닭이 여기에 있다.",
)


def write_models(directory: Path, texts: tuple[str, ...] = SENTENCES) -> tuple[Path, Path]:
    """Write model.arpa (trigrams with back-off weights) and model.sp.model; returns their paths."""
    import sentencepiece

    lines = [normalise(text) for text in texts]
    pieces = directory / "model.sp.model"
    with pieces.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines * 4),
            model_writer=file,
            vocab_size=120,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
        )
    model = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    encoded = [["<s>", *model.encode(line, out_type=str), "</s>"] for line in lines]
    grams = {
        n: Counter(tuple(line[i : i + n]) for line in encoded for i in range(len(line) - n + 1))
        for n in (1, 2, 3)
    }
    path = directory / "model.arpa"
    total = sum(grams[1].values())
    out = ["\\data\\", f"ngram 1={len(grams[1]) + 1}", *(f"ngram {n}={len(grams[n])}" for n in (2, 3)), ""]
    out += ["\\1-grams:", "-5.25\t<unk>\t0"]
    for (word,), count in sorted(grams[1].items()):
        log = -99.0 if word == "<s>" else math.log10(count / (total + 7))
        out.append(f"{log:.6f}\t{word}\t{-0.05 - 0.01 * (count % 7):.6f}")
    out += ["", "\\2-grams:"]
    for gram, count in sorted(grams[2].items()):
        log = math.log10(0.9 * count / grams[1][gram[:1]])
        out.append(f"{log:.6f}\t{' '.join(gram)}\t{-0.1 - 0.02 * (count % 5):.6f}")
    out += ["", "\\3-grams:"]
    for gram, count in sorted(grams[3].items()):
        out.append(f"{math.log10(0.8 * count / grams[2][gram[:2]]):.6f}\t{' '.join(gram)}")
    path.write_text("\n".join([*out, "", "\\end\\", ""]), encoding="utf-8")
    return path, pieces


def arpa_log10(path: Path, words: list[str]) -> float:
    """log10 of the probability of a sentence by an ARPA file's own rules: the longest n-gram, else back off."""
    logs: dict[tuple[str, ...], float] = {}
    weights: dict[tuple[str, ...], float] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        fields = line.split("\t")
        if len(fields) >= 2:
            gram = tuple(fields[1].split(" "))
            logs[gram] = float(fields[0])
            weights[gram] = float(fields[2]) if len(fields) > 2 else 0.0
    known = [word if (word,) in logs else "<unk>" for word in words]
    history = ["<s>"]
    total = 0.0
    for word in [*known, "</s>"]:
        total += _log10(logs, weights, tuple(history[-2:]), word)
        history.append(word)
    return total


def _log10(
    logs: dict[tuple[str, ...], float],
    weights: dict[tuple[str, ...], float],
    history: tuple[str, ...],
    word: str,
) -> float:
    if (*history, word) in logs:
        return logs[*history, word]
    return weights.get(history, 0.0) + _log10(logs, weights, history[1:], word)
