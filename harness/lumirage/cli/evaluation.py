"""`evaluate` and its stages `run`, `score`, `compare`, `report`, each of which works alone from the files of OUT."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.errors import EXIT_OK, EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from lumirage.cli.show import Shown
    from lumirage.evaluate import Order

STAGES = ("run", "score", "compare", "report")

BidsDir = Annotated[
    Path | None,
    typer.Argument(metavar="BIDS_DIR", help="BIDS dataset; else LUMIRAGE_BIDS_DIR, else a phantom made in the cache"),
]
Out = Annotated[Path | None, typer.Argument(metavar="OUT", help="output folder; default lumirage-<dataset>-<track>")]
Methods = Annotated[list[str], typer.Option("--method", "-m", help="method by name or folder; may be repeated")]
TrackName = Annotated[str | None, typer.Option("--track", "-t", help="name of a track, or a YAML file")]
Derivatives = Annotated[
    list[str],
    typer.Option("--derivatives", help="NAME=PATH of labels, masks or landmarks kept elsewhere; may be repeated"),
]
Participants = Annotated[
    list[str], typer.Option("--participant-label", "--participant_label", help="only pairs with this fixed subject")
]
Pairs = Annotated[list[str], typer.Option("--pair", help="FIX,MOV: only this pair; may be repeated")]
Limit = Annotated[int | None, typer.Option(min=1, help="only the first N pairs")]
Runtime = Annotated[str, typer.Option(help="docker, apptainer, local; auto takes the first that works")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="containers at a time")]
Batch = Annotated[int, typer.Option(min=1, help="pairs that one container registers")]
Repeats = Annotated[int, typer.Option(min=1, help="how often each pair is run")]
Seed = Annotated[int, typer.Option(help="seed given to the methods")]
Timeout = Annotated[float | None, typer.Option(min=0.1, help="seconds a pair may take; default from the track")]
Memory = Annotated[float | None, typer.Option(min=0.01, help="memory of a container, GB; default from the track")]
Cpus = Annotated[int | None, typer.Option(min=1, help="CPUs of a container; default from the track")]
Gpus = Annotated[str, typer.Option(help="GPUs to use, by index or UUID, separated by commas; default all")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print the jobs and stop")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON, and no progress")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("evaluate", help=_EVALUATE)(_command(STAGES))
    app.command("run", help="Execute methods on pairs; scoring comes later, from the files.")(_command(STAGES[:1]))


_EVALUATE = """Run methods on the pairs of a dataset, score the answers, compare the methods, write a report.

Type the same command again to go on where it stopped; another --method adds to the same OUT."""


def _command(stages: tuple[str, ...]):  # type: ignore[no-untyped-def]  # typer reads the signature below
    def command(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
        method: Methods,
        bids_dir: BidsDir = None,
        out: Out = None,
        track: TrackName = None,
        derivatives: Derivatives = [],  # noqa: B006 -- typer copies it
        participant_label: Participants = [],  # noqa: B006
        pair: Pairs = [],  # noqa: B006
        limit: Limit = None,
        runtime: Runtime = "auto",
        jobs: Jobs = 1,
        batch: Batch = 1,
        repeats: Repeats = 1,
        seed: Seed = 0,
        timeout: Timeout = None,
        memory: Memory = None,
        cpus: Cpus = None,
        gpus: Gpus = "",
        dry_run: DryRun = False,
        json: Json = False,
    ) -> None:
        from lumirage.cli.show import show
        from lumirage.evaluate import Order

        order = Order(
            methods=tuple(method),
            bids=bids_dir or _from_environment(),
            out=out,
            track=track,
            derivatives=_derivatives(derivatives),
            participants=tuple(participant_label),
            pairs=tuple(pair),
            limit=limit,
            runtime=runtime,
            jobs=jobs,
            batch=batch,
            repeats=repeats,
            seed=seed,
            limits=_limits(timeout, memory, cpus),
            gpus=tuple(filter(None, gpus.split(","))),
        )
        with show(json) as screen:
            _carry_out(order, stages, dry_run=dry_run, screen=screen)

    return command


def _limits(timeout: float | None, memory: float | None, cpus: int | None) -> dict[str, float | int]:
    given = {"pair_timeout_s": timeout, "memory_bytes": int(memory * 1e9) if memory else None, "cpus": cpus}
    return {name: value for name, value in given.items() if value is not None}


def _from_environment() -> Path | None:
    value = os.environ.get("LUMIRAGE_BIDS_DIR")
    return Path(value) if value else None


def _derivatives(words: list[str]) -> dict[str, Path]:
    found = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"--derivatives {word}: NAME=PATH is wanted, such as --derivatives aseg=/data/aseg")
        found[name] = Path(path)
    return found


def _carry_out(order: "Order", stages: tuple[str, ...], *, dry_run: bool, screen: "Shown") -> None:
    from lumirage import evaluate as flow
    from lumirage.machine import choose_machine
    from lumirage.planning.plan import describe

    if dry_run:
        plan = flow.plan_order(order, choose_machine(order.runtime, screen), screen)
        for line in describe(plan.jobs):
            print(line)
        screen.say(f"{len(plan.jobs)} jobs, {len(plan.pairs)} pairs, {plan.complete} runs complete; nothing was done")
        return
    summary = flow.evaluate(order, stages, screen)
    screen.summary(summary)
    raise typer.Exit(EXIT_SOME_FAILED if summary.failed else EXIT_OK)


def bids_app_form(words: list[str]) -> list[str]:
    """`BIDS_DIR OUT {participant,group} ...` as the words of a command; anything else as it is."""
    return words
