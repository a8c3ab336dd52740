"""What this commit costs beside another one, and beside peers, measured in one run on one machine.

python benchmarks/side_by_side.py OUT [--before COMMIT] [--peers]

OUT is a finished evaluation; nothing is written into it. CPU seconds a pair by stage, each commit in processes of its own,
one after the other; the other commit is by default the last tag; without tags, the one of the stored table.
Digests tell whether both made the same. `--peers` adds the table of benchmarks/scoring.py: scipy and surface-distance, which
the official evaluation is made of, and SimpleITK on a pair of LUMIR's size. That takes minutes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
STAGES = ("preparing_again.py", "scoring_again.py", "report_again.py")
SINCE = "899cf58"


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--before", default=_last_tag(), help="a commit or tag")
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = _checked_out(given.before, Path(folder))
        print(f"| CPU s a pair | {given.before} | now | now / {given.before} | same results |\n|---|---|---|---|---|")
        for stage in STAGES:
            _print_stage(stage, given.out.resolve(), before)
    if given.peers:
        subprocess.run([sys.executable, HERE / "scoring.py", "--sizes", "lumir"], check=True)


def _last_tag() -> str:
    described = ["git", "describe", "--tags", "--abbrev=0"]
    found = subprocess.run(described, cwd=HERE, capture_output=True, text=True, check=False)  # fails without tags
    return found.stdout.strip() or SINCE


def _checked_out(commit: str, folder: Path) -> Path:
    """The harness of another commit, as a folder for PYTHONPATH."""
    archive = folder / "before.tar"
    subprocess.run(["git", "archive", "--output", archive, commit, "harness"], cwd=HERE.parent, check=True)
    shutil.unpack_archive(archive, folder)
    return folder / "harness"


def _print_stage(stage: str, out: Path, before: Path) -> None:
    old, old_digest = _measured(stage, out, before)
    new, new_digest = _measured(stage, out, HERE.parent / "harness")
    for name in [name for name in new if name in old]:
        same = "not compared" if not new_digest else "yes" if new_digest == old_digest else "no"
        print(f"| {name} | {old[name]:.2f} | {new[name]:.2f} | {new[name] / old[name]:.2f} | {same} |", flush=True)


def _measured(stage: str, out: Path, harness: Path) -> tuple[dict[str, float], str]:
    """Seconds by row of a stage's own table, and the digest of what it made."""
    environment = os.environ | {"PYTHONPATH": str(harness), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, HERE / stage, out, *(["--hard"] if stage == "scoring_again.py" else [])]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    rows, digest = {}, ""
    for line in done.stdout.splitlines():
        if line.startswith("|"):
            _, name, seconds, *_ = (cell.strip() for cell in line.split("|"))
            rows[f"scoring {name}" if stage == "scoring_again.py" else name] = float(seconds)
        elif line:
            digest = line.split()[-1]
    return rows, digest


if __name__ == "__main__":
    main()
