"""The address in a URL, made comparable: host in lower-case ASCII, path as it is written.

Made for URLs of crawls, which are malformed in every way: nothing raises. A host with Hangul or other
letters becomes its ``xn--`` form (RFC 3492), so that both spellings of a host meet the same rules.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

_URL = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*):)?(?:[/\\]{2,}(?P<authority>[^/\\?#]*))?(?P<path>[^?#]*)(?P<query>\?[^#]*)?",
    re.IGNORECASE | re.DOTALL,
)
_BLANK = re.compile(r"[\x00-\x20\x7f\u00a0\u3000\u200b\ufeff]+")
_PORT = re.compile(r":\d*$")
# What IDNA (UTS 46) maps to a dot.
_DOTS = str.maketrans("。．｡", "...")


@dataclass(frozen=True)
class Address:
    """``host``: ASCII, lower case, no port, user or closing dot; "" if there is none. ``path``: with the query."""

    host: str
    path: str

    @property
    def bare(self) -> str:
        """The host without ``www.``."""
        return self.host.removeprefix("www.")

    @property
    def readable_host(self) -> str:
        """The host with its ``xn--`` labels decoded."""
        return ".".join(_decoded(label) for label in self.host.split("."))

    @property
    def readable_path(self) -> str:
        """The path and query in lower case, percent signs decoded as UTF-8, else as CP949."""
        if "%" not in self.path:
            return self.path.lower()
        text = unquote(self.path, errors="replace")
        if "\ufffd" in text:
            text = unquote(self.path, encoding="cp949", errors="replace")
        return unicodedata.normalize("NFC", text).lower()


def parse(url: str) -> Address:
    """The address in a URL, with or without scheme. Never raises."""
    url = _BLANK.sub("", url)
    match = _URL.match(url)
    if match is None:  # cannot be: every part is optional
        return Address("", "")
    authority, path = match.group("authority"), match.group("path") or ""
    if authority is None:
        # example.com/page, or example.com:8080/page, where the host was read as a scheme.
        scheme = match.group("scheme")
        if scheme is not None and "." not in scheme and not re.match(r"\d+(?:/|$)", path):
            return Address("", path)  # mailto:, dns:, urn:, data:
        whole = f"{scheme}:{path}" if scheme is not None else path
        authority, slash, path = whole.partition("/")
        path = slash + path
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        host = host.partition("]")[0] + "]"
    else:
        host = _PORT.sub("", host)
    return Address(ascii_host(host), path.replace("\\", "/") + (match.group("query") or ""))


def ascii_host(host: str) -> str:
    """A host in lower-case ASCII: ``xn--`` for labels with other letters, no dot at either end. Never raises."""
    if "%" in host:
        host = unquote(host, errors="replace")
    host = host.lower()
    if not host.isascii():
        host = unicodedata.normalize("NFKC", host.translate(_DOTS)).lower()
        host = ".".join(_encoded(label) for label in host.split("."))
    return host.strip(".")


def _encoded(label: str) -> str:
    if label.isascii():
        return label
    try:
        return "xn--" + label.encode("punycode").decode("ascii")
    except UnicodeError:
        return label.encode("ascii", "replace").decode("ascii")


def _decoded(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return unicodedata.normalize("NFC", label[4:].encode("ascii").decode("punycode")).lower()
    except (UnicodeError, ValueError):
        return label
