"""A folder as the LUMIR challenge has it: imported, evaluated and scored, it gives what the challenge's own way gives."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from tests.e2e.conftest import Command

from lumirage.core.layout import shipped

SHAPE = (32, 40, 36)
CASES = ("3454", "3455", "3456")
PAIRS = (("3455", "3454"), ("3456", "3455"))
METHOD = """import numpy as np

import lumirage_kit

for pair in lumirage_kit.read_job():
    fixed, moving = (image / image.max() for image in pair.load())
    x, y, z = np.indices(pair.shape) / 5.0
    waves = [np.sin(y + moving), np.cos(z) * fixed, 1.7 * np.sin(x + z)]
    pair.write(np.stack(waves, axis=-1) * 1.6)
"""


def save(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)


@pytest.fixture
def challenge(tmp_path: Path) -> Path:
    """Blobs for brains, cut into labels; landmarks are regions of a few voxels; everything has the identity affine."""
    folder = tmp_path / "LUMIR"
    for number, case in enumerate(CASES):
        rng = np.random.default_rng(number)
        smooth = gaussian_filter(rng.normal(size=(5, *SHAPE)), (0, 3, 3, 3))
        brain = np.linalg.norm(
            (np.indices(SHAPE).T - np.array(SHAPE) / 2).T / np.array(SHAPE)[:, None, None, None], axis=0
        )
        labels = np.where(brain < 0.4, 1 + smooth.argmax(axis=0), 0).astype(np.uint8)
        image = np.where(labels, 100 + 20 * labels + 300 * smooth[0], 0).astype(np.float32)
        marks = np.zeros(SHAPE, np.uint8)
        for mark in range(1, 6):
            x, y, z = 8 + 3 * mark + number, 10 + 2 * mark, 20 - mark + number
            marks[x : x + 3, y : y + 3, z : z + 3] = mark
        name = f"LUMIRMRI_{case}_0000.nii.gz"
        save(folder / "imagesVal" / name, image)
        save(folder / "labelsVal" / name, labels)
        save(folder / "landmarksVal" / name, marks)
    save(folder / "imagesTr" / "LUMIRMRI_0000_0000.nii.gz", image + 1)
    path = "./imagesVal/LUMIRMRI_{}_0000.nii.gz"
    pairs = [{"fixed": path.format(f), "moving": path.format(m)} for f, m in PAIRS]
    content = {"name": "LUMIR", "modality": {"0": "T1"}, "validation": pairs}
    (folder / "LUMIR_dataset.json").write_text(json.dumps(content))
    methods = [
        {"name": "NDV", "metric": "ndv"},
        {"name": "DSC", "metric": "dice", "labels": [0, 1, 2, 3, 4, 5]},
        {"name": "HD95", "metric": "hd95", "labels": [0, 1, 2, 3, 4, 5]},
        {"name": "TRE", "metric": "tre", "dest": "landmarks"},
        {"name": "SDlogJ", "metric": "sdlogj"},
    ]
    configuration = {"name": "LUMIR", "expected_shape": [*SHAPE, 3], "evaluation_methods": methods, "eval_pairs": pairs}
    (folder / "LUMIR_evaluation_config.json").write_text(
        json.dumps(configuration | {"eval_config_version": 0.0, "masked_evaluation": False})
    )
    return folder


def as_challenge_answers(out: Path, folder: Path) -> Path:
    """The answers of an evaluation as the challenge wants them: with the identity affine millimetres are voxels."""
    for fixed, moving in PAIRS:
        (field,) = out.glob(f"waves/sub-{fixed}/anat/*from-sub{moving}T1w*_xfm.nii*")
        save(folder / f"disp_{fixed}_{moving}.nii.gz", np.squeeze(np.asarray(nib.load(field).dataobj)))
    return folder


def test_imported_and_evaluated_equals_scoring_the_same_fields(
    harness: Command, challenge: Path, tmp_path: Path
) -> None:
    assert harness("dataset", "import", "lumir", challenge, tmp_path / "bids").returncode == 0
    method = tmp_path / "waves"
    method.mkdir()
    (method / "run.py").write_text(METHOD)
    shutil.copy(shipped("method_containers") / "_kit" / "lumirage_kit.py", method)
    (method / "method.yaml").write_text("name: waves\nversion: '1'\nsummary: Waves.\nkind: reference\n")
    (method / "requirements.txt").write_text("numpy==2.4.6\nnibabel==5.4.2\n")
    words = ("-t", "lumir25-validation", "--memory", "4", "--runtime", "local")  # small: so are the images
    for typed in (("run", "-m", method, *words, tmp_path / "bids", tmp_path / "out"), ("score", tmp_path / "out")):
        done = harness(*typed)
        assert done.returncode == 0, done.stdout + done.stderr
    there = pd.read_csv(tmp_path / "out/pairs.tsv", sep="\t")
    official = [(f"sub-{fixed}_T1w", f"sub-{moving}_T1w") for fixed, moving in PAIRS]
    assert list(zip(there["fixed"], there["moving"], strict=True)) == official, "no training scan, no other direction"

    answers = as_challenge_answers(tmp_path / "out", tmp_path / "answers")
    done = harness("score", "--lumir-submission", answers, "--truth", challenge, "--preset", "lumir25")
    assert done.returncode == 0, done.stdout + done.stderr
    direct = json.loads((answers / "metrics.json").read_text())["cases"]

    scores = pd.read_parquet(tmp_path / "out/scores.parquet")
    scores = scores[scores["preset"] == "lumir25"]
    means = scores[scores["label"].isna() & (scores["method"] == "waves")].set_index(["pair", "metric"])["value"]
    names = {
        "NDV": "ndv_percent_lumir25",
        "DSC": "dice_lumir",
        "HD95": "hd95_vox_lumir",
        "TRE": "tre_vox_lumir",
        "SDlogJ": "sdlogj_offset3",
    }
    for fixed, moving in PAIRS:
        case = direct[f"{fixed}_0000<--{moving}_0000"]
        ours = {name: means[f"sub{fixed}T1w-sub{moving}T1w", metric] for name, metric in names.items()}
        assert ours == {name: case[name]["mean"] for name in names}
        assert case["NDV"]["mean"] > 0
        assert 0 < case["DSC"]["mean"] < 1
