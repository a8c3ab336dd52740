"""Compares two evaluations: their parts, their scores and their ranks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lumirage.core.condition_words import condition_words
from lumirage.core.layout import Layout
from lumirage.core.track import Evaluation
from lumirage.reporting.report_inputs import Inputs, read_inputs
from lumirage.reporting.report_tables import method_rows

SCORE_CHANGE_COLUMNS = (
    "method", "condition", "metric", "preset", "source", "pairs", "only_first", "only_second", "mean_first",
    "mean_second", "mean_change", "largest_change", "largest_at", "changed_pairs",
)  # fmt: skip
"""`pairs` have a value in both; `only_first` and `only_second` in one of them."""


@dataclass(frozen=True)
class Changes:
    """Differences of two evaluations; empty if nothing differs."""

    parts: pd.DataFrame
    """Columns part, first, second: harness, track, dataset, images, pairs. Only what differs."""
    scores: pd.DataFrame
    """Columns SCORE_CHANGE_COLUMNS: one row for each method, condition and measure that both have."""
    ranks: pd.DataFrame
    """Columns method, first, second: places on the two leaderboards; only differences."""

    @property
    def sentences(self) -> list[str]:
        """The changes as text."""
        told = [f"{row.part}: {row.first} became {row.second}" for row in self.parts.itertuples()]
        moved = self.scores[self.scores["changed_pairs"] > 0]
        told += [
            f"{row.method}, {row.metric} ({condition_words(str(row.condition))}): changed on "
            f"{row.changed_pairs} of {row.pairs} pairs, mean {row.mean_first:.4g} to {row.mean_second:.4g}"
            for row in moved.itertuples()
        ]
        told += [f"{row.method}: place {row.first} became {row.second}" for row in self.ranks.itertuples()]
        return told or ["nothing changed"]


def compare_evaluations(first: Layout, second: Layout) -> Changes:
    """Compare two output trees. Raises DataError if one is not an evaluation or has no scores."""
    a, b = read_inputs(first), read_inputs(second)
    return Changes(parts=_parts(a.evaluation, b.evaluation), scores=_scores(a, b), ranks=_ranks(a, b))


def _parts(a: Evaluation, b: Evaluation) -> pd.DataFrame:
    first, second = _told(a), _told(b)
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    rows = [(name, first.get(name, "absent"), second.get(name, "absent")) for name in names]
    return pd.DataFrame(rows, columns=["part", "first", "second"])


def _told(evaluation: Evaluation) -> dict[str, str]:
    track = _flat(evaluation.track.model_dump(mode="json"), "track")
    images = {f"image of {name}": use.digest for name, use in evaluation.methods.items()}
    versions = {f"version of {name}": use.card.version for name, use in evaluation.methods.items()}
    return {
        "harness": evaluation.harness,
        "runtime": evaluation.runtime,
        "dataset": evaluation.dataset_name,
        "seed": str(evaluation.seed),
        "repeats": str(evaluation.repeats),
        "pairs": f"{len(evaluation.pairs)} pairs",
        **track,
        **versions,
        **images,
    }


def _flat(value: object, name: str) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {k: v for key, part in value.items() for k, v in _flat(part, f"{name}.{key}").items()}
    return {name: str(value)}


def _scores(a: Inputs, b: Inputs) -> pd.DataFrame:
    keys = ["method", "condition", "metric", "preset", "source", "pair"]
    first, second = (
        i.values.assign(**{k: i.values[k].astype(str) for k in keys}).groupby(keys)["value"].mean().rename(name)
        for i, name in ((a, "first"), (b, "second"))
    )
    both = pd.concat([first, second], axis=1)
    rows = []
    for key, group in both.groupby(level=keys[:-1], sort=True):
        if group["first"].notna().any() or group["second"].notna().any():
            rows.append((*key, *_change(group)))
    return pd.DataFrame(rows, columns=list(SCORE_CHANGE_COLUMNS))


def _change(group: pd.DataFrame) -> tuple[object, ...]:
    there = group.dropna()
    change = (there["second"] - there["first"]).to_numpy(dtype=float)
    at = int(np.abs(change).argmax()) if change.size else -1
    return (
        len(there),
        int((group["first"].notna() & group["second"].isna()).sum()),
        int((group["second"].notna() & group["first"].isna()).sum()),
        float(there["first"].mean()),
        float(there["second"].mean()),
        float(change.mean()) if change.size else float("nan"),
        float(change[at]) if change.size else float("nan"),
        str(there.index[at][-1]) if change.size else "",
        int((change != 0).sum()),
    )


def _ranks(a: Inputs, b: Inputs) -> pd.DataFrame:
    first, second = ({s.method: k + 1 for k, s in enumerate(method_rows(i, i.conditions[0]))} for i in (a, b))
    rows = [(m, first[m], second[m]) for m in first if m in second and first[m] != second[m]]
    return pd.DataFrame(rows, columns=["method", "first", "second"])
