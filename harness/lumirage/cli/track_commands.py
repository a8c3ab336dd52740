"""`lumirage-harness tracks`: what experiments there are, and whether a file is one."""

import typer

from lumirage.cli.completion import track_names
from lumirage.cli.swapped_words import check_track

app = typer.Typer(help="The experiments that can be run.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_tracks() -> None:
    """The tracks that come with the harness, a line each."""
    from lumirage.planning.track_files import load_track, shipped_tracks

    for name in shipped_tracks():
        print(f"{name:24} {load_track(name).summary}")


@app.command()
def show(
    track: str = typer.Argument(help="name of a shipped track, or a YAML file", autocompletion=track_names),
) -> None:
    """A track with all its defaults filled in, as YAML."""
    import yaml

    from lumirage.planning.track_files import load_track

    check_track(track)
    print(yaml.safe_dump(load_track(track).model_dump(mode="json"), sort_keys=False), end="")


@app.command()
def validate(track: str = typer.Argument(help="YAML file of a track")) -> None:
    """Say whether a file is a track; exit code 2 and the field where it is not."""
    from lumirage.planning.track_files import load_track

    loaded = load_track(track)
    print(f"{track}: track '{loaded.name}', {len(loaded.cells())} condition(s)")
