"""`lumirage-harness tracks`: what experiments there are, and whether a file is one."""

from typing import Annotated

import typer

from lumirage.cli.completion import track_names
from lumirage.cli.swapped_words import check_track

Json = Annotated[bool, typer.Option("--json", help="as JSON")]

app = typer.Typer(help="The experiments that can be run.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_tracks(json: Json = False) -> None:
    """The tracks that come with the harness, a line each."""
    from lumirage.core.command_answers import TrackListed, TracksAnswer
    from lumirage.planning.track_files import load_track, shipped_tracks

    tracks = {name: load_track(name) for name in shipped_tracks()}
    if json:
        listed = [
            TrackListed(name=name, summary=track.summary, conditions=len(track.cells()), presets=track.presets)
            for name, track in tracks.items()
        ]
        print(TracksAnswer(tracks=tuple(listed)).model_dump_json(indent=1))
        return
    for name, track in tracks.items():
        print(f"{name:24} {track.summary}")


@app.command()
def show(
    track: str = typer.Argument(help="name of a shipped track, or a YAML file", autocompletion=track_names),
    json: Json = False,
) -> None:
    """A track with all its defaults filled in, as YAML."""
    import yaml

    from lumirage.planning.track_files import load_track

    check_track(track)
    loaded = load_track(track)
    if json:
        print(loaded.model_dump_json(indent=1))
        return
    print(yaml.safe_dump(loaded.model_dump(mode="json"), sort_keys=False), end="")


@app.command()
def validate(track: str = typer.Argument(help="YAML file of a track")) -> None:
    """Say whether a file is a track; exit code 2 and the field where it is not."""
    from lumirage.planning.track_files import load_track

    loaded = load_track(track)
    print(f"{track}: track '{loaded.name}', {len(loaded.cells())} condition(s)")
