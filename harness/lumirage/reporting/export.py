"""Exports an evaluation: tables as CSV, Parquet or LaTeX, figures as PDF, or a bundle that can be scored again."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout, write_text, written_aside
from lumirage.core.packed_files import is_kept, on_disk
from lumirage.reporting.figures import draw_figures, file_name
from lumirage.reporting.raster import to_pdf
from lumirage.reporting.report_inputs import (
    ANALYSIS_TABLES,
    files_of,
    read_inputs,
    read_table,
    run_records,
)
from lumirage.reporting.report_problems import ReportProblems
from lumirage.reporting.report_tables import leaderboard, method_rows, to_latex

Kind = Literal["csv", "parquet", "latex", "figures", "bundle"]
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every member, so that equal evaluations give equal bundles."""


def export(layout: Layout, kind: str, out: Path) -> list[Path]:
    """Write the scores and the tables of the analysis; gives the paths written.

    csv, parquet, latex and figures (PDF) write into the folder `out`. bundle writes the zip file `out`: the evaluation,
    every run with its record, answer, log and time line, and all tables; unpacked, `score` works on it (given the dataset).
    Raises UsageError for an unknown kind, DataError if there is no evaluation.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"unknown kind of export '{kind}'{nearest(kind, get_args(Kind))}")
    read_evaluation(layout)
    match kind:
        case "bundle":
            return [_bundle(layout, out)]
        case "latex":
            return _latex(layout, out)
        case "figures":
            return list(_figures(layout, out))
        case _:
            return _plain(layout, out, kind)


def _plain(layout: Layout, out: Path, kind: str) -> list[Path]:
    written = [_scores(layout, out, kind)] if layout.score_table.is_file() else []
    for name in ANALYSIS_TABLES:
        table = read_table(layout.table(name))
        if table is None:
            continue
        path = out / f"{name}.{kind}"
        with written_aside(path) as aside:
            if kind == "csv":
                table.to_csv(aside, index=False, lineterminator="\n")
            else:
                table.to_parquet(aside, index=False)
        written.append(path)
    return written


def _scores(layout: Layout, out: Path, kind: str) -> Path:
    # In batches: with all labels the table may not fit in memory.
    source = ds.dataset(layout.score_table)
    path = out / f"scores.{kind}"
    with written_aside(path) as aside:
        open_writer = pyarrow.csv.CSVWriter if kind == "csv" else pq.ParquetWriter
        with open_writer(str(aside), source.schema) as writer:
            for batch in source.to_batches():
                writer.write_batch(batch)
    return path


def _latex(layout: Layout, out: Path) -> list[Path]:
    inputs = read_inputs(layout)
    tables = {"leaderboard": leaderboard(inputs, method_rows(inputs, inputs.conditions[0]))} | inputs.tables
    written = []
    for name, table in tables.items():
        write_text(out / f"{name}.tex", to_latex(table, f"{inputs.evaluation.track.name}: {name}"))
        written.append(out / f"{name}.tex")
    return written


def _figures(layout: Layout, out: Path) -> Iterator[Path]:
    """Every figure of the report as a PDF of its own. Raises DataError where one cannot be drawn."""
    problems = ReportProblems()
    for drawn in draw_figures(read_inputs(layout), problems):
        path = out / f"{file_name(drawn.wide)}.pdf"
        with written_aside(path) as aside:
            aside.write_bytes(to_pdf(drawn.wide))
        yield path
    if problems.told:
        raise DataError("; ".join(problems.told))


def _bundle(layout: Layout, out: Path) -> Path:
    with written_aside(out) as aside, zipfile.ZipFile(aside, "w", compresslevel=1) as archive:
        for path in sorted(set(_members(layout))):
            _add(archive, path, path.relative_to(layout.root).as_posix())
    return out


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    info = zipfile.ZipInfo(name, ZIP_EPOCH)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    with on_disk(path) as file, file.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, 2**20)


def _members(layout: Layout) -> Iterator[Path]:
    whole = [layout.evaluation, layout.description, layout.readme, layout.pairs, layout.score_table, layout.score_tsv]
    whole += [layout.score_dictionary, layout.verdicts, *(layout.table(name) for name in ANALYSIS_TABLES)]
    yield from (path for path in whole if path.is_file())
    methods = [*read_evaluation(layout).methods]
    for record in run_records(layout, methods):
        files = files_of(record)
        yield from (path for path in (record, files.field, files.log, files.memory) if is_kept(path))
