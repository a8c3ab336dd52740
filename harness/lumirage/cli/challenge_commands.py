"""`lumirage-harness challenge`: many submissions, one leaderboard that holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.cli.leaderboard_commands import publish, rank
from lumirage.cli.run_options import RunOptions, with_run_options
from lumirage.core.errors import EXIT_SOME_FAILED

if TYPE_CHECKING:
    from lumirage.core.challenge import Submission
    from lumirage.flow.challenge.receive import Received

app = typer.Typer(
    help="Challenges: submissions validated, archived by hash, scored and ranked as declared.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DeskFolder = Annotated[Path, typer.Argument(metavar="DESK", help="the desk's folder, with challenge.yaml")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON, and no progress")]
Runtime = Annotated[
    str, typer.Option(metavar="NAME", help="for images: docker, apptainer, local; auto takes the first")
]
PhaseName = Annotated[str, typer.Option("--phase", metavar="NAME", help="default: the phase that is open")]


@app.command()
def init(
    desk: Annotated[Path, typer.Argument(metavar="DESK", help="a new folder")],
    configuration: Annotated[
        str,
        typer.Option(help="official configuration (FILE.json, or FOLDER/ of them), or a track; relative to the desk"),
    ] = "phantom",
    dataset: Annotated[str, typer.Option(help="BIDS dataset, relative to the desk")] = "",
) -> None:
    """Begin a desk: write a challenge.yaml to fill in. The rules are hashed with the first submission."""
    from lumirage.flow.challenge.begin_desk import begin_desk

    layout = begin_desk(desk, configuration, dataset)
    print(f"{layout.challenge}: fill it in, then 'lumirage-harness challenge add {desk} TEAM FOLDER'")


@app.command()
def add(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    desk: DeskFolder,
    team: Annotated[str, typer.Argument(metavar="TEAM")],
    what: Annotated[str, typer.Argument(metavar="FOLDER|IMAGE", help="fields, a method's folder, or an image")],
    note: Annotated[str, typer.Option(help="anything that the team wants to be kept with it")] = "",
    phase: PhaseName = "",
    received: Annotated[
        str, typer.Option(metavar="TIME", help="when it came, UTC, as 2026-05-01T12:00; default now")
    ] = "",
    runtime: Runtime = "auto",
    json: Json = False,
) -> None:
    """Take a submission: validate it, archive it by its hash, write the letter to the team. Exit code 1: not accepted whole."""
    from lumirage.cli.console_output import show
    from lumirage.flow.challenge.desk import open_desk
    from lumirage.flow.challenge.receive import HandedIn, add_submission
    from lumirage.running.tree_lock import lock_exclusively

    opened = open_desk(desk)
    with show(json) as screen, lock_exclusively(opened.layout.lock):
        done = add_submission(opened, HandedIn(team, what, note, phase, runtime, received), screen)
    if done.known and not json:
        print(
            f"this was received before, on {done.submission.received[:16].replace('T', ' ')} UTC; nothing was added\n"
        )
    _tell(done, as_json=json)


@app.command()
def check(
    what: Annotated[str, typer.Argument(metavar="FOLDER|IMAGE", help="fields, a method's folder, or an image")],
    challenge: Annotated[Path, typer.Option("--for", metavar="CHALLENGE", help="folder with the challenge.yaml")],
    phase: PhaseName = "",
    runtime: Runtime = "auto",
    json: Json = False,
) -> None:
    """Say what the desk would say of a submission, at home: the same verdict and letter, and nothing is kept."""
    from lumirage.cli.console_output import show
    from lumirage.core.layout import Layout, cache_root
    from lumirage.flow.challenge.desk import open_desk
    from lumirage.flow.challenge.receive import HandedIn, check_submission

    folder = challenge.parent if challenge.is_file() else challenge
    opened = open_desk(folder)
    with show(json) as screen:
        cache = Layout(cache_root() / "challenge" / opened.challenge.name)
        done = check_submission(opened, HandedIn("you", what, phase=phase, runtime=runtime), cache, screen)
    _tell(done, as_json=json)


def _tell(done: "Received", *, as_json: bool) -> None:
    print(done.submission.model_dump_json(indent=1) if as_json else done.letter, end="\n" if as_json else "")
    raise typer.Exit(0 if done.submission.verdict == "accepted" else EXIT_SOME_FAILED)


@app.command()
@with_run_options
def run(
    desk: DeskFolder,
    phase: Annotated[str, typer.Option("--phase", metavar="NAME", help="only this phase; default all")] = "",
    jitter: Annotated[
        bool,
        typer.Option(
            "--jitter", help="also run images on grids turned and shifted by a little: remembered answers fall"
        ),
    ] = False,
    options: RunOptions = RunOptions(),
    json: Json = False,
) -> None:
    """Run the images and score every submission that counts. Type it again to go on where it stopped.

    -j N scores with N processes, and runs N containers at a time."""
    from lumirage.cli.console_output import show
    from lumirage.core.challenge_answers import DeskRunAnswer
    from lumirage.flow.challenge.desk import open_desk
    from lumirage.flow.challenge.desk_run import run_desk
    from lumirage.flow.challenge.jitter_run import run_jittered
    from lumirage.flow.request import EvaluationRequest
    from lumirage.running.tree_lock import lock_exclusively

    opened = open_desk(desk)
    request = options.into(EvaluationRequest(methods=()))
    suspects: list[str] = []
    with show(json) as screen, lock_exclusively(opened.layout.lock):
        done = run_desk(opened, phase, request, screen)
        if jitter and not (done.waiting or done.failed):
            changes = run_jittered(opened, phase, request, screen)
            found = changes[changes["suspect"]].drop_duplicates(subset="method")
            suspects = [f"{row.method}: {row.note}" for row in found.itertuples()]
    if json:
        answer = DeskRunAnswer(scored=done.scored, waiting=done.waiting, failed=done.failed, suspects=tuple(suspects))
        print(answer.model_dump_json(indent=1))
        raise typer.Exit(EXIT_SOME_FAILED if done.failed else 0)
    waiting = f"; on the cluster: {', '.join(done.waiting)}" if done.waiting else ""
    print("\n".join([f"{done.scored} submission(s) have their scores{waiting}", *suspects]))
    if jitter and not (done.waiting or done.failed):
        print(f"what jitter changed: {opened.layout.jitter_table}")
    raise typer.Exit(EXIT_SOME_FAILED if done.failed else 0)


@app.command()
def verify(
    desk: DeskFolder,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="processes that score")] = 1,
    json: Json = False,
) -> None:
    """Hold a desk against its archive: every byte by its hash, every score made again and equal to the last digit.

    Works on another machine, from a copy of the desk and of the data that challenge.yaml names. Exit code 1: a fault."""
    from dataclasses import asdict

    from lumirage.cli.console_output import show
    from lumirage.core.challenge_answers import DeskVerifyAnswer
    from lumirage.flow.challenge.desk import open_desk
    from lumirage.flow.challenge.verify_desk import verify_desk

    opened = open_desk(desk)
    with show(json) as screen:
        found = verify_desk(opened, workers, screen)
    if json:
        print(DeskVerifyAnswer(**asdict(found)).model_dump_json(indent=1))
    else:
        waiting = f", {found.not_scored} not scored yet" if found.not_scored else ""
        print(
            f"{found.submissions} submission(s) looked at, {found.scores} scored again{waiting}; {len(found.faults)} fault(s)"
        )
        print("".join(f"{fault}\n" for fault in found.faults), end="")
    raise typer.Exit(EXIT_SOME_FAILED if found.faults else 0)


@app.command()
def status(desk: DeskFolder, json: Json = False) -> None:
    """List what was handed in: team, phase, time, verdict, and whether it is scored."""
    from lumirage.core.challenge_answers import DeskStatusAnswer, SubmissionState
    from lumirage.flow.challenge.desk import open_desk, rules_changed, submissions_of

    opened = open_desk(desk)
    rows = [(s, opened.layout.scores(s.id).score_table.is_file()) for s in submissions_of(opened)]
    if json:
        states = tuple(SubmissionState(**s.model_dump(), scored=scored) for s, scored in rows)
        answer = DeskStatusAnswer(rules=opened.rules(), changed=tuple(rules_changed(opened)), submissions=states)
        print(answer.model_dump_json(indent=1))
        return
    for line in rules_changed(opened):
        print(f"the rules: {line}")
    print(f"{'team':16} {'phase':12} {'received (UTC)':17} {'kind':7} {'verdict':9} {'pairs':>5}  state")
    for submission, scored in rows:
        print(_row(submission, scored=scored))


app.command()(rank)
app.command()(publish)


def _row(submission: "Submission", *, scored: bool) -> str:
    state = "" if submission.verdict == "refused" else "scored" if scored else "waits for 'challenge run'"
    pairs = str(len(submission.answers)) if submission.kind == "folder" else ""
    late = ", late" if submission.late else ""
    return (
        f"{submission.team:16} {submission.phase:12} {submission.received[:16].replace('T', ' '):17} {submission.kind:7} "
        f"{submission.verdict:9} {pairs:>5}  {state}{late}"
    )
