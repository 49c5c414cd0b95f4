"""Mail addresses, also directly beside Hangul, and spelled ones (gildong (at) mail (dot) com) where certain.

The search looks only around an @ or a spelled one. An address must end in a domain that exists; what else has
an @ in it (git remotes, shell prompts, message ids, credentials in URLs) is told by what stands around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hanji.curation.text.pii.domains import PROVIDERS, RESERVED, TOP_LEVEL
from hanji.curation.text.pii.hits import Hit
from hanji.curation.text.pii.masks import ALL_MASKS

LONGEST_LOCAL, LONGEST_DOMAIN = 64, 253  # RFC 5321, section 4.5.3.1
_LOCAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+&'-"
_FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,63}")
_SPACED_DOMAIN = re.compile(r" ?(?=[A-Za-z])")
# Lines that ran together: gildong@mail.comTEL
_RUN_TOGETHER = re.compile(r"(com|net|org|kr)(?=[A-Z])")
# Robots of version control, and words that stand before an @ in code (this@Activity).
_NOT_PERSONS = frozenset(("git", "hg", "svn", "this", "super", "return", "self"))
_MESSAGE_ID = re.compile(r"(?:message-?id|in-reply-to|references|content-id|cid)\b[^\n]*$", re.IGNORECASE)
_SHELL = re.compile(r"(?:\b(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id)\b[^\n]*)$")
_PROMPT = re.compile(r"[ :][^\n\]@]{0,40}\][#$%]|[: ]?~?[^\s@]{0,40}[#$%] ")
_SPELLED_MARKS = ("뱅", "(at)", "[at]", "(AT)", "[AT]", "( at )", "(@)", "[@]", " dot ")
_SPELLED_DOT = re.compile(r" ?[(\[{<] ?(?:dot|DOT|Dot|\.|닷|점) ?[)\]}>] ?| (?:dot|DOT|닷|점) |점|닷")
_READ_ALOUD = re.compile(r" ?닷 ?(컴|넷)")
_AT = r" ?[(\[{<] ?(?:at|AT|At|@|골뱅이|앳) ?[)\]}>] ?| ?골뱅이 ?| (?:at|AT) (?=[^\n]{1,60} (?:dot|DOT) )"
_LABELS = rf"[A-Za-z0-9-]{{1,63}}(?:(?:\.|{_SPELLED_DOT.pattern})[A-Za-z0-9-]{{1,63}}){{1,4}}"
_SPELLED = re.compile(
    r"(?<![A-Za-z0-9._%+-])(?P<local>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63})"
    rf"(?:{_AT})(?P<domain>{_LABELS}|[A-Za-z0-9-]{{1,63}}{_READ_ALOUD.pattern})(?![A-Za-z0-9-])"
)


def mail_hits(text: str) -> Iterator[Hit]:
    """Hits of kind ``email`` in order of position, written ones before spelled ones."""
    end = 0
    for sign in ("@", "＠"):
        at = text.find(sign)
        while at >= 0:
            # Most signs stand before names (@gildong): without a dot soon after, none of the rest is done.
            if text.find(".", at + 2, at + LONGEST_DOMAIN) > 0:
                hit = _around(text, at, end)
                if hit:
                    yield hit
                    end = hit.end
            at = text.find(sign, at + 1)
        end = 0
    if any(mark in text for mark in _SPELLED_MARKS):
        for match in _SPELLED.finditer(text):
            domain = _SPELLED_DOT.sub(".", _READ_ALOUD.sub(_read, match["domain"]))
            if _known(domain) == domain and not _is_reserved(domain):
                yield Hit(match.start(), match.end(), "email", "email")


def _read(match: re.Match[str]) -> str:
    return ".com" if match[1] == "컴" else ".net"


def _around(text: str, at: int, earliest: int) -> Hit | None:
    """The address around one @, not before ``earliest``."""
    if text[at - 1 : at] in ("", "\n", "(", '"', "'", "<", "/", "[") or text[at + 1] in "@\n":
        return None
    before = text[max(earliest, at - LONGEST_LOCAL) : at]
    after = text[at + 1 : at + 1 + LONGEST_DOMAIN]
    if text[at] == "＠" or not before[-1:].isascii() or not after[:1].isascii():
        before, after = before.translate(_FULL_WIDTH), after.translate(_FULL_WIDTH)
    spaced = before.endswith(" ") or after.startswith(" ")
    gap_before = len(before) - len(before.removesuffix(" "))
    gap_after = len(after) - len(after.removeprefix(" "))
    before, after = before[: len(before) - gap_before], after[gap_after:]
    local = before[len(before.rstrip(_LOCAL)) :].lstrip("._%+&'-")
    match = _DOMAIN.match(after)
    if not local or not match or local[-1] in ".&'" or local.lower() in _NOT_PERSONS:
        return None
    domain = _known(match.group())
    if (
        not domain
        or domain.lower().startswith("www.")
        or _is_reserved(domain)
        or (spaced and domain.lower() not in PROVIDERS)
    ):
        return None
    start, end = at - gap_before - len(local), at + 1 + gap_after + len(domain)
    if _is_no_mail(text, start, end) or text[start:end] in ALL_MASKS:
        return None
    return Hit(start, end, "email", "email")


def _known(domain: str) -> str | None:
    """The longest beginning of a domain that ends in a top-level domain: ``mail.com`` of ``mail.com.Then``."""
    labels = domain.split(".")
    while len(labels) > 1:
        if labels[-1].lower() in TOP_LEVEL:
            return ".".join(labels)
        together = _RUN_TOGETHER.match(labels[-1])
        if together:
            return ".".join([*labels[:-1], together.group()])
        labels.pop()
    return None


def _is_reserved(domain: str) -> bool:
    """example.com and the like, and their subdomains."""
    return ".".join(domain.lower().split(".")[-2:]) in RESERVED


def _is_no_mail(text: str, start: int, end: int) -> bool:
    """A git remote, a shell's prompt or target, a message id, credentials in a URL."""
    before, after = text[max(0, start - 80) : start], text[end : end + 48]
    if after[:1] == ":" and after[1:2].isascii() and (after[1:2].isalpha() or after[1:2] in ("/", "~", ".")):
        return True
    if before.endswith("://") or re.search(r"://[^\s/@]*:$", before):
        return True
    if _MESSAGE_ID.search(before) or _SHELL.search(before):
        return True
    return (before[-1:] == "[" and _PROMPT.match(after) is not None) or after[:3] in (":~$", ":~#")
