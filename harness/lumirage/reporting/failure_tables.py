"""Tabulates failures: a matrix of methods and pairs, counts of outcomes, and the methods' own messages."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from lumirage.core.model import Outcome
from lumirage.reporting.figure_rows import make_rows
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.scene import Box, Label, Mark, Scene

MOST_PAIRS = 120
"""Most columns of the matrix. If more pairs failed, only the first ones are drawn, and the page says so."""

ROLES = {
    Outcome.FAILED: "m1", Outcome.CRASHED: "m6", Outcome.TIMEOUT: "m4", Outcome.OUT_OF_MEMORY: "m3",
    Outcome.OUT_OF_GPU_MEMORY: "m9", Outcome.NO_ANSWER: "muted", Outcome.INVALID_ANSWER: "bad",
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """One kind of failure of a method, and how often it occurred."""

    method: str
    condition: str
    outcome: str
    message: str
    last_words: str
    """The end of the log of the first of these runs."""
    count: int
    pairs: tuple[str, ...]
    """The first few."""


def reasons(inputs: Inputs) -> list[Reason]:
    """Failures, grouped by method, condition, outcome and message, the most frequent first."""
    bad = inputs.runs[inputs.runs["outcome"] != Outcome.OK.value]
    found = [
        Reason(
            method=str(method),
            condition=str(condition),
            outcome=str(outcome),
            message=str(message),
            last_words=str(rows["last_words"].iloc[0]),
            count=len(rows),
            pairs=tuple(dict.fromkeys(rows["pair"].head(8))),
        )
        for (method, condition, outcome, message), rows in bad.groupby(
            ["method", "condition", "outcome", "message"], sort=True
        )
    ]
    return sorted(found, key=lambda reason: (-reason.count, reason.method, reason.condition))


def outcome_counts(inputs: Inputs) -> pd.DataFrame:
    """Runs by method and outcome; columns in the order of `Outcome`, only those that occurred."""
    counts = pd.crosstab(inputs.runs["method"], inputs.runs["outcome"])
    columns = [o.value for o in Outcome if o.value in counts.columns]
    methods = [m for m in inputs.methods if m in counts.index]
    return counts.reindex(index=methods, columns=columns, fill_value=0)


def failed_pairs(inputs: Inputs) -> list[str]:
    """Pairs on which at least one method failed, in the order of the evaluation."""
    bad = set(inputs.runs.loc[inputs.runs["outcome"] != Outcome.OK.value, "pair"])
    return [pair for pair in inputs.pairs if pair in bad]


def matrix(inputs: Inputs, width: float) -> Scene:
    """Methods as rows, pairs with a failure as columns; the colour shows the outcome."""
    pairs = failed_pairs(inputs)[:MOST_PAIRS]
    methods = [m for m in inputs.methods if m in set(inputs.runs["method"])]
    rows = make_rows(methods, width, top=8, pitch=26)
    bad = inputs.runs[(inputs.runs["outcome"] != Outcome.OK.value) & inputs.runs["pair"].isin(pairs)]
    ended = dict(zip(zip(bad["method"], bad["pair"], strict=True), bad["outcome"], strict=True))
    index = {pair: k for k, pair in enumerate(inputs.pairs)}
    step = min((rows.right - rows.left) / max(len(pairs), 1), 26.0)
    marks = rows.marks(inputs.colors)
    for i, method in enumerate(methods):
        for k, pair in enumerate(pairs):
            outcome = ended.get((method, pair))
            fill = ROLES[Outcome(outcome)] if outcome else "wash"
            at = (rows.left + k * step, rows.middle(i) - 9)
            told = f"{method}, {pair}: {(outcome or 'ok').replace('_', ' ')}"
            marks.append(Box(at, (step - min(2.0, step / 4), 18), fill, told, {"pair": index[pair]}))
    marks += _legend(dict.fromkeys(ended.values()), rows.left, rows.bottom + 22, rows.right)
    alt = f"{len(ended)} runs failed, on {len(failed_pairs(inputs))} of {len(index)} pairs."
    numbers = [("Method", "Pair", "Outcome"), *((m, p, o.replace("_", " ")) for (m, p), o in sorted(ended.items()))]
    return Scene("failures", "Failures by method and pair", alt, width, rows.bottom + 44, marks, numbers)


def _legend(outcomes: Iterable[str], left: float, y: float, right: float) -> list[Mark]:
    marks: list[Mark] = []
    x = left
    for outcome in outcomes:
        text = outcome.replace("_", " ")
        if x + 24 + 6.5 * len(text) > right:
            x, y = left, y + 16
        marks += [Box((x, y - 9), (10, 10), ROLES[Outcome(outcome)]), Label((x + 14, y), text, "muted", 11)]
        x += 30 + 6.5 * len(text)
    return marks
