"""How often 95 % intervals of the difference of two families, and of its interaction, hold the truth; writes families.md.

    python benchmarks/families.py [FILE]

Simulated are 8 people and 7 + 6 methods, as in the harness's own experiments. The score of method m on the pair (fixed i,
moving j) is

    base_ij + a_m + f_i + g_j (first family only) + f_mi + g_mj + e_mij

with variance 1 without the base. The method share is that of a_m. Of the rest, the subject share is that of the subjects'
effects, half of them common to the first family and half the method's own; e is noise. The effects of a subject as fixed and
as moving image correlate by 0.6, as in intervals.py. The common effects are in one family alone, because in a difference of
two families skewed effects would cancel. In the interaction, the effects of a method and of a person in the two tracks
correlate by 0.5. Takes about five minutes on one core.
"""

import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as chain_of
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from intervals import ROLE_CORRELATION, all_pairs, chain
from scipy import stats

from lumirage.analysis.contrast_rows import ContrastRows, RowEstimates
from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.estimates import Estimate
from lumirage.analysis.failure_shares import effective_attempts, share_interval
from lumirage.analysis.joint_spread import JointSpread, Table, difference_spread, mean_spread

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SEED = 16
EXPERIMENTS = 2000
AT_ONCE = 200
"""Experiments in memory."""
PEOPLE = 8
FIRST, SECOND = 7, 6
METHODS = FIRST + SECOND
TRACK_CORRELATION = 0.5
ROWS = ContrastRows.of(FIRST, SECOND)
DESIGNS = {"chain": chain, "all pairs": all_pairs}


@dataclass(frozen=True)
class World:
    """What a row of the table simulates."""

    design: str
    skewed: bool
    subject_share: float
    method_share: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        """Effects of subjects with mean 0 and variance 1."""
        return rng.exponential(size=shape) - 1 if self.skewed else rng.normal(size=shape)


@dataclass(frozen=True)
class Effects:
    """Effects of people and methods in AT_ONCE experiments, the first axis."""

    common: FloatArray
    """(experiments, 2 roles, people)"""
    own: FloatArray
    """(experiments, methods, 2 roles, people)"""
    method: FloatArray
    """(experiments, methods)"""


def effects_of(world: World, people: int, rng: np.random.Generator) -> Effects:
    """Effects of unit variance."""
    common, own = (world.draw(rng, (AT_ONCE, *k, 2, people)) for k in ((), (METHODS,)))
    for effects in (common, own):
        effects[..., 1, :] *= np.sqrt(1 - ROLE_CORRELATION**2)
        effects[..., 1, :] += ROLE_CORRELATION * effects[..., 0, :]
    return Effects(common, own, rng.normal(size=(AT_ONCE, METHODS)))


def related(one: Effects, other: Effects) -> Effects:
    """The effects of the same people and methods in another track."""
    r, s = TRACK_CORRELATION, np.sqrt(1 - TRACK_CORRELATION**2)
    return Effects(r * one.common + s * other.common, r * one.own + s * other.own, r * one.method + s * other.method)


def scores_of(world: World, effects: Effects, index: IntArray, rng: np.random.Generator) -> FloatArray:
    """(methods, pairs, experiments) for the pairs of people in `index` (pairs, 2)."""
    rest = 1 - world.method_share
    scale = np.sqrt(world.subject_share * rest / 4)  # a quarter each: two roles, common and own
    first = (np.arange(METHODS) < FIRST)[None, :, None]
    common, own = (of[..., 0, index[:, 0]] + of[..., 1, index[:, 1]] for of in (effects.common, effects.own))
    noise = np.sqrt((1 - world.subject_share) * rest) * rng.normal(size=own.shape)
    values = np.sqrt(world.method_share) * effects.method[:, :, None] + scale * (first * common[:, None] + own) + noise
    return np.moveaxis(values, 0, 2)


def design_of(pairs: list[tuple[str, str]], skip: int = 0) -> tuple[Design, IntArray]:
    """The design, and the pairs by number of the person; `skip` people come before the first."""
    named = [tuple(f"s{int(name[1:]) + skip:02d}" for name in pair) for pair in pairs]
    index = np.array([[int(name[1:]) for name in pair] for pair in named])
    return detect_design([f for f, _ in named], [m for _, m in named]), index


def columns_of(scores: FloatArray) -> FloatArray:
    """(pairs, rows * experiments): the contrasts of every experiment."""
    contrasts = np.tensordot(ROWS.weights, scores, axes=1)  # rows, pairs, experiments
    return np.moveaxis(contrasts, 1, 0).reshape(scores.shape[1], -1)


def truth_of(world: World, effects: Effects) -> FloatArray:
    """The difference of the families with these methods, (experiments,)."""
    return np.sqrt(world.method_share) * (effects.method @ ROWS.weights[0])


def estimates(means: FloatArray, spread: JointSpread) -> Iterator[tuple[Estimate, Estimate]]:
    """The difference for these methods and over methods, of every experiment."""
    shaped = [of.reshape(-1, AT_ONCE) for of in (means, spread.se, spread.df, spread.skew)]
    for k in range(AT_ONCE):
        mean, se, df, skew = (of[:, k] for of in shaped)
        known = RowEstimates(ROWS, mean, JointSpread(se, df, skew), 1.0, 0.95)
        yield known.difference(), known.over_methods()


def held(means: FloatArray, spread: JointSpread, truth: FloatArray) -> FloatArray:
    """Whether the intervals hold the truth: (2, experiments), for these methods and over methods, whose truth is 0."""
    both = [(a.low <= t <= a.high, b.low <= 0 <= b.high)
            for t, (a, b) in zip(truth, estimates(means, spread), strict=True)]  # fmt: skip
    return np.array(both, dtype=np.float64).T


def experiments(world: World, rng: np.random.Generator) -> FloatArray:
    """Coverage in AT_ONCE experiments: contrast, interaction of the same people, half the people, others; times two."""
    pairs = DESIGNS[world.design](PEOPLE)
    design, index = design_of(pairs)
    here = effects_of(world, 2 * PEOPLE, rng)
    there = related(here, effects_of(world, 2 * PEOPLE, rng))
    table = Table(columns_of(scores_of(world, here, index, rng)), design)
    means, truth = table.values.mean(axis=0), truth_of(world, here)
    found = [held(means, mean_spread(table), truth)]
    for skip in (0, PEOPLE // 2, PEOPLE):
        other, moved = design_of(pairs, skip)
        before = Table(columns_of(scores_of(world, there, moved, rng)), other)
        same = Table(table.values - before.values, design)
        spread = difference_spread(table, before) if skip else mean_spread(same)
        found.append(held(means - before.values.mean(axis=0), spread, truth - truth_of(world, there)))
    return np.concatenate(found).mean(axis=1)


def rows() -> Iterator[str]:
    """The lines of the table."""
    for design, skewed, share, methods in product(DESIGNS, (False, True), (0.0, 0.3, 0.7), (0.0, 0.3)):
        world = World(design, skewed, share, methods)
        rng = np.random.default_rng(SEED)
        covered = np.mean([experiments(world, rng) for _ in range(EXPERIMENTS // AT_ONCE)], axis=0)
        effects = "exponential" if skewed else "normal"
        yield f"| {design} | {effects} | {share} | {methods} | {' | '.join(f'{c:.3f}' for c in covered)} |"


def failures_held(
    design: str, people: int, spread: float, level: float, rng: np.random.Generator
) -> tuple[float, float]:
    """The true share of failed runs, and how often the interval holds it.

    A run fails with the probability Phi(level + a_i + a_j), where the effects of the two people have the variance
    spread^2 / 2 each.
    """
    graph, index = design_of(DESIGNS[design](people))
    truth = float(stats.norm.cdf(level / np.sqrt(1 + spread**2)))
    effects = spread / np.sqrt(2) * rng.normal(size=(EXPERIMENTS, people))
    failed = stats.norm.cdf(level + effects[:, index[:, 0]] + effects[:, index[:, 1]]) > rng.random(
        (EXPERIMENTS, len(index))
    )
    held = 0
    for values in failed.astype(np.float64):
        low, high = share_interval(float(values.mean()), effective_attempts(values, graph), 0.95)
        held += low <= truth <= high
    return truth, held / EXPERIMENTS


def failure_rows() -> Iterator[str]:
    """The lines of the table of shares of failed runs."""
    rng = np.random.default_rng(SEED)
    for design, people in product(DESIGNS, (8, 20)):
        for spread, level in product((0.0, 1.0, 2.0), (0.0, -2.0)):
            truth, held = failures_held(design, people, spread, level, rng)
            yield f"| {design}, {people} people | {spread:g} | {truth:.2f} | {held:.3f} |"


def head(seconds: float) -> str:
    """What the table is, and how it was made."""
    error = np.sqrt(0.95 * 0.05 / EXPERIMENTS)
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    )
    return f"""# Coverage of the intervals of families

Made by `python benchmarks/families.py` in {seconds:.0f} s on a machine that others used too ({machine}):
{EXPERIMENTS:,} experiments a row, seed {SEED}, {PEOPLE} people, {FIRST} + {SECOND} methods.
The simulation's standard error is {error:.3f} at .95.
The share of false alarms at .05 is one less the coverage: a claim is tested with the numbers of its interval.

- **subjects**: the interval for these methods; its truth is their own mean difference. **methods too**: the interval for
  methods like these; its truth is 0
- **same people**: the interaction with a reference track of the same people on the same pairs; **half**: four of the
  eight people are in both tracks; **others**: none is, and the interval is unpaired
- effects of subjects are normal, or exponential (skewness 2), all to one side
- rows of one design, effects and subject share have the same random numbers, so that "subjects" repeats

| design | effects | subject share | method share | contrast: subjects | methods too | same people: subjects | methods too \
| half: subjects | methods too | others: subjects | methods too |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


FAILURES = """
## The share of failed runs
A run fails with the probability Phi(level + a_i + a_j) of its two people; the interval is that of a claim "does not run". It is
exact, so wider than it would have to be if few runs fail or people do not matter.

| design | spread of people | true share | covered |
|---|---|---|---|"""


def main() -> None:
    """Write families.md beside this file and print it."""
    start, lines = time.monotonic(), []
    for line in chain_of(rows(), [FAILURES], failure_rows()):
        lines.append(line)
        print(line, flush=True)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".md")
    target.write_text(head(time.monotonic() - start) + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
