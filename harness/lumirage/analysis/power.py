"""Computes how many subjects and pairs are needed to detect a difference, from the measured variance: rows of power.tsv.

The variance of a pair's difference has parts from its two subjects, from the couple in either direction, and from the pair
itself. They are estimated by the method of moments, as in the analysis of variance of the social relations model (Snijders
and Kenny, Personal Relationships 6(4), 1999), on any design.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, sparse, stats

from lumirage.analysis.comparisons import comparisons_of
from lumirage.analysis.designs import Design
from lumirage.analysis.resampling import FloatArray, jackknife_errors
from lumirage.analysis.score_matrices import KEY, Cell, Scores, cells_of
from lumirage.core.errors import UsageError
from lumirage.core.metrics import is_accuracy

POWER_COLUMNS = (
    *KEY, "method", "reference", "target", "power", "alpha", "n_pairs", "n_subjects", "sd", "smallest_seen",
    "subject_variance", "couple_variance", "pair_variance", "subject_share", "subjects_chain", "pairs_chain",
    "subjects_all_pairs", "pairs_all_pairs", "pairs_separate", "note",
)  # fmt: skip
"""Columns of power.tsv."""

MAXIMUM = 10_000_000
"""More subjects than any study has."""


CERTAIN = 30.0
"""A difference of this many standard errors is always detected."""


@dataclass(frozen=True)
class PowerSettings:
    """The differences to detect, with significance level and power."""

    targets: Mapping[str, float] = field(default_factory=lambda: {"dice": 0.005})
    """Prefix of a metric's name -> difference to detect, in the metric's unit."""
    power: float = 0.8
    alpha: float = 0.05
    reference: str = "affine"


@dataclass(frozen=True)
class Components:
    """Variance of a pair's difference: `subject` for each of the two, `couple` for both in any order, `pair` its own."""

    subject: float
    couple: float
    pair: float

    @property
    def total(self) -> float:
        """Variance of one pair's difference."""
        return 2 * self.subject + self.couple + self.pair


def variance_components(differences: FloatArray, design: Design) -> Components | None:
    """Components of paired differences (n_pairs,), NaN left out; None if the design cannot separate them.

    For each component, one moment (the sum over subjects, couples or pairs of squared sums of residuals) is equated with its
    expectation under the design. A component that would be negative, by chance, is set to 0. Without pairs in both
    directions the couple's part is included in the pair's.
    """
    there = np.isfinite(differences)
    index = design.units_of_pair[there]
    n = int(there.sum())
    if n < 3 or not design.crossed or (index < 0).any():
        return None
    sums = [_sums(index.T, len(design.units))]
    low, high = np.sort(index, axis=1).T
    _, couple = np.unique(low * len(design.units) + high, return_inverse=True)
    n_couples = int(couple.max()) + 1
    sums += [_sums(couple[None], n_couples)] if n_couples < n else []
    sums += [sparse.eye_array(n, format="csr")]
    if max(np.bincount(index.ravel())) < 2:
        return None
    r = differences[there] - differences[there].mean()
    ones = [np.asarray(b.T @ (b @ np.ones(n))) for b in sums]
    expected = np.array([[_expected(a, b, u, v) for b, v in zip(sums, ones, strict=True)]
                         for a, u in zip(sums, ones, strict=True)])  # fmt: skip
    moments = np.array([float(((b @ r) ** 2).sum()) for b in sums])
    try:
        found = _not_negative(expected, moments)
    except np.linalg.LinAlgError:  # this graph of pairs has the same moment for two components
        return None
    return Components(float(found[0]), float(found[1]) if len(found) == 3 else 0.0, float(found[-1]))


def _not_negative(expected: FloatArray, moments: FloatArray) -> FloatArray:
    # Negative components are removed with their moments, and the others are solved for again.
    found = np.zeros(len(moments))
    kept = np.arange(len(moments))
    while kept.size:
        solution = np.linalg.solve(expected[np.ix_(kept, kept)], moments[kept])
        if solution.min() >= 0:
            found[kept] = solution
            break
        kept = np.delete(kept, solution.argmin())
    return found


def pairs_needed(sd: float, target: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Pairs of all different subjects that a paired t test needs: the smallest number that reaches the power."""
    return _smallest(lambda n: sd / np.sqrt(n), target, power, alpha)


def subjects_needed(components: Components, target: float, chain: bool, power: float = 0.8, alpha: float = 0.05) -> int:
    """Subjects needed by a chain, or by all ordered pairs; t with n - 1 degrees of freedom, as in the default test."""

    def standard_error(n: int) -> float:
        if chain:
            # n - 1 pairs; inner subjects are in two of them, the two ends in one.
            own = (components.couple + components.pair) / (n - 1)
            return float(np.sqrt(components.subject * (4 * n - 6) / (n - 1) ** 2 + own))
        own = (2 * components.couple + components.pair) / (n * (n - 1))
        return float(np.sqrt(4 * components.subject / n + own))

    return _smallest(standard_error, target, power, alpha)


def people_needed(
    target: float, se: float, n_people: int, fixed: float = 0.0, *, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """People needed to detect `target`, given the standard error that `n_people` gave; None if no number is enough.

    `fixed` is a standard error that more people leave as it is, such as that between methods. The standard error of people is
    taken to shrink with the root of their number, in the same design.
    """
    try:
        return _smallest(lambda n: float(np.sqrt(se**2 * n_people / n + fixed**2)), target, power, alpha)
    except UsageError:
        return None


def power_of(target: float, se: float, df: float, alpha: float = 0.05) -> float:
    """Power of the two-sided t test to detect `target` with this standard error, from the noncentral t distribution."""
    critical = stats.t.ppf(1 - alpha / 2, df)
    shift = target / se
    if shift > CERTAIN:
        return 1.0
    # scipy gives NaN for the tail on the wrong side if it is below 1e-20.
    wrong_side = np.nan_to_num(stats.nct.cdf(-critical, df, shift))
    return float(stats.nct.sf(critical, df, shift) + wrong_side)


def detectable(se: float, df: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The difference that the two-sided t test detects with this power, in the unit of its standard error `se` (> 0)."""
    return float(optimize.brentq(lambda shift: power_of(shift, 1.0, df, alpha) - power, 0.0, CERTAIN)) * se


def power_table(scores: Scores, settings: PowerSettings | None = None) -> pd.DataFrame:
    """Subjects and pairs needed; one row for two methods and a metric with a target; columns POWER_COLUMNS.

    Failed runs are left out: this is about noise, not about failures. Raises DataError like `compare`.
    """
    settings = settings or PowerSettings()
    rows: list[dict[str, object]] = []
    for raw in cells_of(scores):
        target = next((t for start, t in settings.targets.items() if raw.cell.metric.startswith(start)), None)
        if target is not None and is_accuracy(raw.cell.metric):
            rows.extend(_rows(raw.under("drop"), target, settings))
    return pd.DataFrame(rows, columns=list(POWER_COLUMNS))


def _rows(cell: Cell, target: float, settings: PowerSettings) -> Iterator[dict[str, object]]:
    wanted = (settings.power, settings.alpha)
    for method, reference in comparisons_of(cell.methods, settings.reference):
        d = cell.of(method) - cell.of(reference)
        n = int(np.isfinite(d).sum())
        sd = float(np.nanstd(d, ddof=1)) if n > 1 else float("nan")
        components = variance_components(d, cell.design) if sd > 0 else None
        yield {
            **cell.key,
            "method": method,
            "reference": reference,
            "target": target,
            "power": settings.power,
            "alpha": settings.alpha,
            "n_pairs": n,
            "n_subjects": cell.design.n_subjects,
            "sd": sd,
            "smallest_seen": _smallest_seen(d, cell.design, settings),
            "pairs_separate": pairs_needed(sd, target, *wanted) if sd > 0 else np.nan,
            "note": "" if components else "this design cannot separate the subjects' variance from the pairs' own",
            **(_by_design(components, target, settings) if components else {}),
        }


def _by_design(components: Components, target: float, settings: PowerSettings) -> dict[str, object]:
    chain = subjects_needed(components, target, True, settings.power, settings.alpha)
    everyone = subjects_needed(components, target, False, settings.power, settings.alpha)
    return {
        "subject_variance": components.subject,
        "couple_variance": components.couple,
        "pair_variance": components.pair,
        "subject_share": 2 * components.subject / components.total if components.total > 0 else np.nan,
        "subjects_chain": chain,
        "pairs_chain": chain - 1,
        "subjects_all_pairs": everyone,
        "pairs_all_pairs": everyone * (everyone - 1),
    }


def _smallest_seen(differences: FloatArray, design: Design, settings: PowerSettings) -> float:
    se = float(jackknife_errors(differences[:, None], design)[0])
    df = len(design.units) - 1
    if not (np.isfinite(se) and se > 0):
        return float("nan")

    return detectable(se, df, settings.power, settings.alpha)


def _smallest(standard_error: Callable[[int], float], target: float, power: float, alpha: float) -> int:
    def reached(n: int) -> bool:
        return power_of(target, standard_error(n), n - 1, alpha) >= power

    high = 3
    while not reached(high):
        high *= 2
        if high > MAXIMUM:
            raise UsageError(
                f"more than {MAXIMUM:,} subjects would be needed to detect {target:g}: set a larger difference"
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return max(high, 3)


def _sums(groups: npt.NDArray[np.int64], n_groups: int) -> sparse.csr_array:
    # (n_groups, n): adds up what belongs to each group; a column may be in several.
    n = groups.shape[1]
    columns = np.tile(np.arange(n), len(groups))
    return sparse.csr_array((np.ones(columns.size), (groups.ravel(), columns)), shape=(n_groups, n))


def _expected(a: sparse.csr_array, b: sparse.csr_array, ones_a: FloatArray, ones_b: FloatArray) -> float:
    # tr(C A'A C B'B) with C = I - 11'/n: the expected moment of a for a unit variance of b.
    n = len(ones_a)
    product = (a @ b.T).power(2).sum()
    return float(product - 2 * (ones_a @ ones_b) / n + ones_a.sum() * ones_b.sum() / n**2)
