"""The command line: options in, one call out, an exit code back. Heavy imports wait until the command is known."""

import errno
import os
import signal
import sys
import traceback
from typing import NoReturn

import typer

from lumirage import __version__
from lumirage.cli import bids_app
from lumirage.cli import challenge_commands as challenge
from lumirage.cli import cluster_commands as cluster
from lumirage.cli import dataset_commands as dataset
from lumirage.cli import evaluate_commands as evaluation
from lumirage.cli import maintenance_commands as upkeep
from lumirage.cli import method_commands as methods
from lumirage.cli import query_commands as query
from lumirage.cli import result_commands as results
from lumirage.cli import study_commands as study
from lumirage.cli import track_commands as tracks
from lumirage.cli.help_texts import add_help_texts
from lumirage.cli.typed_words import HELP, CommandGroup, QuickGroup
from lumirage.core.errors import DISK_FULL, EXIT_INTERNAL, EXIT_INTERRUPTED, BusyError, LumirageError, UsageError

INTERRUPTED = "interrupted; type the same command to go on"
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)

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
    cls=CommandGroup,
    context_settings={"help_option_names": list(HELP)},
)
evaluation.register(app)
bids_app.register(app)
results.register(app)
query.register(app)
upkeep.register(app)
cluster.register(app)
app.add_typer(methods.app, name="methods", cls=QuickGroup)
app.add_typer(tracks.app, name="tracks", cls=QuickGroup)
app.add_typer(study.app, name="study", cls=QuickGroup)
app.add_typer(challenge.app, name="challenge", cls=QuickGroup)
app.add_typer(dataset.app, name="dataset", cls=QuickGroup)
add_help_texts(app)


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
    # a cluster's or engine's polite stop and a closed terminal are a Ctrl-C; what nohup ignores stays ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    as_json = "--json" in sys.argv[1:]
    try:
        ended = app(args=bids_app.words_of_command(sys.argv[1:], app), standalone_mode=not as_json)
    except SystemExit as end:
        if end.code != EXIT_INTERRUPTED:  # what typer makes of Ctrl-C
            raise
        _tell_error(EXIT_INTERRUPTED, INTERRUPTED, as_json=as_json)
        _leave(EXIT_INTERRUPTED)
    except (KeyboardInterrupt, typer.Abort):  # the same, where typer leaves it to us
        _tell_error(EXIT_INTERRUPTED, INTERRUPTED, as_json=as_json)
        _leave(EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 -- Python's own status 1 would mean that some pairs failed
        code, text, known = _explain(error)
        _tell_error(code, text, as_json=as_json)
        if not known or os.environ.get("LUMIRAGE_DEBUG"):
            traceback.print_exception(error)
        _leave(code)
    sys.exit(ended if isinstance(ended, int) else 0)


def _tell_error(code: int, text: str, *, as_json: bool) -> None:
    """In words on stderr; with --json also as one line of JSON on stdout, where a program waits for the answer."""
    print(f"lumirage-harness: {text}", file=sys.stderr)
    if as_json:
        from lumirage.core.command_answers import error_answer

        print(error_answer(code, text).model_dump_json())


def _leave(code: int) -> NoReturn:
    """End now. A thread that still aligns a pair is in the middle of C++, where a normal exit would abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _explain(error: Exception) -> tuple[int, str, bool]:
    """Exit code, message, and whether the user can fix it (rather than a fault of the program)."""
    if isinstance(error, LumirageError):
        return error.exit_code, str(error), True
    if hasattr(error, "format_message"):  # typer's own, only with --json: else it has been told, and ended the command
        return int(getattr(error, "exit_code", UsageError.exit_code)), str(error.format_message()), True
    if isinstance(error, OSError) and error.errno in {*DISK_FULL, *NOT_WRITABLE}:
        where = f"{error.filename}: " if error.filename else ""
        mend = "free some space or choose another OUT, then type the same command to go on"
        code = BusyError.exit_code if error.errno in DISK_FULL else EXIT_INTERNAL
        return code, f"{where}{error.strerror}; {mend}", True
    if isinstance(error, FileNotFoundError) and error.filename:
        mend = "was it moved or removed? Put it back, then type the same command to go on"
        return EXIT_INTERNAL, f"{error.filename}: no such file; {mend}", True
    kind = type(error).__name__
    return (
        EXIT_INTERNAL,
        f"internal error ({kind}: {error}); what was finished is kept. Please report it with what follows",
        False,
    )
