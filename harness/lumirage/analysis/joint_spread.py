"""Estimates the uncertainty of means, and of differences between the means of two tables that share some of their people.

The jackknife that leaves out one subject at a time, as in `resampling`, without draws. A subject in both tables leaves both
at once.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lumirage.analysis.designs import MINIMUM_UNITS, Design
from lumirage.analysis.resampling import FloatArray, degrees_of_freedom, skewness_of_mean, unit_influences


@dataclass(frozen=True)
class Table:
    """Complete values (n_pairs, k) on the pairs of a design."""

    values: FloatArray
    design: Design

    @property
    def n_units(self) -> int:
        """Units that are resampled."""
        return len(self.design.units)

    @property
    def residuals(self) -> FloatArray:
        """Of the pairs, over their number, (n_pairs, k)."""
        return np.asarray((self.values - self.values.mean(axis=0)) / self.design.n_pairs)

    def pair_names(self) -> list[tuple[str, str]]:
        """The units of the pairs by name; '' for a role that is not resampled."""
        units = (*self.design.units, "")
        return [(units[first], units[second]) for first, second in self.design.units_of_pair]


@dataclass(frozen=True)
class JointSpread:
    """The precision of each column, (k,)."""

    se: FloatArray
    """NaN with fewer than three units."""
    df: FloatArray
    skew: FloatArray
    """Skewness of the estimate."""


def mean_spread(table: Table) -> JointSpread:
    """The precision of the column means."""
    variance, floor = _variance([table])
    n = table.n_units
    return JointSpread(
        se=np.sqrt(variance) + (np.nan if n < MINIMUM_UNITS else 0.0),
        df=degrees_of_freedom(variance, floor, n - 1, table.design.n_pairs - 1),
        skew=skewness_of_mean(unit_influences(table.values, table.design), n),
    )


def difference_spread(a: Table, b: Table) -> JointSpread:
    """The precision of mean(a) - mean(b), column by column; units are matched by name.

    Degrees of freedom of the units: one less than units if all are in both tables, Welch's if none is, else those of the
    table with fewer units.
    """
    variance, floor = _variance([a, b])
    fewest = min(a.n_units, b.n_units)
    units = _merged([t.design.units for t in (a, b)], [unit_influences(t.values, t.design) for t in (a, b)])
    if set(a.design.units) & set(b.design.units):
        df: npt.ArrayLike = fewest - 1
    else:
        of_a, of_b = _variance([a])[0], _variance([b])[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (of_a + of_b) ** 2 / (of_a**2 / (a.n_units - 1) + of_b**2 / (b.n_units - 1))
            df = np.where(np.isfinite(df), df, fewest - 1)
    return JointSpread(
        se=np.sqrt(variance) + (np.nan if fewest < MINIMUM_UNITS else 0.0),
        df=degrees_of_freedom(variance, floor, df, a.design.n_pairs + b.design.n_pairs - 2),
        skew=skewness_of_mean(units, fewest),
    )


def _variance(tables: Sequence[Table]) -> tuple[FloatArray, FloatArray]:
    """Jackknife variance of the mean, or of the difference of two, and the part of it that is the noise of pairs.

    Each pair's own noise is counted once, and no variance is smaller than that of independent pairs. Where no pair has two
    units that are resampled, nothing is counted twice, and the part is 0.
    """
    units = _merged([t.design.units for t in tables], [unit_influences(t.values, t.design) for t in tables])
    variance = np.asarray((units**2).sum(axis=0))
    if not any(t.design.crossed for t in tables):
        return variance, np.zeros_like(variance)
    names = [t.pair_names() for t in tables]
    couples = [[tuple(sorted(pair)) for pair in of] for of in names]
    twice = _merged(couples, [t.residuals * t.design.crossed for t in tables])
    small = [np.sqrt(t.design.n_pairs / max(t.design.n_pairs - 1, 1)) for t in tables]
    pairs = _merged(names, [t.residuals * factor for t, factor in zip(tables, small, strict=True)])
    floor = np.asarray((pairs**2).sum(axis=0))
    return np.maximum(variance - (twice**2).sum(axis=0), floor), floor


def _merged(names: Sequence[Sequence[Hashable]], rows: Sequence[FloatArray]) -> FloatArray:
    """Sums of the rows of the first table, less those of the second, by name."""
    place = {name: i for i, name in enumerate(dict.fromkeys(name for of in names for name in of))}
    merged = np.zeros((len(place), rows[0].shape[1]))
    for sign, of, values in zip((1, -1), names, rows, strict=False):
        np.add.at(merged, [place[name] for name in of], sign * values)
    return merged
