"""Compares two families of methods: the mean of the first less that of the second, on the same pairs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lumirage.analysis.contrast_rows import ContrastRows, LeftOut, RowEstimates
from lumirage.analysis.estimates import Estimate
from lumirage.analysis.family_scores import FamilySettings, FamilyValues, Measure, family_values
from lumirage.analysis.joint_spread import Table, mean_spread
from lumirage.analysis.paired_effects import effect_sizes
from lumirage.analysis.resampling import FloatArray
from lumirage.analysis.significance import Literature, as_in_the_literature, check_margin
from lumirage.analysis.skewed_intervals import skewness_words

NAN = math.nan


@dataclass(frozen=True)
class EffectSize:
    """An effect in standard deviations of pairs, with its interval; NaN if undefined."""

    value: float = NAN
    low: float = NAN
    high: float = NAN


@dataclass(frozen=True)
class FamilyContrast:
    """The first family less the second, in the metric's unit."""

    key: Mapping[str, str]
    """Track, condition, metric, preset, settings and label source."""
    families: Mapping[str, tuple[str, ...]]
    """The first and the second family, with the methods that count."""
    left_out: Mapping[str, str]
    """Method of a family -> why it does not count."""
    direction: int
    """1 if a positive difference means that the first family is better, -1 if it is worse, 0 if nobody knows."""
    mean_first: float
    mean_second: float
    difference: Estimate
    """Subjects resampled: holds for these methods."""
    over_methods: Estimate
    """Methods resampled too: holds for methods like these."""
    without: tuple[LeftOut, ...]
    """Each method left out in turn; a family's only method cannot be."""
    d_z: EffectSize
    d_av: EffectSize
    literature: Literature
    """As papers print it: pairs treated as independent, pooled Cohen's d. Only to compare with published tables."""
    margin: float
    p_equivalence: float
    """TOST within +/- margin; NaN without a margin or a standard error."""
    n_pairs: int
    n_people: int
    n_units: int
    """What is resampled: people, the leaves of a star, or whole pairs."""
    dropped: int
    """Pairs left out, because some method has no value."""
    failed: Mapping[str, int]
    """Method -> pairs with a failed run; methods without failures are omitted."""
    filled: Mapping[str, int]
    """Method -> pairs with a value from the failure policy."""
    policy: str
    design: str
    notes: tuple[str, ...]
    """What the reader must know."""

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.key["metric"]

    @property
    def n_methods(self) -> int:
        """Methods that count, of both families."""
        return sum(len(members) for members in self.families.values())


def family_contrast(
    scores: pd.DataFrame,
    families: Mapping[str, Sequence[str]],
    measure: Measure,
    settings: FamilySettings | None = None,
) -> FamilyContrast:
    """The contrast of two families in one measure, from a table of scores (columns SCORE_COLUMNS).

    All methods of a family have the same weight. Failed runs count by the policy. Raises UsageError for an unknown
    family, a method in both, a measure that is absent or not unique, or a margin too small to measure.
    """
    settings = settings or FamilySettings()
    if settings.margin is not None:
        check_margin(measure.metric, settings.margin)
    return contrast_of(family_values(scores, families, measure, settings), settings)


def contrast_of(found: FamilyValues, settings: FamilySettings) -> FamilyContrast:
    """The contrast of values that were read before; without a difference if the families cannot be compared."""
    if found.reason:
        return _contrast(found, settings, Estimate(NAN, reason=found.reason))
    rows = ContrastRows.of(len(found.first), len(found.second))
    columns = rows.of_methods(found.values)
    spread = mean_spread(Table(columns, found.design))
    scale = float(np.abs(found.values).max())
    known = RowEstimates(rows, columns.mean(axis=0), spread, scale, settings.confidence, found.design.note)
    return _contrast(found, settings, known.difference(), known.over_methods(), known.without_each(found.families))


def _contrast(
    found: FamilyValues,
    settings: FamilySettings,
    difference: Estimate,
    over: Estimate | None = None,
    without: tuple[LeftOut, ...] = (),
) -> FamilyContrast:
    first, second = found.family_means()
    sizes = _effect_sizes(first, second, found, settings)
    margin = NAN if settings.margin is None else settings.margin
    return FamilyContrast(
        key=found.cell.key,
        families=dict(found.families),
        left_out=found.left_out,
        direction=found.cell.direction,
        mean_first=float(first.mean()) if len(first) else NAN,
        mean_second=float(second.mean()) if len(second) else NAN,
        difference=difference,
        over_methods=over or Estimate(difference.value, reason=difference.reason),
        without=without,
        d_z=sizes[0],
        d_av=sizes[1],
        literature=as_in_the_literature(first, second, settings.confidence),
        margin=margin,
        p_equivalence=difference.p_within(margin),
        n_pairs=len(found.pairs),
        n_people=len(found.people),
        n_units=len(found.design.units),
        dropped=found.dropped,
        failed=found.counted(found.cell.failed),
        filled=found.counted(found.cell.filled),
        policy=settings.policy,
        design=found.design.kind.value,
        notes=tuple(filter(None, (*found.notes(), skewness_words(difference.skew, len(found.design.units))))),
    )


def _effect_sizes(
    first: FloatArray, second: FloatArray, found: FamilyValues, settings: FamilySettings
) -> tuple[EffectSize, EffectSize]:
    if not len(first):
        return EffectSize(), EffectSize()
    of = effect_sizes(first[:, None], second[:, None], found.design, settings.confidence)
    d_z = EffectSize(float(of.d_z[0]), float(of.d_z_ci[0, 0]), float(of.d_z_ci[1, 0]))
    return d_z, EffectSize(float(of.d_av[0]), float(of.d_av_ci[0, 0]), float(of.d_av_ci[1, 0]))
