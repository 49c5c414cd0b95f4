"""Numbers of persons in runs of digits: every pattern looks only at such a run, not at the whole text.

Most text has few digits, so that one scan for runs of seven or more of them decides what a page costs. The
patterns are bounded in length and look at a bounded stretch around them: a page of digits takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hanji.curation.text.pii import addresses, english, korean
from hanji.curation.text.pii.checks import is_card
from hanji.curation.text.pii.hits import BLANK, Hit, near
from hanji.curation.text.pii.masks import ALL_MASKS, KIND_OF_FORM

# Full-width and other forms of digits, brackets and hyphens, one character for one.
_FOLD = {0xFF01 + i: 0x21 + i for i in range(94)} | dict.fromkeys(
    map(ord, "‐‑‒–—―−ー－"), "-"
)  # fmt: skip
_FOLD |= {0x3000: " ", 0x00A0: " ", ord("∙"): "·", ord("・"): "·", ord("ㆍ"): "·"}
_SEPARATOR = r" ().\-‐‑‒–—―−ー－·∙・ㆍ~/\n（）．　"
# Seven digits, or an IPv4 address, which may have four.
_RUN = re.compile(
    rf"[0-9０-９](?:(?:[{_SEPARATOR}]{{0,4}}[0-9０-９]){{6,}}|[0-9]{{0,2}}(?:\.[0-9]{{1,3}}){{3}})"
)
_DATE = re.compile(r"(?:19|20)\d\d([-./] ?)\d{1,2}\1\d{1,2}")
_NO_DIGITS = re.compile(r"[^0-9]+")
_LEAD = 12
_MASKED = re.compile(
    r"(?<!\d)(?:" + "|".join(map(re.escape, sorted(mask for mask in ALL_MASKS if "000" in mask))) + r")(?!\d)"
)
_CARD = re.compile(
    r"(?<![0-9A-Za-z_])(?<!\d[-.,:/])(?:\d{4}(?P<a>[- ])\d{4}(?P=a)\d{4}(?P=a)\d{4}"
    r"|3\d{3}(?P<b>[- ])\d{6}(?P=b)\d{4,5}|\d{14,16})(?![0-9A-Za-z_])(?!-\d)(?!\.\d)"
)
_CARD_WORDS = re.compile(
    r"카드|card|visa|비자|master|마스터|amex|결제|credit|cvc|cvv|유효기간|expir|\bcc\b", re.IGNORECASE
)
_ORDER_WORDS = re.compile(
    r"주문|접수|송장|운송|일련|관리|문서|order|serial|tracking|invoice|\bids?\b|[a-z]id\b", re.IGNORECASE
)

Check = Callable[[str, re.Match[str], int, int], str | None]


@dataclass(frozen=True)
class Pattern:
    """A form to look for in a run of at least so many digits.

    ``check`` is given the text, the match and its place in the text, and gives the form of the mask, or None.
    """

    digits: int
    regex: re.Pattern[str]
    check: Check


def _if(form: str, holds: Callable[[str, re.Match[str], int, int], bool]) -> Check:
    return lambda text, match, start, end: form if holds(text, match, start, end) else None


def _card(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    digits = re.sub(r"\D", "", match.group())
    if not is_card(digits):
        return None
    if match["a"] or match["b"] or near(text, start, end, _CARD_WORDS, 40, 24):
        return "card"
    # Run together it may be a parameter of a URL or the number of an order; fourteen digits are often a time.
    plain = len(digits) > 14 and text[start - 1 : start] not in ("=", "/", "&", "#", "-")
    return "card" if plain and not near(text, start, end, _ORDER_WORDS, 24) else None


def _abroad(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    return "abroad_mobile" if match["area"].startswith("1") else "abroad_landline"


# The most specific first: what an earlier one took is not looked at again.
PATTERNS: tuple[Pattern, ...] = (
    Pattern(13, korean.RRN, korean.is_rrn),
    Pattern(13, korean.CRN, korean.is_crn),
    Pattern(14, _CARD, _card),
    Pattern(10, korean.LICENCE, korean.is_licence),
    Pattern(10, korean.BRN, korean.is_business),
    Pattern(9, english.SSN, english.is_american),
    Pattern(4, addresses.IPV4, _if("ipv4", addresses.is_public_ipv4)),
    Pattern(10, korean.ABROAD, _abroad),
    Pattern(10, korean.MOBILE, _if("mobile", korean.is_mobile)),
    Pattern(10, korean.FORWARDED, _if("forwarded", korean.is_landline)),
    Pattern(10, korean.INTERNET, _if("internet", korean.is_landline)),
    Pattern(10, korean.FREEPHONE, _if("freephone", korean.is_landline)),
    Pattern(9, korean.LANDLINE, _if("landline", korean.is_landline)),
    Pattern(8, korean.HOTLINE, _if("hotline", korean.is_hotline)),
    Pattern(6, english.NUMBER, english.is_bank_number),
    Pattern(9, english.UK_PHONE, english.is_uk_phone),
    Pattern(9, english.FOREIGN_PHONE, english.is_foreign_phone),
    Pattern(10, english.US_PHONE, english.is_us_phone),
    Pattern(7, english.CALLED, english.is_called),
    Pattern(10, korean.ACCOUNT, korean.is_account),
)


def number_hits(text: str) -> Iterator[Hit]:
    """Hits in runs of digits; within a run in no order, and none that overlap."""
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start <= 12 and _DATE.fullmatch(text, start, end):
            continue
        if run.group().isdigit() and _is_code(text, start, end):
            continue
        yield from _in_run(text, start, end)


def _is_code(text: str, start: int, end: int) -> bool:
    """Digits run together as a part of a longer word: names of files, hashes. An IBAN may be one."""
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    if before.isascii() and before.isupper() and before.isalpha():  # DE89…, HP010…
        return False
    if end - start > 17:
        return True
    return (after.isascii() and (after.isalpha() or after == "_")) or (
        before[-1:].isascii() and (before[-1:].isalpha() or before[-1:] == "_") and before not in ("el", "ax")
    )


def _in_run(text: str, start: int, end: int) -> Iterator[Hit]:
    origin = max(0, start - _LEAD)
    segment = text[origin : end + 4]
    if not segment.isascii():
        segment = segment.translate(_FOLD)
    count = len(_NO_DIGITS.sub("", segment[start - origin :]))
    if "000" in segment:  # a mask may stand beside a number, and is no part of it
        segment = _MASKED.sub(lambda mask: BLANK * len(mask.group()), segment)
    lead = max(0, start - origin - 4)
    found = _ibans(segment) if count > 8 else []
    yield from (_hit(origin + first, origin + last, form) for first, last, form in found)
    for pattern in PATTERNS:
        if found:
            segment = _without(segment, found)
        found = []
        if pattern.digits > count:
            continue
        match = pattern.regex.search(segment, lead)
        while match is not None:
            first, last = match.span()
            # A bracket belongs to the number only with its other half: (02) 123-4567, but not (02-123-4567).
            if segment[first] == "(" and ")" not in match.group():
                first += 1
            form = pattern.check(text, match, origin + first, origin + last)
            if form is not None:
                found.append((first, last, form))
                if not _is_nobodys(match.group()):
                    yield _hit(origin + first, origin + last, form)
            # After a form that failed its check the next may begin within it: 8888 4111 1111 1111 1111.
            match = pattern.regex.search(segment, first + 1 if form is None else last)


def _ibans(segment: str) -> list[tuple[int, int, str]]:
    found = []
    for match in english.IBAN.finditer(segment):
        length = english.iban_length(match.group())
        if length:
            found.append((match.start(), match.start() + length, "iban"))
    return found


def _without(segment: str, found: list[tuple[int, int, str]]) -> str:
    """The segment with what was found made blank: no later pattern takes a part of it."""
    pieces: list[str] = []
    position = 0
    for first, last, _ in found:
        pieces += [segment[position:first], BLANK * (last - first)]
        position = last
    return "".join([*pieces, segment[position:]])


def _is_nobodys(written: str) -> bool:
    """A mask, or zeros up to the last digit."""
    return written.strip("() ") in ALL_MASKS or _NO_DIGITS.sub("", written)[:-1].strip("0") == ""


def _hit(start: int, end: int, form: str) -> Hit:
    return Hit(start, end, KIND_OF_FORM[form], form)
