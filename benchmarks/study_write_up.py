"""Writes the numbers of a study into its page under docs/studies, from what its runs gave, so that none is typed.

    python benchmarks/study_write_up.py OUT

keeps of each measured track of OUT what its numbers come from (evaluation.json, scores.parquet, the records of the runs) in
docs/studies/NAME/TRACK.tar.xz, beside those that were kept before: a study may be measured track by track, on several days.
Then `study report` is made of all that is kept, its claims.tsv and matrix.tsv are copied there, and the tables are written
between the marks of docs/studies/NAME.md. A test does the second half again and compares.
"""

import io
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.metrics import title
from lumirage.core.records import read_json, with_checksum, write_json
from lumirage.core.screen import Silent
from lumirage.core.study import StudyRecord
from lumirage.core.study_layout import StudyLayout
from lumirage.core.track import Evaluation
from lumirage.flow.study.study_report import report_study
from lumirage.reporting.report_inputs import run_records

STUDIES = Path(__file__).parents[1] / "docs" / "studies"
BEGIN, END = "<!-- results: written by benchmarks/study_write_up.py -->", "<!-- end of results -->"
TABLES = ("claims", "matrix", "costs")
NOTHING = "*No track of this study has been measured to its end, so there is no result.*\n"
MISSING = "-"
ARCHIVE = ".tar.xz"


def write_up(out: Path, page: Path) -> None:
    """Bring a study's page up to what OUT adds to what is kept."""
    keep(StudyLayout(out), page.with_suffix(""))
    with tempfile.TemporaryDirectory() as folder:
        reported = report_of_kept(page.with_suffix(""), Path(folder))
        for name in TABLES:
            shutil.copyfile(reported.table(name), page.with_suffix("") / f"{name}.tsv")
    page.write_text(with_results(page.read_text(), page.with_suffix("")))


def keep(layout: StudyLayout, kept: Path) -> None:
    """Put what the numbers of the measured tracks come from beside the page, with the declaration of the study."""
    kept.mkdir(exist_ok=True)
    record = read_json(layout.record, StudyRecord)
    for name in record.study.tracks:
        if layout.track(name).score_table.is_file():
            _keep_track(layout.track(name), kept / f"{name}{ARCHIVE}")
    there = {name: track for name, track in record.study.tracks.items() if (kept / f"{name}{ARCHIVE}").is_file()}
    known = {f"track {name}" for name in there} | {f"dataset {track.dataset}" for track in there.values()}
    left_out = {what: why for what, why in record.left_out.items() if what not in known}
    # where the data lay is nobody's business, and nothing is read from there
    write_json(
        StudyLayout(kept).record, record.model_copy(update={"data": {}, "derivatives": {}, "left_out": left_out})
    )


def _keep_track(track: Layout, archive: Path) -> None:
    methods = [*read_evaluation(track).methods]
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in (track.evaluation, track.score_table, *run_records(track, methods)):
            content = _without_place(path) if path == track.evaluation else path.read_bytes()
            member = tarfile.TarInfo(path.relative_to(track.root).as_posix())
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _without_place(evaluation: Path) -> bytes:
    """The file without where the dataset lay."""
    stored = read_json(evaluation, Evaluation).model_copy(update={"dataset": Path("dataset")})
    return with_checksum(stored.model_dump_json(indent=1) + "\n").encode()


def report_of_kept(kept: Path, folder: Path) -> StudyLayout:
    """Unpack what is kept into a folder and make the report of the study there."""
    layout = StudyLayout(folder)
    folder.mkdir(exist_ok=True)
    shutil.copyfile(StudyLayout(kept).record, layout.record)
    for archive in sorted(kept.glob(f"*{ARCHIVE}")):
        with tarfile.open(archive) as tar:
            tar.extractall(layout.track(archive.name.removesuffix(ARCHIVE)).root, filter="data")
    report_study(layout, Silent())
    return layout


def with_results(text: str, kept: Path) -> str:
    """The page with its numbers from the tables that are kept beside it."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{''.join(results(kept))}\n{END}{after}"


def results(kept: Path) -> Iterator[str]:
    """The section: what became of each claim, then each measured track, methods by conditions."""
    if not all((kept / f"{name}.tsv").is_file() for name in TABLES):
        yield NOTHING
        return
    claims, matrix, costs = (pd.read_csv(kept / f"{name}.tsv", sep="\t") for name in TABLES)
    yield from _claims(claims)
    for track in dict.fromkeys(matrix["track"]):
        yield from _track(str(track), matrix[matrix["track"] == track])
    yield from _costs(costs)


def _claims(claims: pd.DataFrame) -> Iterator[str]:
    yield "| claim | verdict | where | difference [95 %] | for methods like these | people, pairs, methods |\n"
    yield "|---|---|---|---|---|---|\n"
    for _, row in claims.iterrows():
        found = (_interval(row, "difference", "ci_low", "ci_high"),
                 _interval(row, "over_methods", "over_methods_low", "over_methods_high"))  # fmt: skip
        who = ", ".join(_number(row[key], 0) for key in ("people", "pairs", "methods"))
        cells = (row["sentence"], row["decision"], _place(row), *found, who)
        yield f"| {' | '.join(map(str, cells))} |\n"
    yield "\nDifferences are in the good direction: above 0 the networks are better.\n"


def _track(track: str, rows: pd.DataFrame) -> Iterator[str]:
    conditions = list(dict.fromkeys(rows["condition"]))
    yield f"\n### {track}: {title(rows['metric'].iloc[0])}\n\n"
    folds = "voxels with det <= 0, %"
    yield f"| method | {' | '.join(conditions)} | {folds} | runs, failed |\n|---|{'---|' * len(conditions)}---|---|\n"
    for method in dict.fromkeys(rows["method"]):
        mine = rows[rows["method"] == method].set_index("condition")
        cells = [_number(mine["mean"].get(condition), 3) for condition in conditions]
        runs = f"{_number(mine['runs'].sum(), 0)}, {_number(mine['failed'].sum(), 0)}"
        folded = _number(mine["folds_percent"].get(conditions[0]), 3)
        yield f"| {method} | {' | '.join(cells)} | {folded} | {runs} |\n"


def _costs(costs: pd.DataFrame) -> Iterator[str]:
    """CPU seconds and memory of a run; the seconds are those of a machine that did other work too."""
    tracks = list(dict.fromkeys(costs["track"]))
    yield "\n### CPU seconds of a run, and gigabytes at its peak\n\n"
    yield f"| method | {' | '.join(tracks)} |\n|---|{'---|' * len(tracks)}\n"
    for method in dict.fromkeys(costs["method"]):
        mine = costs[costs["method"] == method].set_index("track")
        cells = [
            f"{_number(mine['cpu_s'].get(track), 0)}, {_number(mine['peak_memory_bytes'].get(track, float('nan')) / 1e9, 1)}"
            for track in tracks
        ]
        yield f"| {method} | {' | '.join(cells)} |\n"


def _place(row: "pd.Series[object]") -> str:
    return str(row["track"]) if row["condition"] == "reference" else f"{row['track']}, {row['condition']}"


def _interval(row: "pd.Series[object]", *keys: str) -> str:
    value, low, high = (_number(row[key], 3) for key in keys)
    return value if value == MISSING else f"{value} [{low}, {high}]"


def _number(value: object, digits: int) -> str:
    return MISSING if value is None or pd.isna(value) else f"{value:.{digits}f}"  # type: ignore[call-overload]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_up(folder, STUDIES / f"{read_json(StudyLayout(folder).record, StudyRecord).study.name}.md")
