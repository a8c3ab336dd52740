"""What the comparisons say, in plain English. Never more than the numbers allow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from lumirage.analysis.ranking import AGGREGATE
from lumirage.core.failure_policy import Policy
from lumirage.core.metrics import direction, is_accuracy
from lumirage.core.model import SENTINELS
from lumirage.core.track import REFERENCE

METRIC_ORDER = ("dice", "displacement_error_mm", "tre", "hd95")
"""Beginnings of the metrics that verdicts speak of, the one that methods are listed by first."""

Row = Mapping[str, object]
"""Column -> value."""

MEASURE = ["track", "condition", "preset", "settings", "metric", "source"]

COUNTED_AS = {
    "identity": "counts as doing nothing",
    "worst": "counts as the worst that any method got",
    "drop": "was left out",
}


@dataclass(frozen=True)
class Verdict:
    """One sentence, and what it is about."""

    sentence: str
    kind: str
    """effect, failures or gate"""
    track: str
    condition: str
    metric: str
    method: str
    reference: str = ""


def verdicts(comparisons: pd.DataFrame, rankings: pd.DataFrame, policy: Policy = "identity") -> list[Verdict]:
    """Sentences from the tables of `compare` and `rank`, for the reference condition (or the first) of every track.

    Every method against the sentinel, neighbours in rank against one another, what failures do to the ranking, and who
    is beyond the gate. `policy` is the track's: it says how failed runs count.
    """
    found: list[Verdict] = []
    honest = comparisons[~comparisons["literature"].astype(bool) & (comparisons["policy"] == policy)]
    for measure in _measures(honest):
        rows = _of(honest, measure)
        lists = _of(rankings, measure)
        lists = lists[lists["scheme"] == AGGREGATE]
        order = lists[lists["policy"] == policy].sort_values("rank", kind="stable")
        found += [effect_verdict(row) for row in _chosen(rows, [str(m) for m in order["method"]])]
        found += failure_verdicts(lists, policy)
        found += gate_verdicts(order)
    return list(dict.fromkeys(found))


def effect_verdict(row: Row) -> Verdict:
    """The sentence of one row of comparisons."""
    metric, method, reference = str(row["metric"]), str(row["method"]), str(row["reference"])
    size = _size(row)
    if not _there(row["difference"]):
        text = f"{method} and {reference} have no pair in common with a value of {_name(row)}"
    elif not _there(row["ci_low"]):
        word = "higher" if _number(row["difference"]) > 0 else "lower" if _number(row["difference"]) < 0 else "the same"
        than = f"{_name(row)} than {reference}" if word != "the same" else f"{_name(row)} as {reference}"
        by = f" by {abs(_number(row['difference'])):.3g}" if word != "the same" else ""
        text = f"{method} has {'a ' if word != 'the same' else ''}{word} {than}{by}, without an interval {size}"
    elif row["better"] in ("method", "reference"):
        winner, loser = (method, reference) if row["better"] == "method" else (reference, method)
        text = f"{winner} is better than {loser} on {_name(row)} by {_interval(row, absolute=True)} {size}"
        if _there(row["p_holm"]) and _number(row["p_holm"]) >= 0.05:
            text += ", though not after Holm's correction"
    elif direction(metric) == 0:
        text = f"{method} differs from {reference} in {_name(row)} by {_interval(row)} {size}"
    else:
        text = f"No difference between {method} and {reference} can be told on {_name(row)}: {_interval(row)} {size}"
    if _there(row["p_equivalence"]) and _number(row["p_equivalence"]) < 0.05:
        text += f"; equivalent within {_number(row['margin']):g}"
    return Verdict(_sentence(text), "effect", str(row["track"]), str(row["condition"]), metric, method, reference)


def failure_verdicts(lists: pd.DataFrame, policy: Policy) -> Iterator[Verdict]:
    """Who failed, and what leaving the failures out would do to its rank; from the rankings of one measure."""
    wide = lists.drop_duplicates(["method", "policy"]).pivot(index="method", columns="policy", values="rank")
    for row in _records(lists[(lists["policy"] == policy) & (lists["failed"] > 0)]):
        method, metric = str(row["method"]), str(row["metric"])
        pairs = int(_number(row["n_pairs"]) + _number(row["dropped"]))
        text = f"{method} failed on {row['failed']} of {pairs} pairs, each of which {COUNTED_AS[policy]}"
        other: Policy = "identity" if policy == "drop" else "drop"
        here, there = (_rank_in(wide, method, p) for p in (policy, other))
        if _there(here) and _there(there) and here != there:
            would = "counted as doing nothing" if policy == "drop" else "left out"
            text += (
                f"; were failures {would}, it would rank {there:.0f} instead of {here:.0f} on {_name(row)}: "
                "failures change the ranking"
            )
        else:
            metric = ""  # the same in every metric, and said once
        yield Verdict(_sentence(text), "failures", str(row["track"]), str(row["condition"]), metric, method)


def gate_verdicts(order: pd.DataFrame) -> Iterator[Verdict]:
    """Who is listed without a rank because its fields fold too much; from the rankings of one measure."""
    for row in _records(order[order["beyond_gate"].astype(bool)]):
        text = (
            f"{row['method']} is not ranked: the gate of regularity is a {row['gate']}, and it has "
            f"{_number(row['gate_value']):.3g}"
        )
        yield Verdict(_sentence(text), "gate", str(row["track"]), str(row["condition"]), "", str(row["method"]))


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


def _of(table: pd.DataFrame, measure: dict[str, str]) -> pd.DataFrame:
    chosen = table
    for name, value in measure.items():
        chosen = chosen[chosen[name].astype(str) == value]
    return chosen


def _chosen(rows: pd.DataFrame, order: Sequence[str]) -> list[Row]:
    real = [m for m in order if m not in SENTINELS]
    neighbours = {frozenset(two) for two in pairwise(real)}
    against = rows["reference"].isin(SENTINELS) & ~rows["method"].isin(SENTINELS)
    near = [frozenset(two) in neighbours for two in zip(rows["method"], rows["reference"], strict=True)]
    return [*_records(rows[against]), *_records(rows[near])]


def _records(rows: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _size(row: Row) -> str:
    words = [f"n = {row['n_pairs']} pairs, {row['n_subjects']} subjects"]
    words += [f"{row['dropped']} dropped"] if _number(row["dropped"]) else []
    failed = [(row[f"failed_{who}"], row[who]) for who in ("method", "reference") if _number(row[f"failed_{who}"])]
    words += [f"{n} failed of {who}" for n, who in failed]
    note = str(row["note"]) if _there(row["note"]) else ""
    return f"({'; '.join(filter(None, [*words, note]))})"


def _interval(row: Row, *, absolute: bool = False) -> str:
    ends = [_number(row["ci_low"]), _number(row["ci_high"])]
    value = _number(row["difference"])
    if absolute and value < 0:
        value, ends = -value, [-e for e in ends]
    low, high = sorted(ends)
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def _name(row: Row) -> str:
    source = str(row["source"]) if _there(row["source"]) else ""
    return f"{row['metric']} ({source})" if source else str(row["metric"])


def _rank_in(wide: pd.DataFrame, method: str, policy: str) -> float:
    return _number(wide.loc[method, policy]) if policy in wide.columns else float("nan")


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]  # a cell of a table: whatever float() takes


def _there(value: object) -> bool:
    return not pd.isna(value)  # type: ignore[call-overload]  # a cell of a table, never an array


def _sentence(text: str) -> str:
    return text + "."
