"""Time limits of tests that fit the machine: an emulated or crowded one gets as many times longer as it is slower."""

import subprocess
import sys
import time
from functools import cache

START_S = 0.1
"""Within this a usual machine starts Python with some modules, also beside other work: there all limits are as they stand."""
TRIALS = 3


@cache
def slowness() -> float:
    """How many times slower than a usual machine this one is, at least 1, by the quickest of some starts of Python."""
    return max(1.0, min(_start_s() for _ in range(TRIALS)) / START_S)


def scaled(seconds: float) -> float:
    """This time on a usual machine."""
    return seconds * slowness()


def _start_s() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-c", "import json, subprocess"], check=True)
    return time.monotonic() - began
