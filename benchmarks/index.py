"""How long the index of a large dataset takes: 2,000 people x 2 sessions x 3 contrasts with fMRIPrep's derivative.

    python benchmarks/index.py make FOLDER [--people 2000]    tiny files, some 160,000 of them
    python benchmarks/index.py measure FOLDER                 prints the table of index.md

Each step runs in a process of its own, with a cache of its own. CPU seconds are user and system of that process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

CONTRASTS = ("T1w", "T2w", "FLAIR")
SPACES = ("", "_space-MNI152NLin2009cAsym_res-2")
IMAGES = (
    "desc-preproc_T1w", "desc-brain_mask", "dseg", "label-CSF_probseg", "label-GM_probseg", "label-WM_probseg",
)  # fmt: skip
NATIVE = ("desc-aseg_dseg", "desc-aparcaseg_dseg")
OTHERS = (
    "from-T1w_to-fsnative_mode-image_xfm.txt", "from-MNI152NLin2009cAsym_to-T1w_mode-image_xfm.h5",
    *(f"hemi-{side}_{kind}.gii" for side in "LR" for kind in ("pial.surf", "white.surf", "thickness.shape")),
)  # fmt: skip


def make(root: Path, people: int) -> None:
    """Every image is the same 2 x 2 x 2 voxels."""
    image = nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4))
    content = image.to_bytes()
    fmriprep = root / "derivatives" / "fmriprep"
    for folder, kind in ((root, "raw"), (fmriprep, "derivative")):
        folder.mkdir(parents=True, exist_ok=True)
        about = {"Name": "many", "BIDSVersion": "1.10.0", "DatasetType": kind}
        (folder / "dataset_description.json").write_text(json.dumps(about))
    for number in range(1, people + 1):
        for session in ("1", "2"):
            visit = f"sub-{number:04d}_ses-{session}"
            inside = Path(f"sub-{number:04d}", f"ses-{session}", "anat")
            raw, derived = root / inside, fmriprep / inside
            raw.mkdir(parents=True), derived.mkdir(parents=True)
            for contrast in CONTRASTS:
                (raw / f"{visit}_{contrast}.nii").write_bytes(content)
                (raw / f"{visit}_{contrast}.json").write_text("{}")
            names = [f"{space}_{name}" for space in SPACES for name in IMAGES] + [f"_{name}" for name in NATIVE]
            for name in names:
                (derived / f"{visit}{name}.nii").write_bytes(content)
                (derived / f"{visit}{name}.json").write_text("{}")
            for name in OTHERS:
                (derived / f"{visit}_{name}").touch()
        figures = fmriprep / f"sub-{number:04d}" / "figures"
        figures.mkdir()
        (figures / f"sub-{number:04d}_dseg.svg").touch()


def index(root: Path, suffixes: tuple[str, ...]) -> None:
    """One index, measured; prints a line of the table."""
    from lumirage.core.track import Select
    from lumirage.planning.scans import find_derivatives, survey

    before, begun = time.process_time(), time.perf_counter()
    found = survey(root, find_derivatives(root, {}))
    scans = found.scans(Select(suffixes=suffixes))
    cpu, wall = time.process_time() - before, time.perf_counter() - begun
    sources = sorted({source for scan in scans for source in (*scan.labels, *scan.structures)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {{}} | {len(scans)} | {', '.join(sources)} | {cpu:.2f} | {wall:.2f} | {peak:.0f} |")


def measure(root: Path) -> None:
    """First, again, and again after one person came in."""
    print("| index | scans | label sources | CPU s | wall s | peak memory, MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        for what in ("first", "again", "again", "one person more"):
            if what == "one person more":
                time.sleep(2.5)
                new = root / "sub-new" / "ses-1" / "anat"
                new.mkdir(parents=True)
                (new / "sub-new_ses-1_T1w.nii").touch()
            words = [sys.executable, __file__, "index", str(root)]
            env = os.environ | {"XDG_CACHE_HOME": cache}
            line = subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout
            print(line.strip().format(what))
    (new / "sub-new_ses-1_T1w.nii").unlink()
    for folder in (new, new.parent, new.parent.parent):
        folder.rmdir()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("make", "measure", "index"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=2000)
    given = parser.parse_args()
    if given.step == "make":
        make(given.folder, given.people)
    elif given.step == "measure":
        measure(given.folder)
    else:
        index(given.folder, CONTRASTS)
