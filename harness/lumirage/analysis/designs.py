"""Finds the design of an experiment from its pairs: how they share subjects, and what can be resampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

MINIMUM_UNITS = 3
"""With fewer resampled units than this there is no interval."""

NOBODY = -1
"""In `Design.units_of_pair`: this role is not resampled, or has the same unit as the other role."""


class DesignKind(StrEnum):
    """The designs that pairs of subjects can form."""

    CHAIN = "chain"
    ALL_PAIRS = "all pairs"
    STAR = "star"
    TO_TEMPLATE = "to template"
    WITHIN = "within subject"
    SEPARATE = "separate pairs"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Design:
    """The pairs of one comparison as a graph over subjects. Two are equal if they are the same object."""

    kind: DesignKind
    n_subjects: int
    units: tuple[str, ...]
    """The resampled units: subjects; the leaves of a star; whole pairs if no subject is shared."""
    units_of_pair: IntArray
    """(n_pairs, 2) indices into `units` of the fixed and the moving role, or NOBODY."""
    centre: str = ""
    """The subject in every pair of a star; all results are conditional on it."""

    @property
    def n_pairs(self) -> int:
        """Number of ordered pairs."""
        return len(self.units_of_pair)

    @property
    def bootstrap_defined(self) -> bool:
        """Whether there are enough units to resample."""
        return len(self.units) >= MINIMUM_UNITS

    @property
    def crossed(self) -> bool:
        """Whether some pair belongs to two resampled subjects, so that resampling counts it more than once."""
        return bool((self.units_of_pair[:, 1] != NOBODY).any())

    @property
    def note(self) -> str:
        """What the reader must know about the intervals, in words; empty for a plain design."""
        if not self.bootstrap_defined:
            words = {DesignKind.SEPARATE: ("pair", "pairs"), DesignKind.STAR: ("leaf", "leaves")}
            one, many = words.get(self.kind, ("subject", "subjects"))
            return f"only {len(self.units)} {one if len(self.units) == 1 else many} to resample: no interval"
        if self.centre:
            place = "the fixed image of every pair" if self.kind is DesignKind.TO_TEMPLATE else "in every pair"
            return f"conditional on {self.centre}, {place}: says nothing about other centres"
        if self.kind is DesignKind.SEPARATE:
            return "no subject is in two pairs: whole pairs are resampled"
        return ""


def detect_design(fixed_subjects: Sequence[str], moving_subjects: Sequence[str]) -> Design:
    """The design of ordered pairs. A pair within one subject (two scans) counts for that subject once.

    A star is conditional on its centre: only the leaves are resampled, so nothing is claimed beyond that centre.
    """
    ends = [(str(f), str(m)) for f, m in zip(fixed_subjects, moving_subjects, strict=True)]
    subjects = sorted({s for pair in ends for s in pair})
    between = [pair for pair in ends if pair[0] != pair[1]]
    if not between:
        return _subject_design(DesignKind.WITHIN, subjects, ends)
    if len(between) < len(ends):
        return _subject_design(DesignKind.OTHER, subjects, ends)
    neighbours = _neighbours(between)
    if max(map(len, neighbours.values())) == 1:
        return _separate(subjects, ends)
    centre = _centre(ends)
    if centre:
        return _star(subjects, ends, centre)
    return _subject_design(_kind(neighbours), subjects, ends)


def _neighbours(ends: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for fixed, moving in ends:
        found.setdefault(fixed, set()).add(moving)
        found.setdefault(moving, set()).add(fixed)
    return found


def _kind(neighbours: dict[str, set[str]]) -> DesignKind:
    degrees = [len(n) for n in neighbours.values()]
    if min(degrees) == len(neighbours) - 1:
        return DesignKind.ALL_PAIRS
    return DesignKind.CHAIN if max(degrees) == 2 else DesignKind.OTHER


def _centre(ends: Sequence[tuple[str, str]]) -> str:
    # a -> b -> c is a chain although b is in both pairs; a -> b <- c is a star.
    common = set(ends[0]).intersection(*map(set, ends[1:]))
    for subject in sorted(common):
        in_one_role = len({fixed == subject for fixed, _ in ends}) == 1
        if in_one_role or len({s for pair in ends for s in pair}) > 3:
            return subject
    return ""


def _star(subjects: Sequence[str], ends: Sequence[tuple[str, str]], centre: str) -> Design:
    leaves = [s for s in subjects if s != centre]
    place = {s: i for i, s in enumerate(leaves)}
    index = [(place[moving if fixed == centre else fixed], NOBODY) for fixed, moving in ends]
    kind = DesignKind.TO_TEMPLATE if all(fixed == centre for fixed, _ in ends) else DesignKind.STAR
    return Design(kind, len(subjects), tuple(leaves), np.array(index, dtype=np.int64), centre)


def _separate(subjects: Sequence[str], ends: Sequence[tuple[str, str]]) -> Design:
    names = [" and ".join(sorted(pair)) for pair in ends]
    units = tuple(sorted(set(names)))
    place = {name: i for i, name in enumerate(units)}
    index = [(place[name], NOBODY) for name in names]
    return Design(DesignKind.SEPARATE, len(subjects), units, np.array(index, dtype=np.int64))


def _subject_design(kind: DesignKind, subjects: Sequence[str], ends: Sequence[tuple[str, str]]) -> Design:
    place = {s: i for i, s in enumerate(subjects)}
    index = [(place[f], NOBODY if f == m else place[m]) for f, m in ends]
    return Design(kind, len(subjects), tuple(subjects), np.array(index, dtype=np.int64))
