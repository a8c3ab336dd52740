"""Writes the findings of the comparisons as sentences that claim no more than the numbers support."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import pandas as pd

from lumirage.analysis.condition_verdicts import condition_verdicts, none_breaks, order_verdicts
from lumirage.analysis.headline import headline
from lumirage.analysis.ranking import AGGREGATE
from lumirage.analysis.verdict_words import (
    Row,
    Verdict,
    interval_words,
    measure_words,
    number,
    records,
    rows_of,
    sentence,
    size_words,
    there,
)
from lumirage.core.condition_words import condition_words
from lumirage.core.failure_policy import COUNTED_AS, Policy
from lumirage.core.metrics import direction, is_accuracy
from lumirage.core.model import SENTINELS
from lumirage.core.track import REFERENCE

METRIC_ORDER = ("dice", "displacement_error_mm", "tre", "hd95")
"""Prefixes of the metrics in verdicts; the first one orders the methods."""

MEASURE = ["track", "condition", "preset", "settings", "metric", "source"]


def verdicts(
    comparisons: pd.DataFrame,
    rankings: pd.DataFrame,
    changes: pd.DataFrame,
    policy: Policy = "identity",
    references: Collection[str] = (),
) -> list[Verdict]:
    """Sentences from the tables of `compare`, `rank` and `condition_changes`, for every track.

    Conditions that break a method come first: they say more about a method than its place in the reference. Then the
    headline, for the first measure, with a sentence on the conditions if none breaks a method (`references` are methods that
    serve as a scale and do not compete: none of these is about them). Then, for the reference condition (or the first): every
    method against the sentinel, and neighbours in rank against each other; the effect of failures, in every condition; methods
    beyond the gate; and the effects of the other conditions. `policy` is the track's: it says how failed runs count.
    """
    scale = {*SENTINELS, *references}
    top: list[Verdict] = []
    first: list[Verdict] = []
    then: list[Verdict] = []
    honest = comparisons[~comparisons["literature"].astype(bool) & (comparisons["policy"] == policy)]
    for measure in _measures(honest):
        rows, lists = rows_of(honest, measure), rows_of(rankings, measure)
        order = lists[(lists["scheme"] == AGGREGATE) & (lists["policy"] == policy) & ~lists["method"].isin(scale)]
        order = order.sort_values("rank", kind="stable")
        everywhere = rows_of(rankings, {name: value for name, value in measure.items() if name != "condition"})
        everywhere = everywhere[(everywhere["scheme"] == AGGREGATE) & ~everywhere["method"].isin(scale)]
        changed = rows_of(changes, {name: value for name, value in measure.items() if name != "condition"})
        changed = changed[changed["policy"] == policy]
        top = top or [*headline(comparisons, rankings, measure, policy, scale), *none_breaks(changed, scale)]
        breaks, others = condition_verdicts(changed, scale)
        first += breaks
        then += [effect_verdict(row) for row in _chosen(rows, _with_answers(order))]
        for condition in _reference_first(everywhere["condition"], measure["condition"]):
            then += failure_verdicts(everywhere[everywhere["condition"] == condition], policy)
        then += gate_verdicts(order)
        then += order_verdicts(everywhere[everywhere["policy"] == policy], measure["condition"])
        then += others
    return list(dict.fromkeys([*first, *top, *then]))


def _with_answers(order: pd.DataFrame) -> list[str]:
    """The methods in order, without those that had no successful run: their values come from the policy, not the method."""
    own = (order["n_pairs"] > order["filled"]) | (order["failed"] == 0)
    return [str(method) for method in order.loc[own, "method"]]


def _reference_first(conditions: "pd.Series[str]", reference: str) -> list[str]:
    return sorted(set(conditions.astype(str)), key=lambda name: (name != reference, name))


def effect_verdict(row: Row) -> Verdict:
    """The sentence of one row of comparisons."""
    metric, method, reference = str(row["metric"]), str(row["method"]), str(row["reference"])
    size = size_words(row)
    if not there(row["difference"]):
        text = f"{method} and {reference} have no pair in common with a value of {measure_words(row)}"
    elif not there(row["ci_low"]):
        word = "higher" if number(row["difference"]) > 0 else "lower" if number(row["difference"]) < 0 else "the same"
        than = (
            f"{measure_words(row)} than {reference}" if word != "the same" else f"{measure_words(row)} as {reference}"
        )
        by = f" by {abs(number(row['difference'])):.3g}" if word != "the same" else ""
        text = f"{method} has {'a ' if word != 'the same' else ''}{word} {than}{by}, without an interval {size}"
    elif row["better"] in ("method", "reference"):
        winner, loser = (method, reference) if row["better"] == "method" else (reference, method)
        text = f"{winner} is better than {loser} on {measure_words(row)} by {interval_words(row, absolute=True)} {size}"
        if there(row["p_holm"]) and number(row["p_holm"]) >= 0.05:
            text += ", though not after Holm's correction"
    elif direction(metric) == 0:
        text = f"{method} differs from {reference} in {measure_words(row)} by {interval_words(row)} {size}"
    else:
        text = f"No significant difference between {method} and {reference} on {measure_words(row)}: "
        text += f"{interval_words(row)} {size}"
    if there(row["p_equivalence"]) and number(row["p_equivalence"]) < 0.05:
        text += f"; equivalent within {number(row['margin']):g}"
    return Verdict(sentence(text), "effect", str(row["track"]), str(row["condition"]), metric, method, reference)


def failure_verdicts(lists: pd.DataFrame, policy: Policy) -> Iterator[Verdict]:
    """Methods that failed, and their places without the failures; from the rankings of one measure and condition."""
    shared = pd.to_numeric(lists["place"].astype("string").str.rstrip("="), errors="coerce")
    wide = lists.assign(shared=shared).drop_duplicates(["method", "policy"])
    wide = wide.pivot(index="method", columns="policy", values="shared")
    for row in records(lists[(lists["policy"] == policy) & (lists["failed"] > 0)]):
        method, metric = str(row["method"]), str(row["metric"])
        pairs = int(number(row["n_pairs"]) + number(row["dropped"]))
        under = "" if row["condition"] == REFERENCE else f"With {condition_words(str(row['condition']))}, "
        text = f"{under}{method} failed on {row['failed']} of {pairs} pairs, each of which {COUNTED_AS[policy]}"
        other: Policy = "identity" if policy == "drop" else "drop"
        here, instead = (_rank_in(wide, method, p) for p in (policy, other))
        if there(here) and there(instead) and here != instead:
            would = "counted as doing nothing" if policy == "drop" else "left out"
            text += (
                f"; were failures {would}, it would rank {instead:.0f} instead of {here:.0f} on {measure_words(row)}: "
                "failures change the ranking"
            )
        else:
            metric = ""  # the same in every metric, so said only once
        yield Verdict(sentence(text), "failures", str(row["track"]), str(row["condition"]), metric, method)


def gate_verdicts(order: pd.DataFrame) -> Iterator[Verdict]:
    """Methods listed without a rank because their fields fold too much; from the rankings of one measure."""
    for row in records(order[order["beyond_gate"].astype(bool)]):
        text = (
            f"{row['method']} is not ranked: the gate of regularity is a {row['gate']}, and it has "
            f"{number(row['gate_value']):.3g}"
        )
        yield Verdict(sentence(text), "gate", str(row["track"]), str(row["condition"]), "", str(row["method"]))


def _measures(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    found = rows[MEASURE].astype(str).drop_duplicates()
    for _, of_track in found.groupby("track", sort=True):
        conditions = list(of_track["condition"])
        condition = REFERENCE if REFERENCE in conditions else min(conditions)
        presets = list(of_track["preset"])
        preset = "strict" if "strict" in presets else presets[0]
        here = of_track[(of_track["condition"] == condition) & (of_track["preset"] == preset)]
        for start in METRIC_ORDER:
            fitting = here[here["metric"].str.startswith(start) & here["metric"].map(is_accuracy)]
            for _, row in fitting.sort_values(["metric", "source"]).iterrows():
                yield {name: str(row[name]) for name in MEASURE}


def _chosen(rows: pd.DataFrame, order: Sequence[str]) -> list[Row]:
    """The comparisons that get a sentence; none in a measure that no two methods have on one pair, as without landmarks."""
    if not (rows["n_pairs"] > 0).any():
        return []
    neighbours = {frozenset(two) for two in pairwise(order)}
    against = rows["reference"].isin(SENTINELS) & rows["method"].isin(order)
    near = [frozenset(two) in neighbours for two in zip(rows["method"], rows["reference"], strict=True)]
    return [*records(rows[against]), *records(rows[near])]


def _rank_in(wide: pd.DataFrame, method: str, policy: str) -> float:
    return number(wide.loc[method, policy]) if policy in wide.columns else float("nan")
