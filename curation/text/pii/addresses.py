"""Addresses of machines: public IPv4 and IPv6 ones that are no versions, sections or networks."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from hanji.curation.text.pii.hits import Hit, near

IPV4 = re.compile(r"(?<![\w.])(?<!\d[-,])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![A-Za-z0-9_]|[.-]\d)")
# A block in CIDR notation is a network, not a machine; a path may begin with digits too.
_NETWORK = re.compile(r" ?/ ?(?:[89]|[12]\d|3[0-2])(?![\d/.])")
_VERSION_BEFORE = re.compile(
    r"(?:\bv|\bver\.?|versions?|releases?|build|firmware|driver|sections?|chapters?|clause|figure|table|appendix"
    r"|버전|버젼|릴리스|릴리즈|빌드|펌웨어|드라이버|판|절|장|항|표|그림|§|[A-Za-z)]/|[<>=~]=|\^|[([\"' ,]v)"
    r"\s*[:=]?\s*[\"'(v]?$",
    re.IGNORECASE,
)
_VERSION_AFTER = re.compile(r" ?(?:절|장|항|조|판|버전|버젼|version|release)(?![a-z])")
_ADDRESS_NEAR = re.compile(
    r"\bips?\b|\bipv[46]\b|address|\bhosts?\b|server|\bdns\b|ping|\bfrom\b|gateway|proxy|client|received|visitor"
    r"|주소|서버|아이피|접속|호스트|게이트웨이|프록시|방문자|작성자",
    re.IGNORECASE,
)
# The first look at an IPv6 address: two colons with at most four digits between them.
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
_IPV6_CHARACTERS = "0123456789abcdefABCDEF:."


def is_public_ipv4(text: str, match: re.Match[str], start: int, end: int) -> bool:
    """A public address. What reads like a version is an address only where the words before it say so.

    ``start`` and ``end`` are the place in the text; ``match`` has the four numbers.
    """
    try:
        if not ipaddress.IPv4Address(match.group()).is_global:
            return False
    except ValueError:  # a number above 255 or with zeros in front
        return False
    network = text[max(0, start - 2) : start] != "//" and _NETWORK.match(text, end)
    if network or _VERSION_AFTER.match(text, end) or _VERSION_BEFORE.search(text, max(0, start - 20), start):
        return False
    numbers = [int(group) for group in match.groups()]
    if numbers[0] >= 224:
        return False
    like_version = numbers[0] < 10 or max(numbers) < 32 or 0 in numbers[1:3]
    return not like_version or near(text, start, end, _ADDRESS_NEAR, 40, 12)


def ipv6_hits(text: str) -> Iterator[Hit]:
    """Public IPv6 addresses: at least three groups, one of them with a digit."""
    end = 0
    for match in _COLONS.finditer(text):
        if match.start() < end:
            continue
        before = text[max(end, match.start() - 40) : match.start()]
        start = match.start() - (len(before) - len(before.rstrip(_IPV6_CHARACTERS)))
        after = text[match.start() : match.start() + 46]
        end = match.start() + len(after) - len(after.lstrip(_IPV6_CHARACTERS))
        written = text[start:end].rstrip(".")
        written = written[:-1] if written.endswith(":") and not written.endswith("::") else written
        if not 7 <= len(written) <= 45 or written.count(":") < 3 or not any(c.isdigit() for c in written):
            continue
        around = text[start - 1 : start] + text[start + len(written) : start + len(written) + 1]
        if start and (around[0].isascii() and (around[0].isalnum() or around[0] in "_-")):
            continue
        if around[1 if start else 0 :] and around[-1].isascii() and around[-1].isalnum():
            continue
        try:
            address = ipaddress.IPv6Address(written)
        except ValueError:
            continue
        if address.is_global and not _NETWORK.match(text, start + len(written)):
            yield Hit(start, start + len(written), "ip", "ipv6")
