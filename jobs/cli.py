"""The command ``hanji``: its commands, and what its exit codes mean.

0: done. 1: the run failed; the message, the ledger or the log says why. 2: the recipe or the arguments are
wrong. 130: interrupted from the keyboard.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer import rich_utils
from typer.exceptions import Abort, TyperException

from hanji import __version__, interrupt
from hanji.errors import HanjiError
from hanji.jobs.commands import (
    ablate,
    calibrate,
    classifier,
    compare,
    cost,
    curate,
    export,
    jobs,
    lineage,
    model,
    report,
    submit,
    takedown,
    tokenizer,
    tools,
    train,
    whatif,
)
from hanji.jobs.terminal import fail

INTERRUPTED = 130

app = typer.Typer(
    name="hanji",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="From raw Korean and English web data to tiered token shards and trained models.\n\n"
    "A first look: `hanji demo` in a checkout. Your own data: write a recipe, then `hanji curate RECIPE`.",
    epilog="Exit codes: 0 done; 1 the run failed; 2 the recipe or the arguments are wrong.",
)

CURATION, TRAINING, CLUSTER, HELP = "Curation", "Training", "On a cluster", "Setting up"
app.command("curate", rich_help_panel=CURATION)(curate.curate)
app.command("report", rich_help_panel=CURATION)(report.report)
app.command("why", rich_help_panel=CURATION)(curate.why)
app.command("whatif", rich_help_panel=CURATION)(whatif.whatif)
app.command("compare", rich_help_panel=CURATION)(compare.compare)
app.command("takedown", rich_help_panel=CURATION)(takedown.takedown)
app.command("export", rich_help_panel=CURATION)(export.export)
app.command("calibrate", rich_help_panel=CURATION)(calibrate.calibrate)
app.add_typer(curate.shards, name="shards", rich_help_panel=CURATION)
app.add_typer(tokenizer.app, name="tokenizer", rich_help_panel=CURATION)
app.add_typer(classifier.app, name="classifier", rich_help_panel=CURATION)
app.command("signals", rich_help_panel=CURATION)(tools.signals)
app.command("rules", rich_help_panel=CURATION)(tools.rules)
app.command("train", rich_help_panel=TRAINING)(train.train)
app.command("ablate", rich_help_panel=TRAINING)(ablate.ablate)
app.add_typer(model.app, name="model", rich_help_panel=TRAINING)
app.add_typer(cost.app, name="cost", rich_help_panel=TRAINING)
app.add_typer(lineage.app, name="lineage", rich_help_panel=TRAINING)
app.command("submit", rich_help_panel=CLUSTER)(submit.submit)
app.add_typer(jobs.app, name="jobs", rich_help_panel=CLUSTER)
app.command("doctor", rich_help_panel=HELP)(tools.doctor)
app.command("demo", rich_help_panel=HELP)(tools.demo)


@app.callback(invoke_without_command=True)
def options(
    version: bool = typer.Option(False, "--version", help="Say the version and end."),
) -> None:
    if version:
        print(f"hanji {__version__}")
        raise typer.Exit


_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""A full disk, or one that may not be written to: whoever runs the command can mend that without a traceback."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: this process's) and return its exit code."""
    try:
        with interrupt.noted():
            code = app(args=arguments, prog_name="hanji", standalone_mode=False)
        if code == INTERRUPTED:  # Typer keeps a KeyboardInterrupt to itself
            raise Abort
    except TyperException as error:
        rich_utils.rich_format_error(error)  # type: ignore[arg-type]
        return error.exit_code
    except (Abort, KeyboardInterrupt):
        fail("interrupted; what was finished is kept, and the same command goes on from there")
        return INTERRUPTED
    except HanjiError as error:
        fail(str(error))
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is wrong.
        sys.stderr.close()
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            where = f"{error.filename}: " if error.filename else ""
            fail(
                f"{where}{error.strerror}; what was finished is kept, and the same command goes on from there"
            )
            return 1
        traceback.print_exc()
        fail(
            f"this should not have happened: {type(error).__name__}: {error}\n"
            "The lines above say where. Please report them with the recipe and the output of `hanji doctor`."
        )
        return 1
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run this process's command line and end with its code.

    What libraries registered for the end is done, and then the process ends at once: destructors of the
    libraries' C++ parts would come next, and under load pyarrow's or torch's now and then abort there ("terminate
    called without an active exception"), which would make a code of 1 one of -6.
    """
    code = run()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
