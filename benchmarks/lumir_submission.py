"""CPU time of `score --lumir-submission` for pairs of LUMIR's size, from gzip to metrics.json.

python benchmarks/lumir_submission.py [--pairs 20]

Answers and truth are made here from the golden case `smooth133` (../shared/golden): its labels, and its field times
five factors. Decompression is also timed apart, by reading the same files with nothing done to them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

SUBJECTS, FIELDS = 4, 5
METHODS = [
    {"name": "Non-diffeomorphic Volumes", "metric": "ndv"},
    {"name": "DSC", "metric": "dice", "labels": list(range(133))},
    {"name": "HD95", "metric": "hd95", "labels": list(range(133))},
]


def main() -> None:
    """Make the folders, score them in a process of its own, print the CPU seconds a pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _make(folder, pairs)
        first, all_ = _score(folder, 1), _score(folder, pairs)
        unpacked = _unpacking(files[:pairs])
    each = (all_ - first) / (pairs - 1)
    print(f"| {pairs} | {all_:.2f} | {each:.2f} | {unpacked:.2f} | {each - unpacked:.2f} |")


def _make(folder: Path, pairs: int) -> list[Path]:
    """Truth and answers; gives the files that scoring each pair reads beside its labels."""
    from lumirage.scoring.pair_case import read_case, stored_field

    shared = Path(os.environ.get("LUMIRAGE_SHARED", Path(__file__).parents[2] / "shared"))
    case = read_case(shared / "golden" / "cases" / "smooth133.npz")
    field = stored_field(case)
    for number in range(SUBJECTS):
        labels = case["fixed_seg" if number % 2 else "moving_seg"].astype(np.uint8)
        _save(folder / "truth" / "labelsVal" / f"LUMIRMRI_{number:04d}_0000.nii.gz", labels)
        _save(folder / "truth" / "imagesVal" / f"LUMIRMRI_{number:04d}_0000.nii.gz", (labels > 0).astype(np.float32))
    named = "./imagesVal/LUMIRMRI_{:04d}_0000.nii.gz"
    listed, files = [], []
    for pair in range(pairs):
        name = f"LUMIRMRI_{pair + 100:04d}_0000.nii.gz"
        for kind in ("labelsVal", "imagesVal"):
            (folder / "truth" / kind / name).symlink_to(f"LUMIRMRI_{pair % SUBJECTS:04d}_0000.nii.gz")
        fixed, moving = pair + 100, (pair + 1) % SUBJECTS
        listed.append({"fixed": named.format(fixed), "moving": named.format(moving)})
        files.append(folder / "answers" / f"disp_{fixed:04d}_{moving:04d}.nii.gz")
        if pair < FIELDS:
            _save(files[-1], np.moveaxis(field * np.float32(0.5 + pair / FIELDS), 0, -1))
        else:
            files[-1].symlink_to(files[pair % FIELDS])
    for count in {1, pairs}:
        content = {
            "name": "LUMIR", "expected_shape": [*field.shape[1:], 3], "evaluation_methods": METHODS,
            "eval_config_version": 0.0, "eval_pairs": listed[:count], "masked_evaluation": False,
        }  # fmt: skip
        (folder / "truth" / f"config-{count}.json").write_text(json.dumps(content))
    return files


def _save(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)


def _score(folder: Path, count: int) -> float:
    """CPU seconds of the whole command, in one process."""
    command = [
        sys.executable, "-m", "lumirage.cli", "score", "--lumir-submission", str(folder / "answers"),
        "--truth", str(folder / "truth" / f"config-{count}.json"), "-j", "1",
    ]  # fmt: skip
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _unpacking(files: list[Path]) -> float:
    """CPU seconds to read one answer from gzip."""
    from lumirage.core.space import read_stored

    before = time.process_time()
    for path in files:
        read_stored(path)
    return (time.process_time() - before) / len(files)


if __name__ == "__main__":
    main()
