"""The phantom: exact truth, valid BIDS, the same bytes twice, nothing half made."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bids_validator import BIDSValidator
from scipy.ndimage import map_coordinates

from lumirage.core.errors import UsageError
from lumirage.core.model import Convention
from lumirage.core.space import points, read_displacement, read_labels, read_volume
from lumirage.core.track import Pairing, Select
from lumirage.datasets.phantom import (
    Body,
    PhantomSpec,
    bodies_of,
    make_phantom,
    native_grid,
    subject_deformations,
    true_partners,
)
from lumirage.datasets.phantom_anatomy import STRUCTURES
from lumirage.datasets.phantom_deformation import random_deformation
from lumirage.planning.pairing import make_pairs
from lumirage.planning.scans import find_derivatives, find_scans, with_truth

SMALL = PhantomSpec(subjects=2, spacing_mm=4.0, contrasts=("T1w", "inverted"), seed=3)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "a phantom"
    make_phantom(out, SMALL)
    return out


def grid_points(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    return points(affine, np.indices(shape).reshape(3, -1).T.astype(np.float64))


def labels_of(root: Path, subject: str) -> Path:
    return root / f"derivatives/phantom/sub-{subject}/anat/sub-{subject}_seg-phantom_dseg.nii.gz"


def truth_of(root: Path, fixed: str, moving: str) -> Path:
    name = f"sub-{fixed}_from-sub{moving}_to-sub{fixed}_mode-image_xfm.nii"
    return root / f"derivatives/truth/sub-{fixed}/anat" / name


def mean_dice(first: np.ndarray, second: np.ndarray) -> float:
    values = range(1, len(STRUCTURES) + 1)
    return float(
        np.mean([2 * ((first == v) & (second == v)).sum() / ((first == v).sum() + (second == v).sum()) for v in values])
    )


@pytest.mark.parametrize(("amplitude_mm", "smoothness_mm"), [(3.0, 20.0), (8.0, 20.0), (4.0, 10.0), (0.0, 20.0)])
def test_the_inverse_is_exact_and_no_fold_exists(amplitude_mm: float, smoothness_mm: float) -> None:
    places = np.random.default_rng(0).uniform(-90, 90, (4000, 3))
    body = random_deformation(amplitude_mm, smoothness_mm, places, np.random.default_rng(1))
    assert np.abs(body.to_template(body.to_subject(places)) - places).max() < 1e-6
    assert np.linalg.det(body.jacobian(places)).min() > 0


@pytest.mark.parametrize(
    ("spacing_mm", "amplitude_mm", "smoothness_mm"), [(1, 3, 20), (2, 4, 10), (8, 1.5, 5), (16, 8, 20)]
)
def test_points_in_rows_are_inverted_as_well_as_points_in_no_order(
    spacing_mm: float, amplitude_mm: float, smoothness_mm: float
) -> None:
    """However far apart they are: where its guess along the row is bad, Newton's method starts from the point itself."""
    line = spacing_mm * np.arange(-9.0, 10.0)
    places = np.stack(np.meshgrid(line, line[:5], line, indexing="ij"), axis=-1).reshape(-1, 3)
    body = random_deformation(amplitude_mm, smoothness_mm, places, np.random.default_rng(1))
    assert np.abs(body.to_subject(body.to_template(places, row=19)) - places).max() < 1e-6


def test_a_step_too_steep_to_be_undone_is_an_error() -> None:
    body = random_deformation(8.0, 20.0, np.random.default_rng(0).uniform(-90, 90, (500, 3)), np.random.default_rng(1))
    folded = replace(body, amplitudes_mm=body.amplitudes_mm * 20)
    with pytest.raises(ArithmeticError, match="too steep"):
        folded.to_template(np.random.default_rng(0).uniform(-90, 90, (4000, 3)))


def test_the_jacobian_is_the_derivative() -> None:
    places = np.random.default_rng(0).uniform(-90, 90, (50, 3))
    body = random_deformation(6.0, 15.0, places, np.random.default_rng(1))
    assert body.steps > 1
    step = 1e-5
    moved = [(body.to_subject(places + step * e) - body.to_subject(places - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(body.jacobian(places), np.stack(moved, axis=2), atol=1e-8)


def test_the_amplitude_is_what_was_asked_for() -> None:
    spec = PhantomSpec(subjects=2, spacing_mm=8.0)
    places = grid_points(*native_grid(spec))
    for body in subject_deformations(spec, Body(5.0, 20.0)):
        length = np.sqrt(((body.to_subject(places) - places) ** 2).sum(axis=1).mean())
        assert length == pytest.approx(5.0, rel=0.1)


def test_too_steep_is_refused() -> None:
    with pytest.raises(UsageError, match="too large for a smoothness"):
        subject_deformations(PhantomSpec(), Body(100.0, 5.0))


def test_the_true_field_leads_to_the_same_template_point(phantom: Path) -> None:
    grid = read_labels(labels_of(phantom, "01")).grid
    field = read_displacement(truth_of(phantom, "01", "02"), Convention(), grid)
    x = grid_points(grid.shape, np.array(grid.affine))
    first, second = subject_deformations(SMALL, SMALL.bodies[0])
    there = second.to_template(x + field.u.reshape(-1, 3).astype(np.float64))
    # float32 holds a displacement of up to 16 mm to 1e-6 mm.
    np.testing.assert_allclose(there, first.to_template(x), atol=2e-6)
    assert np.abs(field.u).max() > 2.0


def test_labels_agree_under_the_true_field(phantom: Path) -> None:
    fixed, moving = (read_labels(labels_of(phantom, s)) for s in ("01", "02"))
    field = read_displacement(truth_of(phantom, "01", "02"), Convention(), fixed.grid)
    voxels = np.indices(fixed.data.shape) + np.moveaxis(field.u, -1, 0) / SMALL.spacing_mm
    moved = map_coordinates(moving.data, voxels, order=0, mode="grid-constant")
    assert mean_dice(fixed.data, moved) > mean_dice(fixed.data, moving.data) + 0.15


def test_landmarks_map_onto_one_another(phantom: Path) -> None:
    places = []
    for subject, body in zip(("01", "02"), subject_deformations(SMALL, SMALL.bodies[0]), strict=True):
        table = phantom / f"derivatives/phantom/sub-{subject}/anat/sub-{subject}_desc-phantom_landmarks.tsv"
        rows = [line.split("\t") for line in table.read_text().splitlines()]
        assert rows[0] == ["index", "name", "x", "y", "z"]
        places.append(body.to_template(np.array([row[2:] for row in rows[1:]], dtype=np.float64)))
    np.testing.assert_allclose(places[0], places[1], atol=2e-4)


def test_images_labels_and_masks_agree(phantom: Path) -> None:
    labels = read_labels(labels_of(phantom, "01")).data
    mask = read_labels(phantom / "derivatives/phantom/sub-01/anat/sub-01_desc-brain_mask.nii.gz").data
    image = read_volume(phantom / "sub-01/anat/sub-01_T1w.nii.gz").data
    inverted = read_volume(phantom / "sub-01/anat/sub-01_rec-inverted_T1w.nii.gz").data
    assert set(np.unique(labels)) == set(range(len(STRUCTURES) + 1))
    np.testing.assert_array_equal(mask > 0, labels > 0)
    np.testing.assert_array_equal(image > 0, labels > 0)
    index = {s.name: s.index for s in STRUCTURES}
    white, ventricle = labels == index["left-cerebral-white-matter"], labels == index["left-lateral-ventricle"]
    assert image[white].mean() > 1.5 * image[ventricle].mean()
    assert inverted[white].mean() < 0.7 * inverted[ventricle].mean()


def test_left_is_left(phantom: Path) -> None:
    volume = read_labels(labels_of(phantom, "02"))
    for structure in STRUCTURES:
        x = (volume.affine @ np.array([*np.argwhere(volume.data == structure.index).mean(axis=0), 1.0]))[0]
        side, _, _ = structure.name.partition("-")
        assert {"left": x < -4, "right": x > 4}.get(side, abs(x) < 8), structure


def test_raw_files_are_bids(phantom: Path) -> None:
    raw = [p for p in phantom.rglob("*") if p.is_file() and "derivatives" not in p.parts]
    assert len(raw) == 3 + 4
    for path in raw:
        assert BIDSValidator().is_bids(f"/{path.relative_to(phantom).as_posix()}"), path
    for name in ("phantom", "truth"):
        description = json.loads((phantom / f"derivatives/{name}/dataset_description.json").read_text())
        assert description["DatasetType"] == "derivative"
        assert description["GeneratedBy"][0]["Name"] == "lumirage-harness"


def test_the_same_spec_gives_the_same_bytes(phantom: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    make_phantom(again, SMALL)
    files = sorted(p.relative_to(phantom) for p in phantom.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for file in files:
        assert (phantom / file).read_bytes() == (again / file).read_bytes(), file


def test_contrasts_do_not_change_one_another(phantom: Path, tmp_path: Path) -> None:
    make_phantom(tmp_path / "one", PhantomSpec(subjects=2, spacing_mm=4.0, contrasts=("T1w",), seed=3))
    image = "sub-02/anat/sub-02_T1w.nii.gz"
    assert (phantom / image).read_bytes() == (tmp_path / "one" / image).read_bytes()


def test_a_taken_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        make_phantom(tmp_path / "taken", SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_an_interrupted_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lumirage.datasets.phantom.write_displacement", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_phantom(tmp_path / "out", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_several_bodies_become_sessions(tmp_path: Path) -> None:
    bodies = bodies_of([3.0, 1.5], [20.0, 40.0])
    assert bodies == (Body(3.0, 20.0), Body(3.0, 40.0), Body(1.5, 20.0))
    make_phantom(tmp_path / "bids", PhantomSpec(subjects=2, spacing_mm=6.0, contrasts=("T1w",), bodies=bodies))
    pairing = Pairing(scheme="all", subjects="between")
    derivatives = find_derivatives(tmp_path / "bids", {})
    lengths = {}
    for body in bodies:
        scans = find_scans(tmp_path / "bids", Select(sessions=(body.session,)), derivatives)
        pairs = with_truth(make_pairs(scans, pairing), derivatives)
        assert len(pairs) == 2
        for pair in pairs:
            assert pair.truth
            assert pair.fixed.labels
            assert pair.fixed.mask
            assert pair.fixed.landmarks
            field = read_displacement(pair.truth, Convention(), read_labels(pair.fixed.labels["phantom"]).grid)
            lengths[body] = float(np.sqrt((field.u**2).sum(axis=-1).mean()))
    # the same people, half as far from the template: about half as far from one another
    assert lengths[Body(1.5, 20.0)] == pytest.approx(lengths[Body(3.0, 20.0)] / 2, rel=0.1)
    assert lengths[Body(3.0, 40.0)] != pytest.approx(lengths[Body(3.0, 20.0)], rel=0.01)


def test_one_body_has_no_session(phantom: Path) -> None:
    assert not list(phantom.rglob("ses-*"))


def test_partners() -> None:
    assert list(true_partners(0, PhantomSpec(subjects=3))) == [0, 1, 2]
    assert list(true_partners(0, PhantomSpec(subjects=3, contrasts=("T1w",)))) == [1, 2]
    assert list(true_partners(3, PhantomSpec(subjects=7, contrasts=("T1w",)))) == [2, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": 1}, "2 to 999 subjects"),
        ({"spacing_mm": 0.1}, "0.4 to 8 mm"),
        ({"contrasts": ("T1",)}, "did you mean 'T1w'"),
        ({"contrasts": ("T1w", "T1w")}, "only once"),
        ({"contrasts": ()}, "at least one"),
        ({"seed": -1}, "not be negative"),
        ({"bodies": (Body(-1.0, 20.0),)}, "not be negative"),
        ({"bodies": (Body(3.0, 1.0),)}, "5 to 200 mm"),
        ({"bodies": (Body(3.0, 20.0), Body(3.0, 20.0))}, "only once"),
    ],
)
def test_a_bad_spec_says_what_to_change(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PhantomSpec(**change)  # type: ignore[arg-type]
