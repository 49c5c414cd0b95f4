"""An experiment's results as tables: for a terminal and as Markdown, from the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from hanji.training.experiments.comparing import Difference, Spread
from hanji.training.experiments.results import Results, relative

MARKS = {"lower": "▼", "higher": "▲", "unclear": ""}
DIGITS = 4


@dataclass(frozen=True)
class Table:
    """Rows of cells below a head; the first ``text_columns`` are words, the others numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int

    def text(self) -> list[str]:
        """Lines for a terminal."""
        cells = [self.head, *self.rows]
        widths = [max(_width(row[i]) for row in cells) for i in range(len(self.head))]
        return [self.title] + [
            "  " + "  ".join(self._padded(cell, widths[i], i) for i, cell in enumerate(row)).rstrip()
            for row in cells
        ]

    def markdown(self) -> list[str]:
        """Lines of Markdown."""
        rule = ["---" if i < self.text_columns else "--:" for i in range(len(self.head))]
        return [f"{self.title}", ""] + [
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
            for row in (self.head, tuple(rule), *self.rows)
        ]

    def _padded(self, cell: str, width: int, column: int) -> str:
        space = " " * (width - _width(cell))
        return cell + space if column < self.text_columns else space + cell


def tables(results: Results) -> list[Table]:
    """The figures, the differences from the baseline, and the effects of columns where arms have several."""
    found = [_figures(results)]
    if any(results.differences.values()):
        found.append(_differences(results))
    if results.effects:
        found.append(_effects(results))
    return found


def notes(results: Results) -> list[str]:
    """What a reader of the tables must know."""
    recipe = results.experiment.recipe
    share = f"{100 * recipe.confidence:g} %"
    lines = [
        "Bits per byte of held-out text, lower is better; mean ± standard deviation over seeds. Differences are "
        f"paired by seed, with intervals of {share} (Student's t, not widened for their number); ▼ lower and ▲ "
        "higher where the whole interval is."
    ]
    return lines + [
        f"Not finished: {one.run.title} ({one.state}, step {one.step} of {one.run.recipe.total_steps})."
        for one in results.missing
    ]


def markdown(results: Results) -> str:
    """All tables and notes as a page of Markdown."""
    lines = [f"# {results.experiment.recipe.name}", ""]
    for table in tables(results):
        lines += [*table.markdown(), ""]
    return "\n".join([*lines, *(f"{note}\n" for note in notes(results))]).rstrip() + "\n"


def _figures(results: Results) -> Table:
    columns = tuple(results.experiment.compared[0].labels) or ("arm",)
    rows = []
    if results.before:
        cells = ["half-trained", *[""] * (len(columns) - 1)]
        rows.append((*cells, *(_spread(results.before[m]) for m in results.measures), ""))
    for arm in results.experiment.compared:
        words = tuple(arm.labels[c] for c in columns) if arm.labels else (arm.name,)
        means = results.means.get(arm.name)
        cells = [_spread(means[m]) if means else "–" for m in results.measures]
        rows.append((*words, *cells, str(len(results.figures[arm.name]))))
    return Table("Held-out bits per byte", (*columns, *results.measures, "seeds"), tuple(rows), len(columns))


def _differences(results: Results) -> Table:
    """Against the baseline; of candidates in the order that is recommended, with their mean relative change."""
    ranked = bool(results.order)
    names = results.order or tuple(results.differences)
    rows = []
    for place, arm in enumerate(names, 1):
        found = results.differences[arm]
        if not found:
            continue
        cells = [_difference(found[m]) for m in results.measures]
        change = relative(results, arm)
        words = (str(place), arm) if ranked else (arm,)
        rows.append((*words, *cells, "–" if change is None else f"{100 * change:+.2f} %"))
    head = ("order", "candidate") if ranked else ("arm",)
    title = f"Difference from {results.experiment.baseline}"
    return Table(title, (*head, *results.measures, "mean, relative"), tuple(rows), len(head))


def _effects(results: Results) -> Table:
    rows = []
    done = set()
    for effect in results.effects:
        key = (effect.column, effect.level)
        if key in done:
            continue
        done.add(key)
        by_measure = {e.measure: e for e in results.effects if (e.column, e.level) == key}
        cells = [_difference(by_measure[m].difference) for m in results.measures]
        rows.append((effect.column, f"{effect.level} − {effect.reference}", str(effect.pairs), *cells))
    head = ("column", "levels", "pairs", *results.measures)
    return Table("Effect of each column, over the arms that are alike in the others", head, tuple(rows), 2)


def _spread(value: Spread) -> str:
    return f"{value.mean:.{DIGITS}f}" + ("" if value.sd is None else f" ± {value.sd:.{DIGITS}f}")


def _difference(value: Difference) -> str:
    text = f"{value.mean:+.{DIGITS}f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} [{value.low:+.{DIGITS}f}, {value.high:+.{DIGITS}f}] {MARKS[value.verdict]}".rstrip()


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def plain(results: Results) -> Sequence[str]:
    """All tables and notes as lines for a terminal."""
    lines: list[str] = []
    for table in tables(results):
        lines += [*table.text(), ""]
    return [*lines, *notes(results)]
