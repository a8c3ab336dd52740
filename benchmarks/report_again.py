"""CPU time of a report of a finished evaluation with all of its pages, in one process, for each pair.

python benchmarks/report_again.py OUT

OUT is copied first, and nothing is written into it. Loading libraries is not counted.
"""

import argparse
import resource
import shutil
import tempfile
from pathlib import Path

from lumirage.core.layout import Layout
from lumirage.flow.stored_evaluation import load_evaluation
from lumirage.reporting.report_folder import ReportOptions, write_report


def main() -> None:
    """Write the report twice and print the CPU seconds of the second, over the number of pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(shutil.copytree(parser.parse_args().out, Path(folder) / "out"))
        pairs = len(load_evaluation(layout).pairs)
        write_report(layout, ReportOptions())
        before = _spent()
        write_report(layout, ReportOptions())
        print(f"| report | {(_spent() - before) / pairs:.2f} |")


def _spent() -> float:
    """Of this process and of those it waited for."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


if __name__ == "__main__":
    main()
