"""`lumirage-harness study`: several tracks, the same methods, claims written down before looking, one page."""

import typer

app = typer.Typer(
    help="Studies: several tracks with the same methods, and claims that the numbers support or refute.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Named = typer.Argument(help="name of a shipped study, or a YAML file")


@app.command("list")
def list_studies() -> None:
    """The studies that come with the harness, a line each."""
    from lumirage.planning.study_files import load_study, shipped_studies

    for name in shipped_studies():
        print(f"{name:24} {load_study(name).summary}")


@app.command()
def show(study: str = Named) -> None:
    """A study with all its defaults filled in, as YAML."""
    import yaml

    from lumirage.planning.study_files import load_study

    print(yaml.safe_dump(load_study(study).model_dump(mode="json"), sort_keys=False, allow_unicode=True), end="")


@app.command()
def validate(study: str = Named) -> None:
    """Say whether a file is a study; exit code 2 and the field where it is not."""
    from lumirage.planning.study_files import load_study

    loaded = load_study(study)
    counts = f"{len(loaded.datasets)} dataset(s), {len(loaded.tracks)} track(s), {len(loaded.methods)} method(s)"
    print(f"{study}: study '{loaded.name}', {counts}, {len(loaded.claims)} claim(s), hash {loaded.claims_hash()}")
