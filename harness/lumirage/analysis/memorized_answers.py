"""Shows which methods lose their answers on jittered grids, as one does that remembers them: rows of jitter.tsv."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lumirage.core.metrics import METRICS, is_accuracy
from lumirage.core.model import SENTINELS

JITTER_COLUMNS = (
    "method", "metric", "preset", "source", "n_pairs", "failed_jittered", "mean_plain", "mean_jittered", "change", "gain_plain",
    "gain_jittered", "kept", "fell_share", "suspect", "note",
)  # fmt: skip
"""Columns of jitter.tsv. A gain is what a method wins over doing nothing (or the affine, if that is better), positive for
better; `kept` is the share of it that is left on jittered grids, `fell_share` the share of pairs on which it fell."""

KEPT = 0.5
"""A method that keeps less than this share of its gain is suspected to remember answers..."""
FELL = 0.8
"""...if it falls on at least this share of the pairs..."""
APART = 0.25
"""...and keeps less than every honest method does, by this."""


def jitter_changes(plain: pd.DataFrame, jittered: pd.DataFrame, honest: Collection[str] = ()) -> pd.DataFrame:
    """One row for each method and metric of accuracy, columns JITTER_COLUMNS, from two tables of scores with sentinels.

    A failed run counts as doing nothing: a method that only knows the images that it has seen may also give up.
    `honest`: methods that are known to remember nothing, such as the baselines of the zoo; they are never suspected.
    """
    rows = [row for key, part in _cells(plain) for row in _judged(_of_metric(key, part, jittered), honest)]
    return pd.DataFrame(rows, columns=list(JITTER_COLUMNS))


def _judged(rows: list[dict[str, Any]], honest: Collection[str]) -> list[dict[str, Any]]:
    """The rows of one metric, with who is suspected."""
    kept = [row["kept"] for row in rows if row["method"] in honest and math.isfinite(row["kept"])]
    floor = min(kept) if kept else None
    suspects = [row for row in rows if row["method"] not in honest and _is_suspect(row, floor)]
    for row in suspects:
        row |= {"suspect": True, "note": _words(row, floor)}
    return rows


def _cells(scores: pd.DataFrame) -> list[tuple[tuple[str, str, str], pd.DataFrame]]:
    rows = scores[scores["label"].isna()]
    rows = rows[[is_accuracy(metric) for metric in rows["metric"]]]
    return [((str(m), str(p), str(s)), part) for (m, p, s), part in rows.groupby(["metric", "preset", "source"])]


def _of_metric(key: tuple[str, str, str], plain: pd.DataFrame, jittered: pd.DataFrame) -> list[dict[str, Any]]:
    metric, preset, source = key
    sign = 1.0 if METRICS[metric].better == "higher" else -1.0
    there = jittered["label"].isna() & (jittered["metric"] == metric)
    there &= (jittered["preset"] == preset) & (jittered["source"] == source)
    before, after = _values(plain, sign), _values(jittered[there], sign)
    nothing, nothing_after = _nothing(before), _nothing(after)
    rows = []
    for method in sorted(before.keys() & after.keys()):
        if method in SENTINELS:
            continue
        own, other = before[method].align(after[method], join="inner")
        base, base_after = nothing.reindex(own.index), nothing_after.reindex(own.index)
        known = base.notna() & base_after.notna()
        if not known.any():
            continue
        failed = int(other[known].isna().sum())
        own, other = own.fillna(base)[known], other.fillna(base_after)[known]
        gain, gain_after = float((own - base[known]).mean()), float((other - base_after[known]).mean())
        rows.append({
            "method": method, "metric": metric, "preset": preset, "source": source, "n_pairs": len(own),
            "failed_jittered": failed, "mean_plain": sign * float(own.mean()), "mean_jittered": sign * float(other.mean()),
            "change": sign * float(other.mean() - own.mean()), "gain_plain": gain, "gain_jittered": gain_after,
            "kept": gain_after / gain if gain > 0 else np.nan, "fell_share": float((other < own).mean()),
            "suspect": False, "note": "",
        })  # fmt: skip
    return rows


def _values(rows: pd.DataFrame, sign: float) -> "Mapping[str, pd.Series[float]]":
    """Method -> merit by pair, higher is better, repeats averaged; NaN for a failed run."""
    merits = rows.assign(value=sign * rows["value"])
    return {str(m): part.groupby("pair")["value"].mean() for m, part in merits.groupby("method")}


def _nothing(values: "Mapping[str, pd.Series[float]]") -> "pd.Series[float]":
    """The better of doing nothing and the affine, on average over pairs."""
    there = [values[sentinel] for sentinel in SENTINELS if sentinel in values]
    return max(there, key=lambda merits: float(merits.mean())) if there else pd.Series(dtype=float)


def _is_suspect(row: Mapping[str, Any], floor: float | None) -> bool:
    apart = floor is None or row["kept"] < floor - APART
    return bool(row["gain_plain"] > 0 and row["kept"] < KEPT and row["fell_share"] >= FELL and apart)


def _words(row: Mapping[str, Any], floor: float | None) -> str:
    others = "" if floor is None else f"; honest methods keep at least {100 * floor:.0f} %"
    failed = f", with {row['failed_jittered']} failed runs" if row["failed_jittered"] else ""
    return (
        "remembered answers suspected: on jittered grids its gain over doing nothing falls from "
        f"{row['gain_plain']:.4g} to {row['gain_jittered']:.4g} ({row['metric']}){failed}{others}"
    )
