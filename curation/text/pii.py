"""Personal data in Korean and English text, as edits that mask it.

What has a check is checked: the date and gender digit of resident and foreigner numbers, Luhn's sum of card
numbers, the public ranges of IPv4. Replacements are fixed and belong to nobody (RFC 2606 and 5737, and
numbers that are not assigned), so that a model learns the form and no person.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date

from hanji.curation.records import Edit

VERSION = 2

EMAIL_MASK = "email@example.com"

# Hangul may touch an address or a number on both sides (이메일gildong@…로): the borders are ASCII ones only.
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})(?![A-Za-z0-9-])"
)
# Every other kind lies within such a run.
_NUMERIC_RUN = re.compile(r"[0-9(+][0-9 ().–-]{6,}")
_RRN = re.compile(r"(?<![\d-])(\d{2})(\d{2})(\d{2}) ?[-–] ?([1-8])\d{6}(?![\d-])")
_CARD = re.compile(
    r"(?<![\d-])[3-69]\d{3}([- ])\d{4}\1\d{4}\1\d{4}(?![\d-])|(?<![\d-])3[47]\d{2}([- ])\d{6}\2\d{5}(?![\d-])"
)
# Mobile, area codes, 050x, 070 and 080, with the 0 or +82 in front: without it, any table of numbers is full
# of telephones.
_KOREAN_PHONE = re.compile(
    r"(?<![\d.-])(?:\+?82[-. ]?\(?0?\)?[-. ]?|\(?0)"
    r"(?:1[016-9]|2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|50[2-8]?|[78]0)(?:\) ?|[-. ])\d{3,4}[-. ]\d{4}(?![\d-])"
    r"|(?<![\d.-])01[016-9]\d{7,8}(?!\d)"
)
# Numbers of companies, by their assigned prefixes.
_KOREAN_HOTLINE = re.compile(
    r"(?<![\d.-])(15(?:22|33|44|66|77|88|99)|16(?:00|44|55|6[0168]|70|88)|18(?:00|11|33|55|77|99))[-. ]"
    r"(\d{4})(?![\d-])"
)
_US_PHONE = re.compile(
    r"(?<![\w.-])(?:\+?1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?![\w-])"
    r"|(?<![\w.-])\+1 [2-9]\d{2} [2-9]\d{2} \d{4}(?![\w-])"
)
_IPV4 = re.compile(r"(?<![\w.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\w]|\.\d)")
_FILE_ENDINGS = {"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "html"}  # icon@2x.png
_VERSION_BEFORE = re.compile(
    r"(?:\bv|\bver\.?|version|release|build|firmware|driver|section|chapter"
    r"|버전|릴리스|릴리즈|빌드|펌웨어|드라이버|판|절|§|/)\s*[:=]?\s*$",
    re.IGNORECASE,
)
_ADDRESS_BEFORE = re.compile(
    r"(?:\bip|address|host|server|dns|ping|from|주소|서버|아이피)[^\n]*$", re.IGNORECASE
)
_CENTURIES = {"1": 1900, "2": 1900, "3": 2000, "4": 2000, "5": 1900, "6": 1900, "7": 2000, "8": 2000}


def find_pii(text: str) -> list[Edit]:
    """Edits for every hit, in order of position, none overlapping. Reasons: ``pii.email``, ``pii.rrn``, …

    The patterns look only at the surroundings of an @ and at runs of digits and their punctuation: running
    each of them over the whole text costs many times as much.
    """
    mails = list(_emails(text))
    # Digits in a mail address are part of it.
    inside = {position for mail in mails for position in range(mail.start, mail.end)}
    numbers = [hit for hit in _numbers(text) if inside.isdisjoint(range(hit.start, hit.end))]
    return sorted(mails + numbers, key=lambda edit: edit.start)


def _emails(text: str) -> Iterator[Edit]:
    end = 0
    at = text.find("@")
    while at >= 0:
        match = _EMAIL.search(text, max(end, at - 65), at + 256)
        if match and match.start() < at < match.end():
            if _is_email(match):
                yield Edit("pii", match.start(), match.end(), EMAIL_MASK, "pii.email")
            end = match.end()
        at = text.find("@", at + 1)


def _numbers(text: str) -> Iterator[Edit]:
    for run in _NUMERIC_RUN.finditer(text):
        taken: list[tuple[int, int]] = []
        for reason, pattern, replacement, check in _KINDS:
            # Two characters more than the run, for what must not follow a number.
            for match in pattern.finditer(text, run.start(), run.end() + 2):
                start, end = match.span()
                if any(start < other_end and other_start < end for other_start, other_end in taken):
                    continue
                if check is None or check(match):
                    taken.append((start, end))
                    yield Edit("pii", start, end, replacement, f"pii.{reason}")


def _is_email(match: re.Match[str]) -> bool:
    """No file name, and not an address that is masked already."""
    domain = match.group(1).lower()
    return domain.rpartition(".")[2] not in _FILE_ENDINGS and match.group() != EMAIL_MASK


def _is_rrn(match: re.Match[str]) -> bool:
    """Date and gender digit. The checksum is no proof: numbers issued from October 2020 do not follow it."""
    year, month, day, digit = match.groups()
    try:
        date(_CENTURIES[digit] + int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _is_card(match: re.Match[str]) -> bool:
    """Luhn's checksum over the digits."""
    digits = [int(c) for c in match.group() if c.isdigit()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0 and len(set(digits)) > 1


def _is_hotline(match: re.Match[str]) -> bool:
    """Not a span of years, as in 1600-1650."""
    first, second = int(match.group(1)), int(match.group(2))
    return not first < second <= 2100


def _is_public_ipv4(match: re.Match[str]) -> bool:
    """A public address. What reads like a version is an address only where the words before it say so."""
    text, start = match.string, match.start()
    if _VERSION_BEFORE.search(text, max(0, start - 16), start):
        return False
    numbers = [int(group) for group in match.groups()]
    like_version = numbers[0] < 10 or max(numbers) < 32
    if like_version and not _ADDRESS_BEFORE.search(text, max(0, start - 24), start):
        return False
    try:
        return ipaddress.IPv4Address(match.group()).is_global
    except ValueError:
        return False


_Check = Callable[[re.Match[str]], bool]
# The most specific first: a card number holds what looks like telephone numbers.
_KINDS: tuple[tuple[str, re.Pattern[str], str, _Check | None], ...] = (
    ("rrn", _RRN, "000000-0000000", _is_rrn),
    ("card", _CARD, "0000-0000-0000-0000", _is_card),
    ("phone", _KOREAN_PHONE, "000-0000-0000", None),
    ("phone", _KOREAN_HOTLINE, "0000-0000", _is_hotline),
    ("phone", _US_PHONE, "000-000-0000", None),
    ("ip", _IPV4, "192.0.2.1", _is_public_ipv4),
)
