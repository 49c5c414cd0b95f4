"""hanji calibrate."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.terminal import progress, say

if TYPE_CHECKING:
    from hanji.curation.calibrating import Asked
    from hanji.curation.calibrating.fitting import Aim


def calibrate(
    trusted: Annotated[
        list[str],
        typer.Option(
            metavar="DOCUMENTS",
            help="Documents to learn from: RUN, RUN:SOURCE,SOURCE, a JSONL or Parquet file, or NAME=FILES to make "
            "files one source. May be given several times.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The preset to write, a YAML file.")],
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the documents to look at.")],
    elsewhere: Annotated[
        list[str] | None,
        typer.Option(metavar="DOCUMENTS", help="Documents to try the thresholds on; as --trusted."),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PRESET",
            help="Take rules, sides and reasons from a preset (name or path).  [default: hanji_LANGUAGE]",
        ),
    ] = None,
    signals: Annotated[
        str | None,
        typer.Option(
            metavar="SIGNAL[:SIDE],…",
            help="Further signals to bound: `max` (keep at most; the default), `min` (at least) or `both`. "
            "Without --like they are the only ones.",
        ),
    ] = None,
    fixed: Annotated[
        str | None,
        typer.Option(metavar="RULE,…", help="Rules of the form that keep the threshold they have."),
    ] = None,
    without: Annotated[
        str | None, typer.Option(metavar="RULE,…", help="Rules of the form to leave out.")
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(help="Share of the trusted that each rule alone must keep.  [default: 0.995]"),
    ] = None,
    joint: Annotated[
        float | None,
        typer.Option(
            help="Share of the trusted that all rules together may lose: the percentiles move together to "
            "meet it. With --keep, each rule keeps that much as well."
        ),
    ] = None,
    only_loosen: Annotated[
        bool,
        typer.Option(
            "--only-loosen", help="Keep the form's threshold where the percentile would be tighter."
        ),
    ] = False,
    weight: Annotated[
        Literal["sources", "documents", "worst"],
        typer.Option(
            help="What the shares are means of: sources (each counts the same), documents, or worst: each "
            "source keeps its share."
        ),
    ] = "sources",
    name: Annotated[
        str | None, typer.Option(help="Name of the preset.  [default: that of the output file]")
    ] = None,
    held_out: Annotated[
        bool,
        typer.Option("--held-out/--no-held-out", help="Fit on one half of the trusted, try on the other."),
    ] = True,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="PRESET", help="Say what another preset drops of the same documents."),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Documents to show for each rule, trusted and elsewhere.")
    ] = 0,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with histograms and samples: an HTML file.")
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field of files that holds the text.")] = "text",
    min_characters: Annotated[
        int, typer.Option(min=0, help="Documents with fewer characters are left out, as by a recipe's floor.")
    ] = 50,
    most: Annotated[
        int | None, typer.Option(min=1, help="Documents of a source to take, by hash.  [default: all]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes to use.  [default: one a core]")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it is there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Find a language's thresholds in documents that you trust, and write them as a preset.

    Each threshold is a percentile of the trusted documents. Recipes use the preset by its path:
    `rules.presets: {ko: [./my_ko.yaml]}`. What it drops elsewhere is shown by rule and source, with samples.
    """
    from hanji import __version__
    from hanji.curation.calibrating import Asked
    from hanji.curation.calibrating import calibrate as find
    from hanji.curation.calibrating.page import render
    from hanji.curation.calibrating.preset import preset_yaml
    from hanji.curation.calibrating.telling import tell

    name = _name(name, output)
    for option, path in (("--output", output), ("--report", report)):
        if path is not None:
            _writable(option, path, force)
    bounded = _listed(signals)
    asked = Asked(
        language=language,
        trusted=tuple(trusted),
        elsewhere=tuple(elsewhere or ()),
        like=tuple(like or (() if bounded else (f"hanji_{language}",))),
        signals=bounded,
        fixed=_listed(fixed),
        without=_listed(without),
        compare=tuple(compare or ()),
        aim=_aim(keep, joint, weight, only_loosen),
        held_out=held_out,
        text_field=text_field,
        min_characters=min_characters,
        most=most,
        workers=workers or os.cpu_count() or 1,
    )
    with progress(quiet) as shown:
        found = find(asked, shown)
    command = _command(asked, keep, joint, output)
    date = datetime.now(UTC).date().isoformat()
    _write(output, preset_yaml(found, name, command, date, __version__))
    say(*tell(found, samples), "")
    if report is not None:
        _write(report, render(found, name, command, max(samples, 3)))
        say(f"The page: {report}")
    say(f"The preset: {output}. In a recipe: rules.presets: {{{language}: [{_as_recipe(output)}]}}")


def _aim(
    keep: float | None,
    joint: float | None,
    weight: Literal["sources", "documents", "worst"],
    only_loosen: bool,
) -> Aim:
    from hanji.curation.calibrating.fitting import KEEP, Aim

    if keep is not None and not 0.5 <= keep < 1:
        raise RecipeError(f"--keep: {keep:g} is not allowed: a share from 0.5 to below 1, such as 0.995")
    if joint is not None and not 0 < joint < 1:
        raise RecipeError(f"--joint: {joint:g} is not allowed: a share between 0 and 1, such as 0.03")
    return Aim(KEEP if keep is None and joint is None else keep, joint, weight, only_loosen)


def _name(name: str | None, output: Path) -> str:
    """The preset's name, which recipes write before the names of its rules."""
    if output.suffix not in (".yaml", ".yml"):
        raise RecipeError(f"--output: {output}: a preset is a file whose name ends in .yaml")
    name = name or output.name.partition(".")[0]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise RecipeError(f"--name: {name!r} is not allowed: letters, digits, _, . and -, as in my_ko")
    return name


def _listed(value: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in (value or "").split(",") if one.strip())


def _writable(option: str, path: Path, force: bool) -> None:
    if path.is_dir():
        raise RecipeError(f"{option}: {path} is a directory; name a file")
    if path.exists() and not force:
        raise RecipeError(f"{option}: {path} is there already; name another file, or give --force")


def _write(path: Path, text: str) -> None:
    from hanji.storage import Storage

    Storage(path.absolute().parent).write_bytes(path.name, text.encode())


def _command(asked: Asked, keep: float | None, joint: float | None, output: Path) -> str:
    """The command as it could be typed again beside the files."""
    from hanji.curation.calibrating.preset import typed

    options = [("--language", asked.language)]
    for option in ("trusted", "elsewhere", "like", "compare"):
        options += [(f"--{option}", _base(value)) for value in getattr(asked, option)]
    options += [(f"--{name}", ",".join(getattr(asked, name))) for name in ("signals", "fixed", "without")]
    options += [("--keep", f"{keep:g}" if keep is not None else "")]
    options += [("--joint", f"{joint:g}" if joint is not None else "")]
    options += [("--weight", asked.aim.weighting if asked.aim.weighting != "sources" else "")]
    options += [("--most", str(asked.most or ""))]
    options += [("--min-characters", str(asked.min_characters) if asked.min_characters != 50 else "")]
    flags = [("--only-loosen", asked.aim.only_loosen), ("--no-held-out", not asked.held_out)]
    said = typed([(name, value) for name, value in [*options, ("--output", output.name)] if value])
    return " ".join([said, *(flag for flag, on in flags if on)])


def _base(value: str) -> str:
    """A path, perhaps of a named source, by its last part."""
    name, equals, path = value.rpartition("=")
    return f"{name}{equals}{PurePosixPath(path.rstrip('/')).name}"


def _as_recipe(output: Path) -> str:
    return str(output) if output.is_absolute() or len(output.parts) > 1 else f"./{output}"
