"""Personal data in Korean and English text, as edits that mask it.

What has a check is checked: the date and gender digit of resident numbers, Luhn's sum of card numbers,
public ranges of IPv4. Replacements are fixed and belong to nobody (RFC 2606 and 5737, and numbers that are
not assigned), so that a model learns the form and no person.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date

from hanji.curation.records import Edit

VERSION = 1

# Hangul may touch an address on both sides (이메일gildong@…로): the borders are ASCII ones only.
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_RRN = re.compile(r"(?<![\d-])(\d{2})(\d{2})(\d{2})\s?[-–]\s?([1-8])\d{6}(?![\d-])")
_CARD = re.compile(
    r"(?<![\d-])(?:\d{4}[- ]){3}\d{4}(?![\d-])|(?<![\d-])3[47]\d{2}[- ]\d{6}[- ]\d{5}(?![\d-])"
)
_KOREAN_PHONE = re.compile(
    r"(?<![\d.-])(?:\+?82[-.\s]?)?(?:\(?0?(?:10|1[16789]|2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|50\d|70)\)?)"
    r"[-.\s)]{1,2}\d{3,4}[-.\s]\d{4}(?![\d-])"
    r"|(?<![\d.-])01[016789]\d{7,8}(?!\d)"
    r"|(?<![\d.-])1[568]\d{2}-\d{4}(?![\d-])"
)
_US_PHONE = re.compile(
    r"(?<![\w.-])(?:\+?1[-.\s])?(?:\([2-9]\d{2}\)\s?|[2-9]\d{2}[-.])[2-9]?\d{2}[-.]\d{4}(?![\w-])"
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
# "version 4.3.12.100" and section numbers are no addresses.
_VERSION_BEFORE = re.compile(
    r"(?:\b[vV]|(?i:version|ver\.?|release|build|section|chapter)|버전|판|절|§)\s*[:=]?\s*$"
)
_YEARS = {"1": 1900, "2": 1900, "3": 2000, "4": 2000, "5": 1900, "6": 1900, "7": 2000, "8": 2000}


def find_pii(text: str) -> list[Edit]:
    """Edits for every hit, in order of position, none overlapping. Reasons: ``pii.email``, ``pii.rrn``, …"""
    hits: list[Edit] = []
    taken: list[tuple[int, int]] = []
    # The most specific first: a card number holds what looks like phone numbers.
    for reason, pattern, replacement, check in _KINDS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if any(start < other_end and other_start < end for other_start, other_end in taken):
                continue
            if check is None or check(match):
                hits.append(Edit("pii", start, end, replacement, f"pii.{reason}"))
                taken.append((start, end))
    return sorted(hits, key=lambda edit: edit.start)


def _is_rrn(match: re.Match[str]) -> bool:
    """Date and gender digit. The checksum is no proof: numbers issued from October 2020 do not follow it."""
    year, month, day, digit = match.groups()
    try:
        date(_YEARS[digit] + int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _is_card(match: re.Match[str]) -> bool:
    """Luhn's checksum over the digits."""
    digits = [int(c) for c in match.group() if c.isdigit()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0 and len(set(digits)) > 1


def _is_public_ipv4(match: re.Match[str]) -> bool:
    if _VERSION_BEFORE.search(match.string, max(0, match.start() - 16), match.start()):
        return False
    try:
        address = ipaddress.IPv4Address(match.group())
    except ValueError:
        return False
    return address.is_global


_Check = Callable[[re.Match[str]], bool]
_KINDS: tuple[tuple[str, re.Pattern[str], str, _Check | None], ...] = (
    ("email", _EMAIL, "email@example.com", None),
    ("rrn", _RRN, "000000-0000000", _is_rrn),
    ("card", _CARD, "0000-0000-0000-0000", _is_card),
    ("phone", _KOREAN_PHONE, "000-0000-0000", None),
    ("phone", _US_PHONE, "000-000-0000", None),
    ("ip", _IPV4, "192.0.2.1", _is_public_ipv4),
)
