"""Writes sentences on the effects of conditions other than the reference."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lumirage.analysis.verdict_words import Row, Verdict, measure_words, number, records, sentence, size_words, there
from lumirage.core.condition_words import condition_words
from lumirage.core.metrics import direction, title
from lumirage.core.model import SENTINELS
from lumirage.core.precision import rounded

HALF = 0.5
"""A condition breaks a method if less than this share of its gain over the affine is left."""


@dataclass(frozen=True)
class _Fall:
    """The loss of one method under one condition, signed by the metric's good direction: positive is worse."""

    row: Row
    fall: float
    affine_here: float
    """NaN if it was not scored."""
    breaks: bool


def condition_verdicts(
    changes: pd.DataFrame, references: Collection[str] = SENTINELS
) -> tuple[list[Verdict], list[Verdict]]:
    """From the rows of conditions.tsv for one measure: which conditions break a method, the largest loss first.

    A condition breaks a method that is better than the affine in the reference if the method is significantly worse (or,
    without an interval, just worse) and loses half or more of its gain over the affine. For every other method that was
    tested: its largest significant loss, or that there is none. `references` are a scale, and have no verdict.
    """
    breaks: list[tuple[float, Verdict]] = []
    others: list[Verdict] = []
    for falls in _falls(changes, references):
        broken = [fall for fall in falls if fall.breaks]
        if broken:
            breaks.append((broken[0].fall, _verdict(_broken(broken), broken[0].row)))
        elif direction(str(falls[0].row["metric"])):
            others.append(_verdict(_unbroken(falls), falls[0].row))
    return [verdict for _, verdict in sorted(breaks, key=lambda found: -found[0])], others


def none_breaks(changes: pd.DataFrame, references: Collection[str] = SENTINELS) -> list[Verdict]:
    """Where `condition_verdicts` finds no condition that breaks a method: that for the headline, with the largest loss."""
    falls = sorted((fall for each in _falls(changes, references) for fall in each), key=lambda fall: -fall.fall)
    if not falls or any(fall.breaks for fall in falls) or not direction(metric := str(falls[0].row["metric"])):
        return []
    conditions = {_condition(fall.row) for fall in falls}
    if len(conditions) > 1:
        text = f"Under none of {len(conditions)} conditions does a method lose half of its gain over the affine; "
    else:
        text = f"With {conditions.pop()} no method loses half of its gain over the affine; "
    told = next((fall for fall in falls if fall.fall > 0 and _told(fall.row)), None)
    if told:
        size = rounded(told.fall, (number(told.row["ci_high"]) - number(told.row["ci_low"])) / 2)
        text += f"the largest significant loss is {size} {title(metric)}, of {told.row['method']} with {_condition(told.row)}"
    else:
        text += "no loss of a method is significant" if _any_interval(falls) else "no loss has an interval"
    row = (told or falls[0]).row
    return [Verdict(sentence(text), "headline", str(row["track"]), str(row["condition"]), metric, "")]


def _falls(changes: pd.DataFrame, references: Collection[str]) -> Iterator[list[_Fall]]:
    """For each method the losses under the conditions, the largest first."""
    rows = [row for row in records(changes) if there(row["change"])]
    affine = {str(row["condition"]): row for row in rows if row["method"] == "affine"}
    for method in dict.fromkeys(str(row["method"]) for row in rows if row["method"] not in references):
        falls = [_fall(row, affine.get(str(row["condition"]))) for row in rows if row["method"] == method]
        yield sorted(falls, key=lambda fall: -fall.fall)


def _any_interval(falls: Sequence[_Fall]) -> bool:
    return any(there(fall.row["ci_low"]) for fall in falls)


def order_verdicts(rankings: pd.DataFrame, reference: str) -> list[Verdict]:
    """Conditions under which no method that is first in the reference is first; from one measure's rankings, no references."""
    real = rankings[~rankings["reference"].astype(bool) & rankings["rank"].notna()]
    leaders = {str(condition): _first(rows) for condition, rows in real.groupby("condition", sort=True)}
    before = leaders.pop(reference, [])
    found = []
    for condition, now in leaders.items():
        if before and now and not set(before) & set(now):
            row = records(real[real["condition"] == condition])[0]
            text = f"With {condition_words(condition)} the first on {measure_words(row)} is {_and(now)}, not {_and(before)}"
            found.append(Verdict(sentence(text), "order", str(row["track"]), condition, str(row["metric"]), now[0]))
    return found


def _first(rows: pd.DataFrame) -> list[str]:
    """The methods that share the best place."""
    places = pd.to_numeric(rows["place"].astype("string").str.rstrip("="), errors="coerce")
    return [str(method) for method in rows.loc[places == places.min(), "method"]]


def _fall(row: Row, affine: Row | None) -> _Fall:
    sign = direction(str(row["metric"]))
    fall = -sign * number(row["change"])
    nothing = float("nan")
    affine_before = number(affine["mean_reference"]) if affine else nothing
    affine_here = number(affine["mean"]) if affine else nothing
    gain, left = sign * (number(row["mean_reference"]) - affine_before), sign * (number(row["mean"]) - affine_here)
    worse = fall > 0 and (_told(row) or not there(row["ci_low"]))
    return _Fall(row, fall, affine_here, breaks=bool(worse and gain > 0 and left <= HALF * gain))


def _told(row: Row) -> bool:
    if not there(row["ci_low"]) or number(row["ci_low"]) <= 0 <= number(row["ci_high"]):
        return False
    return not there(row["p_holm"]) or number(row["p_holm"]) < 0.05


def _broken(falls: Sequence[_Fall]) -> str:
    worst = falls[0]
    text = f"With {_moves(worst.row)} {size_words(_sized(worst.row))}"
    sign = direction(str(worst.row["metric"]))
    if there(worst.affine_here):
        ahead = sign * (number(worst.row["mean"]) - worst.affine_here) > 0
        text += f"; the affine has {worst.affine_here:.3g} there" + ("" if ahead else ", which is no worse")
    further = [f"{_condition(fall.row)} (to {number(fall.row['mean']):.3g})" for fall in falls[1:]]
    return text + (f". It also loses half or more of its gain with {_and(further)}" if further else "")


def _unbroken(falls: Sequence[_Fall]) -> str:
    told = [fall for fall in falls if fall.fall > 0 and _told(fall.row)]
    row = falls[0].row
    if told:
        worst = told[0].row
        what = f"The largest significant loss of {row['method']} under a condition"
        return f"{what}: with {_moves(worst)} {size_words(_sized(worst))}"
    if not _any_interval(falls):
        return f"No loss of {row['method']} has an interval; the largest: with {_moves(row)} {size_words(_sized(row))}"
    many = f"under any of {len(falls)} conditions" if len(falls) > 1 else f"with {_condition(row)}"
    return f"No significant loss of {row['method']} on {measure_words(row)} {many}"


def _condition(row: Row) -> str:
    return condition_words(str(row["condition"]))


def _moves(row: Row) -> str:
    span = (
        f" [{number(row['ci_low']):.3g}, {number(row['ci_high']):.3g}]"
        if there(row["ci_low"])
        else ", without an interval"
    )
    return (
        f"{_condition(row)}, {row['method']} goes from {number(row['mean_reference']):.3g} to {number(row['mean']):.3g} on "
        f"{measure_words(row)}, a change of {number(row['change']):.3g}{span}"
    )


def _sized(row: Row) -> Row:
    """The row with the columns that describe the size of a comparison."""
    return {**row, "reference": "the reference", "failed_method": row["failed"]}


def _verdict(text: str, row: Row) -> Verdict:
    condition, metric = str(row["condition"]), str(row["metric"])
    return Verdict(sentence(text), "condition", str(row["track"]), condition, metric, str(row["method"]))


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
