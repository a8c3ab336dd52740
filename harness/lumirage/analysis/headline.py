"""Writes the headline: which method is first, by how much, and which differences the data could not show."""

import itertools
import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lumirage.analysis.power import detectable
from lumirage.analysis.ranking import AGGREGATE
from lumirage.analysis.verdict_words import Row, Verdict, number, records, rows_of, sentence, there
from lumirage.core.failure_policy import Policy
from lumirage.core.metrics import direction, title
from lumirage.core.precision import rounded

NAMED = 3
"""At most this many methods are named, twice as many that share the first place; more are counted."""
AFFINE = "affine"
SIGNIFICANT = 0.05
SAME_WIDTH = 1e-6
"""Half an interval below this is rounding, not what the data could show."""


@dataclass(frozen=True)
class _Contrast:
    """How much better one method is than another, whether that is significant, and half of its interval (NaN: none).

    `detectable` is the difference that as many pairs, as uncertain, show with a power of 80 % (NaN: no interval).
    """

    better_by: float = math.nan
    told: bool = False
    half: float = math.nan
    beyond: bool = False
    """Whether the interval, before any correction, lies on the better side of 0."""
    detectable: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.half)

    @property
    def is_nothing(self) -> bool:
        """Whether the two are the same on every pair."""
        return abs(self.better_by) < SAME_WIDTH and self.half < SAME_WIDTH

    @property
    def size(self) -> str:
        """The amount, with as many digits as the interval allows."""
        return digits(self.better_by, self.half)

    def words(self, metric: str) -> str:
        """The amount with the metric's name."""
        return f"{self.size} {title(metric)}"


@dataclass(frozen=True)
class _Contrasts:
    """The comparisons of one measure, read from either side; `sign` is the metric's good direction."""

    rows: tuple[Row, ...]
    sign: int

    def between(self, method: str, reference: str) -> _Contrast:
        """The contrast of one method with another; None if they were not compared."""
        for row in self.rows:
            if {row["method"], row["reference"]} == {method, reference}:
                turn = self.sign if row["method"] == method else -self.sign
                return _contrast(row, turn)
        return _Contrast()

    def detectable(self, among: Collection[str]) -> list[float]:
        """What can be detected between any two of these methods that are not the same on every pair."""
        both = [row for row in self.rows if {row["method"], row["reference"]} <= set(among)]
        found = [_contrast(row, self.sign) for row in both]
        return [each.detectable for each in found if each.has_interval and not each.is_nothing]

    def size(self) -> tuple[int, int]:
        """The number of pairs and people."""
        pairs = max((int(number(row["n_pairs"])) for row in self.rows), default=0)
        return pairs, max((int(number(row["n_subjects"])) for row in self.rows), default=0)


def _contrast(row: Row, turn: int) -> _Contrast:
    low, high = number(row["ci_low"]), number(row["ci_high"])
    corrected = not there(row["p_holm"]) or number(row["p_holm"]) < SIGNIFICANT
    told = row["better"] in ("method", "reference") and corrected  # as the places in the tables
    beyond = min(turn * low, turn * high) > 0
    se = number(row["se"])
    shown = detectable(se, number(row["n_units"]) - 1) if se > 0 else math.nan
    return _Contrast(turn * number(row["difference"]), told, (high - low) / 2, beyond, shown)


def headline(
    comparisons: pd.DataFrame,
    rankings: pd.DataFrame,
    measure: dict[str, str],
    policy: Policy,
    references: Collection[str],
) -> list[Verdict]:
    """Sentences of kind `headline` for one measure (track, condition, preset, settings, metric, source).

    `references` are the sentinels and the methods that serve as a scale and do not compete, such as the oracle.
    """
    honest = rows_of(comparisons[~comparisons["literature"].astype(bool) & (comparisons["policy"] == policy)], measure)
    lists = rows_of(rankings[(rankings["scheme"] == AGGREGATE) & (rankings["policy"] == policy)], measure)
    lists = lists[~lists["method"].isin(list(references))].sort_values("rank", kind="stable")
    contrasts = _Contrasts(tuple(records(honest)), direction(measure["metric"]))
    parts = [
        _failures(lists),
        _incomplete(lists, policy),
        _gated(lists),
        _places(lists, contrasts, measure["metric"]),
        _limits(lists, contrasts, measure["metric"]),
    ]
    return [
        Verdict(sentence(text), "headline", measure["track"], measure["condition"], measure["metric"], "")
        for text in parts
        if text
    ]


def _places(lists: pd.DataFrame, contrasts: _Contrasts, metric: str) -> str:
    """Which methods are first, how far above the affine, and how far the others are behind."""
    if lists.empty:
        return "Only references were evaluated, which are a scale: no method competes"
    ranked = lists[(lists["n_pairs"] > lists["filled"]) & ~lists["beyond_gate"].astype(bool)]
    names = [str(name) for name in ranked["method"]]
    if not names:
        return "No method has a place: none has answers that can be ranked"
    best, rest = names[0], names[1:]
    places = dict(zip(names, ranked["place"].astype(str), strict=True))
    equal = [name for name in names if places[name] == places[best]]  # as in the tables: told apart after correction
    behind = [name for name in rest if name not in equal]
    first = _joined(equal) if len(equal) <= 2 * NAMED else f"{len(equal)} methods"
    text = f"{first} share the first place" if len(equal) > 1 else f"{best} is first"
    if not rest:
        value = ranked["value"].iloc[0]
        text = f"{best} reaches {number(value):.3g} {title(metric)}"
    parts = [text, _above_affine(equal, contrasts, metric)]
    parts += [f"{name} is {contrasts.between(best, name).words(metric)} worse" for name in behind[:NAMED]]
    parts += [f"{len(behind) - NAMED} more are behind"] if len(behind) > NAMED else []
    return "; ".join(filter(None, parts))


def _above_affine(equal: Sequence[str], contrasts: _Contrasts, metric: str) -> str:
    by_name = {name: contrasts.between(name, AFFINE) for name in equal}
    found = list(by_name.values())
    if any(math.isnan(each.better_by) for each in found):
        return ""
    who = {1: "it is", 2: "both are"}.get(len(equal), "all are")
    if not all(each.told for each in found) and any(each.has_interval for each in found):
        return _unclear(by_name)
    least, most = min(found, key=lambda each: each.better_by), max(found, key=lambda each: each.better_by)
    if least.better_by < 0 < most.better_by:
        return f"{who} within {least.size} below and {most.size} {title(metric)} above the affine alone"
    size = most.size if least.size == most.size else f"{least.size} to {most.size}"
    return f"{who} {size} {title(metric)} {'better' if most.better_by > 0 else 'worse'} than the affine alone"


def _unclear(by_name: Mapping[str, _Contrast]) -> str:
    """Which of the first are shown to be better than the affine, where not all are."""
    nothing = [name for name, each in by_name.items() if each.is_nothing]
    parts = (
        [f"{_joined(nothing)} {'is' if len(nothing) == 1 else 'are'} the same as the affine alone"] if nothing else []
    )
    others = {name: each for name, each in by_name.items() if not each.is_nothing}
    told = [name for name, each in others.items() if each.told and each.better_by > 0]
    beyond = [name for name, each in others.items() if each.beyond]
    if told:
        parts.append(
            f"of these only {_joined(told)} {'is' if len(told) == 1 else 'are'} shown to be better than the affine"
        )
    elif len(others) > 1:
        taken = (
            f"; taken by {'itself' if len(beyond) == 1 else 'themselves'}, {_joined(beyond)} would be" if beyond else ""
        )
        who = "none of the others" if nothing else "none"
        many = " after correction for the number of comparisons" if beyond else ""
        parts.append(f"{who} is shown to be better than the affine alone{many}{taken}")
    elif others:
        parts.append(
            f"it is unclear whether {'it' if not nothing else next(iter(others))} is better than the affine alone"
        )
    return "; ".join(parts)


def _failures(lists: pd.DataFrame) -> str:
    """Which methods failed, if any."""
    failed = [
        f"{row['method']} failed on {row['failed']} of {number(row['n_pairs']) + number(row['dropped']):.0f} pairs"
        for row in records(lists[lists["failed"] > 0])
    ]
    more = f", and {len(failed) - NAMED} methods more failed" if len(failed) > NAMED else ""
    return _joined(failed[:NAMED]) + more


def _incomplete(lists: pd.DataFrame, policy: Policy) -> str:
    """Which methods lack values on some pairs for another reason than a failure, such as runs that were not carried out."""
    lacking: dict[str, list[str]] = {}
    for row in records(lists):
        lost = number(row["dropped"]) - (number(row["failed"]) if policy == "drop" else 0)
        if lost > 0:
            of = number(row["n_pairs"]) + number(row["dropped"])
            lacking.setdefault(f"{number(row['n_pairs']):.0f} of {of:.0f} pairs", []).append(str(row["method"]))
    parts = [
        f"{_joined(names) if len(names) <= NAMED else f'{len(names)} methods'} {'has' if len(names) == 1 else 'have'} values "
        f"on only {pairs}"
        for pairs, names in lacking.items()
    ]
    return "; ".join(parts[:NAMED])


def _gated(lists: pd.DataFrame) -> str:
    """Who folds too much to be ranked, if anybody."""
    names = [str(row["method"]) for row in records(lists[lists["beyond_gate"].astype(bool)])]
    if not names:
        return ""
    listed = _joined(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return f"{listed} fold{'s' * (len(names) == 1)} too much to be ranked"


def _limits(lists: pd.DataFrame, contrasts: _Contrasts, metric: str) -> str:
    """The difference that the data detect with a power of 80 %: the median of neighbours in the list, else of any two."""
    names = [*(str(name) for name in lists["method"]), AFFINE]
    pairs, people = contrasts.size()
    if not pairs:
        return ""
    who = f"{pairs} pair{'s' * (pairs != 1)} of {people} {'people' if people != 1 else 'person'}"
    neighbours = [contrasts.between(a, b) for a, b in itertools.pairwise(names)]
    # two methods that give the same on every pair have an interval of no width, which says nothing of the others
    near = [each.detectable for each in neighbours if each.has_interval and each.half > SAME_WIDTH]
    found = near or contrasts.detectable(names)
    if not found:
        return f"{who} give no interval, so the differences are not tested"
    middle = statistics.median(found)
    return f"{who} detect a difference of {digits(middle, middle)} {title(metric)} four times out of five"


def digits(value: float, half: float) -> str:
    """A difference without its sign, to the first digit of half its interval; without an interval, to two digits."""
    return rounded(abs(value), half)


def _joined(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""
