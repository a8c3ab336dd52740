"""`lumirage-harness dataset`: make, import and check BIDS datasets."""

from pathlib import Path

import typer

app = typer.Typer(help="Make, import and check BIDS datasets.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def phantom(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    out: Path = typer.Argument(help="folder to make; must be new or empty"),
    subjects: int = typer.Option(4, help="how many people"),
    spacing: float = typer.Option(2.0, help="voxel size, mm"),
    contrasts: str = typer.Option("T1w,T2w", help="contrasts, separated by commas"),
    seed: int = typer.Option(0, help="the same seed gives the same dataset"),
    amplitude: float = typer.Option(3.0, help="RMS displacement between a person and the template, mm"),
    smoothness: float = typer.Option(20.0, help="correlation length of that displacement, mm"),
) -> None:
    """Make a small BIDS dataset of made-up people whose true pairwise displacement fields are known."""
    from lumirage.datasets.phantom import PhantomSpec, make_phantom

    names = tuple(name.strip() for name in contrasts.split(","))
    make_phantom(out, PhantomSpec(subjects, spacing, names, seed, amplitude, smoothness))
    print(f"made {out}: {subjects} subjects, {contrasts}, {spacing:g} mm")
