"""The normal form of URLs: two records whose URLs have one normal form are versions of one page.

What it is made of is data (:data:`TRACKERS`, :data:`SITES`, the patterns below). It is meant to be safe: only what
cannot choose another page goes. So ``m.`` hosts stay, but for sites that are known to show one page on both, and
parameters stay, but for those that only say where a reader came from: boards of Korean sites name their posts by
``id``, ``no``, ``uid`` and ``idx``, which general cleaners of URLs take for trackers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.records import TEXT
from hanji.curation.sources.urls import address

VERSION = 1

TRACKERS = (
    # Urchin/Google Analytics, Google Ads, Meta, Microsoft, Yandex, Twitter, TikTok, Instagram, Mailchimp, Marketo
    r"utm_[a-z0-9_]+|gclid|gclsrc|dclid|gbraid|wbraid|_ga|_gl|fbclid|fb_action_ids|fb_action_types|fb_source|fb_ref",
    r"msclkid|yclid|twclid|ttclid|igshid|igsh|mc_cid|mc_eid|mkt_tok|oly_enc_id|oly_anon_id|vero_id|_hsenc|_hsmi",
    # Naver's advertisements and blogs
    r"napm|n_media|n_query|n_rank|n_ad_group|n_ad|n_keyword|n_keyword_id|n_campaign_type|n_match|trackingcode",
    r"proxyreferer|redirect_?flag",
    # Sessions
    r"phpsessid|jsessionid|aspsessionid[a-z]*",
)
"""Names of parameters that choose no page, in lower case; regular expressions (RE2), each a whole name."""

SITES = (
    # Naver blogs: PostView of a post, and the mobile host.
    (r"^m\.blog\.naver\.com/", "blog.naver.com/"),
    (
        r"^blog\.naver\.com/PostView\.(?:nhn|naver)\?(?:.*&)?blogId=([A-Za-z0-9_-]+)(?:&.*)?&logNo=([0-9]+)(?:&.*)?$",
        r"blog.naver.com/\1/\2",
    ),
    # Naver news: four addresses of one article, by office (oid) and article (aid).
    (
        r"^(?:m\.)?news\.naver\.com/(?:main/)?read\.(?:nhn|naver)\?(?:.*&)?aid=([0-9]+)(?:&.*)?&oid=([0-9]+)(?:&.*)?$",
        r"n.news.naver.com/article/\2/\1",
    ),
    (
        r"^n\.news\.naver\.com/(?:mnews/)?article/(?:comment/)?([0-9]+)/([0-9]+)(?:\?.*)?$",
        r"n.news.naver.com/article/\1/\2",
    ),
    # Daum news, whose articles have numbers of 17 digits.
    (
        r"^(?:v|v\.media|news\.v|m\.media|media)\.daum\.net/(?:m/)?(?:v|media)/([0-9]{17})(?:\?.*)?$",
        r"v.daum.net/v/\1",
    ),
    # Tistory blogs: the mobile pages are below /m.
    (r"^([a-z0-9-]+)\.tistory\.com/m/(.+)$", r"\1.tistory.com/\2"),
    (r"^([a-z0-9-]+)\.tistory\.com/m$", r"\1.tistory.com"),
    # DC Inside: posts of a gallery.
    (
        r"^gall\.dcinside\.com/(?:board|mgallery/board)/view\?(?:.*&)?id=([a-z0-9_]+)(?:&.*)?&no=([0-9]+)(?:&.*)?$",
        r"gall.dcinside.com/\1/\2",
    ),
    (r"^m\.dcinside\.com/board/([a-z0-9_]+)/([0-9]+)(?:\?.*)?$", r"gall.dcinside.com/\1/\2"),
    (r"^([a-z-]+)\.m\.(wikipedia|wiktionary|wikisource|wikibooks)\.org/", r"\1.\2.org/"),
)
"""(pattern, replacement) over "host/path?query" in normal form, parameters sorted; each is tried in this order."""

_BLANKS = r"[\x{00}-\x{20}\x{7f}\x{a0}\x{3000}\x{200b}\x{feff}]+"
_PARTS = (
    r"(?s)^(?i:https?)://(?:[^/?#@]*@)?(?P<host>\[[^\]/?#]*\]|[^/?#:\\]+)(?::(?P<port>[0-9]*))?"
    r"(?P<path>[/\\][^?#]*)?(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?$"
)
_SESSION = r"(?i);jsessionid=[^/?;]*"
_INDEX = r"/(?i:index|default)\.(?i:html?|php|aspx?|jsp)$"
_ESCAPES = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normal_urls(urls: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The normal form of each URL: ``host[:port]/path?query``; null for no URL, and for none of http or https.

    Scheme, user, default ports, ``www.``, fragments (but for ``#!``), names of index pages, a last slash, trackers
    and sessions are gone; the host is in lower-case ASCII, parameters are sorted, escapes are written in one way.
    """
    whole = flat(urls)
    parts = pc.extract_regex(pc.replace_substring_regex(whole, _BLANKS, ""), _PARTS)
    host, port, path, query, fragment = (
        pc.struct_field(parts, name).cast(pa.large_string())
        for name in ("host", "port", "path", "query", "fragment")
    )
    host = pc.replace_substring_regex(pc.ascii_lower(_on(host, r"[^\x00-\x7f]", _ascii_host)), r"\.+$", "")
    host = pc.replace_substring_regex(host, r"^www\.(.*\.)", r"\1")
    # A port that is not the scheme's stays; the schemes are not told apart, so neither are their ports.
    port = pc.replace_substring_regex(pc.replace_substring_regex(port, "^(?:80|443)$", ""), "^(.+)$", r":\1")
    path = pc.replace_substring_regex(pc.replace_substring(path, "\\", "/"), _SESSION, "")
    path = pc.replace_substring_regex(_on(path, r"[%\x{80}-\x{10ffff}]", _escaped), _INDEX, "/")
    path = pc.replace_substring_regex(path, "/+$", "")
    query = _on(pc.replace_substring(query, "+", "%20"), r"[%\x{80}-\x{10ffff}]", _escaped)
    page = pc.replace_substring_regex(fragment, "^#([^!].*)?$", "")
    whole = pc.binary_join_element_wise(host, port, path, _query(query), page, pa.scalar("", TEXT))
    for pattern, replacement in SITES:
        whole = pc.replace_substring_regex(whole, pattern, replacement)
    return whole


def url_keys(urls: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A 128-bit blake2b of each URL's normal form, fixed_size_binary[16]; null where there is none."""
    return pa.array(
        [
            None if url is None else hashlib.blake2b(url.encode(), digest_size=16).digest()
            for url in normal_urls(urls).to_pylist()
        ],
        pa.binary(16),
    )


def url_hashes(urls: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(rows with a URL: int64[n], their ``url_keys`` as two numbers: uint64[n, 2])."""
    keys = url_keys(urls)
    rows = np.flatnonzero(keys.is_valid().to_numpy(zero_copy_only=False))
    data = b"".join(keys.drop_null().to_pylist())
    return rows, np.frombuffer(data, np.uint64).reshape(-1, 2)


def _on(column: pa.Array, pattern: str, change: Callable[[str], str]) -> pa.Array:
    """The column with ``change`` made to the values that the pattern is found in: few, in an ordinary crawl."""
    hit = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    if not pc.any(hit).as_py():
        return column
    changed = pa.array([change(value) for value in column.filter(hit).to_pylist()], TEXT)
    return pc.replace_with_mask(column, hit, changed)


def _ascii_host(host: str) -> str:
    return address.parse(f"http://{host}/").host


def _escaped(part: str) -> str:
    """A part of a URL with every character that has to be escaped escaped, in upper case, and no other."""
    part = _ESCAPES.sub(
        lambda match: character if (character := chr(int(match[1], 16))) in _UNRESERVED else match[0].upper(),
        part,
    )
    return quote(part, safe="%!$&'()*,;:@/?=-._~[]|^`{}\"<>\\", errors="surrogatepass")


def _query(query: pa.Array) -> pa.Array:
    """``?`` and the parameters, sorted, without trackers and empty ones; "" if none is left."""
    lists = pc.split_pattern(pc.fill_null(query, ""), "&")
    row = pc.list_parent_indices(lists)
    value = pc.list_flatten(lists).cast(TEXT)
    tracker = pc.match_substring_regex(value, rf"^(?i:{'|'.join(TRACKERS)})(?:=|$)")
    chosen = pc.and_(pc.invert(tracker), pc.greater(pc.binary_length(value), 0))
    some = pa.table({"row": row, "value": value}).filter(chosen)
    some = some.sort_by([("row", "ascending"), ("value", "ascending")]).combine_chunks()
    counts = np.bincount(some["row"].to_numpy(), minlength=len(query))
    bounds = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(bounds, flat(some["value"])), pa.scalar("&", TEXT))
    return pc.replace_substring_regex(joined, "^(.+)$", r"?\1")
