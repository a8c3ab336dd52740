"""`lumirage-harness methods`: the algorithms that can be compared."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.cli.completion import method_names
from lumirage.cli.swapped_words import check_method
from lumirage.core.errors import EXIT_SOME_FAILED, UsageError

if TYPE_CHECKING:
    from lumirage.planning.method_cards import MethodSource

app = typer.Typer(help="The registration methods.", no_args_is_help=True, rich_markup_mode=None)

Offline = Annotated[
    bool,
    typer.Option("--offline", envvar="LUMIRAGE_OFFLINE", help="fetch, pull and build nothing; say what is missing"),
]
Name = Annotated[str, typer.Argument(help="method by name or folder", autocompletion=method_names)]


def extra_folders() -> tuple[Path, ...]:
    """Where methods are looked for before the shipped ones: the folders in LUMIRAGE_METHODS."""
    return tuple(Path(part) for part in os.environ.get("LUMIRAGE_METHODS", "").split(os.pathsep) if part)


@app.command("list")
def list_methods(json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Every method and variant: what is built, what lacks weights, what wants a GPU, what we ran ourselves."""
    from dataclasses import asdict

    from lumirage.cli.method_text import list_lines
    from lumirage.core.command_answers import MethodListed, MethodsAnswer
    from lumirage.methods.method_list import images_here, table
    from lumirage.planning.method_cards import all_methods

    sources = all_methods(extra_folders()).values()
    rows = table([(source.folder, source.card) for source in sources if source.folder], images_here())
    if json:
        print(MethodsAnswer(methods=tuple(MethodListed(**asdict(row)) for row in rows)).model_dump_json(indent=1))
        return
    for line in list_lines(rows):
        print(line)


@app.command()
def show(name: Name, json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """All that is known of one method: parameters, variants, licence, weights, what was verified, how to cite it."""
    from lumirage.cli.method_text import method_facts, show_lines
    from lumirage.methods.method_list import images_here
    from lumirage.planning.method_cards import find_method, is_path

    check_method(name)
    source = find_method(name, extra_folders())
    facts = method_facts(source, images_here())
    word = name if source.dose_of or is_path(name) else ""
    print(facts.model_dump_json(indent=1) if json else "\n".join(show_lines(source.card, facts, word)))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="name of the new method")],
    template: Annotated[str, typer.Option("--from", help="what to begin with: torch, cli or itk")] = "itk",
    parent: Annotated[Path, typer.Option("--in", help="folder in which the method's folder is made")] = Path(),
) -> None:
    """Make the folder of a new method; it builds and passes `methods check` as it is."""
    from lumirage.methods.new_method import new_method
    from lumirage.planning.method_cards import all_methods

    folder = new_method(name, template, parent, all_methods())
    path = folder if folder.is_absolute() or folder.parts[0] == ".." else f"./{folder}"
    print(f"made {folder}; next:\n  lumirage-harness methods build {path}\n  lumirage-harness methods check {path}")


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="method by name or folder, or `all`")],
    base_image: Annotated[
        str | None, typer.Option(help="image to build from; else LUMIRAGE_BASE_IMAGE, else the Dockerfile's")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="progress in place of what the build prints")] = False,
    sif: Annotated[bool, typer.Option("--sif", help="also convert it to a SIF file, for Apptainer")] = False,
    from_archive: Annotated[
        Path | None, typer.Option(help="with --sif: what `docker save` wrote elsewhere, where no engine is here")
    ] = None,
) -> None:
    """Build the image of a method."""
    from dataclasses import replace

    if from_archive:
        _convert_archive(name, from_archive, sif)
        return

    from lumirage.cli.console_output import show
    from lumirage.flow.method_setup.install import build_settings, build_steps
    from lumirage.methods.image_build import build_method, image_name

    settings = build_settings(os.environ)
    settings = replace(settings, base_image=base_image or settings.base_image)
    for source in _sources(name):
        assert source.folder is not None  # _sources gives only folders
        with show(False) as screen:
            tell = build_steps(screen, source.card.name) if quiet else print
            image = build_method(source.folder, source.card, settings, tell)
        print(f"{source.card.name}: built {image_name(source.folder, source.card)} {image[:19]}")
        if sif:
            print(f"{source.card.name}: {_sif_of(image_name(source.folder, source.card))}")


def _sif_of(reference: str) -> Path:
    from lumirage.core.errors import UnavailableError
    from lumirage.methods.sif_conversion import from_engine, make_sif

    there = from_engine(reference)
    if there is None:
        raise UnavailableError(f"no engine here has the image {reference}; bring an archive of it with --from-archive")
    return make_sif(reference, there)


def _convert_archive(name: str, archive: Path, sif: bool) -> None:
    from lumirage.methods.image_build import image_name
    from lumirage.methods.sif_conversion import from_archive, make_sif
    from lumirage.planning.method_cards import find_method

    if not sif:
        raise UsageError("--from-archive makes a SIF file: add --sif")
    source = find_method(name, extra_folders())
    reference = image_name(source.folder, source.card) if source.folder else source.card.image
    print(f"{source.card.name}: {make_sif(reference, from_archive(archive), again=True)}")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="method by name or folder")],
    sif: Annotated[bool, typer.Option("--sif", help="as a SIF file, for Apptainer")] = False,
    image: Annotated[str | None, typer.Option(help="where the image is published; else what the card says")] = None,
) -> None:
    """Get the published image of a method from its registry."""
    from functools import partial

    from lumirage.cli.console_output import show
    from lumirage.flow.method_setup.install import at_work
    from lumirage.methods.image_build import image_name, image_source, refuse_unobtainable
    from lumirage.methods.sif_conversion import from_registry, make_sif, pull_to_engine
    from lumirage.planning.method_cards import find_method

    source = find_method(name, extra_folders())
    if image is None:
        refuse_unobtainable(source.card)
    published = image or ("" if image_source(source.folder, source.card) else source.card.image)
    if not published:
        raise UsageError(
            f"the image of {source.card.name} is published nowhere: `lumirage-harness methods build {name}` makes it; or say "
            "where it is with --image"
        )
    reference = image_name(source.folder, source.card) if source.folder else published
    with show(False) as screen:
        if sif:
            with at_work(screen, f"pull {published}"):
                made = str(make_sif(reference, from_registry(published), again=True))
        else:
            steps = partial(screen.progress, f"pull {published}", unit="bytes")
            made = pull_to_engine(published, reference, steps)
    print(f"{source.card.name}: {made}")


@app.command()
def prefetch(
    names: Annotated[list[str], typer.Argument(help="methods by name or folder")],
    runtime: Annotated[str, typer.Option(help="docker, apptainer, local; auto takes the first that works")] = "auto",
    offline: Offline = False,
) -> None:
    """Put all that methods need where compute nodes without internet find it: images or environments, and weights."""
    from lumirage.cli.console_output import show
    from lumirage.flow.method_setup.install import method_installer

    with show(False) as screen:
        installer = method_installer(runtime, screen, offline=offline)
        for use in installer.install([installer.find(name) for name in names]).values():
            print(f"{use.card.name}: {use.image} {use.digest[:19]}")


def _sources(name: str) -> "list[MethodSource]":
    from lumirage.methods.image_build import image_source, refuse_unobtainable
    from lumirage.planning.method_cards import all_methods, find_method

    if name.lower() != "all":
        source = find_method(name, extra_folders())
        folder = image_source(source.folder, source.card)
        if folder is None:
            refuse_unobtainable(source.card)
            raise UsageError(
                f"{source.card.name} is a published image ({source.card.image}), there is nothing to build: "
                f"`lumirage-harness methods pull {name}` gets it"
            )
        return [source if folder == source.folder else find_method(str(folder))]
    by_folder = {s.folder: s for s in reversed(all_methods(extra_folders()).values()) if s.folder}
    return [s for folder, s in sorted(by_folder.items()) if (folder / "Dockerfile").is_file()]


@app.command()
def fetch(
    name: Name,
    from_file: Annotated[list[Path], typer.Option("--from-file", help="a file you brought; may be repeated")] = [],  # noqa: B006
    offline: Offline = False,
) -> None:
    """Put the trained weights of a method into the cache, from their address or from files; checked by SHA-256."""
    from lumirage.cli.console_output import show
    from lumirage.methods.weights import described, fetch_weights, missing_weights, require_weights
    from lumirage.planning.method_cards import find_method

    card = find_method(name, extra_folders()).card
    if offline and not from_file:
        require_weights(card)
    with show(False) as screen:
        for item in missing_weights(card) if not from_file else ():
            screen.say(f"{card.name}: weights {described(item)}")
        paths = fetch_weights(
            card,
            from_files=tuple(from_file),
            progress=lambda done, of: screen.progress(f"{card.name} weights", done, of, "bytes"),
        )
    for path in paths:
        print(path)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="method by name or folder, or an image on this machine")],
    runtime: Annotated[str, typer.Option(help="docker, apptainer, local; auto takes the first that works")] = "auto",
    page: Annotated[Path | None, typer.Option(help="also write one HTML page to this file")] = None,
) -> None:
    """Run a method on known pairs and say whether it keeps the contract, and in which convention its field is."""
    import tempfile

    from lumirage.cli.console_output import show
    from lumirage.flow.method_setup.install import method_installer
    from lumirage.flow.method_setup.method_trials import MethodTrials, with_progress
    from lumirage.methods.conformance import check_method
    from lumirage.methods.conformance_page import as_text, write_page
    from lumirage.methods.weights import require_weights

    with show(False) as screen, tempfile.TemporaryDirectory(prefix="lumirage-check-") as scratch:
        installer = method_installer(runtime, screen)
        source = installer.find(name)
        use = installer.use(source)
        trials = MethodTrials(use.card, use.image, installer.runtime, Path(scratch), require_weights(use.card))
        checkup = check_method(use.card, with_progress(trials, use.card.name, screen), Path(scratch) / "known")
    print(as_text(checkup))
    if page:
        write_page(checkup, page)
        print(f"page: {page}")
    raise typer.Exit(0 if checkup.passed else EXIT_SOME_FAILED)
