"""Reads the values of families of methods from a table of scores: the pairs on which every method has a value.

A family is a set of methods under one name, such as `deep` and `iterative`. Both families are judged on the same pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis.designs import Design, DesignKind, detect_design
from lumirage.analysis.resampling import FloatArray
from lumirage.analysis.score_matrices import Cell, cells_of, pair_rows
from lumirage.core.errors import UsageError
from lumirage.core.failure_policy import Policy
from lumirage.core.track import REFERENCE


@dataclass(frozen=True)
class Measure:
    """Where a contrast is measured. An empty field means the only one that the scores have."""

    metric: str
    track: str = ""
    condition: str = REFERENCE
    preset: str = ""
    settings: str = ""
    source: str = ""


@dataclass(frozen=True)
class FamilySettings:
    """Settings of contrasts between two families."""

    first: str = "deep"
    second: str = "iterative"
    policy: Policy = "identity"
    """What a failed run counts as."""
    margin: float | None = None
    """Equivalence margin, fixed in advance, in the metric's unit. A margin too small to measure raises UsageError."""
    confidence: float = 0.95


@dataclass(frozen=True)
class FamilyValues:
    """The values of two families on the pairs that all of their methods share."""

    cell: Cell
    """Of all methods and pairs, under the policy."""
    names: tuple[str, str]
    """Of the first and the second family."""
    first: tuple[str, ...]
    """Methods of the first family with values here, sorted by name."""
    second: tuple[str, ...]
    left_out: Mapping[str, str]
    """Method -> why it does not count."""
    pairs: tuple[str, ...]
    """Pairs on which every counted method has a value."""
    subjects: tuple[tuple[str, str], ...]
    """Fixed and moving subject of each pair."""
    design: Design
    """Of these pairs."""
    values: FloatArray
    """(methods, pairs): the first family's rows, then the second's."""

    @property
    def families(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Names and methods of the first and the second family."""
        return ((self.names[0], self.first), (self.names[1], self.second))

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of both families, as in the rows of `values`."""
        return self.first + self.second

    @property
    def people(self) -> frozenset[str]:
        """The subjects of the pairs."""
        return frozenset(name for pair in self.subjects for name in pair)

    @property
    def dropped(self) -> int:
        """Pairs that do not count, because some method has no value."""
        return len(self.cell.pairs) - len(self.pairs)

    @property
    def reason(self) -> str:
        """Why the families cannot be compared at all; empty if they can."""
        empty = [name for name, methods in self.families if not methods]
        if empty:
            return f"no method of the family {empty[0]} has a value"
        return "" if self.pairs else "no pair on which every method has a value"

    def family_means(self) -> tuple[FloatArray, FloatArray]:
        """The mean of each family on every pair, (pairs,) each; without pairs if the families cannot be compared."""
        if self.reason:
            return np.zeros(0), np.zeros(0)
        n = len(self.first)
        return self.values[:n].mean(axis=0), self.values[n:].mean(axis=0)

    def notes(self) -> tuple[str, ...]:
        """What the reader must know about methods, failures and the design."""
        absent = [f"{method} does not count: {reason}" for method, reason in self.left_out.items()]
        filled = [
            f"{method} has no successful run: all of its values are the failure policy's"
            for method in self.methods
            if self.cell.without_own[self.cell.methods.index(method)]
        ]
        return tuple(filter(None, [*absent, *filled, self.design.note if self.pairs else ""]))

    def counted(self, flags: npt.NDArray[np.bool_]) -> dict[str, int]:
        """Method -> number of pairs with a flag; `flags` is (methods, pairs) of the cell. Methods without any are omitted."""
        found = {m: int(flags[self.cell.methods.index(m)].sum()) for m in self.methods}
        return {method: n for method, n in found.items() if n}


def family_values(
    scores: pd.DataFrame,
    families: Mapping[str, Sequence[str]],
    measure: Measure,
    settings: FamilySettings,
    only: Sequence[str] | None = None,
) -> FamilyValues:
    """The values of both families in one measure. `only`: methods to keep, where others cannot be compared.

    A method without scores, or without a single value, is left out and told in `left_out`; so are pairs on which a counted
    method has no value. Raises UsageError for an unknown family, a method in both, or a measure that is absent or not unique.
    """
    wanted = _members(families, settings)
    cell = cell_of(scores, measure, settings.policy)
    left_out: dict[str, str] = {}
    kept: list[tuple[str, ...]] = []
    for name in (settings.first, settings.second):
        members = []
        for method in wanted[name]:
            reason = _reason(cell, method, only)
            if reason:
                left_out[method] = reason
            else:
                members.append(method)
        kept.append(tuple(members))
    methods = kept[0] + kept[1]
    values = np.array([cell.of(method) for method in methods]).reshape(len(methods), len(cell.pairs))
    complete = np.isfinite(values).all(axis=0) & bool(methods)
    pairs = tuple(np.array(cell.pairs)[complete].tolist())
    subjects = _subjects(scores, pairs)
    design = detect_design([f for f, _ in subjects], [m for _, m in subjects]) if pairs else _no_pairs()
    names = (settings.first, settings.second)
    return FamilyValues(cell, names, kept[0], kept[1], left_out, pairs, subjects, design, values[:, complete])


def cell_of(scores: pd.DataFrame, measure: Measure, policy: Policy) -> Cell:
    """The one cell of a measure, its failures filled by the policy. Raises UsageError if there is none or more than one."""
    of_condition = scores[(scores["condition"].astype(str) == measure.condition) & scores["label"].isna()]
    if of_condition.empty:
        raise UsageError(f"no scores of the condition {measure.condition}")
    fields = ("track", "metric", "preset", "settings", "source")
    wanted = {name: getattr(measure, name) for name in fields if getattr(measure, name)}
    cells = cells_of(of_condition, measure.metric)
    found = [raw for raw in cells if all(raw.cell.key[k] == v for k, v in wanted.items())]
    if not found:
        raise UsageError(f"no scores of {_words(wanted)} under the condition {measure.condition}")
    if len(found) > 1:
        several = {name: sorted({raw.cell.key[name] for raw in found}) for name in fields}
        choices = "; ".join(
            f"{name}: {', '.join(v or 'none' for v in of)}" for name, of in several.items() if len(of) > 1
        )
        raise UsageError(f"{_words(wanted)} is not one measure: choose one of {choices}")
    return found[0].under(policy)


def _members(families: Mapping[str, Sequence[str]], settings: FamilySettings) -> dict[str, list[str]]:
    unknown = [name for name in (settings.first, settings.second) if name not in families]
    if unknown:
        raise UsageError(f"no family {unknown[0]}: choose two of {', '.join(sorted(families))}")
    members = {name: sorted(set(families[name])) for name in (settings.first, settings.second)}
    both = set(members[settings.first]) & set(members[settings.second])
    if both:
        raise UsageError(f"{', '.join(sorted(both))} in both families {settings.first} and {settings.second}")
    return members


def _reason(cell: Cell, method: str, only: Sequence[str] | None) -> str:
    if method not in cell.methods:
        return "no scores"
    if not np.isfinite(cell.of(method)).any():
        return "failed on every pair" if cell.without_own[cell.methods.index(method)] else "no value"
    return "" if only is None or method in only else "no scores in the other track"


def _subjects(scores: pd.DataFrame, pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    rows = pair_rows(scores)[["pair", "fixed_subject", "moving_subject"]].astype(str).drop_duplicates("pair")
    of_pair = {pair: (fixed, moving) for pair, fixed, moving in rows.itertuples(index=False)}
    return tuple(of_pair[pair] for pair in pairs)


def _no_pairs() -> Design:
    return Design(DesignKind.OTHER, 0, (), np.zeros((0, 2), dtype=np.int64))


def _words(wanted: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in wanted.items())
