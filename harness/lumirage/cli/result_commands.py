"""The stages that work from the files of OUT: `score`, `compare`, `report`, `export`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.cli.typed_words import between_commas
from lumirage.core.errors import UsageError

if TYPE_CHECKING:
    from lumirage.core.layout import Layout
    from lumirage.reporting.paper_tables import PaperTable

Done = Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")]
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, help="processes that score")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON, and no progress")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for function in (score, compare, report, export):
        app.command()(function)


@contextmanager
def working_in(out: Path) -> "Iterator[Layout]":
    """The tree of an evaluation, held against other harnesses. Raises DataError when there is none."""
    from lumirage.core.layout import Layout
    from lumirage.flow.stored_evaluation import load_evaluation
    from lumirage.running.tree_lock import lock_tree

    layout = Layout(out)
    load_evaluation(layout)  # first: the lock would make a folder
    with lock_tree(layout):
        yield layout


def score(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="output folder of an evaluation")] = None,
    preset: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            callback=between_commas,
            help="strict, lumir24, lumir25, learn2reg or lumirage; default those of the track; may be repeated, or a,b",
        ),
    ] = [],  # noqa: B006 -- typer copies it
    workers: Workers = 1,
    score_device: Annotated[str, typer.Option(help="cpu, or cuda where torch and a GPU are there")] = "cpu",
    lumir_submission: Annotated[
        Path | None,
        typer.Option(help="folder of disp_FIX_MOV.nii.gz to score as the challenge did, without any container"),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="with --lumir-submission: folder with the evaluation's JSON and its data")
    ] = None,
    as_official: Annotated[
        bool,
        typer.Option(
            "--as-official", help="also what the challenge's code makes of NaN, and nan and inf as it writes them"
        ),
    ] = False,
    case: Annotated[
        Path | None, typer.Option(help="one .npz file with label maps and a field, for development")
    ] = None,
    json: Json = False,
) -> None:
    """Score the answers in OUT again, with other presets if asked; nothing is run and older scores stay."""
    if case is not None:
        _score_case(case, preset, as_official=as_official)
        return
    if lumir_submission is not None:
        _score_submission(lumir_submission, truth, preset, workers, as_official=as_official)
        return
    if out is None:
        raise UsageError("score: OUT is missing, the output folder of an evaluation; or --lumir-submission, or --case")
    from lumirage.cli.console_output import show
    from lumirage.flow import score as stage
    from lumirage.flow.summary import summarize
    from lumirage.flow.upkeep.mending import Mender

    with show(json) as screen, working_in(out) as layout:
        mender = Mender(layout, screen, executes=False)
        mender.look()
        mender.over(lambda: stage.score(layout, preset, stage.ScoringSettings(workers, score_device), screen))
        screen.answer(summarize(layout))


def _score_case(case: Path, presets: list[str], *, as_official: bool) -> None:
    from json import dumps

    from lumirage.scoring.pair_case import score_case

    found = {name: score_case(case, name, as_official=as_official) for name in presets or ["strict"]}
    print(dumps(next(iter(found.values())) if len(found) == 1 else found, indent=1))


def _score_submission(folder: Path, truth: Path | None, presets: list[str], workers: int, *, as_official: bool) -> None:
    """Prints metrics.json and writes it beside the answers' folder, as the challenge does into its output."""
    from json import dumps

    from lumirage.cli.console_output import show
    from lumirage.core.layout import write_text
    from lumirage.scoring.challenge_submission import SubmissionOptions, metrics_json, score_submission

    if truth is None:
        raise UsageError("--lumir-submission needs --truth, the folder with the challenge's evaluation configuration")
    if len(presets) > 1:
        raise UsageError("--lumir-submission takes one --preset: lumir24, lumir25 or learn2reg")
    options = SubmissionOptions(preset=presets[0] if presets else "lumir25", as_official=as_official, workers=workers)
    results = []
    with show(False) as screen:
        for result in score_submission(folder, truth, options):
            results.append(result)
            if result.problem:
                screen.say(f"{result.pair.key}: {result.problem}")
    text = dumps(metrics_json(results, options), indent=1)
    write_text(folder / "metrics.json", text + "\n")
    print(text)
    raise typer.Exit(1 if any(result.problem for result in results) else 0)


def compare(
    out: Done,
    other: Annotated[
        Path | None, typer.Argument(metavar="OUT2", help="a second evaluation: say what changed from OUT to it")
    ] = None,
    json: Json = False,
) -> None:
    """Compare the methods in OUT from its scores: effects, intervals, rankings. With OUT2: what differs between the two."""
    from lumirage.cli.console_output import show
    from lumirage.flow import compare as stage
    from lumirage.flow.summary import effects_of, summarize
    from lumirage.flow.upkeep.mending import Mender, remake_scores

    if other is not None:
        _print_changes(out, other)
        return
    with show(json) as screen, working_in(out) as layout:
        mender = Mender(layout, screen, executes=False)
        mender.look(refuse=False)
        mender.over(lambda: remake_scores(layout, screen))
        mender.over(lambda: stage.compare(layout, screen))
        screen.answer(effects_of(layout, summarize(layout)))


def _print_changes(first: Path, second: Path) -> None:
    from lumirage.core.layout import Layout
    from lumirage.reporting.evaluation_changes import compare_evaluations

    changes = compare_evaluations(Layout(first), Layout(second))
    for title, table in (
        ("what they are made of", changes.parts),
        ("scores", changes.scores),
        ("ranks", changes.ranks),
    ):
        print(f"{title}: {'no difference' if table.empty else ''}")
        if not table.empty:
            print(table.to_string(index=False))


def report(
    out: Done,
    pair: Annotated[list[str], typer.Option("--pair", help="FIX,MOV of a pair that gets a page; may be repeated")] = [],  # noqa: B006
    one_file: Annotated[bool, typer.Option("--one-file", help="also write the report as one file")] = False,
    mosaic: Annotated[
        bool, typer.Option("--mosaic", help="make the small pictures of all pairs, not only half a minute's worth")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="processes that make pages of pairs")] = 1,
) -> None:
    """Write the report of OUT from its tables and records."""
    from lumirage.cli.console_output import show
    from lumirage.flow import report as stage
    from lumirage.flow.stored_evaluation import load_evaluation
    from lumirage.flow.upkeep.mending import Mender, remake_tables
    from lumirage.planning.pairing import choose

    with show(False) as screen, working_in(out) as layout:
        wanted = [each.id for each in choose(load_evaluation(layout).pairs, pair, (), None)] if pair else []
        mender = Mender(layout, screen, executes=False)
        mender.look(refuse=False)
        mender.over(lambda: remake_tables(layout, screen))
        make = partial(stage.report, layout, screen, wanted, workers=workers, one_file=one_file, mosaic=mosaic)
        print(f"report: {mender.over(make)}")


TRANSFORMS = "transforms"
EXPORTS = ("csv", "parquet", "latex", "figures", "bundle", TRANSFORMS)


def export(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    out: Done,
    kind: Annotated[
        str,
        typer.Argument(
            help="csv, parquet, latex, figures (PDF), transforms, or bundle: a zip file to score again from"
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(help="folder or zip file; latex: also one FILE.tex; transforms: default OUT-transforms-FORMAT"),
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="of transforms: itk, ants, fsl, x5 or slicer")] = "itk",
    apart: Annotated[bool, typer.Option("--apart", help="affine and deformation of a transform as two files")] = False,
    table: Annotated[str, typer.Option(help="of latex FILE.tex: methods, or effects")] = "methods",
    columns: Annotated[
        str,
        typer.Option(
            help="of latex FILE.tex: metrics such as dice or hd95, rank, n, failed, time, cpu, memory, device; with commas"
        ),
    ] = "",
    digits: Annotated[int | None, typer.Option(min=0, max=9, help="decimals; default as the intervals allow")] = None,
    caption: Annotated[str, typer.Option(help="LaTeX; default says what a reader has to know")] = "",
    label: Annotated[str, typer.Option(help="LaTeX label")] = "tab:lumirage",
) -> None:
    """Hand the tables of OUT to other tools, or what the methods found: `export transforms OUT --format ants`.

    `latex FILE.tex` writes one table as a paper wants it, `figures FOLDER` every figure of the report as PDF."""
    if str(out) in EXPORTS:  # the two words in the other order
        out, kind = Path(kind), str(out)
    if kind == TRANSFORMS:
        _export_transforms(out, format_, target, apart=apart)
        return
    if target is None:
        raise UsageError(f"export {kind}: say where to, as in 'export {out} {kind} TARGET'")
    if kind == "latex" and target.suffix == ".tex":
        from lumirage.reporting.paper_tables import PaperTable

        wanted = PaperTable(table, tuple(filter(None, map(str.strip, columns.split(",")))), digits, caption, label)
        print(_export_paper_table(out, target, wanted))
        return
    from lumirage.core.layout import Layout
    from lumirage.reporting.export import export as export_tables

    for path in export_tables(Layout(out), kind, target):
        print(path)


def _export_paper_table(out: Path, target: Path, wanted: "PaperTable") -> Path:
    from lumirage.core.layout import Layout, write_text
    from lumirage.flow.summary import effects_of, summarize
    from lumirage.reporting.paper_tables import paper_table

    layout = Layout(out)
    write_text(target, paper_table(effects_of(layout, summarize(layout)), wanted))
    return target


def _export_transforms(out: Path, format_: str, target: Path | None, *, apart: bool) -> None:
    from lumirage.cli.console_output import show
    from lumirage.flow.export_transforms import export_transforms

    with show(False) as screen, working_in(out) as layout:
        folder = target or layout.root.with_name(f"{layout.root.name}-{TRANSFORMS}-{format_}")
        for path in export_transforms(layout, format_, folder, screen, apart=apart):
            print(path)
