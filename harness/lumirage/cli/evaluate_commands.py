"""`evaluate` and its stages `run`, `score`, `compare`, `report`, each of which works alone from the files of OUT."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.cli.completion import method_names, track_names
from lumirage.cli.run_options import DryRun, Json, RunOptions, with_run_options
from lumirage.cli.swapped_words import check_request
from lumirage.cli.typed_words import between_commas, methods_between_commas
from lumirage.core.errors import EXIT_OK, EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from lumirage.cli.console_output import CommandScreen
    from lumirage.flow.request import EvaluationRequest

    CarryOut = Callable[[EvaluationRequest, bool, CommandScreen], None]

STAGES = ("run", "score", "compare", "report")

BidsDir = Annotated[
    Path | None,
    typer.Argument(metavar="BIDS_DIR", help="BIDS dataset; else LUMIRAGE_BIDS_DIR, else a phantom made in the cache"),
]
Out = Annotated[Path | None, typer.Argument(metavar="OUT", help="output folder; default lumirage-<dataset>-<track>")]
Methods = Annotated[
    list[str],
    typer.Option(
        "--method", "-m", metavar="NAME", callback=methods_between_commas, autocompletion=method_names,
        help="method by name or folder; may be repeated, or a,b",
    ),
]  # fmt: skip
TrackName = Annotated[
    str | None,
    typer.Option("--track", "-t", metavar="TRACK", autocompletion=track_names, help="name of a track, or a YAML file"),
]
Derivatives = Annotated[
    list[str],
    typer.Option(
        "--derivatives",
        metavar="NAME=PATH",
        help="NAME=PATH of labels, masks or landmarks kept elsewhere; may be repeated",
    ),
]
LabelSources = Annotated[
    list[str],
    typer.Option(
        "--labels",
        metavar="SOURCE",
        callback=between_commas,
        help="label source to score, as the plan lists them; repeatable, or a,b; default all",
    ),
]
Participants = Annotated[
    list[str],
    typer.Option(
        "--participant-label",
        "--participant_label",
        metavar="LABEL",
        callback=between_commas,
        help="only pairs with this fixed subject; several: 01 02, or 01,02",
    ),
]
Sessions = Annotated[
    list[str],
    typer.Option(
        "--session-label",
        "--session_label",
        metavar="LABEL",
        callback=between_commas,
        help="only pairs whose fixed scan is of this session; several: 1 2, or 1,2",
    ),
]
Filter = Annotated[
    Path | None,
    typer.Option("--bids-filter-file", "--bids_filter_file", help='JSON such as {"t1w": {"acquisition": "mprage"}}'),
]
SkipValidation = Annotated[
    bool,
    typer.Option(
        "--skip-bids-validation", "--skip_bids_validation", help="BIDS App form: take files whose names are not BIDS"
    ),
]
Work = Annotated[
    Path | None, typer.Option("--work-dir", "-w", help="folder for OUT's intermediate files, such as a fast disk")
]
Pairs = Annotated[list[str], typer.Option("--pair", metavar="FIX,MOV", help="only this pair; may be repeated")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="only the first N pairs")]
Repeats = Annotated[int, typer.Option(min=1, help="how often each pair is run")]
Jitter = Annotated[
    bool,
    typer.Option("--jitter", help="also run each pair turned and shifted by a little: a remembered answer falls"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("evaluate", help=_EVALUATE)(command_of(partial(_carry_out, STAGES)))
    app.command("run", help="Run methods on pairs; score the answers later, from the files.")(
        command_of(partial(_carry_out, STAGES[:1]))
    )


_EVALUATE = """Run methods on the pairs of a dataset, score the answers, compare the methods, write a report.

Type the same command again to go on where it stopped; another --method adds to the same OUT."""


def command_of(carry_out: "CarryOut") -> "Callable[..., None]":
    """A command with the options of `evaluate` that hands on the request."""

    def command(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
        method: Methods,
        bids_dir: BidsDir = None,
        out: Out = None,
        track: TrackName = None,
        derivatives: Derivatives = [],  # noqa: B006 -- typer copies it
        labels: LabelSources = [],  # noqa: B006
        participant_label: Participants = [],  # noqa: B006
        session_label: Sessions = [],  # noqa: B006
        bids_filter_file: Filter = None,
        skip_bids_validation: SkipValidation = False,
        work_dir: Work = None,
        pair: Pairs = [],  # noqa: B006
        limit: Limit = None,
        repeats: Repeats = 1,
        jitter: Jitter = False,
        options: RunOptions = RunOptions(),
        dry_run: DryRun = False,
        json: Json = False,
    ) -> None:
        request = _request()(
            methods=tuple(method), bids=bids_dir or _from_environment(), out=out, track=track,
            derivatives=derivative_folders(derivatives), labels=tuple(labels), participants=tuple(participant_label),
            sessions=tuple(session_label), bids_filter=bids_filter_file, skip_validation=skip_bids_validation,
            work=work_dir, pairs=tuple(pair), limit=limit, repeats=repeats,
            jitter=jitter,
        )  # fmt: skip
        _with_screen(carry_out, options.into(request), dry_run, json)

    return with_run_options(command)


def _request() -> "type[EvaluationRequest]":
    from lumirage.flow.request import EvaluationRequest

    return EvaluationRequest


def _with_screen(carry_out: "CarryOut", request: "EvaluationRequest", dry_run: bool, as_json: bool) -> None:
    from lumirage.cli.console_output import show

    with show(as_json) as screen:
        check_request(request)
        carry_out(request, dry_run, screen)


def _from_environment() -> Path | None:
    value = os.environ.get("LUMIRAGE_BIDS_DIR")
    return Path(value) if value else None


def derivative_folders(words: list[str]) -> dict[str, Path]:
    """`aseg=/data/aseg` -> name and folder. Raises UsageError."""
    found = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"--derivatives {word}: expected NAME=PATH, such as --derivatives aseg=/data/aseg")
        found[name] = Path(path)
    return found


def _carry_out(stages: tuple[str, ...], request: "EvaluationRequest", dry_run: bool, screen: "CommandScreen") -> None:
    if dry_run:
        print_plan(request, screen)
        return
    if request.executor == "slurm":
        on_cluster(request, stages, screen)
        return
    from lumirage.flow.evaluate import evaluate

    answer = evaluate(request, stages, screen)
    screen.answer(answer)
    raise typer.Exit(EXIT_SOME_FAILED if answer.failed else EXIT_OK)


def on_cluster(request: "EvaluationRequest", stages: tuple[str, ...], screen: "CommandScreen") -> None:
    """Submit what is missing of these stages and return; or, with everything there, answer from it."""
    from lumirage.flow.cluster.cluster_submit import submit

    complete = submit(request, stages, screen)
    if complete is None:
        return
    from lumirage.flow.summary import summarize

    answer = summarize(complete)
    screen.answer(answer)
    raise typer.Exit(EXIT_SOME_FAILED if answer.failed else EXIT_OK)


def print_plan(request: "EvaluationRequest", screen: "CommandScreen") -> None:
    """What --dry-run prints."""
    from lumirage.flow.method_setup.install import method_installer
    from lumirage.flow.plan import plan_ahead

    screen.plan(plan_ahead(request, method_installer(request.runtime, screen, offline=request.offline), screen))
