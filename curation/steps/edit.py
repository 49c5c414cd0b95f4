"""Edit: boilerplate lines and personal data of a split's texts, as rows in edits/. Texts stay as they are."""

from __future__ import annotations

from hanji.curation.recipe import Text
from hanji.curation.records import Edit, edits_table
from hanji.curation.steps.texts import SplitWork, edited_texts
from hanji.curation.text.lines import boilerplate_edits
from hanji.curation.text.pii import find_pii, pii_verdict
from hanji.curation.verdicts import Verdict, verdicts_table
from hanji.curation.work import Attempt, Outcome

VERSION = 2


def edit_split(attempt: Attempt, work: SplitWork, settings: Text) -> Outcome:
    """Write the edits of one split, and count them by reason.

    Where the recipe drops documents with some kind of personal data, their verdicts are written too: rule
    ``pii.KIND``, with the number of hits as value.
    """
    texts = edited_texts(attempt.run, work)
    rows: list[tuple[str, Edit]] = []
    reasons: dict[str, int] = {}
    verdicts: dict[str, Verdict] = {}
    dropping = "drop" in settings.pii.actions().values()
    counts = {"in": len(texts), "kept": 0, "dropped": 0, "failed": 0}
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
        found = pii_verdict(edits, settings.pii) if dropping else None
        if found is not None:
            rule, hits = found
            verdicts[identity] = Verdict("dropped", "pii", rule, value=float(hits), rules=(rule,))
        counts["kept" if found is None else "dropped"] += 1
    attempt.write_table("edits", "edits", edits_table(rows))
    if dropping:
        attempt.write_table("verdicts", "verdicts", verdicts_table(verdicts.items()))
    return Outcome(counts, info={"edits": reasons})
