"""Documents made around the thresholds of NeMo Curator's filters, for those that hardly any real document meets.

Each maker gets a generator of random numbers and a step from 0 to 1 that moves what its filter looks at from well
on one side of the threshold to well on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

_TEXT = (
    "the river ran past the old mill and children with baskets of apples sat by that bridge to watch boats have to "
    "turn while a slow wind moved through tall grass near houses painted white under clouds that promised rain "
    "before evening bells rang from some distant tower where nobody lived anymore except two owls who kept their "
    "own hours"
)
VOCABULARY = _TEXT.split()
ACCENTED = ("café", "naïve", "서울에서", "만난", "친구는", "東京", "Привет", "“quoted”", "it’s", "end—start")


def words_of(rng: Random, count: int) -> list[str]:
    """Plain words, now and then one that is not ASCII."""
    return [rng.choice(ACCENTED) if rng.random() < 0.03 else rng.choice(VOCABULARY) for _ in range(count)]


def prose(rng: Random, count: int) -> str:
    """Sentences in lines, about ten words each."""
    lines = []
    while count > 0:
        size = min(count, rng.randint(6, 14))
        lines.append(" ".join(words_of(rng, size)) + rng.choice((".", ".", "?", '."')))
        count -= size
    return "\n".join(lines)


def share(rng: Random, step: float, middle: float, spread: float = 0.5) -> float:
    """A share around ``middle``, with some noise."""
    return min(1.0, max(0.0, middle * (1 + spread * (2 * step - 1)) + rng.uniform(-0.02, 0.02) * middle))


def strewn(rng: Random, step: float, pieces: tuple[str, ...], middle: float, of_words: bool = False) -> str:
    """Prose in which pieces take a share around ``middle`` of the characters, or of the words."""
    words = words_of(rng, rng.randint(80, 300))
    wanted = share(rng, step, middle)
    size = len(words) if of_words else sum(map(len, words)) + len(words)
    added = 0.0
    while added < wanted * (size + added) and wanted < 1:
        piece = rng.choice(pieces)
        words.insert(rng.randrange(len(words) + 1), piece)
        added += 1 if of_words else len(piece) + 1
    return " ".join(words)


def of_lines(rng: Random, step: float, middle: float, special: Callable[[str], str]) -> str:
    """Lines of which a share around ``middle`` are made special."""
    count = rng.randint(15, 60)
    chosen = set(rng.sample(range(count), min(count, round(share(rng, step, middle, 0.3) * count))))
    return "\n".join(
        special(line) if place in chosen else line
        for place, line in enumerate(prose(rng, 8).replace("\n", " ") for _ in range(count))
    )


def repeated(rng: Random, step: float, middle: float, separator: str) -> str:
    """Pieces of which a share around ``middle`` stand again."""
    pieces = [prose(rng, rng.randint(8, 14)).replace("\n", " ") for _ in range(rng.randint(15, 50))]
    for _ in range(round(share(rng, step, middle) * len(pieces) / (1 - middle))):
        pieces.insert(rng.randrange(len(pieces)), rng.choice(pieces))
    return separator.join(pieces)


def phrase_again(rng: Random, step: float, n: int, middle: float) -> str:
    """Prose with one phrase of n words so often that it takes a share around ``middle``."""
    phrase = " ".join(f"{rng.choice(VOCABULARY)}{rng.randint(10, 99)}" for _ in range(n))
    return strewn(rng, step, (phrase,), middle)


def boilerplate(rng: Random, step: float) -> str:
    phrases = (
        "our Terms of Use",
        "Privacy Policy",
        "this site uses cookies",
        "the use of cookies",
        "COOKIE POLICY",
    )
    count = rng.randint(8, 20)
    chosen = set(rng.sample(range(count), round(share(rng, step, 0.4) * count)))
    if step > 0.95:
        return prose(rng, 60) + "\n\nLorem Ipsum dolor"
    return "\n\n".join(
        prose(rng, 12) + (" " + rng.choice(phrases) if place in chosen else "") for place in range(count)
    )


def word_length(rng: Random, step: float) -> str:
    """Mean word lengths around 3, and around 10."""
    short = rng.random() < 0.5
    mean = 2.5 + step if short else 9.5 + step
    words = []
    for _ in range(rng.randint(60, 200)):
        size = int(mean) + (rng.random() < mean - int(mean))
        words.append("".join(rng.choice("abcdefgh") for _ in range(size)))
    return " ".join(words)


def word_count(rng: Random, step: float) -> str:
    return prose(rng, round(40 + 20 * step))


def common_words(rng: Random, step: float) -> str:
    rare = [
        word for word in VOCABULARY if word not in ("the", "and", "with", "of", "that", "to", "have", "be")
    ]
    words = [rng.choice(rare) for _ in range(60)]
    for _ in range(round(4 * step)):
        words.insert(rng.randrange(60), rng.choice(("the", "of", "And", "THE", "with,", "have", "be")))
    return " ".join(words)


def long_word(rng: Random, step: float) -> str:
    return f"{prose(rng, 60)} {'x' * round(990 + 20 * step)}"


def pornographic_url(rng: Random, step: float) -> str:
    host = rng.choice(
        ("porn.example", "a.example/%41porn", "a.example/popcorn", "b.example/<porn>", "PORN.example")
    )
    scheme = rng.choice(("http://", "https://", "ftp://", "http:/"))
    return f"{prose(rng, 30)} {scheme}{host} {prose(rng, round(20 * step) + 1)}"


MAKERS: dict[str, Callable[[Random, float], str]] = {
    "non_alphanumeric": lambda rng, step: strewn(rng, step, ("--", "=", "&*", "한글"), 0.09),
    "symbols": lambda rng, step: strewn(
        rng, step, ("#", "##", "...", "…", "[...]", "#a#"), 0.11, of_words=True
    ),
    "digits": lambda rng, step: strewn(rng, step, ("12345", "1,200", "2024"), 0.19),
    "urls": lambda rng, step: strewn(rng, step, ("https://a.example/x?y=1", "http://b.example/%20z"), 0.2),
    "white_space": lambda rng, step: strewn(rng, step, ("\t\t", "\n", " \n "), 0.13),
    "brackets": lambda rng, step: strewn(rng, step, ("()", "[x]", "{}", "⟨a⟩"), 0.2),
    "boilerplate": boilerplate,
    "repeated_lines": lambda rng, step: repeated(rng, step, 0.3, "\n"),
    "repeated_line_characters": lambda rng, step: repeated(rng, step, 0.2, "\n"),
    "repeated_paragraphs": lambda rng, step: repeated(rng, step, 0.3, "\n\n"),
    "repeated_paragraph_characters": lambda rng, step: repeated(rng, step, 0.2, "\n\n"),
    "words": word_count,
    "punctuation": lambda rng, step: of_lines(rng, step, 0.85, lambda line: line.rstrip('.?"')),
    "alphabetic": lambda rng, step: strewn(rng, step, ("12", "--", "3.5", "①", "٣"), 0.2, of_words=True),
    "common_words": common_words,
    "word_length": word_length,
    "longest_word": long_word,
    "ellipsis_lines": lambda rng, step: of_lines(
        rng,
        step,
        0.3,
        lambda line: line.rstrip('.?"') + rng.choice(("...", "…", " [...]", " Read More", "(...) ")),
    ),
    "bullets": lambda rng, step: of_lines(
        rng, step, 0.9, lambda line: rng.choice(("• ", "● ", " ‣", "◦")) + line
    ),
    "pornographic_urls": pornographic_url,
    **{
        f"top_{n}_gram": partial(phrase_again, n=n, middle=middle)
        for n, middle in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"duplicate_{n}_gram": partial(phrase_again, n=n + 2, middle=0.16 - 0.01 * (n - 5))
        for n in range(5, 11)
    },
}


def cases(name: str, count: int) -> Iterator[str]:
    """``count`` documents around the threshold of a filter, the same ones every time."""
    rng = Random(name)
    for place in range(count):
        yield MAKERS[name](rng, place / (count - 1))
