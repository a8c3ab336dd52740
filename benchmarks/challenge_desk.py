"""A desk at the size of LUMIR: CPU time and memory of receiving and scoring submissions, and of going on after a stop.

    python benchmarks/challenge_desk.py FOLDER --teams 40 --pairs 38

Makes smooth made-up brains of 160 x 224 x 192 voxels, and folders of fields. Goes on where it was stopped: what is made,
received or scored is not made again. Every step of which anything was left to do gives a line of results.jsonl in FOLDER.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

SHAPE = (160, 224, 192)
LABELS = 36


def smooth(random: np.random.Generator, coarse: int, amplitude: float) -> np.ndarray:
    """A smooth random image, float32."""
    small = random.normal(size=tuple(n // coarse for n in SHAPE))
    grown = zoom(gaussian_filter(small, 1.0), coarse, order=1)
    return (amplitude * grown / np.abs(grown).max()).astype(np.float32)


def save(path: Path, data: np.ndarray) -> None:
    """Write once."""
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"aside-{path.name}")
    nib.Nifti1Image(data, np.eye(4)).to_filename(aside)
    aside.rename(path)


def make_truth(folder: Path, pairs: int) -> None:
    """Images, labels and the official configuration."""
    brain = np.linalg.norm(
        (np.indices(SHAPE).T - np.array(SHAPE) / 2).T / (0.42 * np.array(SHAPE))[:, None, None, None], axis=0
    )
    for case in range(pairs + 1):
        name = f"LUMIRMRI_{case:04}_0000.nii.gz"
        if (folder / "labelsVal" / name).is_file():
            continue
        random = np.random.default_rng(case)
        labels = np.digitize(smooth(random, 16, 1.0), np.linspace(-0.8, 0.8, LABELS - 1)) + 1
        labels = np.where(brain < 1, labels, 0).astype(np.uint8)
        save(folder / "imagesVal" / name, np.where(labels, 50 + 5 * labels, 0).astype(np.float32))
        save(folder / "labelsVal" / name, labels)
    path = "./imagesVal/LUMIRMRI_{:04}_0000.nii.gz"
    methods = [
        {"name": "NDV", "metric": "ndv"},
        {"name": "DSC", "metric": "dice", "labels": list(range(LABELS + 1))},
        {"name": "HD95", "metric": "hd95", "labels": list(range(LABELS + 1))},
        {"name": "SDlogJ", "metric": "sdlogj"},
    ]
    content = {
        "name": "LUMIR",
        "expected_shape": [*SHAPE, 3],
        "evaluation_methods": methods,
        "masked_evaluation": False,
    }
    eval_pairs = [{"fixed": path.format(i + 1), "moving": path.format(i)} for i in range(pairs)]
    (folder / "LUMIR_evaluation_config.json").write_text(json.dumps(content | {"eval_pairs": eval_pairs}))


def make_team(folder: Path, team: int, pairs: int) -> None:
    """One smooth field a pair."""
    for pair in range(pairs):
        path = folder / f"disp_{pair + 1:04}_{pair:04}.nii.gz"
        if not path.is_file():
            random = np.random.default_rng([team, pair])
            save(path, np.stack([smooth(random, 16, 3.0) for _ in range(3)], axis=-1))


def measured(folder: Path, what: str, words: list[str]) -> None:
    """One command: its CPU time with that of its workers, the largest memory of one process so far, wall time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, "-m", "lumirage.cli", *words], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = {
        "what": what,
        "exit": done.returncode,
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "wall_s": round(time.monotonic() - start, 1),
        "largest_process_gb": round(after.ru_maxrss * 1024 / 1e9, 2),
        "load": round(os.getloadavg()[0], 1),
    }
    print(row, done.stderr[-500:] if done.returncode else "", flush=True)
    with (folder / "results.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def main() -> None:
    """Make what is missing, then receive, score, and score again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teams", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=38)
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    make_truth(folder / "truth", asked.pairs)
    desk = folder / "desk"
    desk.mkdir(exist_ok=True)
    (desk / "challenge.yaml").write_text(f"name: large\nconfiguration: {folder}/truth/\npresets: [lumir25]\n")
    for team in range(asked.teams):
        if list((desk / "submissions" / f"team{team}").glob("test/*/submission.json")):
            continue
        handed = folder / "handed" / f"team{team}"
        make_team(handed, team, asked.pairs)
        measured(folder, "add", ["challenge", "add", str(desk), f"team{team}", str(handed)])
        shutil.rmtree(handed)  # the desk has its copy
    measured(folder, f"run, {asked.teams} teams x {asked.pairs} pairs", ["challenge", "run", str(desk)])
    measured(folder, "run, typed again", ["challenge", "run", str(desk)])
    shutil.rmtree(desk / "scores")
    measured(folder, "run -j 2 from nothing", ["challenge", "run", str(desk), "-j", "2"])


if __name__ == "__main__":
    main()
