"""The version of each step: an integer that goes up when the step's output changes for the same input.

It is part of every unit's key, so that work of an older version is done again. A step's version adds up
those of the modules that it is made of; a golden test fails when output changes and no version did.
"""

from __future__ import annotations

from hanji.classifiers import language
from hanji.curation import exchange
from hanji.curation.contamination import index
from hanji.curation.dedup import shingles, urls
from hanji.curation.repeated import scanning as repeated_lines
from hanji.curation.signals import morphemes as kiwi
from hanji.curation.signals import text
from hanji.curation.sources import reading
from hanji.curation.steps import (
    blocks,
    cluster,
    contaminate,
    decide,
    edit,
    gather,
    measure,
    morphemes,
    read,
    relate,
    repeated,
    rewrite,
    summarise,
    takedown,
    write,
)
from hanji.curation.text import guess, lines, making, pii

STEP_VERSIONS: dict[str, int] = {
    "rewrite": rewrite.VERSION,
    "read": read.VERSION + reading.VERSION + guess.VERSION + making.VERSION + language.VERSION,
    "edit": edit.VERSION + lines.VERSION + pii.VERSION,
    "repeated": repeated.VERSION + repeated_lines.VERSION + exchange.VERSION,
    "blocks": blocks.VERSION,
    "contaminate": contaminate.VERSION + index.VERSION,
    "measure": measure.VERSION + text.VERSION,
    "score": measure.SCORE_VERSION,
    "morphemes": morphemes.VERSION + kiwi.VERSION,
    "gather": gather.VERSION + exchange.VERSION,
    "relate": relate.VERSION + shingles.VERSION + urls.VERSION + exchange.VERSION,
    "cluster": cluster.VERSION,
    "decide": decide.VERSION + exchange.VERSION,
    "takedown": takedown.VERSION + shingles.VERSION + exchange.VERSION,
    "write": write.VERSION + exchange.VERSION,
    "report": summarise.VERSION,
}
