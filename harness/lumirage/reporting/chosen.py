"""Which pairs get a page with pictures: the worst, the best, the middle, the failures, and those asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lumirage.reporting.failures import failed_pairs
from lumirage.reporting.inputs import Inputs


@dataclass(frozen=True)
class Chosen:
    """One pair under one condition, and why it is shown."""

    pair: str
    condition: str
    why: str

    @property
    def name(self) -> str:
        """Name of its page, without an ending."""
        return self.pair if self.condition == "reference" else f"{self.pair}_{self.condition}"


def choose(inputs: Inputs, asked: Sequence[str], most: int) -> list[Chosen]:
    """Pairs worth a page, those asked for first; `most` bounds the others."""
    condition = inputs.conditions[0]
    reasons: dict[str, str] = {}
    if len(inputs.pairs) <= most:
        reasons = dict.fromkeys(inputs.pairs, "")
    for pair, why in _notable(inputs, condition):
        if (reasons.get(pair)) or (pair not in reasons and len(reasons) >= most):
            continue
        reasons[pair] = why
    wanted = dict.fromkeys(asked, "asked for") | {p: w or "one of all" for p, w in reasons.items()}
    return [Chosen(pair, condition, why) for pair, why in wanted.items()]


def _notable(inputs: Inputs, condition: str) -> list[tuple[str, str]]:
    pairs = list(inputs.pairs)
    measure = inputs.measures[0]
    values = inputs.matrix(measure, condition)
    ranked = [i for i, m in enumerate(inputs.methods) if m in inputs.evaluation.methods]
    found: list[tuple[str, str]] = []
    for i in ranked:
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
