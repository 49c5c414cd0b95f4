"""Edit: boilerplate lines and personal data of a split's texts, as rows in edits/. Texts stay as they are."""

from __future__ import annotations

from hanji.curation.recipe import Text
from hanji.curation.records import Edit, edits_table
from hanji.curation.steps.texts import SplitWork, edited_texts
from hanji.curation.text.lines import boilerplate_edits
from hanji.curation.text.pii import find_pii
from hanji.curation.work import Attempt, Outcome

VERSION = 1


def edit_split(attempt: Attempt, work: SplitWork, settings: Text) -> Outcome:
    """Write the edits of one split and count them by reason."""
    texts = edited_texts(attempt.run, work)
    rows: list[tuple[str, Edit]] = []
    reasons: dict[str, int] = {}
    for identity, language, text in zip(
        texts.ids.to_pylist(), texts.languages.to_pylist(), texts.texts.to_pylist(), strict=True
    ):
        edits: list[Edit] = []
        if settings.line_edits:
            edits += boilerplate_edits(text, language)
        edits += find_pii(text, settings.pii, language)
        for edit in edits:
            reasons[edit.reason] = reasons.get(edit.reason, 0) + 1
            rows.append((identity, edit))
    attempt.write_table("edits", "edits", edits_table(rows))
    return Outcome(info={"edits": reasons})
