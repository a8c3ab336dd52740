"""The published ranking schemes of challenges: which metrics, of which pairs, and how they become one score.

Learn2Reg's is public code (github.com/MDL-UzL/L2R, ranking/): the unpaired rank-sum test of all values (of each label or
landmark in each pair), losses counted at p < .05, rank scores from .1 to 1, their geometric mean. The factors are those of
its notebooks for OASIS and NLST without the time: Dice, the same on the 30 % of values that are lowest before registration
("30": also of TRE, where they are the easiest), HD95, TRE, SD log J, in which doing nothing gets 1.5 and not 0.
LUMIR publishes its scores without the formula. For 2024, five factors with TRE twice give the published .157 of doing nothing
(see `ranking_schemes`). For 2025, nothing is published: Dice, HD95 and folds of each of its tracks and TRE of its landmarks,
which its evaluation measures, are an assumption.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis.rank_sums import Factor
from lumirage.analysis.resampling import FloatArray
from lumirage.analysis.score_matrices import RawCell, cells_of
from lumirage.core.failure_policy import Attempts, Policy, RawValues
from lumirage.core.metrics import METRICS, direction, is_accuracy, title
from lumirage.core.track import REFERENCE

HARDEST_SHARE = 0.3
"""Learn2Reg's "30" takes this share of the values, the lowest before registration."""
SPREAD_OF_NOTHING = 1.5
"""Learn2Reg's SD log J of doing nothing."""
NOTHING = "identity"


@dataclass(frozen=True)
class RankBy:
    """A metric that a challenge declares to rank by."""

    metric: str
    weight: float = 1.0
    source: str = ""
    """The label source; empty: the first."""


@dataclass(frozen=True)
class FactorRule:
    """One factor: the prefix of its metric's name."""

    metric: str
    weight: float = 1.0
    source: str = ""
    each_label: bool = False
    """The values of single labels or landmarks instead of the pairs' means."""
    hardest: bool = False
    """Only the values that are lowest before registration."""
    by_track: bool = False
    """A factor for each of the challenge's tracks."""


@dataclass(frozen=True)
class ChallengeScheme:
    """A published scheme."""

    name: str
    preset: str
    """The preset whose numbers it takes, if they were measured."""
    factors: tuple[FactorRule, ...]
    source: str
    """What is known about it, for the reader."""


SCHEMES: dict[str, ChallengeScheme] = {
    scheme.name: scheme
    for scheme in (
        ChallengeScheme(
            "lumir24", "lumir24",
            (FactorRule("tre"), FactorRule("tre"), FactorRule("dice"), FactorRule("hd95"), FactorRule("ndv_percent")),
            "inferred from the published scores: LUMIR gives no formula. It rewards regularity, so that doing nothing gains",
        ),
        ChallengeScheme(
            "lumir25", "lumir25",
            (FactorRule("tre"), FactorRule("dice", by_track=True), FactorRule("hd95", by_track=True),
             FactorRule("ndv_percent", by_track=True)),
            "assumed: for 2025 neither a formula nor scores are public. It rewards regularity, so that doing nothing gains",
        ),
        ChallengeScheme(
            "learn2reg", "learn2reg",
            (FactorRule("dice", each_label=True), FactorRule("dice", each_label=True, hardest=True),
             FactorRule("hd95", each_label=True), FactorRule("tre", each_label=True),
             FactorRule("tre", each_label=True, hardest=True), FactorRule("sdlogj")),
            "the published code (MDL-UzL/L2R); values of labels and pairs are taken as independent",
        ),
    )
}  # fmt: skip


def pair_keys(scores: pd.DataFrame) -> "pd.Series[str]":
    """PART/PAIR of each row. The part is the challenge's track, such as OOD, which stands as the condition; else the track.

    One pair of images can be in several tracks.
    """
    condition = scores["condition"].astype(str)
    return condition.where(condition != REFERENCE, scores["track"].astype(str)) + "/" + scores["pair"].astype(str)


class CellKey(NamedTuple):
    """What a cell is of."""

    preset: str
    metric: str
    source: str


def _importance(key: CellKey) -> tuple[bool, bool, int]:
    order = list(METRICS)
    place = order.index(key.metric) if key.metric in METRICS else len(order)
    return not is_accuracy(key.metric), not key.metric.startswith("dice"), place


def _pooled(means: pd.DataFrame) -> RawCell:
    """One metric. A value that a run lacks, though it ended well and another has one, is infinite: it counts as a failure."""
    known = means.groupby("pair", observed=True)["value"].transform("count") > 0
    lacking = means["value"].isna() & (means["outcome"].astype(str) == "ok") & known
    return next(cells_of(means.assign(value=means["value"].mask(lacking, np.inf))))


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one challenge: all tracks, of one condition."""

    rows: pd.DataFrame
    """SCORE_COLUMNS; `pair` is that of `pair_keys`."""
    methods: tuple[str, ...]
    """Sentinels first."""
    pairs: tuple[str, ...]
    attempts: Attempts

    @classmethod
    def of(cls, scores: pd.DataFrame) -> "ScoreTable":
        """From a table with SCORE_COLUMNS. A value that a method lacks and another has is not finite afterwards."""
        rows = scores.copy()
        rows["repeat"] = pd.to_numeric(rows["repeat"]).fillna(0).astype("int64")
        rows["pair"] = pair_keys(rows)
        rows["value"] = pd.to_numeric(rows["value"]).astype("float64")
        for column in ("preset", "settings", "source", "metric", "method"):
            rows[column] = rows[column].astype("string").fillna("").astype(str)
        attempts = Attempts.of(rows)
        return cls(rows, attempts.methods, tuple(sorted(set(rows["pair"]))), attempts)

    def among(self, methods: Sequence[str]) -> "ScoreTable":
        """The scores of these methods alone."""
        rows = self.rows[self.rows["method"].isin(list(methods))]
        return replace(
            self, rows=rows, methods=tuple(m for m in self.methods if m in methods), attempts=Attempts.of(rows)
        )

    def failed(self) -> dict[str, int]:
        """Method -> its number of pairs with a failed run."""
        found = {(m, p.split("/", 1)[1]) for m, p, _ in self.attempts.not_ok}
        return {method: sum(1 for m, _ in found if m == method) for method in self.methods}

    @cached_property
    def cells(self) -> dict[CellKey, RawCell]:
        """The pairs' means of every metric that somebody has a value of, all tracks as one; of accuracy first."""
        means = self.rows[self.rows["label"].isna()].assign(track="", condition="", settings="")
        of = means.groupby(["preset", "metric", "source"], sort=True)
        found = {CellKey(*map(str, key)): _pooled(rows) for key, rows in of if rows["value"].notna().any()}
        return dict(sorted(found.items(), key=lambda item: _importance(item[0])))


def factors_of(
    scheme: ChallengeScheme, table: ScoreTable, policy: Policy, declared: tuple[str, Sequence[RankBy]] = ("", ())
) -> list[Factor]:
    """The factors that were measured, in the scheme's order; failures filled by the policy.

    `declared`: a preset and metrics to take instead of the scheme's own; empty for those of the scheme.
    """
    rows = table.rows
    preset = declared[0] or scheme.preset
    of_preset = rows[rows["preset"] == (preset if (rows["preset"] == preset).any() else rows["preset"].min())]
    by_label = any(rule.each_label for rule in scheme.factors)
    rules = tuple(FactorRule(by.metric, by.weight, by.source, each_label=by_label) for by in declared[1])
    chosen = replace(table, rows=of_preset)
    return [factor for rule in rules or scheme.factors for factor in _factors(rule, chosen, policy)]


def missing_factors(scheme: ChallengeScheme, factors: Sequence[Factor]) -> list[str]:
    """Metrics that a scheme wants and nobody measured."""
    names = {factor.name.split(" (")[0] for factor in factors}
    wanted = dict.fromkeys(_short(rule.metric) for rule in scheme.factors)
    return [name for name in wanted if name not in names]


def _factors(rule: FactorRule, table: ScoreTable, policy: Policy) -> Iterator[Factor]:
    rows = _rows_of(rule, table.rows)
    if rows.empty:
        return
    metric = str(rows["metric"].iloc[0])
    tracks = sorted({pair.split("/", 1)[0] for pair in set(rows["pair"])}) if rule.by_track else [""]
    for track in tracks:
        mine = rows[rows["pair"].str.startswith(f"{track}/")] if track else rows
        values, pairs = _matrix(mine, table, policy, metric)
        if metric.startswith("sdlogj") and NOTHING in table.methods:
            values[table.methods.index(NOTHING)] = SPREAD_OF_NOTHING
        name = _short(rule.metric) + (f" ({track})" if len(tracks) > 1 else "")
        if rule.hardest:
            if NOTHING not in table.methods:
                continue
            chosen = _lowest(values[table.methods.index(NOTHING)])
            values, pairs, name = values[:, chosen], pairs[chosen], f"{name} (30 %)"
        yield Factor(name, direction(metric) * values, pairs, len(table.pairs), rule.weight)


def _short(metric: str) -> str:
    return {"tre": "TRE", "dice": "Dice", "hd95": "HD95", "ndv_percent": "Folds", "sdlogj": "SDlogJ"}.get(
        metric, title(metric)
    )


def _rows_of(rule: FactorRule, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the rule's metric; of the wanted label source, or the first. Single labels only if there are any."""
    mine = rows[rows["metric"].str.startswith(rule.metric)]
    if mine.empty:
        return mine
    mine = mine[mine["metric"] == min(mine["metric"])]
    sources = sorted(set(mine["source"]))
    mine = mine[mine["source"] == (rule.source if rule.source in sources else sources[0])]
    single = mine[mine["label"].notna()]
    return single if rule.each_label and len(single) else mine[mine["label"].isna()]


def _matrix(
    rows: pd.DataFrame, table: ScoreTable, policy: Policy, metric: str
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """(methods, units) values and (units,) pairs. Units that nobody has a value for are left out.

    A value that a method lacks although its run ended well, and another has, is the worst that any got, as the
    challenges' infinite distance of a lost label.
    """
    labels = rows["label"].astype("string").fillna("")
    units = rows["pair"] + "\x1f" + labels
    of_unit = dict(zip(units, rows["pair"], strict=True))
    names = sorted(of_unit)
    units_of: dict[str, list[str]] = {}
    for name in names:
        units_of.setdefault(of_unit[name], []).append(name)
    not_ok = frozenset((m, unit, r) for m, pair, r in table.attempts.not_ok for unit in units_of.get(pair, ()))
    attempts = replace(table.attempts, not_ok=not_ok)
    raw = RawValues.of(rows.assign(pair=units), attempts, names)
    known_to_some = np.asarray(np.isfinite(raw.values).any(axis=0))
    lacking = ~raw.failed & ~np.isfinite(raw.values) & known_to_some[None]
    worst = replace(raw, failed=lacking).under("worst", metric)
    values = np.where(lacking.any(axis=2), worst, raw.under(policy, metric))
    place = {pair: i for i, pair in enumerate(table.pairs)}
    pairs = np.array([place[of_unit[name]] for name in names], dtype=np.int64)
    known = np.isfinite(values).any(axis=0)
    return values[:, known], pairs[known]


def _lowest(values: FloatArray) -> npt.NDArray[np.int64]:
    filled = np.where(np.isfinite(values), values, np.inf)
    return np.argsort(filled, kind="stable")[: round(values.size * HARDEST_SHARE)]
