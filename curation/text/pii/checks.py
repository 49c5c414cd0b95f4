"""Check rules of numbers: sums, dates, prefixes. Each takes the bare digits.

Sources: Luhn (ISO/IEC 7812-1), IBAN (ISO 13616, mod 97-10), the Korean resident number's and business number's
weights as the tax service publishes them, the corporate number's of the registration rules (article 43), the
Social Security Administration's on areas and groups, the IRS's on ITIN.
"""

from __future__ import annotations

import re
from datetime import date

_CENTURIES = {"1": 19, "2": 19, "3": 20, "4": 20, "5": 19, "6": 19, "7": 20, "8": 20}
_RRN_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BRN_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
_EARLIEST_BIRTH, _LATEST_BIRTH = date(1900, 1, 1), date(2035, 1, 1)
# Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay and Maestro, Korean domestic (9).
_CARD_PREFIX = re.compile(
    r"(?:4\d{15}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|62\d{14}|(?:5[068]|6[37])\d{14}|9[0-9]\d{14})\Z"
)


def is_birth_date(thirteen: str) -> bool:
    """Whether year, month, day and the century that the seventh digit gives are a date of birth."""
    century = _CENTURIES.get(thirteen[6])
    if century is None:
        return False
    try:
        born = date(century * 100 + int(thirteen[:2]), int(thirteen[2:4]), int(thirteen[4:6]))
    except ValueError:
        return False
    return _EARLIEST_BIRTH <= born < _LATEST_BIRTH


def rrn_sum_holds(thirteen: str) -> bool:
    """Sum of resident (digits 1-4) and foreigner (5-8) numbers. Issued from October 2020 they follow none."""
    total = sum(w * int(d) for w, d in zip(_RRN_WEIGHTS, thirteen, strict=False))
    expected = (11 - total % 11) % 10
    if thirteen[6] in "5678":
        expected = (13 - total % 11) % 10
    return expected == int(thirteen[12])


def crn_sum_holds(thirteen: str) -> bool:
    """Corporate registration numbers: weights 1, 2, 1, 2, …, the sum and the last digit make tens."""
    total = sum((1 + i % 2) * int(d) for i, d in enumerate(thirteen[:12]))
    return (10 - total % 10) % 10 == int(thirteen[12])


def is_brn(ten: str) -> bool:
    """Business registration numbers: tax office from 101, kind of business from 01, and the sum."""
    if ten[:3] < "101" or ten[3:5] == "00":
        return False
    total = sum(w * int(d) for w, d in zip(_BRN_WEIGHTS, ten, strict=False)) + 5 * int(ten[8]) // 10
    return (10 - total % 10) % 10 == int(ten[9])


def is_card(digits: str) -> bool:
    """An issuer's prefix with its length, and Luhn's sum."""
    if not _CARD_PREFIX.match(digits) or len(set(digits)) < 2:
        return False
    numbers = [int(d) for d in digits]
    total = sum(numbers[-1::-2]) + sum(sum(divmod(2 * d, 10)) for d in numbers[-2::-2])
    return total % 10 == 0


def is_ean13(thirteen: str) -> bool:
    """A product's number (also ISBN-13)."""
    total = sum((3 if i % 2 else 1) * int(d) for i, d in enumerate(thirteen[:12]))
    return (10 - total % 10) % 10 == int(thirteen[12])


def is_ssn(nine: str) -> bool:
    """Area not 000, 666 or from 900, group not 00, serial not 0000."""
    return nine[:3] not in ("000", "666") and nine[0] != "9" and nine[3:5] != "00" and nine[5:] != "0000"


def is_itin(nine: str) -> bool:
    """From 900, groups 50-65, 70-88, 90-92, 94-99."""
    group = int(nine[3:5])
    return nine[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or (group >= 90 and group != 93))


def is_iban(text: str) -> bool:
    """Without spaces: moved round and read as a number, it leaves 1 by 97."""
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def is_routing(nine: str) -> bool:
    """Routing numbers of American banks: the Federal Reserve's districts, weights 3, 7, 1."""
    if not ("01" <= nine[:2] <= "12" or "21" <= nine[:2] <= "32" or "61" <= nine[:2] <= "72"):
        return False
    return sum(w * int(d) for w, d in zip((3, 7, 1) * 3, nine, strict=True)) % 10 == 0
