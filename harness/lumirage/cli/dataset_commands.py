"""`lumirage-harness dataset`: make, plant, import and check BIDS datasets."""

import shlex
from pathlib import Path

import typer

from lumirage.cli.evaluate_commands import Derivatives, derivative_folders
from lumirage.core.errors import UsageError

app = typer.Typer(help="Make, plant, import and check BIDS datasets.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def phantom(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    out: Path = typer.Argument(help="folder to make; must be new or empty"),
    subjects: int = typer.Option(4, help="how many people"),
    spacing: float = typer.Option(2.0, help="voxel size, mm"),
    contrasts: str = typer.Option("T1w,T2w", help="contrasts, separated by commas"),
    seed: int = typer.Option(0, help="the same seed gives the same dataset"),
    amplitude: str = typer.Option(
        "3", help="RMS displacement between a person and the template, mm; several, with commas, become sessions"
    ),
    smoothness: str = typer.Option("20", help="correlation length of that displacement, mm; also several"),
) -> None:
    """Make a small BIDS dataset of made-up people whose true pairwise displacement fields are known."""
    from lumirage.cli.console_output import show
    from lumirage.datasets.phantom import PhantomSpec, bodies_of, make_phantom

    names = tuple(name.strip() for name in contrasts.split(","))
    bodies = bodies_of(_millimetres("--amplitude", amplitude), _millimetres("--smoothness", smoothness))
    with show(False) as screen:
        make_phantom(out, PhantomSpec(subjects, spacing, names, seed, bodies), screen)
    print(f"made {out}: {subjects} subjects, {contrasts}, {spacing:g} mm")


@app.command()
def plant(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    bids_dir: Path = typer.Argument(help="BIDS dataset of real scans, of any contrast, species and resolution"),
    out: Path = typer.Argument(help="BIDS dataset to make; new, empty, or begun by this command"),
    amplitude: float | None = typer.Option(
        None, help="root mean square displacement, mm  [default: 3 % of the size of each head]"
    ),
    smoothness: float | None = typer.Option(
        None, help="correlation length of the displacement, mm  [default: 20 % of the size of each head]"
    ),
    seed: int = typer.Option(0, help="the same seed gives the same dataset"),
    derivatives: Derivatives = [],  # noqa: B006 -- typer copies it
    json: bool = typer.Option(False, "--json", help="print the records of all scans as JSON"),
) -> None:
    """Warp each scan by a known random field, with other noise and bias: pairs with a true field, without any label."""
    from lumirage.cli.console_output import show
    from lumirage.cli.planted_text import print_planted
    from lumirage.datasets.planting import PlantSpec
    from lumirage.flow.plant_dataset import PlantedFrom, plant_dataset

    with show(json) as screen:
        source = PlantedFrom(bids_dir, derivative_folders(derivatives))
        planted = plant_dataset(source, out, PlantSpec(amplitude, smoothness, seed), screen)
    print_planted(planted, out, as_json=json)
    raise typer.Exit(1 if planted.left_out else 0)


def _millimetres(option: str, words: str) -> list[float]:
    try:
        return [float(word) for word in words.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{option} {words}: expected numbers separated by commas") from error


@app.command("import")
def import_(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    kind: str = typer.Argument(
        help="freesurfer, synthseg, hcp, ixi, lumir, learn2reg, oasis-neurite, ultracortex, primede or nifti-folder"
    ),
    source: Path = typer.Argument(help="folder as it was downloaded"),
    out: Path = typer.Argument(help="BIDS dataset to make; must be new or empty"),
    copy: bool = typer.Option(False, "--copy", help="copy the files; else they are linked to"),
    pattern: str | None = typer.Option(None, help="nifti-folder: where the images are, such as {subject}/T1.nii.gz"),
    labels: str | None = typer.Option(None, help="nifti-folder: where the label maps are; synthseg: their folder"),
    mask: str | None = typer.Option(None, help="nifti-folder: where the brain masks are"),
    suffix: str = typer.Option("T1w", help="nifti-folder: contrast of the images"),
) -> None:
    """Make a BIDS dataset from a layout that is common in the field."""
    from lumirage.datasets.importers import KINDS, ImportOptions, import_dataset

    if kind not in KINDS and str(source) in KINDS:
        raise UsageError(
            f"KIND and SOURCE look swapped; did you mean 'dataset import {source} {shlex.quote(kind)} {shlex.quote(str(out))}'?"
        )
    options = ImportOptions(copy, pattern, labels, mask, suffix)
    incoming = import_dataset(kind, source, out, options)
    print(f"made {out}: {len(incoming.scans)} scans")
    for note in incoming.notes:
        print(note)
    print(f"next: lumirage-harness evaluate --method greedy --dry-run {shlex.quote(str(out))}")


@app.command()
def check(
    bids_dir: Path = typer.Argument(help="BIDS dataset"),
    page: Path | None = typer.Option(None, help="also write a page with thumbnails to this file"),
    json: bool = typer.Option(False, "--json", help="print everything that was found as JSON"),
) -> None:
    """Look for what would spoil an evaluation: headers, label sets, missing or duplicate files. Exit code 65 for errors."""
    from lumirage.datasets.dataset_check_page import write_check_page
    from lumirage.flow.look_over import look_over

    found = look_over(bids_dir)
    if page:
        write_check_page(found, page)
    if json:
        print(found.model_dump_json(indent=1))
    else:
        for finding in found.findings:
            print(f"{finding.severity}: {finding.path}: {finding.message}")
        for source, count in found.label_sources.items():
            print(f"labels: {source}: {count} of {len(found.scans)} scans")
        print(f"{len(found.scans)} scans, {found.count('error')} errors, {found.count('warning')} warnings")
    raise typer.Exit(65 if found.count("error") else 0)
