"""Title and date of publication, from what a page says of itself, by a few searches in its bytes.

Titles: ``og:title``, else the title element or first h1, without the name of the site. Dates, first found:
``article:published_time`` and its kin, ``itemprop=datePublished``, JSON-LD's ``datePublished``, a date in the
canonical address, the first ``time`` element. The order follows htmldate's (Barbaresi 2020); the code is ours.
"""

from __future__ import annotations

import re
from datetime import date
from html import unescape

import numpy as np

from hanji.curation.text.page import words
from hanji.curation.text.page.scan import END, START, STOP, TAG

TITLE_CHARACTERS = 300
FIRST_YEAR, LAST_YEAR = 1990, 2035
"""Dates outside are taken for nonsense. Fixed years: the same page gives the same row whenever it is read."""

_META, _LINK, _TIME, _TITLE, _H1 = (words.TAG[name] for name in ("meta", "link", "time", "title", "h1"))
_ATTRIBUTE = re.compile(rb'([^\s=">]+)="([^"]*)"')
_PUBLISHED = re.compile(
    rb"^(?:article:published(?:_time)?|og:published_time|og:article:published_time|published_?(?:time|date|at)?"
    rb"|publish[-_]?date|pub_?date|date_?published|datepublished|parsely-pub-date|sailthru\.date|dc\.date(?:\.issued)?"
    rb"|dcterms\.(?:created|date|issued)|dc\.created|cxenseparse:recs:publishtime|article\.(?:created|published)"
    rb"|date|regdate|reg_date)$"
)
_JSON_DATE = re.compile(rb'"datePublished"\s*:\s*"([^"]{8,40})"')
_ADDRESS_DATE = re.compile(rb"/((?:19|20)\d\d)[/-](\d\d?)[/-](\d\d?)(?=\D|$)")
_NUMERIC = re.compile(r"(?<!\d)((?:19|20)\d\d)\s?[-/.년]\s?(\d\d?)\s?[-/.월]\s?(\d\d?)(?!\d)")
_COMPACT = re.compile(r"^((?:19|20)\d\d)(\d\d)(\d\d)(?:\D|\d{6}|$)")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = "|".join(_MONTHS)
_MONTH_DAY = re.compile(
    rf"\b({_MONTH})[a-z]*\.?\s+(\d\d?)(?:st|nd|rd|th)?,?\s+((?:19|20)\d\d)", re.IGNORECASE
)
_DAY_MONTH = re.compile(rf"\b(\d\d?)\s+({_MONTH})[a-z]*\.?,?\s+((?:19|20)\d\d)", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s+(?:[|·•»›–—:]|::|-|<|>)\s+|\s*(?:\||::|»)\s*")
_WANTED = re.compile(rb"og:|date|publish|created|issued", re.IGNORECASE)
_MARKUP = re.compile(rb"<[^>]*>")


def one_line(text: str) -> str | None:
    """Plain text on one line of at most 300 characters; None if there is none."""
    return " ".join(text.split())[:TITLE_CHARACTERS].rstrip() or None


def iso_date(text: str) -> str | None:
    """The first date in a text as ``YYYY-MM-DD``, None if there is no valid one in the years we believe."""
    if found := _NUMERIC.search(text) or _COMPACT.search(text):
        year, month, day = (int(part) for part in found.groups())
    elif found := _MONTH_DAY.search(text):
        year, month, day = int(found[3]), _MONTHS.index(found[1].lower()) + 1, int(found[2])
    elif found := _DAY_MONTH.search(text):
        year, month, day = int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1])
    else:
        return None
    try:
        return date(year, month, day).isoformat() if FIRST_YEAR <= year <= LAST_YEAR else None
    except ValueError:
        return None


class Page:
    """The bytes as they came, and as serialised with their nodes (see ``scan``), and what the head says."""

    def __init__(self, raw: bytes, data: bytes, nodes: np.ndarray) -> None:
        self._raw = raw
        self._data = data
        self._nodes = nodes
        self._tags = np.ascontiguousarray(nodes[:, TAG])
        self._metas = self._read_metas()

    def _rows(self, tag: int) -> list[int]:
        return np.flatnonzero(self._tags == tag).tolist()

    def _attributes(self, row: int) -> dict[bytes, bytes]:
        start, stop = int(self._nodes[row, START]), int(self._nodes[row, STOP])
        return dict(_ATTRIBUTE.findall(self._data, start, stop))

    def _text(self, row: int) -> str:
        rows = self._nodes[row + 1 : self._nodes[row, END]]
        parts = [
            self._data[start:stop] for tag, start, stop in rows[:, [TAG, START, STOP]].tolist() if tag == 0
        ]
        return unescape(b"".join(parts).decode("utf-8", "replace"))

    def _read_metas(self) -> dict[bytes, bytes]:
        """What each meta element says, the first of a name: lower-case name → content."""
        metas: dict[bytes, bytes] = {}
        for start, stop in self._nodes[self._rows(_META)[:200]][:, [START, STOP]].tolist():
            said = self._data[start:stop]
            if _WANTED.search(said) is None:
                continue
            found = dict(_ATTRIBUTE.findall(said))
            name = found.get(b"property") or found.get(b"name") or found.get(b"itemprop")
            content = found.get(b"content")
            if name and content:
                metas.setdefault(name.lower(), content)
        return metas

    def _meta(self, name: bytes) -> str:
        return unescape(self._metas.get(name, b"").decode("utf-8", "replace")).strip()

    def title(self) -> str | None:
        """The page's title without the site's name, one line of at most 300 characters."""
        site = " ".join(self._meta(b"og:site_name").split()).casefold()
        given = self._meta(b"og:title")
        element = next((self._text(row) for row in self._rows(_TITLE)[:1]), "")
        headings = [" ".join(self._text(row).split()) for row in self._rows(_H1)[:3]]
        line = " ".join((given or element).split())
        if not line:
            return one_line(headings[0]) if headings else None
        # A heading that the title repeats is the title without anything added to it.
        for heading in headings:
            if len(heading) >= 2 and line.startswith(heading) and _SEPARATOR.match(line, len(heading)):
                return one_line(heading)
        return one_line(self._without_site(line, site, certain=not given))

    @staticmethod
    def _without_site(line: str, site: str, *, certain: bool) -> str:
        """The title without the part that names the site: the last, or the first if it is known to."""
        cuts = list(_SEPARATOR.finditer(line))
        if not cuts:
            return line
        first, last = line[: cuts[0].start()], line[cuts[-1].end() :]
        if site and last.casefold() == site and first:
            return line[: cuts[-1].start()]
        if site and first.casefold() == site and last:
            return line[cuts[0].end() :]
        rest = line[: cuts[-1].start()]
        # Without a name to compare with, only a title element has one, and it is the short end.
        if certain and cuts[-1].group().strip() != ":" and len(last) <= 30 and 3 * len(rest) > len(last):
            return rest
        return line

    def published(self) -> str | None:
        """The day of publication, ``YYYY-MM-DD``, None if the page does not say."""
        for name, content in self._metas.items():
            if _PUBLISHED.match(name) and (found := iso_date(content.decode("utf-8", "replace"))):
                return found
        at = self._data.find(b'itemprop="datePublished"')
        if at >= 0:
            start, stop = self._data.rfind(b"<", 0, at), self._data.find(b">", at)
            element = dict(_ATTRIBUTE.findall(self._data, start, stop))
            said = element.get(b"content") or element.get(b"datetime")
            if said is None:
                said = _MARKUP.sub(b" ", self._data[stop + 1 : stop + 80])
            if found := iso_date(said.decode("utf-8", "replace")):
                return found
        at = self._raw.find(b'"datePublished"')
        json = _JSON_DATE.match(self._raw, at) if at >= 0 else None
        if json and (found := iso_date(json[1].decode("ascii", "replace"))):
            return found
        return self._address_date() or self._first_time()

    def _address_date(self) -> str | None:
        addresses = [self._metas.get(b"og:url", b"")]
        for row in self._rows(_LINK)[:100]:
            start, stop = int(self._nodes[row, START]), int(self._nodes[row, STOP])
            if b'"canonical"' in self._data[start:stop]:
                addresses.insert(0, self._attributes(row).get(b"href", b""))
        for address in addresses:
            if found := _ADDRESS_DATE.search(address):
                return iso_date("-".join(part.decode() for part in found.groups()))
        return None

    def _first_time(self) -> str | None:
        for row in self._rows(_TIME)[:3]:
            said = self._attributes(row).get(b"datetime")
            if said and (found := iso_date(said.decode("utf-8", "replace"))):
                return found
        return None
