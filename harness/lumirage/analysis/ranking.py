"""Ranks methods by several schemes side by side, to show what depends on the scheme: rows of rankings.tsv."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lumirage.analysis import ranking_schemes as schemes
from lumirage.analysis.rank_places import RankedBy, places_of
from lumirage.analysis.resampling import FloatArray, Resampling, bootstrap_means
from lumirage.analysis.score_matrices import KEY, Cell, RawCell, Scores, cells_of
from lumirage.core.failure_policy import POLICIES, Policy
from lumirage.core.metrics import is_accuracy
from lumirage.core.model import SENTINELS
from lumirage.core.rank_groups import place_words

RANKING_COLUMNS = (
    *KEY, "policy", "scheme", "method", "sentinel", "reference", "rank", "place", "merit", "value", "n_pairs", "dropped",
    "failed", "filled", "rank_low", "rank_high", "first_share", "stability", "gate", "gate_value", "beyond_gate", "note",
)  # fmt: skip
"""Columns of rankings.tsv. `merit` is the scheme's criterion (higher is better); `value` the mean of the metric; `place`
the rank with ties, as "2=": methods that cannot be distinguished share one. A `reference` is a scale: it has a value, and
no rank."""

AGGREGATE = "aggregate-then-rank"
RANK_FIRST = "rank-then-aggregate"
TEST = "test-then-rank"
LUMIR = "LUMIR"
SCHEMES = (AGGREGATE, RANK_FIRST, TEST, LUMIR)

NOT_RANKED = "a reference: a scale, not ranked"

ALL_METRICS = "several"
"""Used as the metric in rows of a scheme that merges metrics."""


@dataclass(frozen=True)
class Gate:
    """How irregular a method's fields may be on average to be ranked. More regularity than that has no benefit."""

    metrics: tuple[str, ...] = ("det_le0_percent", "ndv_percent")
    """Prefixes of metric names; the first one that was scored counts."""
    limit: float = 1.0
    """In the metric's unit: percent of the mask."""


@dataclass(frozen=True)
class RankSettings:
    """Settings of the rankings."""

    resampling: Resampling = field(default_factory=Resampling)
    confidence: float = 0.95
    gate: Gate = field(default_factory=Gate)
    policies: tuple[Policy, ...] = POLICIES


@dataclass(frozen=True)
class _Gated:
    """The result of the gate in one track, condition and preset, and who is a reference."""

    text: str
    values: dict[str, float]
    limit: float
    references: frozenset[str]

    def closed_to(self, method: str) -> bool:
        return method not in self.references and self.values.get(method, 0.0) > self.limit

    def competes(self, method: str) -> bool:
        return method not in self.references and not self.closed_to(method)


def rank(scores: Scores, settings: RankSettings | None = None, references: Collection[str] = ()) -> pd.DataFrame:
    """All rankings of a table of scores (SCORE_COLUMNS), columns RANKING_COLUMNS.

    The sentinels and the `references` (methods that serve as a scale, such as the oracle) are in every list without a
    rank, and change nobody's. So is a method beyond the gate. Metrics of regularity and of
    similarity are not ranked by; only LUMIR's scheme, shown as documented, rewards regularity, and has no gate; its scores
    are given among methods and sentinels.
    Raises DataError for a table without the needed columns.
    """
    settings = settings or RankSettings()
    scale = frozenset((*SENTINELS, *references))
    rows: list[dict[str, object]] = []
    for _, cells in groupby(cells_of(scores), key=lambda raw: (raw.cell.key["track"], raw.cell.key["condition"])):
        together = list(cells)
        for raw in together:
            if is_accuracy(raw.cell.metric):
                gated = _gate(together, raw.cell.key, settings.gate, scale)
                rows.extend(_rank_cell(raw, gated, settings))
        rows.extend(_rank_lumir(together, settings.policies, scale))
    return pd.DataFrame(rows, columns=list(RANKING_COLUMNS))


def rank_agreement(rankings: pd.DataFrame) -> pd.DataFrame:
    """How the order of methods depends on preset, label source and metric: Kendall's tau, Spearman's rho of two lists.

    One row for two lists of one track, condition, policy and scheme; references are left out, since they would agree
    anyway. `varies` says how the two differ. Both values are NaN if fewer than three methods are in both lists, or
    all of them are tied in one list.
    """
    keys = ["track", "condition", "policy", "scheme"]
    names = ["metric", "preset", "settings", "source"]
    rows: list[dict[str, object]] = []
    real = rankings[~rankings["reference"].astype(bool) & (rankings["metric"] != ALL_METRICS)]
    for key, group in real.groupby(keys, sort=True):
        lists = {tuple(map(str, name)): part.set_index("method")["rank"] for name, part in group.groupby(names)}
        for i, (name_a, a) in enumerate(lists.items()):
            for name_b, b in list(lists.items())[i + 1 :]:
                both = pd.concat([a, b], axis=1, join="inner").dropna()
                different = [n for n, x, y in zip(names, name_a, name_b, strict=True) if x != y]
                rows.append(
                    dict(zip(keys, key, strict=True))
                    | {"list_a": "/".join(filter(None, name_a)), "list_b": "/".join(filter(None, name_b))}
                    | {"varies": ", ".join(different), "n_methods": len(both)}
                    | {"kendall_tau": _correlation(both, "kendall"), "spearman_rho": _correlation(both, "spearman")}
                )
    columns = [*keys, "list_a", "list_b", "varies", "n_methods", "kendall_tau", "spearman_rho"]
    return pd.DataFrame(rows, columns=columns)


def _correlation(both: pd.DataFrame, method: Literal["kendall", "spearman"]) -> float:
    if len(both) < 3 or (both.nunique() == 1).any():  # if all are tied, there is no order to compare
        return float("nan")
    return float(both.iloc[:, 0].corr(both.iloc[:, 1], method=method))


def _gate(together: Sequence[RawCell], key: dict[str, str], gate: Gate, references: frozenset[str]) -> _Gated:
    same_preset = [raw for raw in together if raw.cell.key["preset"] == key["preset"]]
    for start in gate.metrics:
        for raw in same_preset:
            if raw.cell.metric.startswith(start):
                cell = raw.under("drop")
                means = schemes.mean_merits(cell.values)
                text = f"mean {cell.metric} at most {gate.limit:g}"
                return _Gated(text, dict(zip(cell.methods, map(float, means), strict=True)), gate.limit, references)
    return _Gated(f"none: no metric of regularity was scored with preset {key['preset']}", {}, gate.limit, references)


def _rank_cell(raw: RawCell, gated: _Gated, settings: RankSettings) -> Iterator[dict[str, object]]:
    again: list[dict[str, object]] = []
    for policy in settings.policies:
        # Without failures the policies agree, and one computation is enough.
        if not again or raw.runs.failed.any():
            again = list(_lists(raw.under(policy), gated, settings))
        yield from ({**row, "policy": policy} for row in again)


def _lists(cell: Cell, gated: _Gated, settings: RankSettings) -> Iterator[dict[str, object]]:
    allowed = np.array([not gated.closed_to(m) for m in cell.methods])
    competing = np.array([gated.competes(m) for m in cell.methods])
    scaled = _level_with_affine(np.where(allowed[:, None], cell.direction * cell.values, np.nan), cell)
    merits, level = (np.where(competing[:, None], m, np.nan) for m in (cell.direction * cell.values, scaled))
    in_pairs = -schemes.ranks_in_pairs(merits)
    alpha = 1 - settings.confidence
    better, better_in_pairs = (
        schemes.told_better(m, cell.design, settings.resampling, alpha) for m in (merits, in_pairs)
    )
    wins = schemes.significant_wins(merits, better, cell.design)
    drawn = bootstrap_means(np.concatenate([level, in_pairs]).T, cell.design, settings.resampling)
    of_means, of_ranks = np.split(drawn, 2, axis=1)
    lists = (
        RankedBy(AGGREGATE, schemes.mean_merits(scaled), competing, better, of_means),
        RankedBy(RANK_FIRST, schemes.mean_merits(in_pairs), competing, better_in_pairs, of_ranks),
        RankedBy(TEST, np.where(competing, wins, np.nan), competing, None, None),
    )
    for by in lists:
        yield from _rows(cell, by, gated)


def _level_with_affine(merits: FloatArray, cell: Cell) -> FloatArray:
    """The merits; for methods without their failed pairs, from the difference to the affine on their remaining pairs.

    Otherwise a method that fails on hard pairs, which are then left out, would be compared with an affine that has them all.
    """
    lacking = np.asarray((cell.failed & ~np.isfinite(cell.values)).any(axis=1))
    if "affine" not in cell.methods or not lacking.any():
        return merits
    affine = merits[cell.methods.index("affine")]
    if not np.isfinite(affine).any():
        return merits
    return np.where(lacking[:, None], merits - affine + affine[np.isfinite(affine)].mean(), merits)


def _rows(cell: Cell, by: RankedBy, gated: _Gated) -> Iterator[dict[str, object]]:
    places = places_of(cell, by)
    means = schemes.mean_merits(cell.values)
    n_pairs = np.isfinite(cell.values).sum(axis=1)
    for k, method in enumerate(cell.methods):
        yield {
            **cell.key,
            **_counts(cell, k, n_pairs),
            "reference": method in gated.references,
            "scheme": by.scheme,
            "rank": places.ranks[k],
            "place": places.words[k],
            "merit": by.merits[k],
            "value": means[k],
            "rank_low": places.low[k],
            "rank_high": places.high[k],
            "first_share": places.first[k],
            "stability": places.agreement,
            "gate": gated.text,
            "gate_value": gated.values.get(method, np.nan),
            "beyond_gate": gated.closed_to(method),
            "note": _note(cell, k, gated),
        }


def _note(cell: Cell, k: int, gated: _Gated) -> str:
    if cell.methods[k] in gated.references:
        return NOT_RANKED
    if gated.closed_to(cell.methods[k]):
        return "beyond the gate of regularity: listed, not ranked"
    without = ["no run succeeded: last, whatever failures count as"] if cell.without_own[k] else []
    return "; ".join(filter(None, [*without, cell.design.note]))


def _counts(cell: Cell, k: int, n_pairs: npt.NDArray[np.int64]) -> dict[str, object]:
    return {
        "method": cell.methods[k],
        "sentinel": cell.methods[k] in SENTINELS,
        "n_pairs": int(n_pairs[k]),
        "dropped": len(cell.pairs) - int(n_pairs[k]),
        "failed": int(cell.failed[k].sum()),
        "filled": int(cell.filled[k].sum()),
    }


def _rank_lumir(
    together: Sequence[RawCell], policies: Sequence[Policy], references: frozenset[str]
) -> Iterator[dict[str, object]]:
    sources = sorted({r.cell.key["source"] for r in together if r.cell.metric.startswith("dice")})
    for preset, settings in sorted({(r.cell.key["preset"], r.cell.key["settings"]) for r in together}):
        mine = [r for r in together if (r.cell.key["preset"], r.cell.key["settings"]) == (preset, settings)]
        for source in sources:
            found = {start: _first(mine, start, source) for start in dict.fromkeys(schemes.LUMIR_FACTORS)}
            present = {start: raw for start, raw in found.items() if raw is not None}
            if "dice" in present:
                for policy in policies:
                    yield from _lumir_rows(present, policy, references)


def _first(cells: Sequence[RawCell], start: str, source: str) -> RawCell | None:
    # Landmarks and fields have one source of their own, whatever the label source.
    of_labels = start in ("dice", "hd95")
    fitting = [
        r for r in cells if r.cell.metric.startswith(start) and (r.cell.key["source"] == source or not of_labels)
    ]
    return min(fitting, key=lambda r: r.cell.metric, default=None)


def _lumir_rows(present: dict[str, RawCell], policy: Policy, references: frozenset[str]) -> Iterator[dict[str, object]]:
    # doing nothing is in the challenge's own list, other references are not
    listed = [m for m in present["dice"].cell.methods if m in SENTINELS or m not in references]
    cells = {start: raw.under(policy).among(listed) for start, raw in present.items()}
    dice = cells["dice"]
    scores = {s: schemes.rank_scores(schemes.rank_sum_losses(c.direction * c.values)) for s, c in cells.items()}
    used = [start for start in schemes.LUMIR_FACTORS if start in cells]
    score = schemes.lumir_score(np.stack([scores[start] for start in used]))
    incomplete = np.asarray(dice.failed.any(axis=1))
    if policy != "drop":
        # The official evaluation stops at a missing file; a method without a metric shares the lowest rank score.
        score = np.where(incomplete, schemes.LOWEST_RANK_SCORE, score)
    missing = [start for start in dict.fromkeys(schemes.LUMIR_FACTORS) if start not in cells]
    notes = ["as documented: rewards regularity, so that doing nothing gains; pairs taken as independent"]
    notes += [f"without {', '.join(missing)}: not scored"] if missing else []
    n_pairs = np.isfinite(dice.values).sum(axis=1)
    scale = np.array([m in references for m in dice.methods])
    means, ranks = schemes.mean_merits(dice.values), schemes.ranks_of(np.where(scale, np.nan, score))
    words = place_words(ranks)
    for k in range(len(dice.methods)):
        failed = ["lowest score: some runs failed"] if incomplete[k] and policy != "drop" else []
        yield {
            **dice.key,
            **_counts(dice, k, n_pairs),
            "reference": bool(scale[k]),
            "metric": ALL_METRICS,
            "policy": policy,
            "scheme": LUMIR,
            "rank": ranks[k],
            "place": words[k],
            "merit": score[k],
            "value": means[k],
            "gate": "none: this scheme has no gate",
            "beyond_gate": False,
            "note": NOT_RANKED if scale[k] else "; ".join([*notes, *failed]),
        }
