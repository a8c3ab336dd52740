"""Measures how the difference between two families changes from a reference track to another: the interaction.

It is what the first family loses from one track to the other beyond what the second loses. Where the same people are in
both tracks, they are paired: what is peculiar to a person and the same in both tracks cancels.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from lumirage.analysis.contrast_rows import ContrastRows, LeftOut, RowEstimates
from lumirage.analysis.estimates import Estimate
from lumirage.analysis.family_contrasts import FamilyContrast, contrast_of
from lumirage.analysis.family_scores import FamilySettings, FamilyValues, Measure, family_values
from lumirage.analysis.joint_spread import Table, difference_spread, mean_spread
from lumirage.analysis.significance import check_margin
from lumirage.analysis.skewed_intervals import skewness_words
from lumirage.core.errors import UsageError

NAN = math.nan


class Pairing(StrEnum):
    """How the people of two tracks belong together."""

    PAIRED = "paired by person"
    PARTLY = "paired by person where in both tracks"
    UNPAIRED = "unpaired"


@dataclass(frozen=True)
class Interaction:
    """The families' difference in a track less that in the reference track, in the metric's unit."""

    track: FamilyContrast
    """Over the methods that both tracks have."""
    reference: FamilyContrast
    pairing: Pairing
    difference: Estimate
    """Subjects resampled: holds for these methods."""
    over_methods: Estimate
    """Methods resampled too: holds for methods like these."""
    without: tuple[LeftOut, ...]
    """Each method left out in turn, in both tracks."""
    margin: float
    p_equivalence: float
    """TOST within +/- margin; NaN without a margin or a standard error."""
    n_pairs: int
    """In either track; those of the same two people in both count once."""
    n_people: int
    """In either track."""
    n_shared: int
    """In both tracks."""
    notes: tuple[str, ...]
    """What the reader must know."""

    @property
    def direction(self) -> int:
        """1 if a positive difference means that the first family holds up better, -1 if worse, 0 if nobody knows."""
        return self.track.direction

    @property
    def metric(self) -> str:
        """Name of the metric, the same in both tracks."""
        return self.track.metric

    @property
    def n_methods(self) -> int:
        """Methods that count, of both families."""
        return self.track.n_methods


def interaction(
    scores: pd.DataFrame,
    reference_scores: pd.DataFrame,
    families: Mapping[str, Sequence[str]],
    measures: tuple[Measure, Measure],
    settings: FamilySettings | None = None,
) -> Interaction:
    """The interaction of two families with two tracks; `measures` are those of the track and of the reference track.

    Only methods that have values in both tracks count. Pairs are matched by their two subjects, people by name: tracks on
    datasets that use the same names for different people must not be compared, or must rename them first.
    Raises UsageError as `family_contrast`, and for two metrics in different units of measurement.
    """
    if measures[0].metric != measures[1].metric:
        raise UsageError(
            f"{measures[0].metric} in the track and {measures[1].metric} in the reference: choose one metric"
        )
    settings = settings or FamilySettings()
    if settings.margin is not None:
        check_margin(measures[0].metric, settings.margin)
    tables = (scores, reference_scores)
    alone = [family_values(t, families, m, settings) for t, m in zip(tables, measures, strict=True)]
    here, there = alone
    common = sorted(set(here.methods) & set(there.methods))
    if set(here.methods) != set(there.methods):
        here, there = (family_values(t, families, m, settings, common) for t, m in zip(tables, measures, strict=True))
    contrasts = contrast_of(here, settings), contrast_of(there, settings)
    reasons = [f"{where}: {of.reason}" for where, of in (("track", here), ("reference", there)) if of.reason]
    if reasons:
        undefined = Estimate(NAN, reason="; ".join(reasons))
        return _interaction((here, there), contrasts, settings, (undefined, undefined, ()))
    rows = ContrastRows.of(len(here.first), len(here.second))
    known = _changes(rows, (here, there), settings)
    estimates = known.difference(), known.over_methods(), known.without_each(here.families)
    return _interaction((here, there), contrasts, settings, estimates)


def _changes(rows: ContrastRows, tracks: tuple[FamilyValues, FamilyValues], settings: FamilySettings) -> RowEstimates:
    here, there = tracks
    columns, before = rows.of_methods(here.values), rows.of_methods(there.values)
    means = columns.mean(axis=0) - before.mean(axis=0)
    scale = float(max(np.abs(here.values).max(), np.abs(there.values).max()))
    reason = next((f"{where}: {found.design.note}" for where, found in zip(("track", "reference"), tracks, strict=True)
                   if not found.design.bootstrap_defined), "")  # fmt: skip
    places = {subjects: i for i, subjects in enumerate(there.subjects)}
    if len(places) == len(there.subjects) and sorted(here.subjects) == sorted(there.subjects):
        same = columns - before[[places[subjects] for subjects in here.subjects]]
        return RowEstimates(rows, means, mean_spread(Table(same, here.design)), scale, settings.confidence, reason)
    spread = difference_spread(Table(columns, here.design), Table(before, there.design))
    return RowEstimates(rows, means, spread, scale, settings.confidence, reason)


def _interaction(
    tracks: tuple[FamilyValues, FamilyValues],
    contrasts: tuple[FamilyContrast, FamilyContrast],
    settings: FamilySettings,
    estimates: tuple[Estimate, Estimate, tuple[LeftOut, ...]],
) -> Interaction:
    difference, over, without = estimates
    margin = NAN if settings.margin is None else settings.margin
    pairing, words = _pairing(*tracks)
    skewed = filter(None, [skewness_words(difference.skew, min(len(found.design.units) for found in tracks))])
    return Interaction(
        track=contrasts[0],
        reference=contrasts[1],
        pairing=pairing,
        difference=difference,
        over_methods=over,
        without=without,
        margin=margin,
        p_equivalence=difference.p_within(margin),
        n_pairs=(Counter(tracks[0].subjects) | Counter(tracks[1].subjects)).total(),
        n_people=len(tracks[0].people | tracks[1].people),
        n_shared=len(tracks[0].people & tracks[1].people),
        notes=(
            words,
            *skewed,
            *(
                f"{where}: {note}"
                for where, of in zip(("track", "reference"), contrasts, strict=True)
                for note in of.notes
            ),
        ),
    )


def _pairing(here: FamilyValues, there: FamilyValues) -> tuple[Pairing, str]:
    shared, everyone = here.people & there.people, here.people | there.people
    if shared == everyone:
        return Pairing.PAIRED, f"paired by person: the same {len(shared)} people in both tracks"
    if shared:
        return (
            Pairing.PARTLY,
            f"{len(shared)} of {len(everyone)} people are in both tracks and are paired, the others are not",
        )
    return Pairing.UNPAIRED, f"unpaired: {len(here.people)} people and {len(there.people)} other people"
