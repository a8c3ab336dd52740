"""Selects the rows of the analysis' tables for the page's figures and tables. A missing table gives no rows."""

from collections.abc import Mapping

import pandas as pd

from lumirage.reporting.displayed_measures import Measure
from lumirage.reporting.report_inputs import Inputs

MAIN_SCHEME = "aggregate-then-rank"
"""The ranking that orders the leaderboard."""

ALPHA = 0.05

MERGED = "several"
"""Used as the metric if a scheme merges several."""


Row = Mapping[str, object]


def records(table: pd.DataFrame) -> list[Row]:
    """The rows of a table, each as column -> value."""
    return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]


def of_measure(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Rows of one measure. Empty strings may have become missing values in TSV."""
    same = (table["metric"] == measure.metric) & (table["preset"] == measure.preset)
    same &= table["settings"].astype("string").fillna("") == measure.settings
    return table[same & (table["source"].astype("string").fillna("") == measure.source)]


def comparisons(inputs: Inputs, measure: Measure, condition: str) -> pd.DataFrame:
    """Honest comparisons of one measure under one condition and the track's failure policy."""
    return _comparisons(inputs, measure, condition, literature=False)


def literature(inputs: Inputs, measure: Measure, condition: str) -> pd.DataFrame:
    """The same comparisons as in the literature, for contrast."""
    return _comparisons(inputs, measure, condition, literature=True)


def _comparisons(inputs: Inputs, measure: Measure, condition: str, *, literature: bool) -> pd.DataFrame:
    table = inputs.tables.get("comparisons")
    if table is None:
        return pd.DataFrame(columns=["method", "reference"])
    key = (measure.metric, measure.preset, measure.settings, measure.source, condition, literature)
    rows = inputs.comparison_rows.get(key, table.iloc[:0])
    return rows if literature else rows[rows["policy"] == inputs.evaluation.track.on_failure]


def base_of(rows: pd.DataFrame) -> str:
    """The reference of most methods: the one that occurs with the most methods."""
    return str(rows["reference"].mode().iloc[0]) if len(rows) else ""


def against_base(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each method: its comparison with that reference."""
    return rows[rows["reference"] == base_of(rows)].drop_duplicates("method").set_index("method")


def told_better(inputs: Inputs, measure: Measure, condition: str) -> frozenset[tuple[str, str]]:
    """The couples (better, worse) with a significant order, by the analysis' intervals and Holm's correction."""
    rows = comparisons(inputs, measure, condition)
    if not len(rows):
        return frozenset()
    p_holm = (
        pd.to_numeric(rows["p_holm"], errors="coerce").astype("Float64").fillna(0.0)
    )  # none: the same on every pair
    rows = rows[rows["better"].isin(["method", "reference"]) & (p_holm < ALPHA)]
    return frozenset(
        (str(r["method"]), str(r["reference"])) if r["better"] == "method" else (str(r["reference"]), str(r["method"]))
        for r in records(rows)
    )


def rankings(inputs: Inputs, measure: Measure | None, condition: str) -> pd.DataFrame:
    """Rankings under one condition, of one measure or of all that were ranked.

    None from before references were taken out of the ranks: `lumirage-harness compare` makes them again.
    """
    table = inputs.tables.get("rankings")
    if table is None or "reference" not in table.columns:
        return pd.DataFrame(columns=["policy", "scheme", "method", "rank"])
    rows = table[table["condition"] == condition]
    return rows if measure is None else of_measure(rows, measure)


def main_ranking(inputs: Inputs, measure: Measure, condition: str) -> pd.DataFrame:
    """One row for each method: its rank by the main scheme under the track's failure policy."""
    rows = rankings(inputs, measure, condition)
    same = (rows["scheme"] == MAIN_SCHEME) & (rows["policy"] == inputs.evaluation.track.on_failure)
    return rows[same].drop_duplicates("method").set_index("method")
