"""Twelve made-up teams of a challenge on the phantom, for every test that needs a full desk.

truth = make_truth(phantom, folder)      an official folder: configuration, images, labels, landmarks
desk = make_desk(truth, folder)          a desk for it, with the BIDS dataset on which images are run
teams = make_crowd(phantom, folder)      team -> its folder of fields, or its method
enter(desk, teams)                       hands all of them in
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

from lumirage.core.layout import shipped
from lumirage.core.screen import Silent
from lumirage.datasets.importers import import_dataset
from lumirage.flow.challenge.desk import Desk, open_desk
from lumirage.flow.challenge.receive import HandedIn, Received, add_submission

END = "2026-06-01T23:59:59"
IN_TIME, LATE = "2026-05-20T12:00:00", "2026-06-03T08:00:00"
IMAGES = ("images-a", "images-b")
TEAMS = (
    "good", "twin", "smooth", "folded", "failing", "nan", "shape", "axes", "missing", "late", *IMAGES,
)  # fmt: skip
"""twin ties with good; failing leaves out its hard pair, as a damaged file; axes stores (k, j, i)."""

METHOD = """import numpy as np

import lumirage_kit

for pair in lumirage_kit.read_job():
    fixed, moving = (image.astype(float) for image in pair.load())
    places = np.indices(pair.shape).reshape(3, -1).T
    centre = [np.average(places, axis=0, weights=image.ravel()) for image in (fixed, moving)]
    shift = (centre[1] - centre[0]) * np.linalg.norm(pair.affine[:3, :3], axis=0)
    pair.write(np.broadcast_to(shift * {share}, (*pair.shape, 3)).astype(np.float32))
"""
"""Moves the centre of mass: a method that any machine can run."""


def people(phantom: Path) -> list[str]:
    """The subjects, such as 01."""
    return sorted(path.name.removeprefix("sub-") for path in phantom.glob("sub-*"))


def pairs_of(phantom: Path) -> list[tuple[str, str]]:
    """Fixed and moving of every pair: each person with the next, the last with the first."""
    names = people(phantom)
    return list(zip(names, [*names[1:], names[0]], strict=True))


def true_voxels(phantom: Path, fixed: str, moving: str) -> np.ndarray:
    """The true displacement of a pair in voxels, (X, Y, Z, 3)."""
    name = f"sub-{fixed}_from-sub{moving}_to-sub{fixed}_mode-image_xfm.nii"
    image = nib.load(phantom / "derivatives/truth" / f"sub-{fixed}" / "anat" / name)
    u = np.asarray(image.dataobj)[..., 0, :]
    return u @ np.linalg.inv(image.affine[:3, :3]).T


def _save(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data, affine).to_filename(path)


def make_truth(phantom: Path, folder: Path) -> Path:
    """The phantom as LUMIR's folder: what its organizers have, and what `dataset import lumir` reads."""
    for name in people(phantom):
        file = f"LUMIRMRI_{int(name):04}_0000.nii.gz"
        image = nib.load(phantom / f"sub-{name}/anat/sub-{name}_T1w.nii.gz")
        labels = nib.load(phantom / f"derivatives/phantom/sub-{name}/anat/sub-{name}_seg-phantom_dseg.nii.gz")
        numbers = np.asarray(labels.dataobj).astype(np.uint8)
        _save(folder / "imagesVal" / file, np.asarray(image.dataobj).astype(np.float32), image.affine)
        _save(folder / "labelsVal" / file, numbers, image.affine)
        _save(folder / "landmarksVal" / file, _landmarks(numbers), image.affine)
    _save(
        folder / "imagesTr" / "LUMIRMRI_0000_0000.nii.gz",
        np.asarray(image.dataobj).astype(np.float32) + 1,
        image.affine,
    )
    path = "./imagesVal/LUMIRMRI_{:04}_0000.nii.gz"
    pairs = [{"fixed": path.format(int(f)), "moving": path.format(int(m))} for f, m in pairs_of(phantom)]
    (folder / "LUMIR_dataset.json").write_text(
        json.dumps({"name": "LUMIR", "modality": {"0": "T1"}, "validation": pairs})
    )
    scored = [0, *map(int, np.unique(numbers)[1:])]
    methods = [
        {"name": "NDV", "metric": "ndv"},
        {"name": "DSC", "metric": "dice", "labels": scored},
        {"name": "HD95", "metric": "hd95", "labels": scored},
        {"name": "TRE", "metric": "tre", "dest": "landmarks"},
        {"name": "SDlogJ", "metric": "sdlogj"},
    ]
    configuration = {"name": "LUMIR", "expected_shape": [*image.shape, 3], "evaluation_methods": methods}
    (folder / "LUMIR_evaluation_config.json").write_text(
        json.dumps(configuration | {"eval_pairs": pairs, "eval_config_version": 0.0, "masked_evaluation": False})
    )
    return folder


def _landmarks(labels: np.ndarray) -> np.ndarray:
    """A region of a few voxels in the middle of each structure."""
    marks = np.zeros(labels.shape, np.uint8)
    for number in np.unique(labels)[1:]:
        x, y, z = np.round(np.argwhere(labels == number).mean(axis=0)).astype(int)
        marks[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2] = number
    return marks


RULES = f"""
schema_version: 1
name: phantom-challenge
title: The phantom challenge
contact: desk@example.org
configuration: {{truth}}
dataset: {{bids}}
track: lumir25-validation
presets: [lumir25]
phases:
- {{{{name: test, ends: "{END}", shows: own_pairs, late: mark}}}}
ranking: {{{{scheme: lumir25}}}}
"""


def make_desk(truth: Path, folder: Path, *, dataset: bool = True) -> Desk:
    """A desk beside the truth; with the dataset on which images are run."""
    bids = folder.with_name(folder.name + "-bids")
    if dataset and not bids.exists():
        import_dataset("lumir", truth, bids)
    folder.mkdir(parents=True)
    (folder / "challenge.yaml").write_text(RULES.format(truth=f"{truth}/", bids=bids))
    return open_desk(folder)


def make_crowd(phantom: Path, folder: Path) -> dict[str, Path]:
    """Team -> its folder of fields or, of IMAGES, its method's folder."""
    rng = np.random.default_rng(19)
    hard = pairs_of(phantom)[0]
    for fixed, moving in pairs_of(phantom):
        true = true_voxels(phantom, fixed, moving)
        noise = gaussian_filter(rng.normal(size=true.shape), (1.2, 1.2, 1.2, 0)) * 5
        fields = {
            "good": 0.95 * true, "twin": 0.95 * true, "smooth": 0.8 * gaussian_filter(true, (3, 3, 3, 0)),
            "folded": true + noise, "failing": 0.99 * true, "nan": 0.9 * true, "shape": 0.9 * true,
            "axes": (0.95 * true)[..., ::-1], "missing": 0.9 * true, "late": 0.97 * true,
        }  # fmt: skip
        name = f"disp_{int(fixed):04}_{int(moving):04}.nii.gz"
        for team, field in fields.items():
            stored = field.astype(np.float32)
            if team == "nan" and (fixed, moving) == hard:
                stored[7, 8, 9, 1] = np.nan
            if team == "shape" and (fixed, moving) == hard:
                stored = stored[:, :-2]
            if team != "missing" or (fixed, moving) != hard:
                _save(folder / team / name, stored, np.eye(4))
        if (fixed, moving) == hard:
            damaged = folder / "failing" / name
            damaged.write_bytes(damaged.read_bytes()[:500])
    methods = {
        team: make_method(folder / team, team, METHOD.format(share=1.0 - 0.5 * i)) for i, team in enumerate(IMAGES)
    }
    return {team: folder / team for team in TEAMS} | methods


def make_method(folder: Path, name: str, program: str) -> Path:
    """A method for the local runtime."""
    folder.mkdir(parents=True)
    (folder / "run.py").write_text(program)
    shutil.copy(shipped("method_containers") / "_kit" / "lumirage_kit.py", folder)
    (folder / "method.yaml").write_text(f"name: {name}\nversion: '1'\nsummary: Made up.\nkind: reference\n")
    (folder / "requirements.txt").write_text("numpy==2.4.6\nnibabel==5.4.2\n")
    return folder


def enter(desk: Desk, teams: Mapping[str, Path]) -> dict[str, Received]:
    """Hand in what every team has; 'late' comes after the end of the phase."""
    return {
        team: add_submission(
            desk, HandedIn(team, str(what), runtime="local", received=LATE if team == "late" else IN_TIME), Silent()
        )
        for team, what in teams.items()
    }
