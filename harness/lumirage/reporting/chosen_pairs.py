"""Chooses the pairs that get a page with pictures: the worst, best, median, failed and requested ones.

Under every other condition also the pair that it affected most.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumirage.core.condition_words import condition_words
from lumirage.core.track import REFERENCE
from lumirage.reporting.axes import short
from lumirage.reporting.failure_tables import failed_pairs
from lumirage.reporting.report_inputs import Inputs

MOST_CHANGED = 6
"""How many pages there are for pairs under conditions other than the reference."""

MOST_VOXELS = 8_000_000
"""Largest working grid, in voxels, for pictures under other conditions; a little above LUMIR's. At 0.5 mm there are
64 million, and one field is 0.8 GB."""


@dataclass(frozen=True)
class Chosen:
    """One pair under one condition, and the reason for showing it."""

    pair: str
    condition: str
    why: str

    @property
    def name(self) -> str:
        """Name of its page, without an ending."""
        if self.condition == REFERENCE:
            return self.pair
        return f"{self.pair}_{re.sub('[^0-9A-Za-z._-]+', '-', self.condition)}"


def choose(inputs: Inputs, asked: Sequence[str], most: int) -> list[Chosen]:
    """Pairs that get a page: requested ones first, those affected by a condition last; `most` limits the others."""
    condition = inputs.conditions[0]
    reasons: dict[str, str] = {}
    if len(inputs.pairs) <= most:
        reasons = dict.fromkeys(inputs.pairs, "")
    for pair, why in _notable(inputs, condition):
        if (reasons.get(pair)) or (pair not in reasons and len(reasons) >= most):
            continue
        reasons[pair] = why
    wanted = dict.fromkeys(asked, "asked for") | {p: w or "one of all" for p, w in reasons.items()}
    chosen = [Chosen(pair, condition, why) for pair, why in wanted.items()]
    return chosen + _harmed(inputs)[: min(most, MOST_CHANGED)]


def _harmed(inputs: Inputs) -> list[Chosen]:
    """For every other condition the pair and method that it affected most; the condition with the largest effect first."""
    measure = inputs.measures[0]
    sign = -1 if measure.higher_is_better else 1
    before = inputs.matrix(measure, inputs.conditions[0])
    uses = inputs.evaluation.methods
    ranked = [i for i, m in enumerate(inputs.methods) if m in uses and m not in inputs.references]
    sizes = inputs.runs.groupby("condition")["voxels"].max()
    found: list[tuple[float, Chosen]] = []
    for condition in inputs.conditions[1:]:
        harm = sign * (inputs.matrix(measure, condition) - before)[ranked]
        if not harm.size or not np.isfinite(harm).any() or sizes.get(condition, 0) > MOST_VOXELS:
            continue
        i, k = np.unravel_index(int(np.nanargmax(harm)), harm.shape)
        if harm[i, k] > 0:
            change = short(float(sign * harm[i, k]))
            why = f"{measure.title} of {inputs.methods[ranked[int(i)]]} {change} with {condition_words(condition)}"
            found.append((float(harm[i, k]), Chosen(list(inputs.pairs)[int(k)], condition, why)))
    return [chosen for _, chosen in sorted(found, key=lambda both: -both[0])]


def _notable(inputs: Inputs, condition: str) -> list[tuple[str, str]]:
    pairs = list(inputs.pairs)
    measure = inputs.measures[0]
    values = inputs.matrix(measure, condition)
    run = [i for i, m in enumerate(inputs.methods) if m in inputs.evaluation.methods]
    competing = [i for i in run if inputs.methods[i] not in inputs.references]
    found: list[tuple[str, str]] = []
    for i in competing or run:
        row, name = values[i], inputs.methods[i]
        order = np.argsort(row * (-1 if measure.higher_is_better else 1), kind="stable")
        known = [k for k in order if np.isfinite(row[k])]
        if known:
            middle = known[len(known) // 2]
            found += [(pairs[known[-1]], f"worst {measure.title} of {name}")]
            found += [(pairs[known[0]], f"best {measure.title} of {name}")]
            found += [(pairs[middle], f"median {measure.title} of {name}")]
    failures = [(pair, "a method failed on it") for pair in failed_pairs(inputs)]
    # Each kind gets its turn, so that many methods or many failures do not crowd out the rest.
    turns = [found[0::3], failures, found[1::3], found[2::3]]
    return [turn[k] for k in range(max(map(len, turns))) for turn in turns if k < len(turn)]
