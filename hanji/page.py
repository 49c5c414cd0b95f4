"""The HTML kit of Hanji's reports: one self-contained page that works offline and without scripts.

Everything that comes from data is escaped here; nothing is fetched, and the page's policy forbids it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
PALETTE = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)")


class Markup(str):
    """A string that is HTML already."""

    __slots__ = ()


def escape(value: Any) -> Markup:
    """HTML of a value: Markup stays as it is, all else is escaped."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def tag(name: str, *content: Any, **attributes: Any) -> Markup:
    """An element; ``class_`` and ``for_`` lose their underscore, attributes that are None are left out."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{shown}>{join(content)}</{name}>")


def join(parts: Iterable[Any]) -> Markup:
    """Parts one after another, each escaped unless it is markup."""
    return Markup("".join(escape(part) for part in parts))


def page(title: str, body: Iterable[Any]) -> str:
    """A whole document."""
    css = resources.files("hanji").joinpath("page.css").read_text("utf-8")
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n<main>\n"
    )
    return head + "\n".join(escape(part) for part in body) + "\n</main>\n</body>\n</html>\n"


def section(heading: str, *content: Any, intro: str | None = None, identity: str | None = None) -> Markup:
    """A section with a heading and a line of introduction."""
    lead = tag("p", intro, class_="intro") if intro else ""
    return tag("section", tag("h2", heading), lead, *content, id=identity)


def table(
    caption: str, header: Sequence[Any], rows: Iterable[Sequence[Any]], *, text_columns: int = 1
) -> Markup:
    """A table whose first ``text_columns`` are text and the rest numbers; it scrolls in its own box."""

    def kind(place: int) -> str | None:
        return None if place < text_columns else "n"

    head = tag("tr", *(tag("th", name, scope="col", class_=kind(i)) for i, name in enumerate(header)))
    body = [
        tag("tr", *(tag("td", cell, class_=kind(place)) for place, cell in enumerate(row))) for row in rows
    ]
    inner = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body))
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def bar(share: float, label: str = "") -> Markup:
    """A small horizontal bar for a share in [0, 1]."""
    width = max(0.0, min(1.0, share)) * 100
    return tag(
        "span", tag("span", "", style=f"width:{width:.2f}%"), class_="bar", title=label or f"{width:.1f} %"
    )


def share_cell(share: float) -> Markup:
    """A share in [0, 1] as a bar and a number, of the same width whatever the number."""
    return tag("span", bar(share), tag("span", percent(share), class_="share"))


def stacked_bar(parts: Sequence[tuple[str, float]], total: float) -> Markup:
    """A horizontal bar of named parts, with a legend of those that are not empty."""
    pieces = [
        tag(
            "span",
            "",
            style=f"width:{100 * amount / total if total else 0:.3f}%;background:{PALETTE[i % len(PALETTE)]}",
            title=f"{name}: {number(amount)}",
        )
        for i, (name, amount) in enumerate(parts)
    ]
    legend = [
        tag(
            "li",
            tag("i", "", style=f"background:{PALETTE[i % len(PALETTE)]}"),
            f"{name} ",
            tag("b", number(amount)),
            f" ({percent(amount / total if total else 0)})",
        )
        for i, (name, amount) in enumerate(parts)
    ]
    return join([tag("div", *pieces, class_="stack"), tag("ul", *legend, class_="legend")])


def histogram(
    series: Sequence[tuple[str, Sequence[float]]],
    low: float,
    high: float,
    *,
    title: str,
    marks: Sequence[tuple[str, float]] = (),
    marked: bool = True,
) -> Markup:
    """Stacked bars over equal bins from ``low`` to ``high``, with named vertical marks.

    ``marked``: a mark's name is followed by "≥" and its value; else the name says it.
    """
    width, height, left, top, bottom = 640, 220, 44, 26, 28
    inner_width, inner_height = width - left - 12, height - top - bottom
    bins = len(series[0][1]) if series else 0
    totals = [sum(values[i] for _, values in series) for i in range(bins)]
    most = max([*totals, 1])
    step = inner_width / max(bins, 1)
    parts: list[Any] = []
    for tick in sorted({most, max(1, int(most) // 2)}):
        y = top + inner_height * (1 - tick / most)
        parts.append(_line(left, y, width - 12, y, "grid"))
        parts.append(_text(left - 6, y + 4, number(tick), "end"))
    base = [0.0] * bins
    for place, (name, values) in enumerate(series):
        for i, amount in enumerate(values):
            if amount:
                tall = inner_height * amount / most
                y = top + inner_height * (1 - base[i] / most) - tall
                span = f"{low + (high - low) * i / bins:.2f}–{low + (high - low) * (i + 1) / bins:.2f}"
                parts.append(
                    tag(
                        "rect",
                        tag("title", f"{name} {span}: {number(amount)}"),
                        x=f"{left + step * i + 0.5:.2f}",
                        y=f"{y:.2f}",
                        width=f"{max(step - 1, 0.5):.2f}",
                        height=f"{tall:.2f}",
                        style=f"fill:{PALETTE[place % len(PALETTE)]}",
                    )
                )
                base[i] += amount
    parts.append(_line(left, top + inner_height, width - 12, top + inner_height, "axis"))
    for fraction in (0, 0.25, 0.5, 0.75, 1):
        x = left + inner_width * fraction
        parts.append(_text(x, height - 10, f"{low + (high - low) * fraction:g}", "middle"))
    parts += _marks(marks, low, high, left, inner_width, top, inner_height, marked)
    legend = [
        tag(
            "li",
            tag("i", "", style=f"background:{PALETTE[i % len(PALETTE)]}"),
            f"{name} ",
            tag("b", number(sum(v))),
        )
        for i, (name, v) in enumerate(series)
    ]
    chart = tag("svg", tag("title", title), *parts, viewBox=f"0 0 {width} {height}", role="img")
    return tag("figure", tag("figcaption", title), chart, tag("ul", *legend, class_="legend"))


def _marks(
    marks: Sequence[tuple[str, float]],
    low: float,
    high: float,
    left: float,
    width: float,
    top: float,
    height: float,
    marked: bool,
) -> list[Any]:
    """Vertical lines with labels; labels of neighbours are kept apart by height."""
    parts: list[Any] = []
    last = -1e9
    level = 0
    for name, value in sorted(marks, key=lambda mark: mark[1]):
        x = left + width * (min(max(value, low), high) - low) / (high - low)
        level = level + 1 if x - last < 110 else 0
        last = x
        anchor = "end" if x > left + width * 0.75 else "start"
        parts.append(_line(x, top - 12, x, top + height, "mark"))
        parts.append(
            _text(
                x + (-5 if anchor == "end" else 5),
                top - 4 + 14 * level,
                f"{name} ≥ {value:.3g}" if marked else name,
                anchor,
                "marked",
            )
        )
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _text(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)


def number(value: float) -> str:
    """1234567 as 1,234,567; fractions with as many digits as they need."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.3g}"


def percent(share: float) -> str:
    """A share as a percentage: 12.3 %, and < 0.1 % for what would look like nothing."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def size(amount: float) -> str:
    """Bytes for a person: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(amount) < 1000 or unit == "TB":
            return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1000
    raise AssertionError("unreachable")


def link(url: str) -> Markup:
    """A link for http and https; any other scheme is shown as text and cannot be clicked."""
    if url.startswith(("http://", "https://")):
        return tag("a", url, href=url, rel="noopener noreferrer")
    return tag("span", url, class_="path")
