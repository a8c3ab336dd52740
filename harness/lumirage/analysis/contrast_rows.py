"""Linear contrasts of the methods of two families: their difference, that without each method, and the methods' own spread.

Two questions have two intervals. "Are these methods better than those?" resamples subjects. "Are networks better than
iterative methods?" takes the methods as a sample too: the variance of the methods' means within each family is added, less
the part that is noise of the subjects, which would be counted twice. Its degrees of freedom are Satterthwaite's (Biometrics
Bulletin 2(6), 1946) of subjects and methods.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lumirage.analysis.estimates import Estimate, Precision, estimate
from lumirage.analysis.joint_spread import JointSpread
from lumirage.analysis.resampling import FloatArray
from lumirage.analysis.skewed_intervals import interval

ROUNDING = 1e-12


@dataclass(frozen=True)
class LeftOut:
    """The difference of two families without one method."""

    method: str
    family: str
    difference: Estimate


@dataclass(frozen=True)
class ContrastRows:
    """Weights of the methods, the first family's before the second's, (rows, methods).

    The rows are the families' difference, the difference without each method, and each method's deviation from the mean of
    its family. Without a family's only method there is no difference: that row is 0.
    """

    n_first: int
    weights: FloatArray

    @classmethod
    def of(cls, n_first: int, n_second: int) -> "ContrastRows":
        """The rows for two families of these sizes."""
        n = n_first + n_second
        first, one = np.arange(n) < n_first, np.eye(n)
        rows = [_difference(first, ~first)]
        rows += [_difference(first & (one[m] == 0), ~first & (one[m] == 0)) for m in range(n)]
        rows += [one[m] - _mean(first if first[m] else ~first) for m in range(n)]
        return cls(n_first, np.array(rows))

    @property
    def n_methods(self) -> int:
        """Methods of both families."""
        return self.weights.shape[1]

    def of_methods(self, values: FloatArray) -> FloatArray:
        """The contrasts on every pair: (methods, pairs) -> (pairs, rows)."""
        return values.T @ self.weights.T


@dataclass(frozen=True)
class RowEstimates:
    """What is known of every row of the contrasts; all arrays are (rows,)."""

    rows: ContrastRows
    means: FloatArray
    spread: JointSpread
    """Subjects resampled."""
    scale: float
    """Size of the methods' values: a spread that is 1e-12 of it is rounding."""
    confidence: float
    reason: str = ""
    """Why there are no standard errors."""

    def difference(self, row: int = 0) -> Estimate:
        """The families' difference, or that of another row: holds for these methods."""
        se, df, skew = (float(of[row]) for of in (self.spread.se, self.spread.df, self.spread.skew))
        return estimate(float(self.means[row]), Precision(self._spread(se), df, skew), self.confidence, self.reason)

    def over_methods(self) -> Estimate:
        """The difference with the methods taken as a sample of their families: holds for methods like these.

        Never surer than what holds for these methods: more degrees of freedom or less skewness could make it so.
        """
        value, start = float(self.means[0]), 1 + self.rows.n_methods
        parts, freedoms = [float(self.spread.se[0]) ** 2], [float(self.spread.df[0])]
        for family in (slice(start, start + self.rows.n_first), slice(start + self.rows.n_first, None)):
            n = len(self.means[family])
            if n < 2:
                return Estimate(value, reason="a family of one method says nothing about other methods")
            own = float((self.means[family] ** 2 - self.spread.se[family] ** 2).sum())
            parts.append(max(own, 0.0) / (n - 1) / n)
            freedoms.append(n - 1.0)
        total = sum(parts)
        if self._spread(math.sqrt(total)) == 0:
            return self.difference()
        df = total**2 / sum(part**2 / f for part, f in zip(parts, freedoms, strict=True))
        # the methods are taken as symmetric, so the third moment is the people's
        skew = float(self.spread.skew[0]) * (parts[0] / total) ** 1.5
        usual, these = Precision(math.sqrt(total), df, skew), self.difference()
        careful = Precision(math.sqrt(total), min(df, these.df), these.skew)
        used = usual if self._holds(usual, these) else careful
        return estimate(value, used, self.confidence, self.reason)

    def _holds(self, wider: Precision, these: Estimate) -> bool:
        """Whether it is no surer than these, at the confidence of two-sided tests and at that of one-sided ones."""
        for confidence in (self.confidence, 2 * self.confidence - 1):
            low, high = interval(these.value, wider.se, wider.df, wider.skew, confidence)
            inner_low, inner_high = interval(these.value, these.se, these.df, these.skew, confidence)
            if low > inner_low or high < inner_high:
                return False
        return True

    def _spread(self, se: float) -> float:
        return 0.0 if se <= ROUNDING * self.scale else se

    def without_each(self, families: Sequence[tuple[str, Sequence[str]]]) -> tuple[LeftOut, ...]:
        """The difference without each method in turn; `families` are the names and methods of the first and the second."""
        names = [(family, method, len(methods)) for family, methods in families for method in methods]
        return tuple(
            LeftOut(method, family, self.difference(row))
            for row, (family, method, size) in enumerate(names, start=1)
            if size > 1
        )


def _difference(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> FloatArray:
    return _mean(first) - _mean(second) if first.any() and second.any() else np.zeros(len(first))


def _mean(members: npt.NDArray[np.bool_]) -> FloatArray:
    return members / members.sum()
