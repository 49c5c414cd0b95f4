"""The labelled sentences of the benchmark of personal data: some written one by one, the others put together.

All numbers are invented. Those with check rules are made so that they hold, from a fixed seed. The rules are
written here a second time, from their sources and not from ``curation/text/pii``, so that one mistake does not
hide the other. ``sentences()`` gives the same set everywhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.pii_carriers import CARRIERS, FORMS, NEGATIVES

WRITTEN = ("pii_written.txt", "pii_written_later.txt")
SEED = 20_260_228
EACH, EACH_NEGATIVE = 60, 14
_MARK = re.compile(r"⟦(\w+):(.*?)⟧", re.DOTALL)
_FILL = re.compile(r"\{(\w+)(?:\|([^}]*))?\}")


@dataclass(frozen=True)
class Sentence:
    """A text with the places that hold personal data: (start, end, kind), in order."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    origin: str
    """``written`` or ``made``."""


def sentences() -> list[Sentence]:
    """All sentences, each once."""
    rng = random.Random(SEED)
    found: dict[str, Sentence] = {}
    for name in WRITTEN:
        for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("# "):
                sentence = marked(_filled(line.replace("\\n", "\n"), rng), "written")
                found.setdefault(sentence.text, sentence)
    for kind, forms in FORMS.items():
        for number in range(EACH):
            form = forms[number % len(forms)]
            carriers = CARRIERS[form.carriers]
            carrier = carriers[rng.randrange(len(carriers))]
            sentence = marked(_filled(carrier.replace("§", f"⟦{kind}:{form.text}⟧"), rng), "made")
            found.setdefault(sentence.text, sentence)
    for pattern in NEGATIVES:
        for _ in range(EACH_NEGATIVE):
            sentence = marked(_filled(pattern, rng), "made")
            found.setdefault(sentence.text, sentence)
    return list(found.values())


def marked(line: str, origin: str) -> Sentence:
    """A sentence from a line with ``⟦kind:…⟧``."""
    text, spans, position = "", [], 0
    for match in _MARK.finditer(line):
        text += line[position : match.start()]
        spans.append((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        position = match.end()
    return Sentence(text + line[position:], tuple(spans), origin)


def _filled(line: str, rng: random.Random) -> str:
    """``{rrn}`` is such a number, ``{rrn|###### #######}`` its digits in this form; ``{#4}`` four digits."""

    def fill(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        if name.startswith("d") and name[1:].isdigit():
            first = str(rng.randint(1, 9))
            return first + "".join(str(rng.randint(0, 9)) for _ in range(int(name[1:]) - 1))
        if name not in _MAKERS:
            raise ValueError(f"benchmarks: no maker {name!r} in {line!r}")
        made = _MAKERS[name](rng)
        if form is None:
            return made
        digits = iter(c for c in made if c.isdigit())
        return "".join(next(digits) if c == "#" else c for c in form)

    return _FILL.sub(fill, line)


def _digits(rng: random.Random, n: int) -> list[int]:
    return [rng.randint(0, 9) for _ in range(n)]


def _joined(digits: list[int], *parts: int, by: str = "-") -> str:
    text, pieces = "".join(map(str, digits)), []
    for part in parts:
        pieces.append(text[:part])
        text = text[part:]
    return by.join(pieces)


def _born(rng: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randrange((last - first).days))


def _resident(rng: random.Random, foreign: bool = False, checked: bool = True) -> str:
    born = _born(rng, date(1940, 1, 1), date(2019, 12, 31))
    if not checked:
        born = _born(rng, date(2020, 11, 1), date(2024, 12, 31))
    century = (4 if foreign else 0) + (2 if born.year >= 2000 else 0) + rng.randint(1, 2)
    digits = [int(c) for c in born.strftime("%y%m%d")] + [century] + _digits(rng, 5)
    total = sum(w * d for w, d in zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5], digits, strict=True))
    last = (11 - total % 11) % 10 if not foreign else (13 - total % 11) % 10
    if not checked:
        last = (last + rng.randint(1, 9)) % 10
    return _joined([*digits, last], 6, 7)


def _business(rng: random.Random) -> str:
    digits = [int(c) for c in f"{rng.randint(101, 899)}{rng.randint(1, 99):02}"] + _digits(rng, 4)
    total = sum(w * d for w, d in zip([1, 3, 7, 1, 3, 7, 1, 3, 5], digits, strict=True)) + digits[8] * 5 // 10
    return _joined([*digits, -total % 10], 3, 2, 5)


def _corporate(rng: random.Random) -> str:
    digits = [int(c) for c in "110111"] + _digits(rng, 6)
    total = sum((1, 2)[i % 2] * d for i, d in enumerate(digits))
    return _joined([*digits, -total % 10], 6, 7)


def _luhn(digits: list[int]) -> list[int]:
    total = 0
    for i, digit in enumerate(reversed(digits)):
        total += digit if i % 2 else (2 * digit - 9 if digit > 4 else 2 * digit)
    return [*digits, -total % 10]


def _card(rng: random.Random) -> str:
    prefix = rng.choice(["4", "4", "51", "54", "2221", "3528", "6011", "62", "9445"])
    return _joined(_luhn([int(c) for c in prefix] + _digits(rng, 15 - len(prefix))), 4, 4, 4, 4)


def _spoilt(card: str) -> str:
    """Another last digit: the sum fails."""
    return card[:-1] + str((int(card[-1]) + 3) % 10)


def _amex(rng: random.Random) -> str:
    return _joined(_luhn([3, rng.choice([4, 7]), *_digits(rng, 12)]), 4, 6, 5)


def _social(rng: random.Random) -> str:
    area = rng.choice([a for a in range(1, 900) if a != 666])
    return f"{area:03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def _taxpayer(rng: random.Random) -> str:
    group = rng.choice([*range(50, 66), *range(70, 89), 90, 91, 92, *range(94, 100)])
    return f"9{rng.randint(0, 99):02}-{group}-{rng.randint(0, 9999):04}"


def _iban(rng: random.Random) -> str:
    country, bank = rng.choice([("DE", ""), ("GB", "WEST"), ("FR", ""), ("NL", "ABNA")])
    length = {"DE": 18, "GB": 18, "FR": 23, "NL": 14}[country]
    account = bank + "".join(map(str, _digits(rng, length - len(bank))))
    number = int("".join(str(int(c, 36)) for c in account + country + "00"))
    written = f"{country}{98 - number % 97:02}{account}"
    if rng.random() < 0.5:
        return " ".join(written[i : i + 4] for i in range(0, len(written), 4))
    return written


def _routing(rng: random.Random) -> str:
    while True:
        digits = [0, rng.randint(1, 9), *_digits(rng, 7)]
        if sum(w * d for w, d in zip([3, 7, 1] * 3, digits, strict=True)) % 10 == 0:
            return "".join(map(str, digits))


def _isbn(rng: random.Random) -> str:
    digits = [9, 7, 8, 8, 9, *_digits(rng, 7)]
    total = sum((1, 3)[i % 2] * d for i, d in enumerate(digits))
    return _joined([*digits, -total % 10], 3, 2, 4, 3, 1)


def _public(rng: random.Random) -> str:
    first = rng.choice([14, 27, 39, 52, 61, 99, 112, 121, 147, 163, 175, 203, 211, 218])
    return f"{first}.{rng.randint(33, 254)}.{rng.randint(1, 254)}.{rng.randint(1, 254)}"


def _local_part(rng: random.Random) -> str:
    name = rng.choice(
        ["haneul", "bori", "sejin", "minji", "juwon", "garam", "jay.lee", "kim_y", "nari", "theo", "mara"]
    )
    return name + rng.choice(["", str(rng.randint(1, 2024)), "_" + str(rng.randint(1, 99)), ".kr"])


def _hex(length: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choice("0123456789abcdef") for _ in range(length))


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "rrn": _resident,
    "rrn2020": lambda rng: _resident(rng, checked=False),
    "frn": lambda rng: _resident(rng, foreign=True),
    "brn": _business,
    "crn": _corporate,
    "card": _card,
    "no_card": lambda rng: _spoilt(_card(rng)),
    "amex": _amex,
    "ssn": _social,
    "itin": _taxpayer,
    "iban": _iban,
    "routing": _routing,
    "isbn": _isbn,
    "ip": _public,
    "local": _local_part,
    "host": lambda rng: rng.choice(
        (
            *("naver.com", "hanmail.net", "gmail.com", "daum.net", "nate.com", "korea.kr", "kist.re.kr"),
            *("bada.or.kr", "outlook.com", "harbour.co.uk", "tidewater.org", "paper.io", "kestrel.net"),
        )
    ),
    "month": lambda rng: f"{rng.randint(1, 12):02}",
    "day": lambda rng: f"{rng.randint(1, 28):02}",
    "year": lambda rng: str(rng.randint(1990, 2024)),
    "small": lambda rng: str(rng.randint(0, 31)),
    "octet": lambda rng: str(rng.randint(0, 255)),
    "hex7": _hex(7),
    "hex40": _hex(40),
    "hex2": _hex(2),
    "hex4": _hex(4),
    "hex12": _hex(12),
    "area": lambda rng: "0" + str(rng.choice([31, 32, 33, 41, 42, 43, 51, 52, 53, 54, 55, 61, 62, 63, 64])),
    "mobile": lambda rng: "010" + str(rng.randint(2, 9)) + "".join(map(str, _digits(rng, 7))),
    "us": lambda rng: (
        rng.choice(["212", "312", "415", "503", "617", "702", "808", "919"])
        + f"{rng.randint(220, 554)}{rng.randint(0, 9999):04}"
    ),
    "hotline": lambda rng: (
        rng.choice(["1588", "1577", "1544", "1644", "1688", "1899", "1600"]) + str(rng.randint(3000, 9999))
    ),
}
