"""The command line: words in, calls out, exit codes back. Nothing heavy is imported before a command is known."""

import os
import signal
import sys
from typing import NoReturn

import typer

from lumirage import __version__
from lumirage.cli import bids_app, cluster, dataset, evaluation, methods, results, tracks, upkeep
from lumirage.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, LumirageError

# rich's markup of help texts costs 0.25 s at every start; the plain one answers in under 0.2 s
app = typer.Typer(
    name="lumirage-harness",
    help=(
        "The independent referee of deformable image registration: runs any method as a container on pairs of brain "
        "images, measures what it costs, scores every answer the same way, and says which differences are real.\n\n"
        "Begin with: lumirage-harness evaluate --method greedy"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
evaluation.register(app)
bids_app.register(app)
results.register(app)
upkeep.register(app)
cluster.register(app)
app.add_typer(methods.app, name="methods")
app.add_typer(tracks.app, name="tracks")
app.add_typer(dataset.app, name="dataset")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lumirage-harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before any command."""


def main() -> NoReturn:
    """The entry point; the only place that catches errors. LUMIRAGE_DEBUG=1 shows where one came from."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster's or engine's polite stop is a Ctrl-C
    try:
        app(args=bids_app.words_of_command(sys.argv[1:], app), standalone_mode=True)
    except LumirageError as error:
        if os.environ.get("LUMIRAGE_DEBUG"):
            raise
        print(f"lumirage-harness: {error}", file=sys.stderr)
        _leave(error.exit_code)
    except SystemExit as end:
        if end.code != EXIT_INTERRUPTED:  # what typer makes of Ctrl-C
            raise
        print("lumirage-harness: interrupted; type the same command to go on", file=sys.stderr)
        _leave(EXIT_INTERRUPTED)
    except OSError as error:
        if os.environ.get("LUMIRAGE_DEBUG"):
            raise
        print(f"lumirage-harness: {_explain(error)}", file=sys.stderr)
        _leave(EXIT_INTERNAL)
    sys.exit(0)


def _leave(code: int) -> NoReturn:
    """End now. A thread that still aligns a pair is in the middle of C++, and the interpreter's own end would abort there."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _explain(error: OSError) -> str:
    """A full disk and a folder that may not be written are the user's to mend, not a fault of the program."""
    where = f"{error.filename}: " if error.filename else ""
    return (
        f"{where}{error.strerror or error}; free some space or choose another OUT, then type the same command to go on"
    )
