"""Writes the numbers of a study into its page under docs/studies, from the tables of its report, so that none is typed.

    python benchmarks/study_write_up.py OUT

copies claims.tsv and matrix.tsv of OUT/report to docs/studies/NAME/ and writes the tables between the marks of
docs/studies/NAME.md. A test writes them again from the copies and compares.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lumirage.core.metrics import title
from lumirage.core.study_layout import StudyLayout

STUDIES = Path(__file__).parents[1] / "docs" / "studies"
BEGIN, END = "<!-- results: written by benchmarks/study_write_up.py -->", "<!-- end of results -->"
TABLES = ("claims", "matrix")
NOTHING = "*No track of this study has been measured to its end, so there is no result.*\n"
MISSING = "-"


def write_up(out: Path, page: Path) -> None:
    """Bring a study's page up to the report in OUT."""
    layout, kept = StudyLayout(out), page.with_suffix("")
    kept.mkdir(exist_ok=True)
    for name in TABLES:
        shutil.copyfile(layout.table(name), kept / f"{name}.tsv")
    page.write_text(with_results(page.read_text(), kept))


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
    claims, matrix = (pd.read_csv(kept / f"{name}.tsv", sep="\t") for name in TABLES)
    yield from _claims(claims)
    for track in dict.fromkeys(matrix["track"]):
        yield from _track(str(track), matrix[matrix["track"] == track])


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
    conditions, first = list(dict.fromkeys(rows["condition"])), rows.iloc[0]
    unit = "" if pd.isna(first["unit"]) or not first["unit"] else f", {first['unit']}"
    yield f"\n### {track}: {title(first['metric'])}{unit}\n\n"
    yield f"| method | {' | '.join(conditions)} | runs, failed |\n|---|{'---|' * len(conditions)}---|\n"
    for method in dict.fromkeys(rows["method"]):
        mine = rows[rows["method"] == method].set_index("condition")
        cells = [_number(mine["mean"].get(condition), 3) for condition in conditions]
        runs = f"{_number(mine['runs'].sum(), 0)}, {_number(mine['failed'].sum(), 0)}"
        yield f"| {method} | {' | '.join(cells)} | {runs} |\n"


def _place(row: "pd.Series[object]") -> str:
    return str(row["track"]) if row["condition"] == "reference" else f"{row['track']}, {row['condition']}"


def _interval(row: "pd.Series[object]", *keys: str) -> str:
    value, low, high = (_number(row[key], 3) for key in keys)
    return value if value == MISSING else f"{value} [{low}, {high}]"


def _number(value: object, digits: int) -> str:
    return MISSING if value is None or pd.isna(value) else f"{value:.{digits}f}"  # type: ignore[call-overload]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    name = json.loads(StudyLayout(folder).record.read_text())["declared"][-1]["study"]["name"]
    write_up(folder, STUDIES / f"{name}.md")
