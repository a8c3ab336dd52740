"""Compares methods on each structure alone: the rows of structures.tsv."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis.comparisons import comparisons_of
from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.resampling import FloatArray, Resampling, spread
from lumirage.analysis.score_matrices import as_categories
from lumirage.analysis.skewed_intervals import interval
from lumirage.core.metrics import METRICS, is_accuracy, possible_change
from lumirage.core.track import REFERENCE

STRUCTURE_COLUMNS = (
    "condition", "metric", "preset", "settings", "source", "label", "name", "method", "reference", "n_pairs", "n_units",
    "mean_method", "mean_reference", "difference", "ci_low", "ci_high", "se",
)  # fmt: skip
"""Columns of structures.tsv; undefined values are NaN."""

KEY = ["metric", "preset", "settings", "source"]
MEASURED_COLUMNS = (*KEY, "condition", "label", "name", "method", "pair", "fixed_subject", "moving_subject", "value")
"""The columns of scores that are needed."""
DRAWS = Resampling()

MOST_NUMBERS = 4_000_000
"""Differences held at once: 32 MB."""


@dataclass(frozen=True)
class _Cell:
    """The values of one metric, (methods, labels, pairs), repeats averaged; NaN where a structure was not measured."""

    methods: tuple[str, ...]
    labels: pd.DataFrame
    """Columns label and name."""
    design: Design
    values: FloatArray


def structure_effects(scores: pd.DataFrame, resampling: Resampling = DRAWS, confidence: float = 0.95) -> pd.DataFrame:
    """Every comparison of `comparisons_of` on each structure, in the accuracy metrics of labels, columns STRUCTURE_COLUMNS.

    Under the reference condition (without one, the first). A pair counts if both methods measured the structure on it: a
    failed run has no structures, and no policy fills them. Intervals are those of the effects, by resampling subjects, each
    alone: nothing corrects for the number of structures. They are cut at the differences that the metric can have: of few
    people, that of a small structure's Dice can go beyond 1.
    """
    rows = _measured(scores)
    found = [
        table
        for key, of in rows.groupby(KEY, observed=True, sort=True)
        for table in _tables(_cell_of(of), resampling, confidence, dict(zip(KEY, map(str, key), strict=True)))
    ]
    if not found:
        return pd.DataFrame(columns=list(STRUCTURE_COLUMNS))
    condition = str(rows["condition"].iloc[0])
    return pd.concat(found, ignore_index=True).assign(condition=condition)[list(STRUCTURE_COLUMNS)]


def condition_of_structures(scores: pd.DataFrame) -> str:
    """The condition under which structures are compared: the reference, or without one the first."""
    return min(map(str, scores["condition"].unique()), key=lambda name: (name != REFERENCE, name), default=REFERENCE)


def of_structures(metric: str) -> bool:
    """Whether structures are compared in this metric."""
    return metric in METRICS and METRICS[metric].of == "label" and is_accuracy(metric)


def _measured(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of single labels of one condition that have a value, text as categories."""
    wanted = [metric for metric in scores["metric"].unique() if of_structures(str(metric))]
    there = scores["label"].notna() & np.isfinite(scores["value"].astype("float64"))
    there &= scores["metric"].isin(wanted) & (scores["condition"] == condition_of_structures(scores))
    rows = scores.loc[there, list(MEASURED_COLUMNS)]
    texts = [column for column in MEASURED_COLUMNS if column not in ("label", "value")]
    return rows.assign(**{column: as_categories(rows[column]) for column in texts})


def _cell_of(rows: pd.DataFrame) -> _Cell:
    people = rows[["pair", "fixed_subject", "moving_subject"]].drop_duplicates("pair").astype(str).sort_values("pair")
    names = rows[["label", "name"]].drop_duplicates("label").sort_values("label")
    methods = tuple(sorted(map(str, rows["method"].unique())))
    places = (
        _codes(rows["method"], methods),
        np.asarray(pd.Index(names["label"]).get_indexer(pd.Index(rows["label"])), dtype=np.int64),
        _codes(rows["pair"], people["pair"]),
    )
    shape = (len(methods), len(names), len(people))
    at = np.ravel_multi_index(places, shape)
    size = int(np.prod(shape))
    counts = np.bincount(at, minlength=size)
    sums = np.bincount(at, rows["value"].to_numpy(dtype=np.float64), size)
    with np.errstate(invalid="ignore"):
        values = (sums / np.where(counts, counts, np.nan)).reshape(shape)
    design = detect_design(list(people["fixed_subject"]), list(people["moving_subject"]))
    return _Cell(methods, names, design, values)


def _codes(values: "pd.Series[str]", known: Iterable[str]) -> npt.NDArray[np.int64]:
    """The place of each value among the known ones; values are categories."""
    return np.asarray(pd.Index(known).get_indexer(values.cat.categories), dtype=np.int64)[values.cat.codes]


def _tables(cell: _Cell, resampling: Resampling, confidence: float, key: dict[str, str]) -> Iterator[pd.DataFrame]:
    couples = comparisons_of(cell.methods, "affine")
    step = max(1, MOST_NUMBERS // max(1, cell.values[0].size))
    for start in range(0, len(couples), step):
        some = couples[start : start + step]
        a, b = (np.concatenate([cell.values[cell.methods.index(couple[side])] for couple in some]).T for side in (0, 1))
        table = _table(cell, some, (a, b), (resampling, confidence))
        ends = ["ci_low", "ci_high"]
        table[ends] = table[ends].clip(*possible_change(key["metric"]))
        yield table.assign(**key)


def _table(
    cell: _Cell, couples: list[tuple[str, str]], values: tuple[FloatArray, FloatArray], how: tuple[Resampling, float]
) -> pd.DataFrame:
    """The rows of some couples; `values` are (pairs, couples x labels) of the methods and of the references."""
    (a, b), (resampling, confidence) = values, how
    both = np.isfinite(a) & np.isfinite(b)
    n = both.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        errors = spread(np.where(both, a - b, np.nan), cell.design, resampling)
        means = [np.where(both, of, 0).sum(axis=0) / np.where(n > 0, n, np.nan) for of in (a, b)]
        difference = means[0] - means[1]
        low, high = interval(difference, errors.node, errors.df, errors.skew, confidence)
    times = len(couples)
    return pd.DataFrame(
        {
            "label": np.tile(cell.labels["label"].to_numpy(), times),
            "name": np.tile(cell.labels["name"].astype(object).fillna("").to_numpy(), times),
            "method": np.repeat([m for m, _ in couples], len(cell.labels)),
            "reference": np.repeat([r for _, r in couples], len(cell.labels)),
            "n_pairs": n, "n_units": errors.n_units, "mean_method": means[0], "mean_reference": means[1],
            "difference": difference, "ci_low": low, "ci_high": high, "se": errors.node,
        }
    )[n > 0]  # fmt: skip
