"""Korean numbers of persons and firms: patterns, and what must hold beside the form.

Sources: the numbering plan of the Ministry of Science and ICT (telephone), the ministries' forms of resident,
foreigner, business and corporate numbers, and the number systems that the banks publish.
"""

from __future__ import annotations

import re

from hanji.curation.text.pii.checks import (
    crn_sum_holds,
    is_birth_date,
    is_brn,
    is_ean13,
    rrn_sum_holds,
)
from hanji.curation.text.pii.hits import near

# Not within a longer number: neither digits nor "digit and separator" beside it.
LEFT, RIGHT = r"(?<![0-9A-Za-z_])(?<!\d[-.,:/])", r"(?![0-9A-Za-z_])(?!-\d)(?!\.\d)"
# Hangul units that make a number a quantity.
_RESIDENT = re.compile(r"주민|등록번호|민번|생년월일|신분증|본인확인|resident|\brrn\b", re.IGNORECASE)
_FOREIGNER = re.compile(r"외국인|등록증|alien|foreigner|\bARC\b", re.IGNORECASE)
_CORPORATE = re.compile(r"법인|corporat", re.IGNORECASE)
# Seoul, Suwon, Busan with the kind "stock company": they read as dates of birth too.
_COURTS = ("110111", "131111", "180111")
_ORDER = re.compile(
    r"주문|접수|관리|상품|제품|송장|운송장|모델|품번|문서|고유|일련|시리얼|order|serial|product|model|tracking|item"
    r"|invoice|part no",
    re.IGNORECASE,
)
_BUSINESS = re.compile(r"사업자|business (?:registration|number|no)|\bBRN\b", re.IGNORECASE)
_BANKS = (
    "국민|신한|우리|하나|기업|농협|수협|신협|씨티|대구|부산|경남|광주|전북|제주|산업|제일|외환|한미|주택|카카오|토스"
    "|케이|SC|KB|NH|IBK"
)
# A bank's short name counts only right before the number (국민 123-…), as most of them are plain words too.
_ACCOUNT_WORDS = (
    r"계좌|입금|송금|예금주|이체|통장|bank account|농협|수협|신협|우체국|새마을금고|카뱅|카카오페이|토스뱅크"
    rf"|(?:{_BANKS}|K|iM) ?(?:은행|뱅크|bank)"
    rf"|(?<![가-힣A-Za-z])(?:KB|NH|IBK|SC|MG|DGB|BNK)?(?:{_BANKS})(?=[ :)/,]{{0,2}}$)"
)
_ACCOUNT = re.compile(_ACCOUNT_WORDS, re.IGNORECASE)
_BANK_AFTER = re.compile(
    rf"[ ,/(:]{{0,3}}(?:KB|NH|IBK|SC)?(?:{_BANKS}) ?(?:은행|뱅크|[)]|$)|[ ,/(:]{{0,3}}(?:농협|우체국|신협|예금주)"
)
_NO_ACCOUNT = re.compile(
    r"전화|연락처|문의|팩스|휴대폰|핸드폰|fax|tel|사업자|대출|상품|주문|접수|송장|우편|isbn|전표|사건",
    re.IGNORECASE,
)
_UNIT_AFTER = re.compile(r" ?(?:원|won|달러|만원|개|명|건|%|점|주\b|KRW|USD)", re.IGNORECASE)
_SERIAL = re.compile(r"\bISSN|\bISBN|\bDOI", re.IGNORECASE)
_HANGUL, _LATIN = re.compile("[가-힣]"), re.compile("[A-Za-z\x00]")
_QUANTITY = re.compile(r" ?(?:명|석|년|개|건|회|원|쪽|권|톤|평|점|㎡|k?[mg]\b|W\b|IU\b|UTC)|[대여]")
_LICENCE = re.compile(r"면허|licen[cs]e", re.IGNORECASE)
_PHONE = re.compile(
    r"전화|연락|문의|휴대|핸드폰|팩스|폰|상담|예약|접수|번호|대표|고객|콜센터|신고|제보|문자|통화|☎|📞|℡|\btel|\bfax|phone"
    r"|mobile|\bcall\b|\bT\b|\bF\b|\bM\b|H\.?P|\bC\.P",
    re.IGNORECASE,
)

PHONE_WORDS = _PHONE

_S = r"(?: ?[-./·~)] ?| |-\n)"  # between the parts of a number
_AREA = r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4])"

RRN = re.compile(LEFT + r"(\d{6})(?: ?- ?|-\n| )?([1-8]\d{6})" + RIGHT)
CRN = re.compile(LEFT + r"(\d{6})(?: ?- ?|-\n)?(\d{7})" + RIGHT)
BRN = re.compile(LEFT + r"(\d{3})( ?- ?|-\n| )?(\d{2})( ?- ?|-\n| )?(\d{5})" + RIGHT)
LICENCE = re.compile(
    LEFT + r"(?:(?:1[1-9]|2[0-8])[- ]?\d{2}[- ]?\d{6}[- ]?\d{2}|(?<=[가-힣][ -])\d{2}-\d{6}-\d{2})" + RIGHT
)
ACCOUNT = re.compile(LEFT + r"(?:\d{2,6}(?: ?- ?\d{1,7}){1,4}|\d{10,14}|\d{3,6}(?: \d{2,7}){1,3})" + RIGHT)

# In lists the word may touch the number: Tel02-…, HP010-….
_FROM = (
    r"(?:(?<![0-9A-Za-z_])|(?<=[Tt][Ee][Ll])|(?<=[Ff][Aa][Xx])|(?<=H\.P)|(?<=HP)|(?<=\b[TMFC]))(?<!\d[-.,:])"
)
_REST = rf"(?P<first>{_S})?[0-9]{{3,4}}(?P<second>{_S})?\d{{4}}"
MOBILE = re.compile(rf"{_FROM}(?:\(01[016-9]\)|01[016-9]){_S}?\d{{3,4}}{_S}?\d{{4}}(?!\d)(?!-\d)")
LANDLINE = re.compile(
    rf"{_FROM}(?:\(0{_AREA}\)|0{_AREA}\)?)(?P<first>{_S})?[1-9]\d{{2,3}}(?P<second>{_S})?\d{{4}}{RIGHT}"
)
INTERNET = re.compile(rf"{_FROM}(?:\(070\)|070){_REST}{RIGHT}")
FREEPHONE = re.compile(rf"{_FROM}(?:\(080\)|080){_REST}{RIGHT}")
FORWARDED = re.compile(rf"{_FROM}050[2-8]?{_REST}{RIGHT}")
ABROAD = re.compile(
    r"(?<![0-9A-Za-z_])(?<!\d[-.,:/])(?:\(?\+ ?82\)?|82(?=[-. ]\(?0?\)?[-. ]?1[016-9])|82(?=-))"
    rf"[-. ]?(?:\(0\)|0)?[-. ]?\(?(?P<area>1[016-9]|{_AREA}|70|50[2-8]?|80)\)?[-. ]?\d{{3,4}}[-. ]?\d{{4}}{RIGHT}"
)
HOTLINE = re.compile(
    LEFT + r"(15(?:22|33|44|55|66|77|88|99)|16(?:00|11|22|33|44|55|60|61|66|68|70|77|88|99)"
    r"|18(?:00|11|22|33|44|55|66|77|88|99))( ?- ?|\.| )?(\d{4})" + RIGHT
)


def is_rrn(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """``rrn``, ``frn`` or nothing. With a hyphen, the date; without one, a word before it or the sum too."""
    digits = match[1] + match[2]
    if not is_birth_date(digits):
        return None
    form = "frn" if digits[6] in "5678" else "rrn"
    if near(text, start, end, _CORPORATE, 20):
        return None
    if near(text, start, end, _RESIDENT, 30) or (form == "frn" and near(text, start, end, _FOREIGNER, 30)):
        return form
    if crn_sum_holds(digits) and digits.startswith(_COURTS):
        return None
    holds = rrn_sum_holds(digits)
    if near(text, start, end, _ORDER, 24):
        return None
    if "-" in match.group():
        return form
    # Thirteen digits alone are also times in milliseconds and products.
    old = digits[6] in "1256" and digits[:2] < "25"
    return form if holds and not old and not is_ean13(digits) else None


def is_crn(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """The sum; without the word before it, also the court's and kind's digits of the forms in use."""
    digits = match[1] + match[2]
    if not crn_sum_holds(digits) or len(set(digits)) < 3:
        return None
    if near(text, start, end, _CORPORATE, 24):
        return "crn"
    return "crn" if "-" in match.group() and digits.startswith(_COURTS) else None


def is_business(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """The sum; without hyphens also the word."""
    if not is_brn(match[1] + match[3] + match[5]):
        return None
    hyphens = "-" in (match[2] or "") and "-" in (match[4] or "")
    if hyphens and _in_korean(text, start, end) and not near(text, start, end, _ACCOUNT, 12):
        return "brn"
    return "brn" if near(text, start, end, _BUSINESS, 30) else None


def _in_korean(text: str, start: int, end: int) -> bool:
    """Hangul around it, or no letters at all, as in a table: English text has other numbers of these forms."""
    return near(text, start, end, _HANGUL, 60, 60) or not near(text, start, end, _LATIN, 60, 60)


def is_licence(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """Only where a licence is spoken of: the form alone is that of many numbers."""
    return "licence" if near(text, start, end, _LICENCE, 40) else None


def is_account(text: str, match: re.Match[str], start: int, end: int) -> str | None:
    """A bank's name or a word of paying before it, ten to sixteen digits, no sum of money."""
    written = match.group()
    digits = re.sub(r"\D", "", written)
    if not 10 <= len(digits) <= 16 or len(set(digits)) < 2 or _UNIT_AFTER.match(text, end):
        return None
    line = text.rfind("\n", max(0, start - 40), start)
    before = text[max(line - 24 if line >= 0 else 0, start - 40, 0) : start]
    words = list(_ACCOUNT.finditer(before))
    if not words:
        after = text[end : end + 14].partition("\n")[0]
        return "account" if "-" in written and _BANK_AFTER.match(after) else None
    between = before[words[-1].end() :]
    if _NO_ACCOUNT.search(between):
        return None
    if re.match(r"(?:19|20)\d\d ?- ?\d{1,2} ?- ?\d{1,2}", written):
        return None
    return "account"


def is_mobile(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Run together: eleven digits after 010, and not a part of a code (/01012345678abc)."""
    digits, after = match.group(), text[end : end + 1]
    if not digits.isdigit():
        return True
    code = (after.isascii() and after.isalpha()) or text[start - 1 : start] in ("/", "=", "_")
    return not code and (len(digits) == 11 or digits[:3] != "010")


def is_landline(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Separated, or a word of telephones before it."""
    first, second = match["first"] or "", match["second"] or ""
    if ")" in match.group() or (first.strip() and second.strip()):
        return True
    return near(text, start, end, _PHONE, 24)


def is_hotline(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """Not a span of years, as in 1600-1650; without a separator only where a telephone is spoken of."""
    words = near(text, start, end, _PHONE, 20)
    if near(text, start, end, _SERIAL, 12) or not (words or _in_korean(text, start, end)):
        return False
    if _QUANTITY.match(text, end):
        return False
    first, second = int(match[1]), int(match[3])
    if first < second <= 2100:
        return words
    if (match[2] or " ").strip():
        return not near(text, start, end, _ORDER, 12)
    return words
