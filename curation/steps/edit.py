"""Edit: boilerplate lines and personal data of a split's texts, as rows in edits/. Texts stay as they are."""

from __future__ import annotations

from hanji.curation.recipe import Text
from hanji.curation.records import EDITS, Edit, edits_table
from hanji.curation.steps.texts import SplitWork, groups
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
    reasons: dict[str, int] = {}
    verdicts: dict[str, Verdict] = {}
    dropping = "drop" in settings.pii.actions().values()
    counts = {"in": 0, "kept": 0, "dropped": 0, "failed": 0}
    sizes: list[int] = []
    with attempt.table_writer("edits", "edits", EDITS) as writer:
        for group in groups(attempt.run, work):
            rows: list[tuple[str, Edit]] = []
            columns = (group.ids, group.languages, group.texts)
            for identity, language, text in zip(*(column.to_pylist() for column in columns), strict=True):
                edits = boilerplate_edits(text, language) if settings.line_edits else []
                edits += find_pii(text, settings.pii, language)
                for edit in edits:
                    reasons[edit.reason] = reasons.get(edit.reason, 0) + 1
                    rows.append((identity, edit))
                found = pii_verdict(edits, settings.pii) if dropping else None
                if found is not None:
                    rule, hits = found
                    verdicts[identity] = Verdict("dropped", "pii", rule, value=float(hits), rules=(rule,))
                counts["kept" if found is None else "dropped"] += 1
            counts["in"] += len(group)
            sizes.append(len(rows))
            writer.write(edits_table(rows))
    if dropping:
        attempt.write_table("verdicts", "verdicts", verdicts_table(verdicts.items()))
    return Outcome(counts, info={"edits": reasons, "groups": sizes})
