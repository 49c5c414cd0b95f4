"""What personal data is replaced by: fixed values that belong to nobody, and tags.

A mask has the form of what it stands for, so that a model learns the form and no person. There are three of
each, with different last sounds, and the one that is taken fits the particle that follows. Addresses are those
of RFC 2606, 3849 and 5737; 555-0100 and +44 20 7946 0000 are kept for fiction (NANPA, Ofcom); Korean numbers
with an exchange 000 or 0000 are not assigned.
"""

from __future__ import annotations

from collections.abc import Mapping

from hanji.curation.recipe import PiiKind
from hanji.curation.text.pii.particles import Final


def _ending(stem: str) -> Mapping[Final, str]:
    """Three digits at the end: 공, 일, 이."""
    return {"consonant": stem + "0", "rieul": stem + "1", "vowel": stem + "2"}


MASKS: Mapping[str, Mapping[Final, str]] = {
    # 컴, 이그잼플, 오알지
    "email": {
        "consonant": "email@example.com",
        "rieul": "email@mail.example",
        "vowel": "email@example.org",
    },
    "rrn": _ending("000000-000000"),
    "frn": _ending("000000-500000"),
    "brn": _ending("000-00-0000"),
    "crn": _ending("000000-000000"),
    "passport": _ending("M0000000"),
    "licence": _ending("00-00-000000-0"),
    "card": _ending("0000-0000-0000-000"),
    "account": _ending("000-000-00000"),
    "iban": _ending("XX00 0000 0000 0000 000"),
    "ssn": _ending("000-00-000"),
    "itin": _ending("900-00-000"),
    "ipv4": {"consonant": "192.0.2.3", "rieul": "192.0.2.1", "vowel": "192.0.2.2"},
    "ipv6": {"consonant": "2001:db8::3", "rieul": "2001:db8::1", "vowel": "2001:db8::2"},
    "mobile": _ending("010-0000-000"),
    "landline": _ending("02-000-000"),
    "internet": _ending("070-0000-000"),
    "freephone": _ending("080-000-000"),
    "forwarded": _ending("0500-0000-000"),
    "hotline": _ending("1500-000"),
    "abroad_mobile": _ending("+82-10-0000-000"),
    "abroad_landline": _ending("+82-2-000-000"),
    "us_phone": _ending("202-555-010"),
    "us_abroad": _ending("+1-202-555-010"),
    "uk_phone": _ending("020 7946 000"),
    "uk_abroad": _ending("+44 20 7946 000"),
    "foreign_phone": _ending("+00 000 000 000"),
    "local_phone": _ending("000-000"),
}

KIND_OF_FORM: Mapping[str, PiiKind] = {
    **dict.fromkeys(("ipv4", "ipv6"), "ip"),
    **dict.fromkeys(("account", "iban"), "account"),
    **dict.fromkeys(
        (
            *("mobile", "landline", "internet", "freephone", "forwarded", "hotline", "abroad_mobile"),
            *(
                "abroad_landline",
                "us_phone",
                "us_abroad",
                "uk_phone",
                "uk_abroad",
                "foreign_phone",
                "local_phone",
            ),
        ),
        "phone",
    ),
    "rrn": "rrn",
    "frn": "frn",
    "brn": "brn",
    "crn": "crn",
    "passport": "passport",
    "licence": "licence",
    "card": "card",
    "ssn": "ssn",
    "itin": "itin",
    "email": "email",
}
ALL_MASKS = frozenset(mask for masks in MASKS.values() for mask in masks.values())

KOREAN_TAGS: Mapping[PiiKind, str] = {
    "email": "<이메일>",
    "phone": "<전화번호>",
    "rrn": "<주민등록번호>",
    "frn": "<외국인등록번호>",
    "brn": "<사업자등록번호>",
    "crn": "<법인등록번호>",
    "passport": "<여권번호>",
    "licence": "<운전면허번호>",
    "card": "<카드번호>",
    "account": "<계좌번호>",
    "ip": "<IP주소>",
    "ssn": "<사회보장번호>",
    "itin": "<납세자번호>",
}
ENGLISH_TAGS: Mapping[PiiKind, str] = {
    "email": "<EMAIL>",
    "phone": "<PHONE>",
    "rrn": "<RESIDENT_NUMBER>",
    "frn": "<FOREIGNER_NUMBER>",
    "brn": "<BUSINESS_NUMBER>",
    "crn": "<CORPORATE_NUMBER>",
    "passport": "<PASSPORT>",
    "licence": "<DRIVING_LICENCE>",
    "card": "<CARD>",
    "account": "<ACCOUNT>",
    "ip": "<IP>",
    "ssn": "<SSN>",
    "itin": "<ITIN>",
}
