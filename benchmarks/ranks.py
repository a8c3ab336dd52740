"""How often a list of equally good methods claims an order, by simulation; prints the table of docs/statistics.md.

    python benchmarks/ranks.py

M methods, equally good, on all pairs of n subjects; a subject is hard for each method by itself (standard deviation 0.05
of Dice), a pair adds 0.01. Every order is wrong. Counted: experiments in which any two methods are told apart, by intervals
of ranks from percentiles of 500 bootstrap draws (two that do not overlap), and by the tests behind rankings.tsv. Takes
about two minutes on one core.
"""

import numpy as np
import numpy.typing as npt

from lumirage.analysis.designs import Design, detect_design
from lumirage.analysis.ranking_schemes import ranks_of, told_better
from lumirage.analysis.resampling import Resampling, bootstrap_means

EXPERIMENTS = 500
RESAMPLING = Resampling(draws=500, seed=7)

FloatArray = npt.NDArray[np.float64]


def main() -> None:
    """Print the table."""
    print("| methods, subjects | percentiles of draws | tests of all couples |\n|---|---|---|")
    for methods, subjects in ((3, 4), (3, 6), (3, 12), (6, 6), (6, 12)):
        ends = [(i, j) for i in range(subjects) for j in range(subjects) if i != j]
        design = detect_design([f"s{i}" for i, _ in ends], [f"s{j}" for _, j in ends])
        rng = np.random.default_rng(0)
        claims = np.zeros(2)
        for _ in range(EXPERIMENTS):
            own = rng.normal(0, 0.05, (methods, subjects))
            values = np.array([[row[i] + row[j] for i, j in ends] for row in own])
            values += rng.normal(0, 0.01, values.shape)
            claims += (by_percentiles(values, design), told_better(values, design, RESAMPLING).any())
        of_draws, of_tests = claims / EXPERIMENTS
        print(f"| {methods}, {subjects} | {of_draws:.3f} | {of_tests:.3f} |", flush=True)


def by_percentiles(values: FloatArray, design: Design) -> bool:
    """Whether the 95 % intervals of two ranks in bootstrap draws do not overlap."""
    drawn = ranks_of(bootstrap_means(values.T, design, RESAMPLING))
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="nearest")
    return bool((low[:, None] > high[None, :]).any())


if __name__ == "__main__":
    main()
