"""Time, memory and size of a report of many pairs: python benchmarks/report.py [--subjects 72] [--methods 10].

Limits that the project sets itself for 5,000 pairs and 10 methods: 60 s, 2 GB, 15 MB for the overview.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "reporting"))

from synthetic_out import Recipe, make_out, write_analysis

from lumirage.core.layout import Layout
from lumirage.reporting.report_folder import ReportOptions, write_report


def main() -> None:
    """Make a synthetic evaluation in a child process' worth of files, report on it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=72, help="n subjects give n * (n - 1) pairs")
    parser.add_argument("--methods", type=int, default=10)
    parser.add_argument("--out", type=Path, help="an evaluation that is there already")
    given = parser.parse_args()
    if given.out:
        _report(Layout(given.out))
        return
    with tempfile.TemporaryDirectory() as folder:
        names = tuple(f"method-{i}" for i in range(given.methods))
        recipe = Recipe(subjects=given.subjects, images=False, methods=names, conditions=False)
        layout = make_out(Path(folder), recipe)
        write_analysis(layout)
        print(f"made {given.subjects * (given.subjects - 1)} pairs x {given.methods} methods")
        _report(layout)


def _report(layout: Layout) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    page = write_report(layout, ReportOptions())
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"report: {took:.1f} s, overview {page.stat().st_size / 1e6:.1f} MB, peak {peak / 1e6:.2f} GB "
          f"({before / 1e6:.2f} GB before)")  # fmt: skip


if __name__ == "__main__":
    main()
