"""Ratios of the RefinedWeb counts as DCLM forms them, in the form of :mod:`hanji.curation.signals.ratios`."""

from __future__ import annotations

from hanji.curation.signals.expressions import Expression, share


def _share(part: str, whole: str) -> Expression:
    return share(f"refinedweb_{part}", f"refinedweb_{whole}")


RATIOS: dict[str, tuple[str, Expression]] = {
    "refinedweb_removed_word_share": (
        "words that go with the lines DCLM removes (capitals, numbers, counters, single words)",
        _share("removed_words", "words"),
    ),
    "refinedweb_mean_word_length": (
        "characters per word between white space",
        _share("spaced_word_characters", "spaced_words"),
    ),
    "refinedweb_symbols_per_word": ("# and ellipses per word", _share("symbols", "spaced_words")),
    "refinedweb_letterless_word_share": (
        "words without a letter",
        _share("letterless_words", "spaced_words"),
    ),
    "refinedweb_bullet_line_share": ("lines that begin with a bullet", _share("bullet_lines", "lines")),
    "refinedweb_ellipsis_line_share": ("lines that end in an ellipsis", _share("ellipsis_lines", "lines")),
}
"""Name of each ratio: meaning and expression over count columns. With nothing below the line it is 0."""
