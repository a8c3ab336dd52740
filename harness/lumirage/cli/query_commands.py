"""`query`: a question to an evaluation, answered from its scores."""

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumirage.cli.typed_words import between_commas

if TYPE_CHECKING:
    import pandas as pd

    from lumirage.core.command_answers import QueryAnswer

WIDTH = 80
NAMED = 6
"""At most this many names of structures are printed; --json has all."""
_NUMBERS = ("mean", "sd", "median", "min", "max")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(query)


def query(  # noqa: PLR0913, PLR0917 -- a command's options are its parameters
    out: Annotated[Path, typer.Argument(metavar="OUT", help="output folder of an evaluation")],
    metric: Annotated[str, typer.Option(help="such as dice, hd95, tre; default the first that measures accuracy")] = "",
    structure: Annotated[
        str, typer.Option(help="name, part of one, pattern or label number, as '*hippocampus*'; default all together")
    ] = "",
    by: Annotated[
        list[str],
        typer.Option(
            help="method, structure, pair, condition, repeat, source, fixed_subject or moving_subject; may be repeated"
        ),
    ] = ["method"],  # noqa: B006 -- typer copies it
    method: Annotated[
        list[str],
        typer.Option("--method", "-m", callback=between_commas, help="only this method; may be repeated, or a,b"),
    ] = [],  # noqa: B006
    condition: Annotated[str, typer.Option(help="condition, or '*' for all; default the reference condition")] = "",
    source: Annotated[str, typer.Option(help="label source, or '*' for all; default the first")] = "",
    plot: Annotated[Path | None, typer.Option(help="also draw every value into this file: PDF, SVG or PNG")] = None,
    json: Annotated[bool, typer.Option("--json", help="print the answer as JSON")] = False,
) -> None:
    """Ask OUT a question: statistics of one metric by method, structure, pair, condition and more.

    The values are those of scores.tsv: of successful runs, without a failure policy. `compare` applies it.
    """
    from lumirage.analysis.score_queries import metric_named
    from lumirage.results import load

    groups = [name for word in by for name in word.split(",")]
    results = load(out)
    rows = results.scores(
        metric_named(metric, results.metrics), structure, method=method, condition=condition, source=source
    )
    table = results.by(*groups, data=rows)
    if plot:
        results.plot(data=rows, by=groups[0], to=plot)
    answer = _answer(out, rows, table, groups, plot)
    if json:
        print(answer.model_dump_json(indent=1))
        return
    for line in _lines(answer):
        print(line)


def _answer(out: Path, rows: "pd.DataFrame", table: "pd.DataFrame", by: list[str], plot: Path | None) -> "QueryAnswer":
    from lumirage.core.command_answers import QueryAnswer, QueryGroup
    from lumirage.core.metrics import METRICS, title

    def names(column: str) -> tuple[str, ...]:
        return tuple(sorted({str(name) for name in rows[column].dropna()} - {""}))

    metric = str(rows["metric"].iloc[0])
    values = table.astype(object).where(table.notna(), None)
    groups = [
        QueryGroup(
            group={name: row[name] for name in by}, failed_runs=row.get("failed_runs"), n=row["n"],
            without_value=row["without_value"], **{name: row[name] for name in _NUMBERS},
        )
        for row in values.to_dict("records")
    ]  # fmt: skip
    return QueryAnswer(
        out=str(out),
        metric=metric,
        title=title(metric),
        unit=str(rows["unit"].iloc[0]),
        better=METRICS[metric].better if metric in METRICS else "",
        structures=names("name") if rows["label"].notna().any() else (),
        conditions=names("condition"),
        sources=names("source"),
        presets=names("preset"),
        by=tuple(by),
        groups=tuple(groups),
        plot=str(plot) if plot else None,
    )


def _lines(answer: "QueryAnswer") -> list[str]:
    """The answer in 80 columns: what was asked, a line a group, and what the values are not."""
    asked = [answer.title, f"{answer.metric}, preset {', '.join(answer.presets)}"]
    for what, names in (("source", answer.sources), ("condition", answer.conditions), ("of", answer.structures)):
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        asked += [f"{what} {', '.join(names[:NAMED])}{more}"] if names else []
    failed = any(group.failed_runs for group in answer.groups)
    heads = [*answer.by, "n", *(["failed"] if failed else []), *_NUMBERS]
    places = _places([getattr(group, name) for group in answer.groups for name in _NUMBERS])
    cells = []
    for group in answer.groups:
        counts = [str(group.n), *([str(group.failed_runs)] if failed else [])]
        numbers = [getattr(group, name) for name in _NUMBERS]
        cells.append(
            [
                *(str(group.group[name]) for name in answer.by),
                *counts,
                *("" if value is None else f"{value:.{places}f}" for value in numbers),
            ]
        )
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    many = len(answer.by)
    lines = textwrap.wrap("; ".join(asked), WIDTH)
    for line in (heads, *cells):
        padded = [f"{c:<{w}}" if i < many else f"{c:>{w}}" for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        lines.append("  ".join(padded).rstrip())
    if failed:
        lines += textwrap.wrap(
            "Failed runs have no value here; `compare` counts them by the track's failure policy.", WIDTH
        )
    return lines + ([f"figure: {answer.plot}"] if answer.plot else [])


def _places(values: "list[float | None]") -> int:
    """Decimals of all numbers: four digits of the largest."""
    largest = max((abs(value) for value in values if value), default=1.0)
    return min(max(3 - math.floor(math.log10(largest)), 0), 6)
