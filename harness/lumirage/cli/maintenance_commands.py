"""`doctor`, `verify`, `clean`, `pack`, `unpack`: what this machine can do, whether a tree is whole, what can be deleted, and
fewer files."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.core.errors import EXIT_SOME_FAILED

if TYPE_CHECKING:
    from lumirage.core.layout import Layout
    from lumirage.running.doctor import Finding


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(doctor)
    app.command()(clean)
    app.command()(verify)
    app.command()(pack)
    app.command()(unpack)


def doctor(
    runtime: Annotated[str, typer.Option(help="docker, apptainer, local; auto takes the first that works")] = "auto",
    image: Annotated[
        str | None, typer.Option(help="a small image with Python; else the method zero-displacement")
    ] = None,
) -> None:
    """Try on this machine what is promised of isolation, limits and measuring, and print what holds."""
    from lumirage.cli.console_output import show
    from lumirage.core.errors import LumirageError
    from lumirage.flow.method_setup.install import method_installer
    from lumirage.running.doctor import examine, explained

    with show(False) as screen:
        installer = method_installer(runtime, screen)
        try:
            reference = image or installer.use(installer.find("zero-displacement")).image
            findings = examine(installer.runtime, reference)
        except LumirageError:  # why nothing could be tried is often among what the engine lacks
            _print_findings(explained((), installer.runtime.features()))
            raise
    _print_findings(findings)
    _print_gpus()
    raise typer.Exit(0 if all(finding.held for finding in findings) else EXIT_SOME_FAILED)


def _print_findings(findings: "Iterable[Finding]") -> None:
    for finding in findings:
        print(f"{'holds' if finding.held else 'FAILS':6} {finding.name:22} {finding.how}")


def _print_gpus() -> None:
    from lumirage.running.gpu_devices import list_gpus

    found = list_gpus()
    for device in found.usable:
        size = "memory not known" if device.memory_bytes is None else f"{device.memory_bytes / 1e9:.0f} GB"
        print(f"{'GPU':6} {device.index:22} {device.name}, {size}, {device.uuid}")
    for fault in found.faults:
        print(f"{'FAILS':6} {'GPU':22} {fault}")


def clean(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")],
    cache: Annotated[
        bool,
        typer.Option("--cache", help="also the harness' own cache: phantoms, environments; not weights and SIF images"),
    ] = False,
) -> None:
    """Remove what can be made again: OUT's work folder, and containers that a dead harness left."""
    from lumirage.cli.result_commands import working_in
    from lumirage.core.errors import UnavailableError
    from lumirage.core.layout import cache_root, digest
    from lumirage.running.folder_removal import remove_tree
    from lumirage.running.runtimes import RUNTIMES
    from lumirage.running.scratch import temporary

    with working_in(out) as layout:
        _refuse_queued(layout)
        work = layout.work.resolve()  # with -w it is a link
        freed = remove_tree(work) + remove_tree(layout.neutral_scratch(temporary(os.environ)))
        if layout.work.is_symlink():
            layout.work.unlink()
        print(f"{layout.work}: {freed / 1e6:.0f} MB")
        for name, make in RUNTIMES.items():
            engine = make(None)
            try:
                engine.check()
            except UnavailableError:
                continue
            print(f"{name}: {engine.remove_stale(digest(os.fspath(layout.root.resolve())))} containers or processes")
    if cache:
        for folder in cache_root().iterdir():
            if folder.name not in {"weights", "sif"}:
                remove_tree(folder) if folder.is_dir() and not folder.is_symlink() else folder.unlink()
                print(folder)


def _refuse_queued(layout: "Layout") -> None:
    from lumirage.core.errors import BusyError
    from lumirage.flow.status import in_queue
    from lumirage.running.executors.slurm_queue import answers_here

    if answers_here() and in_queue(layout).busy:
        raise BusyError(f"tasks of {layout.root} are in the cluster's queue; wait for them, or cancel them first")


def pack(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")],
) -> None:
    """Put the files of finished runs into archives, one for up to 64 runs: for file systems that limit the number of files.

    Every command works on OUT as before. `unpack` makes single files of them again, for other programs."""
    from lumirage.cli.console_output import show
    from lumirage.cli.result_commands import working_in
    from lumirage.core.evaluation_file import read_evaluation
    from lumirage.flow.upkeep.mending import Mender
    from lumirage.flow.upkeep.run_packing import pack_runs

    with show(False) as screen, working_in(out) as layout:
        _refuse_queued(layout)
        Mender(layout, screen, executes=False).look()  # later it would seem as young as what is packed with it
        files, archives = pack_runs(layout, [*read_evaluation(layout).methods], screen)
    print(f"{layout.root}: {files} files packed into {archives} archives")


def unpack(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")],
) -> None:
    """Make single files again of runs that `pack` put into archives."""
    from lumirage.cli.console_output import show
    from lumirage.cli.result_commands import working_in
    from lumirage.core.evaluation_file import read_evaluation
    from lumirage.flow.upkeep.run_packing import unpack_runs

    with show(False) as screen, working_in(out) as layout:
        _refuse_queued(layout)
        files = unpack_runs(layout, [*read_evaluation(layout).methods], screen)
    print(f"{layout.root}: {files} files unpacked")


def verify(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")],
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Check every file of OUT against its checksum; a line for each that is damaged or missing, and what evaluate would do.

    Nothing is changed. Exit code 0: whole; 1: something to repair."""
    from lumirage.core.command_answers import FileToMend, VerifyAnswer
    from lumirage.core.errors import DataError
    from lumirage.core.evaluation_file import no_evaluation
    from lumirage.core.layout import Layout
    from lumirage.core.set_aside import exists
    from lumirage.flow.upkeep.tree_check import examine

    layout = Layout(out)
    if not exists(layout.evaluation):
        raise DataError(no_evaluation(layout))
    found = examine(layout, deep=True)
    lines = [
        FileToMend(file=each.path.relative_to(layout.root).as_posix(), problem=each.problem, evaluate=each.remedy)
        for each in found.findings
    ]
    if json:
        answer = VerifyAnswer(checked=found.checked, not_recorded=found.not_recorded, to_mend=tuple(lines))
        print(answer.model_dump_json(indent=1))
    else:
        for line in lines:
            print(f"{line.file}: {line.problem}; evaluate: {line.evaluate}")
        print(f"{found.checked} files checked, {len(lines)} to repair")
        if found.not_recorded:
            print(
                f"{found.not_recorded} files without a checksum, written by an older harness: not recorded, not damaged"
            )
    raise typer.Exit(EXIT_SOME_FAILED if lines else 0)
