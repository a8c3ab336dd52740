"""Asks questions of a table of scores: rows of a metric and of structures, and their statistics by method or whatever."""

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lumirage.core.errors import UsageError, nearest
from lumirage.core.metrics import METRICS, is_accuracy, title
from lumirage.core.model import Outcome

GROUPS = {
    "method": "method", "structure": "name", "label": "label", "pair": "pair", "condition": "condition",
    "repeat": "repeat", "source": "source", "fixed_subject": "fixed_subject", "moving_subject": "moving_subject",
}  # fmt: skip
"""What values can be grouped by -> the column of the scores."""
_RUN_KEYS = ("method", "condition", "repeat", "pair", "fixed_subject", "moving_subject")


@dataclass(frozen=True)
class ScoreQuery:
    """Which scores are wanted; an empty field wants all, apart from `metric`, `source` and `condition`, see `rows_of`."""

    metric: str = ""
    structure: str = ""
    methods: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    condition: str = ""
    source: str = ""
    preset: str = ""


def metric_named(word: str, there: Iterable[str]) -> str:
    """The metric that a word means: its own name, the field's (`Dice`, `HD95`), or how its name begins.

    Of several the first in the table of metrics. Empty: the first that measures accuracy. Raises UsageError.
    """
    known = list(there)
    ordered = [*(name for name in METRICS if name in known), *sorted(set(known) - set(METRICS))]
    if not word:
        return next(filter(is_accuracy, ordered), ordered[0] if ordered else "")
    if word in ordered:
        return word
    plain = _plain(word)
    for test in (
        lambda name: _plain(re.sub(r"\(.*", "", title(name))) == plain,
        lambda name: _plain(title(name)) == plain,
        lambda name: name.startswith(word.lower()),
    ):
        if found := next(filter(test, ordered), None):
            return found
    raise UsageError(f"no scores of a metric '{word}' are there{nearest(word, ordered)}")


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def structures_named(pattern: str, labels: pd.DataFrame) -> pd.DataFrame:
    """The labels (columns source, label, name) that a pattern means, in any case.

    A number is a label. With `*`, `?` or `[` the whole name has to match; a plain word is a name, else part of names.
    Raises UsageError where none does.
    """
    names = labels["name"].astype(str)
    if pattern.isdigit():
        chosen = labels["label"] == int(pattern)
    elif re.search(r"[*?\[]", pattern):
        chosen = names.map(lambda name: fnmatch.fnmatchcase(name.lower(), pattern.lower()))
    else:
        chosen = names.str.lower() == pattern.lower()
        if not chosen.any():
            chosen = names.str.lower().str.contains(pattern.lower(), regex=False)
    if not chosen.any():
        raise UsageError(f"no structure is called '{pattern}'{nearest(pattern, {*names} - {''})}")
    return labels[chosen.astype(bool)]


def chosen_among(word: str, there: Sequence[str], what: str) -> list[str]:
    """Those that a word means: the first where it is empty, all for `*`, else the one of this name. Raises UsageError."""
    if word == "*" or not there:
        return list(there)
    if not word:
        return [there[0]]
    if word not in there:
        raise UsageError(f"no scores of {what} '{word}' are there{nearest(word, there)}")
    return [word]


def grouped(rows: pd.DataFrame, by: Sequence[str], attempts: pd.DataFrame) -> pd.DataFrame:
    """Statistics of the values of each group: n, without_value, failed_runs, mean, sd, median, min, max.

    Values are those of runs that ended well, as in the scores: no failure policy fills in anything. `failed_runs` counts
    the failed runs of the group in `attempts` (pair-level rows); it is left out where runs do not belong to one group.
    Best mean first. Raises UsageError for an unknown group.
    """
    for name in by:
        if name not in GROUPS:
            raise UsageError(f"values cannot be grouped by '{name}'{nearest(name, GROUPS)}")
    keys = [GROUPS[name] for name in by]
    values = rows.assign(value=rows["value"].astype("float64")).groupby(keys, observed=True, dropna=False)["value"]
    table = pd.DataFrame(
        {
            "n": values.count(), "without_value": values.size(), "mean": values.mean(), "sd": values.std(),
            "median": values.median(), "min": values.min(), "max": values.max(),
        }
    )  # fmt: skip
    table["without_value"] -= table["n"]
    failed = attempts[attempts["outcome"] != Outcome.OK.value]
    if set(keys) <= set(_RUN_KEYS):
        runs = failed.drop_duplicates(["method", "condition", "repeat", "pair"])
        counts = runs.groupby(keys, observed=True).size()
        table.insert(2, "failed_runs", table.index.map(lambda key: int(counts.get(key, 0))))
    metric = next(iter(rows["metric"].unique()), "")
    lower = metric in METRICS and METRICS[metric].better == "lower"
    table = table.sort_values("mean", ascending=lower, na_position="last", kind="stable").reset_index()
    return table.rename(columns={column: name for name, column in GROUPS.items() if name in by})


def as_pair_rows(structures: pd.DataFrame, pair_rows: pd.DataFrame) -> pd.DataFrame:
    """The pair-level rows with the mean over structures in the place of that over all labels, to be compared as usual.

    A run counts only where it has a value in every one of these structures in which any method has one on that pair:
    a structure that a method lost must not make its mean better. Raises UsageError for several sources or presets.
    """
    for what in ("source", "preset"):
        if structures[what].nunique() > 1:
            raise UsageError(f"structures of several {what}s are no one mean: choose one {what}")
    metric, source = structures["metric"].iloc[0], structures["source"].iloc[0]
    known = structures[structures["value"].notna()]
    run = ["condition", "method", "pair", "repeat"]
    wanted = known.groupby(["condition", "pair"], observed=True)["label"].nunique().rename("wanted")
    means = known.groupby(run, observed=True)["value"].agg(["mean", "count"]).reset_index()
    means = means.merge(wanted.reset_index(), on=["condition", "pair"])
    means["mean"] = means["mean"].where(means["count"] == means["wanted"])
    mine = pair_rows[(pair_rows["metric"] == metric) & (pair_rows["preset"] == structures["preset"].iloc[0])]
    if (mine["source"] == source).any():  # else a metric of the field, which has no source but in its structures
        mine = mine[mine["source"] == source]
    mine = mine.merge(means[[*run, "mean"]], on=run, how="left")
    mine = mine.assign(value=np.asarray(mine["mean"], dtype=np.float64), source=source).drop(columns="mean")
    return pd.concat([pair_rows[pair_rows["metric"] != metric], mine], ignore_index=True)
