"""How often a nominal 95 % interval of a mean paired difference holds the truth, by simulation; writes intervals.md.

    python benchmarks/intervals.py

The difference of two methods on the pair (fixed i, moving j) is mu + f_i + m_j + e_ij. A subject's effects as fixed
and as moving image correlate by 0.6 (its anatomy is hard in both roles, not equally); the subjects' share of the
variance is 0, 0.3 or 0.7. The correlation is not known: 0.6 was chosen because the naive interval then comes near what
was measured for this project before (.585 and .385 for all 132 pairs of 12 subjects). Takes about five minutes on one core.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.paired_effects import paired_effects
from lumirage.analysis.resampling import Resampling, spread, unit_contributions
from lumirage.analysis.significance import sign_flip_p, wilcoxon_p
from lumirage.analysis.skewed_intervals import interval

FloatArray = npt.NDArray[np.float64]

EXPERIMENTS = 4_000
ROLE_CORRELATION = 0.6
MEAN = 0.3
SHARES = (0.0, 0.3, 0.7)
RESAMPLING = Resampling(draws=2000, seed=7)
WILCOXON_EXPERIMENTS = 2000


@dataclass(frozen=True)
class Simulation:
    """Paired differences of many experiments on one design."""

    name: str
    design: Design
    share: float
    skewed: bool
    """Whether the subjects' effects are exponential instead of normal."""
    differences: FloatArray
    """(n_pairs, experiments), variance 1."""
    truth: FloatArray
    """(experiments,): the mean that the interval claims to hold."""


def chain(n: int) -> list[tuple[str, str]]:
    """Each subject to the next."""
    return [(f"s{i}", f"s{i + 1}") for i in range(n - 1)]


def all_pairs(n: int) -> list[tuple[str, str]]:
    """Everybody to everybody else, in both directions."""
    return [(f"s{i}", f"s{j}") for i in range(n) for j in range(n) if i != j]


def star(n: int) -> list[tuple[str, str]]:
    """One atlas to n subjects."""
    return [(f"s{i}", "atlas") for i in range(n)]


DESIGNS: tuple[tuple[str, Callable[[int], list[tuple[str, str]]], int], ...] = (
    ("chain, 12 subjects", chain, 12),
    ("all pairs, 12 subjects", all_pairs, 12),
    ("star, 12 leaves", star, 12),
    ("chain, 39 subjects", chain, 39),
    ("all pairs, 6 subjects", all_pairs, 6),
    ("chain, 8 subjects", chain, 8),
    ("all pairs, 8 subjects", all_pairs, 8),
    ("all pairs, 20 subjects", all_pairs, 20),
)


def simulate(
    name: str, pairs: list[tuple[str, str]], share: float, rng: np.random.Generator, *, skewed: bool = False
) -> Simulation:
    """Experiments on the given pairs; a star's truth is that of its centre."""
    subjects = sorted({s for pair in pairs for s in pair})
    fixed = [subjects.index(f) for f, _ in pairs]
    moving = [subjects.index(m) for _, m in pairs]
    design = detect_design([f for f, _ in pairs], [m for _, m in pairs])
    shape = (2, len(subjects), EXPERIMENTS)
    own, more = rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape)
    other = ROLE_CORRELATION * own + np.sqrt(1 - ROLE_CORRELATION**2) * more
    scale = np.sqrt(share / 2)
    noise = np.sqrt(1 - share) * rng.normal(size=(len(pairs), EXPERIMENTS))
    truth = np.full(EXPERIMENTS, MEAN)
    if design.centre:
        truth = truth + scale * other[subjects.index(design.centre)]
    return Simulation(name, design, share, skewed, MEAN + scale * (own[fixed] + other[moving]) + noise, truth)


def coverages(s: Simulation) -> dict[str, float]:
    """Share of experiments whose interval holds the truth, by kind of interval."""
    n_pairs = s.design.n_pairs
    mean = s.differences.mean(axis=0)
    errors = spread(s.differences, s.design, RESAMPLING)
    df = len(s.design.units) - 1
    naive = s.differences.std(axis=0, ddof=1) / np.sqrt(n_pairs)

    def covered(se: FloatArray, df: int, truth: FloatArray) -> float:
        return float(np.mean(np.abs(mean - truth) <= stats.t.ppf(0.975, df) * se))

    low, high = interval(mean, errors.node, errors.df, errors.skew, 0.95)
    return {
        "default": float(np.mean((low <= s.truth) & (s.truth <= high))),
        "node": covered(errors.node, df, s.truth),
        "jackknife": covered(errors.jackknife, df, s.truth),
        "draws": covered(errors.draws_sd, df, s.truth),
        "naive": covered(naive, n_pairs - 1, s.truth),
        "unconditional": covered(errors.node, df, np.full(EXPERIMENTS, MEAN)),
    }


def effect_size_coverages(s: Simulation, rng: np.random.Generator) -> tuple[float, float]:
    """Coverage of the intervals of d_z and d_av; the reference's own values have variance 4, independent of all."""
    b = 2 * rng.normal(size=s.differences.shape)
    effects = paired_effects(b + s.differences, b, s.design, RESAMPLING)
    variance = 1 - s.share / 2 if s.design.centre else 1.0
    d_z, d_av = s.truth / np.sqrt(variance), s.truth / np.sqrt((4 + variance + 4) / 2)
    inside_z = (effects.d_z_ci[0] <= d_z) & (d_z <= effects.d_z_ci[1])
    inside_av = (effects.d_av_ci[0] <= d_av) & (d_av <= effects.d_av_ci[1])
    return float(inside_z.mean()), float(inside_av.mean())


def false_alarms(s: Simulation) -> tuple[float, float, float]:
    """How often secondary tests call a true null significant at .05.

    Sign flips and Wilcoxon on the subjects' contributions, and Wilcoxon on plain means over each subject's pairs.
    """
    null = s.differences - s.truth
    subjects = unit_contributions(null, s.design)
    flips = sign_flip_p(subjects, seed=0)
    mine = [(s.design.units_of_pair == unit).any(axis=1) for unit in range(len(s.design.units))]
    plain = np.stack([null[pairs].mean(axis=0) for pairs in mine])
    ranks = [np.array([wilcoxon_p(c) for c in of.T[:WILCOXON_EXPERIMENTS]]) for of in (subjects, plain)]
    return float(np.mean(flips < 0.05)), float(np.mean(ranks[0] < 0.05)), float(np.mean(ranks[1] < 0.05))


def rows() -> Iterator[str]:
    """The lines of the table."""
    rng = np.random.default_rng(20260)
    for name, pairs, n in DESIGNS:
        for skewed, share in [(False, share) for share in SHARES] + [(True, share) for share in SHARES if share]:
            s = simulate(name, pairs(n), share, rng, skewed=skewed)
            c = coverages(s)
            d_z, d_av = effect_size_coverages(s, rng)
            alarms = " | ".join(f"{a:.3f}" for a in false_alarms(s))
            unconditional = f"{c['unconditional']:.3f}" if s.design.centre else "same"
            figures = [c["default"], c["node"], c["jackknife"], c["draws"], c["naive"]]
            figures_text = " | ".join(f"{f:.3f}" for f in figures)
            yield (
                f"| {name} | {s.design.n_pairs} | {share}{' exponential' if skewed else ''} | {figures_text} | {unconditional} "
                f"| {d_z:.3f} | {d_av:.3f} | {alarms} |"
            )


HEAD = f"""# Coverage of nominal 95 % intervals

Made by `python benchmarks/intervals.py`: {EXPERIMENTS:,} experiments a row, {RESAMPLING.draws:,} bootstrap draws,
correlation of a subject's two roles {ROLE_CORRELATION}. The simulation's standard error is about .003 at .95 and .008
at .5. "Share" is the subjects' part of the variance of a pair's difference; their effects are normal or exponential.

- **default**: the interval of every table: standard error of the node bootstrap, every pair's own noise counted once; t,
  longer on the side of skewed effects
- **node**: the same standard error with t(n - 1) alone
- **jackknife**: delete-one-subject, the same, t(n - 1)
- **draws**: the standard deviation of the node bootstrap's draws as it comes, t(n - 1)
- **naive**: paired t over pairs, as in the literature
- **if read as unconditional**: what the interval of a star covers of the mean over all possible centres: nothing to
  rely on, which is why it is said to be conditional; the other columns of a star are for its own centre
- **d_z**, **d_av**: their intervals (jackknife of the linearization)
- **sign flips**, **Wilcoxon**: how often these secondary tests, on the subjects' contributions (delete-one
  pseudo-values), call a true null significant at .05; **on plain means**: Wilcoxon on the mean over each subject's pairs

| design | pairs | share | default | node | jackknife | draws | naive | if read as unconditional \
| d_z | d_av | sign flips | Wilcoxon | on plain means |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Write intervals.md beside this file and print it."""
    text = HEAD
    for line in rows():
        text += line + "\n"
        print(line, flush=True)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".md")
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
