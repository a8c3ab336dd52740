"""Defines the sentences of the findings, and helpers that word numbers, intervals and sizes."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from lumirage.core.metrics import title

Row = Mapping[str, object]
"""Column -> value."""


@dataclass(frozen=True)
class Verdict:
    """One sentence and its subject."""

    sentence: str
    kind: str
    """headline, condition, effect, failures, gate or order"""
    track: str
    condition: str
    metric: str
    method: str
    reference: str = ""


def records(rows: pd.DataFrame) -> list[Row]:
    """The rows of a table, each as column -> value."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def rows_of(table: pd.DataFrame, measure: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a table that belong to a measure: column -> its value as text."""
    for name, value in measure.items():
        table = table[table[name].astype(str) == value]
    return table


def size_words(row: Row) -> str:
    """The data behind a difference: pairs, subjects, dropped and failed runs."""
    words = [f"n = {row['n_pairs']} pairs, {row['n_subjects']} subjects"]
    words += [f"{row['dropped']} dropped"] if number(row["dropped"]) else []
    failed = [(row[f"failed_{who}"], row[who]) for who in ("method", "reference") if number(row[f"failed_{who}"])]
    words += [f"{n} failed of {who}" for n, who in failed]
    note = str(row["note"]) if there(row["note"]) else ""
    return f"({'; '.join(filter(None, [*words, note]))})"


def interval_words(row: Row, *, absolute: bool = False) -> str:
    """The difference with its interval; `absolute`: turned to be positive."""
    ends = [number(row["ci_low"]), number(row["ci_high"])]
    value = number(row["difference"])
    if absolute and value < 0:
        value, ends = -value, [-e for e in ends]
    low, high = sorted(ends)
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def measure_words(row: Row) -> str:
    """The field's name of the metric, and the label source if it has one."""
    source, name = str(row["source"]) if there(row["source"]) else "", title(str(row["metric"]))
    if not source:
        return name
    return f"{name[:-1]}, {source})" if name.endswith(")") else f"{name} ({source})"


def number(value: object) -> float:
    """A cell as a number; NaN if it is empty."""
    return float(value) if there(value) else float("nan")  # type: ignore[arg-type]  # a cell: whatever float() takes


def there(value: object) -> bool:
    """Whether a cell has a value."""
    return not pd.isna(value)  # type: ignore[call-overload]  # a cell of a table, never an array


def sentence(text: str) -> str:
    """The sentence with its full stop."""
    return text + "."
