"""The table of docs/engines.md says what was measured."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_engines_is_made_of_what_was_measured():
    words = [sys.executable, ROOT / "tests" / "hosts" / "host_suites.py", "table", "--check"]
    assert subprocess.run(words, check=False).returncode == 0, "run tests/hosts/run table"
