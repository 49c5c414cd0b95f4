"""Names and meanings of the text pass's integer columns, in the order of the kernel's output."""

from __future__ import annotations

from hanji.curation.signals import kernels, lines, nemo, refinedweb, structure, words

COLUMNS: dict[str, str] = {
    **kernels.CHARACTER_COLUMNS,
    **words.COLUMNS,
    **lines.LINE_COLUMNS,
    **lines.C4_COLUMNS,
    **structure.COLUMNS,
    **refinedweb.COLUMNS,
    **nemo.COLUMNS,
}
