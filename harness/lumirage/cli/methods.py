"""`lumirage-harness methods`: the algorithms that can be compared."""

import typer

app = typer.Typer(help="The registration methods.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_methods() -> None:
    """Every method and variant, a line each."""
    from lumirage.planning.methods import all_methods

    for name, source in all_methods().items():
        print(f"{name:28} {source.card.kind:10} {source.card.device:7} {source.card.summary}")
