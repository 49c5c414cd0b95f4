"""Where a mail of the development data comes from: its list, feed, newsletter or sender, for splits by site.

The data has no headers, so what stands in the mails must do. A mailing list names itself in the footer of its mails
or by a tag in their subjects, a feed by the address that its items begin with; a newsletter and an advertiser are
known by the domain that they link to most. A thread stays together, with the lists that it ties.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hanji.curation.dedup.unions import smallest_of_component

_HOST = re.compile(r"(?:https?://|www\.|[\w.+-]+@)([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,6})\b", re.IGNORECASE)
_LIST = re.compile(r"/listinfo/([\w.-]+)", re.IGNORECASE)
_TAG = re.compile(r"\[([A-Za-z][\w -]{2,30})\]")
_FEED = re.compile(r"\s*URL: https?://([\w.-]+)")
_ANSWER = re.compile(r"^(?:\s*(?:re|fwd?|aw)(?:\[\d+\])?:|\s*\[[^\]]*\])+", re.IGNORECASE)
_SECOND_LEVEL = frozenset({"co", "com", "net", "org", "ac", "gov", "edu"})
# Providers of mail and pages for everybody, and what templates link to.
_EVERYBODYS = frozenset(
    (
        *("aol.com", "compuserve.com", "excite.com", "hotmail.com", "lycos.com", "mail.com", "msn.com"),
        *("netscape.com", "yahoo.com", "btamail.net.cn", "geocities.com", "w3.org", "example.com"),
        *("microsoft.com", "adobe.com"),
    )
)


def domain(host: str) -> str:
    """The part of a host that is registered, near enough: two labels, three under names such as co.uk."""
    parts = host.lower().strip(".").split(".")
    wide = len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVEL
    return ".".join(parts[-3:] if wide else parts[-2:])


def sites_of_mail(mails: Sequence[Mapping[str, Any]]) -> list[str]:
    """The site of each mail (rows with ``text``, ``subject``, ``label``): "mail:N", where N is its first mail.

    Spam that came through a list is of that list's site, as the list's other mails are.
    """
    first: dict[tuple[str, str], int] = {}
    left, right = [], []
    for place, mail in enumerate(mails):
        for tie in _ties(mail["text"], mail.get("subject") or "", spam=mail["label"] == "spam"):
            left.append(first.setdefault(tie, place))
            right.append(place)
    smallest = smallest_of_component(len(mails), np.array(left, np.int64), np.array(right, np.int64))
    return [f"mail:{number}" for number in smallest.tolist()]


def _ties(text: str, subject: str, *, spam: bool) -> set[tuple[str, str]]:
    names = _LIST.findall(text)[-1:] or _TAG.findall(subject)[:1]
    found = {("list", name.lower()) for name in names}
    feed = _FEED.match(text)
    if feed:
        found.add(("domain", domain(feed[1])))
    if not found:
        domains = Counter(domain(host) for host in _HOST.findall(text))
        mine = sorted((-count, name) for name, count in domains.items() if name not in _EVERYBODYS)
        found |= {("domain", name) for _, name in mine[:1]}
    thread = re.sub(r"\W+", " ", _ANSWER.sub("", subject)).strip().lower()
    # The same advertisement comes through many lists: copies are left out of the corpus instead.
    if len(thread) > 5 and not spam:
        found.add(("thread", thread))
    return found
