"""`lumirage-harness study`: several tracks, the same methods, claims written down before looking, one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumirage.cli.completion import method_names
from lumirage.cli.run_options import DryRun, Json, RunOptions, with_run_options
from lumirage.cli.typed_words import methods_between_commas
from lumirage.core.errors import EXIT_OK, EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from lumirage.cli.console_output import CommandScreen
    from lumirage.core.study import Study
    from lumirage.core.study_results import StudyResults
    from lumirage.flow.study.study_request import StudyRequest
    from lumirage.flow.study.study_run import StudyRun

app = typer.Typer(
    help="Studies: several tracks with the same methods, and claims that the numbers support or refute.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Named = Annotated[str, typer.Argument(metavar="STUDY", help="name of a shipped study, or a YAML file")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="output folder of a study")]
Data = Annotated[
    list[str],
    typer.Option("--data", metavar="NAME=DIR", help="the folder of one of the study's datasets; may be repeated"),
]
Derivatives = Annotated[
    list[str],
    typer.Option(
        "--derivatives",
        metavar="DATASET:NAME=PATH",
        help="labels, masks or landmarks of a dataset that are kept elsewhere; may be repeated",
    ),
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--method", "-m", "--methods", metavar="NAME", callback=methods_between_commas, autocompletion=method_names,
        help="only this one of the study's methods; may be repeated, or a,b",
    ),
]  # fmt: skip


@app.command("list")
def list_studies(json: Json = False) -> None:
    """The studies that come with the harness, a line each."""
    from lumirage.core.study_answers import StudiesAnswer, StudyListed
    from lumirage.planning.study_files import load_study, shipped_studies

    studies = {name: load_study(name) for name in shipped_studies()}
    if json:
        listed = tuple(StudyListed(**_counts(study) | {"name": name}) for name, study in studies.items())
        print(StudiesAnswer(studies=listed).model_dump_json(indent=1))
        return
    for name, study in studies.items():
        print(f"{name:24} {study.summary}")


def _counts(study: "Study") -> dict[str, Any]:  # words and numbers of one record
    many = {name: len(getattr(study, name)) for name in ("datasets", "tracks", "methods", "claims")}
    return {"name": study.name, "title": study.title, "summary": study.summary, **many}


@app.command()
def show(study: Named, json: Json = False) -> None:
    """A study with all its defaults filled in, as YAML."""
    import yaml

    from lumirage.planning.study_files import load_study

    loaded = load_study(study)
    if json:
        print(loaded.model_dump_json(indent=1))
    else:
        print(yaml.safe_dump(loaded.model_dump(mode="json"), sort_keys=False, allow_unicode=True), end="")


@app.command()
def validate(study: Named, json: Json = False) -> None:
    """Say whether a file is a study; exit code 2 and the field where it is not."""
    from lumirage.core.study_answers import StudyValidAnswer
    from lumirage.flow.study.study_request import checked_study

    loaded = checked_study(study)
    if json:
        print(StudyValidAnswer(**_counts(loaded), claims_hash=loaded.claims_hash()).model_dump_json(indent=1))
        return
    counts = f"{len(loaded.datasets)} dataset(s), {len(loaded.tracks)} track(s), {len(loaded.methods)} method(s)"
    print(f"{study}: study '{loaded.name}', {counts}, {len(loaded.claims)} claim(s), hash {loaded.claims_hash()}")


@app.command()
@with_run_options
def run(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    study: Named,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="output folder; default lumirage-study-NAME")
    ] = None,
    data: Data = [],  # noqa: B006 -- typer copies it
    derivatives: Derivatives = [],  # noqa: B006
    method: Methods = [],  # noqa: B006
    options: RunOptions = RunOptions(),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run a study: every track of which the data are there, then the claims and the page.

    Type the same command again to go on where it stopped. What is left out is said first, and stands on top of the page.
    """
    from lumirage.cli.console_output import show
    from lumirage.flow.request import EvaluationRequest
    from lumirage.flow.study.study_declaration import study_folder
    from lumirage.flow.study.study_request import StudyRequest, checked_study

    wanted = checked_study(study)
    request = StudyRequest(
        study=wanted, layout=study_folder(out, wanted), data=_folders(data), derivatives=_sources(derivatives),
        methods=tuple(method), options=options.into(EvaluationRequest(methods=())),
    )  # fmt: skip
    with show(json) as screen:
        if dry_run:
            _print_plan(request, screen, as_json=json)
        else:
            _carry_out(request, screen, as_json=json)


def _print_plan(request: "StudyRequest", screen: "CommandScreen", *, as_json: bool) -> None:
    from lumirage.flow.study.study_run import left_out_lines, plan_study

    plan = plan_study(request, screen)
    for line in left_out_lines(plan.left_out):
        screen.say(line)
    if as_json:
        print(plan.model_dump_json(indent=1))
        return
    for of_track in plan.tracks.values():
        screen.plan(of_track)


def _carry_out(request: "StudyRequest", screen: "CommandScreen", *, as_json: bool) -> None:
    from lumirage.flow.study.study_report import report_study
    from lumirage.flow.study.study_run import run_study

    done = run_study(request, screen)
    if done.waiting:
        look = f"look with 'lumirage-harness study status {request.layout.root}'"
        screen.say(f"on the cluster: {', '.join(done.waiting)}; {look}")
    if done.summaries:
        results = report_study(request.layout, screen)
        print(results.model_dump_json(indent=1) if as_json else "\n".join(_lines(results)))
        if not as_json:
            print(f"page: {request.layout.page}")
    raise typer.Exit(_status(done))


def _status(done: "StudyRun") -> int:
    """As of an evaluation; a track that could not be carried out with its data gives the exit code of what was wrong."""
    if done.errors:
        return done.errors[0].exit_code
    return EXIT_SOME_FAILED if done.failed else EXIT_OK


def _lines(results: "StudyResults") -> list[str]:
    from lumirage.reporting.study_words import claim_line, left_out_sentences

    return [*left_out_sentences(results), *map(claim_line, results.claims)]


@app.command()
def report(out: Out, json: Json = False) -> None:
    """Compute the claims and tables of a study again from the output trees of its tracks, and write its page."""
    from lumirage.cli.console_output import show
    from lumirage.core.study_layout import StudyLayout
    from lumirage.flow.study.study_report import report_study

    layout = StudyLayout(out)
    with show(json) as screen:
        results = report_study(layout, screen)
    print(results.model_dump_json(indent=1) if json else "\n".join([*_lines(results), f"page: {layout.page}"]))


@app.command()
def status(out: Out, json: Json = False) -> None:
    """Count the runs of every track by state, from the files of OUT and a look into the cluster's queue."""
    from lumirage.core.command_answers import RunCounts
    from lumirage.core.study_answers import StudyStatusAnswer
    from lumirage.core.study_changes import changes_told
    from lumirage.core.study_layout import StudyLayout
    from lumirage.flow.status import STATES
    from lumirage.flow.study.study_declaration import read_study_record
    from lumirage.flow.study.study_run import left_out_lines
    from lumirage.flow.study.study_status import study_status

    layout = StudyLayout(out)
    record = read_study_record(layout)
    found, unknown = study_status(layout, record)
    if json:
        tracks = {name: {method: RunCounts(**n) for method, n in of.counts.items()} for name, of in found.items()}
        answer = StudyStatusAnswer(
            out=str(layout.root), study=record.study.name, tracks=tracks, left_out=record.left_out,
            not_begun=tuple(name for name in record.study.tracks if name not in found),
            changes=tuple(changes_told(record)), messages=tuple(unknown),
        )  # fmt: skip
        print(answer.model_dump_json(indent=1))
        return
    for line in [*unknown, *left_out_lines(record.left_out), *changes_told(record)]:
        print(line)
    print(f"{'track':20}" + "".join(f"{state.replace('_', ' '):>10}" for state in STATES))
    for name in record.study.tracks:
        counts = [found[name].total(state) if name in found else 0 for state in STATES]
        print(f"{name:20}" + "".join(f"{count:10}" for count in counts) + ("" if name in found else "  not begun"))


def _folders(words: list[str]) -> dict[str, Path]:
    found = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--data {word}: expected NAME=DIR, such as --data nimh=/data/ds004215")
        found[name] = Path(path)
    return found


def _sources(words: list[str]) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {}
    for word in words:
        dataset, colon, rest = word.partition(":")
        name, equals, path = rest.partition("=")
        if not (dataset and colon and name and equals and path):
            raise UsageError(f"--derivatives {word}: expected DATASET:NAME=PATH, such as nimh:synthseg=/data/synthseg")
        found.setdefault(dataset, {})[name] = Path(path)
    return found
