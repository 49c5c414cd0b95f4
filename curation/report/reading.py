"""How records became text, in numbers: charsets, extraction, repairs, the normal form, and edits by reason.

Each split counts its own documents; the counts add up in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from hanji.curation.records import NORMALISE_STEPS, Document
from hanji.page import Markup, number, section, table, tag

Reading = dict[str, dict[str, int]]
# What is counted of each document, by the words that the page uses.
_KINDS = ("charset", "extractor", "bytes", "repaired", "language")
_NORMAL = {
    "surrogates": "lone surrogates replaced",
    "newlines": "line ends made \\n",
    "invisible": "invisible characters removed",
    "composed": "characters composed (NFC)",
    "jamo": "half-width or lone jamo made usual",
    "fullwidth": "full-width ASCII folded",
    "spaces": "runs of spaces made one",
    "blank_lines": "runs of blank lines made one",
    "letter_runs": "characters cut from runs of ㅋ, ㅠ, …",
    "mark_runs": "characters cut from runs of !, ?, …",
}


def tally(documents: Iterable[Document]) -> Reading:
    """Counts of some documents, by kind and value; those of the normal form count documents and places.

    The flaws of records are counted where they are read (:class:`Reader`) and added as the kind "flaw".
    """
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in (*_KINDS, "changed", "places")}
    for document in documents:
        found = {
            "charset": document.charset and f"{document.charset}\t{document.charset_from}",
            "extractor": document.extractor,
            "bytes": document.page_language,
            "repaired": document.mojibake
            and f"{document.mojibake}\t{'repaired' if document.repaired_characters else 'suspected'}",
            "language": document.language_detail and _kind_of_detail(document.language_detail),
        }
        for kind, value in found.items():
            if value:
                counts[kind][value] += 1
        for step, places in document.normalised.items():
            if places:
                counts["changed"][step] += 1
                counts["places"][step] += places
    return {kind: dict(sorted(counter.items())) for kind, counter in counts.items() if counter}


def _kind_of_detail(detail: str) -> str:
    """Details without their numbers: "mixed en 0.34" is one of many "mixed en"."""
    return " ".join(word for word in detail.split() if not word.replace(".", "").strip(";").isdigit())


def add(total: Reading, more: Reading) -> None:
    """Add counts to others, in place."""
    for kind, values in more.items():
        known = total.setdefault(kind, {})
        for value, count in values.items():
            known[value] = known.get(value, 0) + count


def reading_section(metrics: dict[str, Any]) -> Markup:
    """The page's section on how records became text."""
    total: Reading = {}
    for of_source in metrics.get("reading", {}).values():
        add(total, of_source)
    parts = [
        *_charsets(total),
        *_plain("What the bytes of pages looked like before parsing", "language", total.get("bytes", {})),
        *_plain("Pages by extractor", "extractor", total.get("extractor", {})),
        *_plain("What more is known of the language", "detail", total.get("language", {})),
        *_repairs(total),
        *_plain("Records with a flaw that were read all the same", "flaw", total.get("flaw", {})),
        *_normal_form(total),
        *_edits(metrics.get("edits", {})),
    ]
    return section(
        "Reading",
        *(parts or [tag("p", "Nothing was read.")]),
        intro="How bytes became text. Texts never change after this: what is removed from them or masked in "
        "them is counted as edits, by rule.",
        identity="reading",
    )


def _charsets(total: Reading) -> list[Markup]:
    counted = total.get("charset", {})
    rows = [[*value.split("\t"), number(count)] for value, count in _by_count(counted)]
    return [
        table("Charsets, and what told them", ["charset", "told by", "documents"], rows, text_columns=2)
    ] * bool(rows)


def _repairs(total: Reading) -> list[Markup]:
    rows = [[*value.split("\t"), number(count)] for value, count in _by_count(total.get("repaired", {}))]
    head = ["kind", "", "documents"]
    return [table("Characters that had been decoded wrongly before", head, rows, text_columns=2)] * bool(rows)


def _plain(title: str, what: str, counted: dict[str, int]) -> list[Markup]:
    rows = [[value, number(count)] for value, count in _by_count(counted)]
    return [table(title, [what, "documents"], rows, text_columns=1)] * bool(rows)


def _normal_form(total: Reading) -> list[Markup]:
    changed, places = total.get("changed", {}), total.get("places", {})
    rows = [
        [_NORMAL[step], number(changed[step]), number(places[step])]
        for step in NORMALISE_STEPS
        if step in changed
    ]
    head = ["step of the normal form", "documents", "places"]
    return [table("Normal form", head, rows, text_columns=1)] * bool(rows)


def _edits(by_source: dict[str, dict[str, int]]) -> list[Markup]:
    counted: Counter[str] = Counter()
    for of_source in by_source.values():
        counted.update(of_source)
    rows = [
        [tag("code", reason), _most(by_source, reason), number(count)] for reason, count in _by_count(counted)
    ]
    return [table("Edits by rule", ["rule", "most in", "edits"], rows, text_columns=2)] * bool(rows)


def _most(by_source: dict[str, dict[str, int]], reason: str, most: int = 3) -> str:
    found = sorted(
        ((of_source[reason], source) for source, of_source in by_source.items() if reason in of_source),
        key=lambda pair: (-pair[0], pair[1]),
    )
    return ", ".join(f"{source} {number(count)}" for count, source in found[:most])


def _by_count(counted: dict[str, int]) -> Sequence[tuple[str, int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))
