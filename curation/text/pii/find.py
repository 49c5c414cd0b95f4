"""From hits to edits: what happens to each kind, and the particle that follows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from hanji.curation.recipe import Pii, PiiKind
from hanji.curation.records import Edit
from hanji.curation.text.pii.addresses import ipv6_hits
from hanji.curation.text.pii.documents import passport_hits, spelled_hits
from hanji.curation.text.pii.hits import BLANK, Hit
from hanji.curation.text.pii.mail import mail_hits
from hanji.curation.text.pii.masks import ALL_MASKS, ENGLISH_TAGS, KOREAN_TAGS, MASKS
from hanji.curation.text.pii.numbers import number_hits
from hanji.curation.text.pii.particles import agreeing, final_of, finals_wanted

DEFAULT = Pii()
AGAIN = 3
_HANGUL = re.compile("[가-힣]")
_TAG = re.compile("|".join(map(re.escape, sorted({*KOREAN_TAGS.values(), *ENGLISH_TAGS.values()}))))
# What could belong to a hit of its own: letters and digits, also spelled ones.
_BEFORE = re.compile(r"[0-9A-Za-z@:_+/.-]|[공영일이삼사오육륙칠팔구⓪①-⑨]")
_AFTER = re.compile(r"[0-9A-Za-z@:_+/-]|\.[0-9]|[공영⓪]")


def find_pii(text: str, settings: Pii = DEFAULT, language: str | None = None) -> list[Edit]:
    """Edits for every hit, in order of position, none overlapping. Reasons: ``pii.email``, ``pii.rrn``, …

    Args:
        text: the text; positions count its code points.
        settings: what is done with each kind. Kinds that are ``off`` are still told from the others (a card
            number is no telephone), but give no edit. ``drop`` gives a mask: see ``pii_verdict``.
        language: ``ko`` or ``en``, for the language of tags; None: Korean where the text has Hangul.

    What an edit left is not found again: masks are nobody's numbers and are known here.
    """
    if settings.default == "off" and all(action == "off" for action in settings.actions().values()):
        return []
    edits = []
    for hit in find_hits(text):
        action = settings.action(hit.kind)
        if action == "off":
            continue
        if action == "tag":
            korean = language == "ko" if language else _HANGUL.search(text) is not None
            edits.append(_tagged(text, hit, korean))
        else:
            edits.append(_masked(text, hit))
    return edits


def find_hits(text: str) -> list[Hit]:
    """Every hit in order of position, none overlapping. Where two overlap, mail comes first, then numbers.

    A hit that touches another is seen only when the other is gone: such texts are looked at again, so that
    a text whose hits were replaced has none.
    """
    if _TAG.search(text):
        # The word in a tag must not make a telephone of the number beside it.
        text = _TAG.sub(_blank, text)
    hits = _once(text)
    for _ in range(AGAIN):
        if not any(_touches(text, hit) for hit in hits):
            break
        more = _once(_blanked(text, hits))
        if not more:
            break
        hits = sorted(hits + more)
    return hits


def _once(text: str) -> list[Hit]:
    hits = list(mail_hits(text))
    if ":" in text:
        hits = _joined(hits, ipv6_hits(text))
    hits = _joined(hits, passport_hits(text))
    hits = _joined(hits, number_hits(text))
    return _joined(hits, spelled_hits(text))


def _touches(text: str, hit: Hit) -> bool:
    return _AFTER.match(text, hit.end) is not None or (
        hit.start > 0 and _BEFORE.match(text, hit.start - 1) is not None
    )


def _blanked(text: str, hits: list[Hit]) -> str:
    """The text with a neutral character for each one of a hit, so that positions stay."""
    pieces: list[str] = []
    position = 0
    for hit in hits:
        pieces += [text[position : hit.start], BLANK * (hit.end - hit.start)]
        position = hit.end
    return "".join([*pieces, text[position:]])


def _blank(match: re.Match[str]) -> str:
    return BLANK * (match.end() - match.start())


def pii_verdict(edits: Iterable[Edit], settings: Pii = DEFAULT) -> tuple[str, int] | None:
    """(rule, hits) when a kind whose action is ``drop`` was found: the kind with the most hits; else None."""
    dropping = {f"pii.{kind}" for kind, action in settings.actions().items() if action == "drop"}
    counts = Counter(edit.reason for edit in edits if edit.reason in dropping)
    return min(counts.items(), key=lambda item: (-item[1], item[0])) if counts else None


def _joined(earlier: list[Hit], later: Iterable[Hit]) -> list[Hit]:
    """Both in order, without those later ones that overlap an earlier one or each other."""
    found = sorted(later)
    free: list[Hit] = []
    position = end = 0
    for hit in found:
        while position < len(earlier) and earlier[position].end <= hit.start:
            position += 1
        if hit.start >= end and (position == len(earlier) or earlier[position].start >= hit.end):
            free.append(hit)
            end = hit.end
    return sorted(earlier + free)


def _masked(text: str, hit: Hit) -> Edit:
    """The mask that keeps the particle right: of the hit's own last sound, if that fits what follows."""
    wanted: Sequence[str] = finals_wanted(text, hit.end)
    own = final_of(text[hit.start : hit.end])
    final = own if own in wanted else finals_wanted(text, hit.end)[0]
    return Edit("pii", hit.start, hit.end, MASKS[hit.form][final], f"pii.{hit.kind}")


def _tagged(text: str, hit: Hit, korean: bool) -> Edit:
    """The tag, and the particle after it in the form that the tag's last sound asks for."""
    kind: PiiKind = hit.kind
    if not korean:
        return Edit("pii", hit.start, hit.end, ENGLISH_TAGS[kind], f"pii.{kind}")
    tag = KOREAN_TAGS[kind]
    end, particle = agreeing(text, hit.end, final_of(tag))
    return Edit("pii", hit.start, end, tag + particle, f"pii.{kind}")


__all__ = ["ALL_MASKS", "DEFAULT", "find_hits", "find_pii", "pii_verdict"]
