"""Time, memory and size of a report of many pairs: python benchmarks/report.py [--subjects 72] [--methods 10].

With --pictures every answer has its small picture, all of them one picture under as many names. With --keep FOLDER the
evaluation stays there, for a browser. Limits that the project sets itself for 5,000 pairs and 10 methods: 60 s, 2 GB, 5 MB for
the overview, which is ready in Chromium within 2 s.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "reporting"))

import numpy as np
from matplotlib.image import imsave
from synthetic_out import Recipe, make_out, write_analysis

from lumirage.core.layout import Layout
from lumirage.core.model import Outcome
from lumirage.reporting.mosaic import FOLDER, PIXELS
from lumirage.reporting.report_folder import ReportOptions, write_report
from lumirage.reporting.report_inputs import read_runs


def main() -> None:
    """Make a synthetic evaluation in a child process' worth of files, report on it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=72, help="n subjects give n * (n - 1) pairs")
    parser.add_argument("--methods", type=int, default=10)
    parser.add_argument("--out", type=Path, help="an evaluation that is there already")
    parser.add_argument("--pictures", action="store_true", help="a small picture for every answer")
    parser.add_argument("--keep", type=Path, help="an empty folder for the evaluation")
    given = parser.parse_args()
    if given.out:
        _report(Layout(given.out))
        return
    with tempfile.TemporaryDirectory() as folder:
        names = tuple(f"method-{i}" for i in range(given.methods))
        recipe = Recipe(subjects=given.subjects, images=False, methods=names, conditions=False)
        layout = make_out(given.keep or Path(folder), recipe)
        write_analysis(layout)
        print(f"made {given.subjects * (given.subjects - 1)} pairs x {given.methods} methods")
        if given.pictures:
            _link_pictures(layout, names)
        _report(layout)


def _link_pictures(layout: Layout, methods: tuple[str, ...]) -> None:
    """One grey picture under the name of every answer's."""
    folder = layout.report / FOLDER
    folder.mkdir(parents=True)
    one = folder / "one.png"
    imsave(one, np.random.default_rng(0).random((PIXELS, PIXELS * 3 // 4)).round(1), cmap="gray")
    runs = read_runs(layout, list(methods))
    for method, pair in runs.loc[runs["outcome"] == Outcome.OK, ["method", "pair"]].itertuples(index=False):
        os.link(one, folder / f"{method}_{pair}_unsummed.png")


def _report(layout: Layout) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    page = write_report(layout, ReportOptions())
    took, spent = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"report: {spent:.1f} s of CPU in {took:.1f} s, overview {page.stat().st_size / 1e6:.1f} MB")
    print(f"peak {peak / 1e6:.2f} GB ({before / 1e6:.2f} GB before)")


if __name__ == "__main__":
    main()
