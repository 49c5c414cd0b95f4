"""Numbers of English text: American social security and tax numbers, telephones, bank accounts, passports.

Sources: the North American Numbering Plan, Ofcom's national plan, ITU-T E.164.
"""

from __future__ import annotations

import re

from hanji.curation.text.pii.checks import is_iban, is_itin, is_routing, is_ssn
from hanji.curation.text.pii.hits import near

LEFT, RIGHT = r"(?<![0-9A-Za-z_])(?<!\d[-.,:/])", r"(?![0-9A-Za-z_])(?!-\d)(?!\.\d)"
# ISO 13616 register: characters by country.
_IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL", "FO", "GL"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "XK"), 20),
    **dict.fromkeys(("HR", "LI", "LV", "CH"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "IL", "GI"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC", "SM", "MR"), 27),
    **dict.fromkeys(("AL", "CY", "HU", "LB", "PL", "DO", "GT", "AZ"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
}
_HANGUL = re.compile("[가-힣]")
_SOCIAL = re.compile(r"social security|\bSSN?\b|\bSS#|soc\.? ?sec|사회보장", re.IGNORECASE)
_TAXPAYER = re.compile(r"\bITIN\b|taxpayer|납세자", re.IGNORECASE)
_PHONE = re.compile(
    r"phone|\btel\b|\btel[.:]|\bcall(?:ing|ed)?\b|\bcell\b|mobile|\bfax|\bdial|\btext\b|contact|hotline"
    r"|\bvoice\b|whatsapp|☎|📞|℡|전화|연락|문의|팩스",
    re.IGNORECASE,
)
_CALLED_BEFORE = re.compile(
    r"(?:\b(?:tele)?(?:phone|fax)|\btel|\bmobile|\bcell|\bhotline|\bpager|전화|전화번호|연락처|팩스|휴대폰|핸드폰|☎|📞|℡)"
    r"(?: ?(?:no|number|num|nr|#|번호))?(?: ?(?:is|at|on|uk|us|은|는|w|h|o))?[ .:=)\](【】（】>|/*-]{0,4}$",
    re.IGNORECASE,
)
_NO_TELEPHONE = re.compile(r" ?(?:원|won|달러|명|건|개|%|년|분|시)|[ -]?(?:GB|MB|mAh)", re.IGNORECASE)
_FINANCE = re.compile(r"routing|\bABA\b", re.IGNORECASE)
_ACCOUNT = re.compile(r"\b(?:bank )?account|\bacct\b|\ba/c\b|sort code", re.IGNORECASE)
_NO_ACCOUNT = re.compile(r"followers|twitter|@|\bid\b|phone|\btel", re.IGNORECASE)

SSN = re.compile(LEFT + r"(\d{3})([- ]?)(\d{2})\2(\d{4})" + RIGHT)
US_PHONE = re.compile(
    r"(?<![0-9_])(?<!\d[-.,:/])(?:(?<![A-Za-z])(?P<country>\+?1[-. ]{0,2}))?"
    r"(?:\((?P<open>[2-9]\d{2})\)[-. ]{0,2}|(?<![A-Za-z])(?P<area>[2-9]\d{2})(?P<first>[-. /]{0,3}))"
    r"(?P<exchange>[1-9]\d{2})(?P<second>[-. ]{0,3})(?P<line>\d{4})(?![0-9_])(?!-\d)(?!\.\d)"
)
UK_PHONE = re.compile(
    r"(?<![0-9A-Za-z_])(?<!\d[-.,:/])(?:(?P<country>\+44[- .]?(?:\(0\)[- ]?)?)|\(?0)(?:"
    r"2\d\)?[- ]?\d{3,4}[- ]?\d{4}|7\d{3}[- ]?\d{3}[- ]?\d{3}|1\d{2}\)?[- ]?\d{3}[- ]?\d{4}"
    r"|1\d{3}\)?[- ]?\d{5,6}|[38]\d{2}[- ]?\d{3}[- ]?\d{4})" + RIGHT
)
FOREIGN_PHONE = re.compile(
    r"(?<![0-9A-Za-z_+])\+ ?(?!1\b|0)(?P<country>\d{1,3})(?P<rest>(?:[-. /]{0,2}(?:\(\d{1,5}\)|\d{1,5})){2,6})"
    r"(?![0-9A-Za-z_])(?!-\d)(?!\.\d)"
)
# Whatever stands directly after "Tel." is a telephone, of any country or a local one.
_ALONE = r"(?<![0-9A-Za-z_])(?<!\d[-.,:/])"
_GROUP = (
    r"(?:[-.]{1,2} ?(?:\(\d{2,4}\)|\d{1,8})| \d{3}-\d{4}(?!\d)| \d{2,4}(?![-\d])"
    r"| \d{5,9}(?![-. ]?\d)| \(\d{2,4}\))"
)
CALLED = re.compile(
    rf"{_ALONE}(?:\+ ?)?(?:\(\d{{1,4}}\)[- ]?\d{{2,4}}|\d{{1,4}}){_GROUP}{{1,4}}(?![\d:])(?!-\d)(?!\.\d)"
    rf"|{_ALONE}(?:\(\d{{1,4}}\) ?)?\d{{7,13}}(?![0-9A-Za-z_])(?!-\d)(?!\.\d)"
)
IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
NUMBER = re.compile(LEFT + r"\d{2,17}(?:[- ]\d{2,8}){0,4}" + RIGHT)


def is_american(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """``ssn``, ``itin`` or nothing: with hyphens by the form, otherwise with the word."""
    digits = match[1] + match[3] + match[4]
    # Korean deeds and tables number their lots in the same form (100-01-0003호).
    hyphens = match[2] == "-" and not near(text, start, end, _HANGUL, 30, 30)
    if is_ssn(digits):
        return "ssn" if hyphens or near(text, start, end, _SOCIAL, 30) else None
    if is_itin(digits):
        return "itin" if hyphens or near(text, start, end, _TAXPAYER, 30) else None
    return None


def is_us_phone(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """Separated as telephones are; run together or by spaces alone only with a word; 555-01xx is fiction."""
    code = text[start - 1 : start] == "-" and text[end : end + 1].isalpha()  # HX-212-867-1000B
    if code or is_fiction(match["exchange"] + match["line"]):
        return None
    first, second = match["first"] or "", match["second"]
    form = "us_abroad" if "+" in (match["country"] or "") else "us_phone"
    if match["open"] and not (second == "" and match["country"] is None):
        return form
    if second.strip() and (first.strip() or match["open"]):
        return form
    if form == "us_abroad":
        return form
    return form if near(text, start, end, _PHONE, 24) else None


def is_uk_phone(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """+44, or the word before it; 020 7946 0xxx is fiction."""
    digits = re.sub(r"\D", "", match.group())
    if is_fiction(digits):
        return None
    if match["country"]:
        return "uk_abroad"
    return "uk_phone" if near(text, start, end, _PHONE, 24) else None


def is_foreign_phone(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """A country's number and eight to fifteen digits in all; run together, with a word or at least eleven."""
    digits = re.sub(r"\D", "", match.group())
    if (
        not 9 <= len(digits) <= 15
        or digits.startswith("1")
        or is_fiction(digits)
        or digits[1:].strip("0") == ""
    ):
        return None
    separated = re.search(r"[-. /(]", match["rest"].strip()) is not None
    if near(text, start, end, _PHONE, 24):
        return "foreign_phone"
    return "foreign_phone" if separated or len(digits) >= 11 else None


def is_called(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """Seven to fourteen digits directly after a word for telephone or fax."""
    digits = re.sub(r"\D", "", match.group())
    if not 7 <= len(digits) <= 14 or _NO_TELEPHONE.match(text, end) or len(set(digits)) < 2:
        return None
    if re.match(r"(?:19|20)\d\d[-. ]{1,2}[01]?\d[-. ]", match.group()) or is_fiction(digits):
        return None
    if not _CALLED_BEFORE.search(text, max(0, start - 32), start):
        return None
    return "foreign_phone" if "+" in match.group() else "local_phone"


def is_fiction(digits: str) -> bool:
    """Numbers kept for films and examples: 555-01xx in North America, 020 7946 0xxx in Britain."""
    return re.search(r"555\s*01\d\d$", digits) is not None or re.search(r"207946\d{4}$", digits) is not None


def is_bank_number(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """A routing or account number where its name stands directly before it."""
    digits = re.sub(r"\D", "", match.group())
    if len(digits) == 9 and is_routing(digits) and near(text, start, end, _FINANCE, 24):
        return "account"
    words = [word.end() for word in _ACCOUNT.finditer(text, max(0, start - 26), start)]
    if not words or not 6 <= len(digits) <= 17:
        return None
    between = text[words[-1] : start]
    if _NO_ACCOUNT.search(between) or not re.fullmatch(
        r"(?: ?(?:number|no\.?|num|nr\.?|#|is|of|to))*[ :.#=(-]*", between, re.IGNORECASE
    ):
        return None
    return "account" if re.search(r"number|no|num|#|:", between, re.IGNORECASE) or len(digits) >= 8 else None


def iban_length(written: str) -> int:
    """Characters of an IBAN at the beginning of ``written``, spaces included; 0 where there is none."""
    wanted = _IBAN_LENGTHS.get(written[:2], 0)
    seen = 0
    for position, character in enumerate(written):
        seen += character != " "
        if seen == wanted:
            end = position + 1
            return (
                end if is_iban(written[:end].replace(" ", "")) and not written[end : end + 1].isalnum() else 0
            )
    return 0
