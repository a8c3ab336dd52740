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
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

SHAPE = (160, 224, 192)
LABELS = 36
HARNESS = (sys.executable, "-m", "lumirage.cli")


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


def make_team(folder: Path, base: Path, team: int, pairs: int) -> None:
    """One smooth field a pair: that of the pair, by a factor of the team's own, rounded to 1/128 voxel so that it packs.

    Numbers without rounding take 76 MB a field, 115 GB for 40 teams x 38 pairs."""
    for pair in range(pairs):
        path = folder / f"disp_{pair + 1:04}_{pair:04}.nii.gz"
        if path.is_file():
            continue
        kept = base / f"{pair}.npy"
        if not kept.is_file():
            random = np.random.default_rng(pair)
            kept.parent.mkdir(exist_ok=True)
            np.save(kept, np.stack([smooth(random, 16, 3.0) for _ in range(3)], axis=-1))
        save(path, np.rint(np.load(kept) * np.float32(128 * (0.5 + team / 80))) / np.float32(128))


def measured(folder: Path, what: str, words: list[str]) -> None:
    """One command: its CPU time with that of its workers, the largest memory of one process so far, wall time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([*HARNESS, *words], capture_output=True, text=True, check=False)
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


def results_of(desk: Path) -> dict[Path, int]:
    """The finished results of single pairs, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in (desk / "scores").glob("*/pairs/*.json")}


def killed(desk: Path, after: int) -> dict[Path, int]:
    """Start a run, and kill it with all its processes as soon as there are this many results; gives those."""
    with subprocess.Popen(
        [*HARNESS, "challenge", "run", str(desk)], start_new_session=True, stderr=subprocess.DEVNULL
    ) as run:
        while run.poll() is None and len(results_of(desk)) < after:
            time.sleep(0.2)
        os.killpg(run.pid, signal.SIGKILL)
    return results_of(desk)


def whole(results: dict[Path, int]) -> bool:
    """Whether every result can be read: none is half written."""
    return all("numbers" in json.loads(path.read_text()) for path in results)


def main() -> None:
    """Make what is missing, then receive, score up to the half, be killed, go on, score again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teams", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=38)
    parser.add_argument("--again", type=int, default=4, help="teams that are scored once more, by -j 1 and -j 2")
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    answers = asked.teams * asked.pairs
    hours = (2.4 * answers + 4 * asked.teams + 3.7 * (answers + asked.pairs)) / 3600
    print(f"about {hours:.1f} CPU hours and {0.022 * answers:.0f} GB on the disk", flush=True)
    make_truth(folder / "truth", asked.pairs)
    desk = folder / "desk"
    desk.mkdir(exist_ok=True)
    (desk / "challenge.yaml").write_text(f"name: large\nconfiguration: {folder}/truth/\npresets: [lumir25]\n")
    for team in range(asked.teams):
        if list((desk / "submissions" / f"team{team}").glob("test/*/submission.json")):
            continue
        handed = folder / "handed" / f"team{team}"
        make_team(handed, folder / "fields", team, asked.pairs)
        measured(folder, "add", ["challenge", "add", str(desk), f"team{team}", str(handed)])
        shutil.rmtree(handed)  # the desk has its copy
    there = killed(desk, (answers + asked.pairs) // 2)
    rest = answers + asked.pairs - len(there)
    print(f"killed with {len(there)} results, whole: {whole(there)}; {rest} are left", flush=True)
    measured(folder, f"run, the {rest} answers that were left", ["challenge", "run", str(desk)])
    every = results_of(desk)
    untouched = all(every[path] == when for path, when in there.items())
    print(f"{len(every)} results, whole: {whole(every)}; those before the kill were not made again: {untouched}")
    measured(folder, "run, nothing left", ["challenge", "run", str(desk)])
    records = sorted((desk / "submissions").glob("team*/test/*/submission.json"))[: asked.again]
    for workers in ("1", "2"):
        for record in records:
            shutil.rmtree(desk / "scores" / record.parent.name)
        what = f"run -j {workers}, {len(records)} teams of {asked.pairs} pairs from nothing"
        measured(folder, what, ["challenge", "run", str(desk), "-j", workers])


if __name__ == "__main__":
    main()
