"""Planted datasets: the truth is exact, in any storage order, resolution and size; the same bytes wherever it is made."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bids_validator import BIDSValidator
from scipy.ndimage import map_coordinates

from lumirage.core.errors import DataError, UsageError
from lumirage.core.model import Pair
from lumirage.core.native_images import read_image, read_label_map, read_true_displacement
from lumirage.core.planted_words import CAUTION
from lumirage.core.space import points
from lumirage.core.track import Pairing, Select
from lumirage.datasets.phantom_deformation import random_deformation
from lumirage.datasets.planting import Planted, PlantSpec
from lumirage.flow.plant_dataset import PlantedFrom, plant_dataset
from lumirage.planning.pairing import located, make_pairs
from lumirage.planning.scans import caution, find_derivatives, find_scans, with_truth
from lumirage.scoring.known_truth import error_in, true_errors
from lumirage.scoring.native_label_warp import WorldMap

DEFAULT = PlantSpec()
OBLIQUE = nib.affines.from_matvec(
    np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]]) @ np.diag([5.0, 5.0, 9.0]), [-60.0, -90.0, -70.0]
)
STRAIGHT = nib.affines.from_matvec(np.diag([5.0, 5.0, 5.0]), [-55.0, -80.0, -50.0])


def head(affine: np.ndarray, shape: tuple[int, int, int] = (26, 30, 24)) -> tuple[np.ndarray, np.ndarray]:
    """A striped ellipsoid, whole numbers up to about 1000 and 0 around it, and its labels: 8 octants."""
    place = np.indices(shape).reshape(3, -1).T - (np.array(shape) - 1) / 2
    inside = ((place / (np.array(shape) / 2.6)) ** 2).sum(axis=1) < 1
    signal = np.rint(600 + 300 * np.sin(place[:, 0] / 2) * np.cos(place[:, 1] / 3)) * inside
    labels = (1 + (place > 0) @ np.array([1, 2, 4])) * inside
    return signal.reshape(shape), labels.reshape(shape)


def make_source(
    root: Path, affine: np.ndarray = STRAIGHT, *, slope: float = 1.0, names: tuple[str, ...] = ("sub-01_T1w",)
) -> Path:
    """A dataset of heads with labels, a brain mask and landmarks."""
    signal, labels = head(affine)
    (root / "derivatives/atlas").mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "heads", "License": "CC0"}))
    (root / "derivatives/atlas/dataset_description.json").write_text(json.dumps({"Name": "atlas"}))
    (root / "derivatives/atlas/dseg.tsv").write_text(
        "index\tname\n" + "".join(f"{i}\toctant {i}\n" for i in range(1, 9))
    )
    for name in names:
        entities, suffix = name.rsplit("_", 1)
        folder = Path(*entities.split("_")[: 1 + ("_ses-" in name)], "anat")
        (root / folder).mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(signal.astype(np.int16) if slope == 1 else signal / 10, affine, dtype=np.int16)
        image.header.set_slope_inter(slope, 0)
        image.to_filename(root / folder / f"{name}.nii.gz")
        side = root / "derivatives/atlas" / folder
        side.mkdir(parents=True, exist_ok=True)
        nib.Nifti1Image(labels.astype(np.int16), affine).to_filename(side / f"{entities}_space-{suffix}_dseg.nii.gz")
        nib.Nifti1Image((labels > 0).astype(np.uint8), affine).to_filename(
            side / f"{entities}_space-{suffix}_desc-brain_mask.nii.gz"
        )
        lines = [
            f"p{i}\t" + "\t".join(map(str, p)) for i, p in enumerate(points(affine, np.argwhere(labels == 3)[:9] * 1.0))
        ]
        (side / f"{entities}_space-{suffix}_landmarks.tsv").write_text("name\tx\ty\tz\n" + "\n".join(lines) + "\n")
    return root


def planted_pairs(out: Path) -> tuple[Pair, ...]:
    """As the track `planted` finds them."""
    derivatives = find_derivatives(out, {})
    pairing = located(Pairing(scheme="list", file="bids::sourcedata/pairs-planted.tsv", subjects="within"), out)
    return with_truth(make_pairs(find_scans(out, Select(suffixes=()), derivatives), pairing), derivatives)


def plant(tmp: Path, source: Path, spec: PlantSpec = DEFAULT, name: str = "out") -> tuple[Path, Planted]:
    return tmp / name, plant_dataset(PlantedFrom(source), tmp / name, spec)


def files_of(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(("affine", "slope"), [(STRAIGHT, 1.0), (OBLIQUE, 0.5), (OBLIQUE, 0.013)])
def test_the_truth_is_where_the_original_was_sampled(tmp_path: Path, affine: np.ndarray, slope: float) -> None:
    """Labels and landmarks of the planted scan are those of the original at x + u(x): plain, slope, oblique, anisotropic."""
    out, planted = plant(tmp_path, make_source(tmp_path / "in", affine, slope=slope))
    (pair,), (record,) = planted_pairs(out), planted.records.values()
    assert pair.truth
    assert pair.fixed.name == "sub-01_acq-planted_T1w"
    assert pair.moving.name == "sub-01_T1w"
    truth = read_true_displacement(pair.truth, pair.fixed.image)
    fixed, moving = (read_label_map(scan.labels["atlas"]) for scan in (pair.fixed, pair.moving))
    grid = points(truth.affine, np.moveaxis(np.indices(fixed.data.shape), 0, -1) * 1.0)
    there = points(np.linalg.inv(moving.affine), grid + truth.u)
    expected = map_coordinates(moving.data, np.moveaxis(there, -1, 0), order=0, mode="constant")
    certain = np.abs(there - np.floor(there) - 0.5).min(axis=-1) > 1e-3  # two voxels are equally near elsewhere
    assert certain.mean() > 0.9
    assert np.array_equal(fixed.data[certain], expected[certain])
    assert np.linalg.norm(truth.u[fixed.data > 0], axis=1).mean() > 0.02 * record.head_size_mm
    assert 0 < record.jacobian_determinant[0] < 1 < record.jacobian_determinant[1]
    assert record.inverse_residual_mm < 1e-6


def test_landmarks_go_along_exactly(tmp_path: Path) -> None:
    from lumirage.core.landmark_files import read_landmarks

    out, _ = plant(tmp_path, make_source(tmp_path / "in"))
    (pair,) = planted_pairs(out)
    assert pair.truth
    assert pair.fixed.landmarks
    assert pair.moving.landmarks
    fixed, moving = read_landmarks(pair.fixed.landmarks), read_landmarks(pair.moving.landmarks)
    truth = read_true_displacement(pair.truth, pair.fixed.image)
    for name, place in fixed.items():
        at = points(np.linalg.inv(truth.affine), np.array(place))
        u = [map_coordinates(truth.u[..., k], at[:, None], order=3)[0] for k in range(3)]
        np.testing.assert_allclose(
            np.array(place) + u, moving[name], atol=0.02
        )  # mm; the field is interpolated over 5 mm


def test_an_oracle_has_no_error_and_doing_nothing_has_the_whole(tmp_path: Path) -> None:
    out, _ = plant(tmp_path, make_source(tmp_path / "in", OBLIQUE))
    (pair,) = planted_pairs(out)
    assert pair.truth
    assert pair.fixed.mask
    truth = read_true_displacement(pair.truth, pair.fixed.image)
    mask = read_label_map(pair.fixed.mask).data > 0
    oracle = true_errors(WorldMap(truth.u, truth.affine, np.eye(4)), truth)
    nothing = true_errors(WorldMap(np.zeros_like(truth.u), truth.affine, np.eye(4)), truth)
    assert error_in(oracle, mask).maximum < 1e-4
    lengths = np.linalg.norm(truth.u[mask].astype(float), axis=1)
    assert error_in(nothing, mask).mean == pytest.approx(lengths.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (1, -1, 1)), ((2, 0, 1), (-1, 1, 1)), ((1, 2, 0), (-1, -1, -1))]
)
def test_the_storage_order_of_the_source_changes_nothing(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    for name in ("a", "b"):
        make_source(tmp_path / name)
    for path in (tmp_path / "b").rglob("*.nii.gz"):
        image = nib.load(path)
        stored = image.as_reoriented(np.column_stack([order, flips]))
        kept = nib.Nifti1Image(np.array(stored.dataobj), stored.affine)
        kept.to_filename(path)
    first, second = (planted_pairs(plant(tmp_path, tmp_path / n, name=f"{n}-out")[0])[0] for n in ("a", "b"))
    assert first.truth
    assert second.truth
    np.testing.assert_allclose(read_image(first.fixed.image).data, read_image(second.fixed.image).data, atol=1)
    truths = [read_true_displacement(pair.truth, pair.fixed.image).u for pair in (first, second) if pair.truth]
    np.testing.assert_allclose(*truths, atol=1e-4)
    labels = [read_label_map(pair.fixed.labels["atlas"]).data for pair in (first, second)]
    assert (labels[0] != labels[1]).mean() < 1e-3


def test_seed_and_name_decide_and_place_and_company_do_not(tmp_path: Path) -> None:
    alone = make_source(tmp_path / "alone")
    more = make_source(tmp_path / "elsewhere/more", names=("sub-01_T1w", "sub-01_T2w", "sub-00_T1w"))
    first, again, among, other = (
        files_of(plant(tmp_path, source, PlantSpec(seed=seed), name)[0])
        for source, seed, name in ((alone, 4, "a"), (alone, 4, "deep/b"), (more, 4, "c"), (alone, 5, "d"))
    )
    assert first == again
    mine = {name for name in first if name.startswith("sub-01") or "/sub-01/" in name}
    assert len(mine) == 11
    assert {name: among[name] for name in mine} == {name: first[name] for name in mine}
    drawn = {name for name in mine if "acq-planted" in name and name.endswith((".nii", ".nii.gz"))}
    assert len(drawn) == 4
    assert [name for name in drawn if other[name] == first[name]] == []


def test_contrasts_of_a_session_get_one_field_and_each_its_own_noise(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in", names=("sub-01_ses-1_T1w", "sub-01_ses-1_T2w", "sub-01_ses-2_T1w"))
    out, _ = plant(tmp_path, source, PlantSpec(amplitude_mm=1e-6, smoothness_mm=25.0))
    pairs = {pair.moving.name: pair for pair in planted_pairs(out)}
    truth = {n: read_true_displacement(p.truth, p.fixed.image).u for n, p in pairs.items() if p.truth}
    assert np.array_equal(truth["sub-01_ses-1_T1w"], truth["sub-01_ses-1_T2w"])
    assert not np.array_equal(truth["sub-01_ses-1_T1w"], truth["sub-01_ses-2_T1w"])
    added = {}
    for name, pair in pairs.items():
        fixed, moving = read_image(pair.fixed.image).data, read_image(pair.moving.image).data
        inside = moving > 0
        assert np.array_equal(fixed > 0, inside)  # nothing but the head is above 0
        logs = np.log(fixed[inside] / moving[inside])
        basis = np.argwhere(inside) / 10.0 - 1.2
        terms = np.column_stack([np.ones(len(basis)), basis, basis**2, basis * np.roll(basis, 1, axis=1)])
        bias = terms @ np.linalg.lstsq(terms, logs, rcond=None)[0]
        assert bias.std() > 0.02
        added[name] = (logs - bias) * moving[inside]
        assert added[name].std() == pytest.approx(0.02 * np.percentile(moving[inside], 99), rel=0.25)
    noise = np.corrcoef(list(added.values()))
    assert np.abs(noise - np.eye(3)).max() < 0.1


def test_a_tenth_of_the_size_gets_a_tenth_of_the_displacement(tmp_path: Path) -> None:
    """A mouse is warped like a person, in its own millimetres."""
    small = STRAIGHT @ np.diag([0.1, 0.1, 0.1, 1.0])
    records = []
    for name, affine in (("large", STRAIGHT), ("small", small)):
        _, planted = plant(tmp_path, make_source(tmp_path / name, affine), name=f"{name}-out")
        records.append(planted.records["sub-01_T1w"])
    assert records[1].amplitude_mm == pytest.approx(records[0].amplitude_mm / 10, rel=1e-3)
    assert records[1].displacement_mm["rms"] / records[1].head_size_mm > 0.015
    assert records[1].inverse_residual_mm < 1e-6


def test_the_determinant_along_the_way_is_that_of_the_derivative() -> None:
    places = np.random.default_rng(0).uniform(-90, 90, (500, 3))
    field = random_deformation(6.0, 15.0, places, np.random.default_rng(1))
    moved, determinants = field.to_subject_measured(places)
    assert field.steps > 1
    assert np.array_equal(moved, field.to_subject(places))
    np.testing.assert_allclose(determinants, np.linalg.det(field.jacobian(places)), rtol=1e-9)


def test_it_is_a_dataset_that_says_what_it_cannot_say(tmp_path: Path) -> None:
    out, _ = plant(tmp_path, make_source(tmp_path / "in", names=("sub-01_acq-x_run-1_T1w", "sub-01_acq-x_run-2_T1w")))
    known = BIDSValidator()
    names = [f"/{p.relative_to(out).as_posix()}" for p in out.rglob("*") if p.is_file()]
    assert [n for n in names if not n.startswith(("/derivatives", "/sourcedata")) and not known.is_bids(n)] == []
    said = json.loads((out / "dataset_description.json").read_text())
    assert "--seed 0" in said["GeneratedBy"][0]["Description"]
    assert '"heads"' in said["GeneratedBy"][0]["Description"]
    assert said["License"] == "CC0"
    assert caution(out) == CAUTION
    assert not caution(tmp_path / "in")
    assert CAUTION in (out / "README").read_text()
    pairs = planted_pairs(out)
    assert [(p.fixed.name, p.moving.name) for p in pairs] == [
        (f"sub-01_acq-xplanted_run-{run}_T1w", f"sub-01_acq-x_run-{run}_T1w") for run in (1, 2)
    ]
    for pair in pairs:
        assert pair.truth
        assert pair.fixed.labels["atlas"] != pair.moving.labels["atlas"]
        assert pair.fixed.name.rpartition("_")[0] in pair.fixed.labels["atlas"].name


def test_it_resumes_and_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in", names=("sub-01_T1w", "sub-02_T1w"))
    out, planted = plant(tmp_path, source)
    whole = files_of(out)
    assert planted.kept == 0
    # as if interrupted in the second scan: no description, no record of it, half of its files
    for gone in ("dataset_description.json", "sub-02/anat/sub-02_acq-planted_T1w.json"):
        (out / gone).unlink()
    (out / "sub-02/anat/sub-02_acq-planted_T1w.nii.gz").unlink()
    assert plant_dataset(PlantedFrom(source), out, PlantSpec()).kept == 1
    assert files_of(out) == whole
    with pytest.raises(UsageError, match="planted otherwise"):
        plant_dataset(PlantedFrom(source), out, PlantSpec(seed=1))
    with pytest.raises(UsageError, match="planted dataset itself"):
        plant_dataset(PlantedFrom(out), tmp_path / "twice", PlantSpec())
    (source / "sub-02/anat/sub-02_T1w.nii.gz").write_bytes(
        (source / "sub-01/anat/sub-01_T1w.nii.gz").read_bytes() + b"\0"
    )
    with pytest.raises(UsageError, match="changed since"):
        plant_dataset(PlantedFrom(source), out, PlantSpec())
    shutil.rmtree(out / "derivatives/planted")
    with pytest.raises(UsageError, match="not an empty folder"):
        plant_dataset(PlantedFrom(source), out, PlantSpec())
    with pytest.raises(UsageError, match="inside one another"):
        plant_dataset(PlantedFrom(source), source / "derivatives/planted", PlantSpec())


def test_a_scan_that_cannot_be_used_is_left_out_and_told(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in", names=("sub-01_T1w", "sub-02_T1w"))
    bad = source / "sub-02/anat/sub-02_T1w.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-200])
    out, planted = plant(tmp_path, source)
    assert list(planted.left_out) == ["sub-02_T1w"]
    assert "sub-02_T1w" in (out / "README").read_text()
    assert [pair.moving.name for pair in planted_pairs(out)] == ["sub-01_T1w"]
    (source / "sub-01/anat/sub-01_T1w.nii.gz").unlink()
    with pytest.raises(DataError, match="no scan could be planted"):
        plant(tmp_path, source, name="none")


def test_derivatives_may_be_links_to_folders_elsewhere(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in")
    (source / "derivatives/atlas").rename(tmp_path / "atlas")
    (source / "derivatives/atlas").symlink_to(tmp_path / "atlas")
    out, planted = plant(tmp_path, source)
    assert planted.records["sub-01_T1w"].sources.keys() == {
        "image", "landmarks", "atlas dseg", "planted desc-brain_mask",
    }  # fmt: skip
    (pair,) = planted_pairs(out)
    assert pair.fixed.labels.keys() == {"atlas"}


def test_derivatives_kept_elsewhere_are_warped_along(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in")
    whole, _ = plant(tmp_path, source)
    (source / "derivatives/atlas").rename(tmp_path / "atlas")
    apart = tmp_path / "apart"
    plant_dataset(PlantedFrom(source, {"atlas": tmp_path / "atlas"}), apart, PlantSpec())
    assert files_of(apart) == files_of(whole)


def test_lengths_that_do_not_fit_are_refused_with_what_to_change(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in")
    with pytest.raises(UsageError, match="lower the amplitude or raise the smoothness"):
        plant(tmp_path, source, PlantSpec(amplitude_mm=40.0, smoothness_mm=8.0))
    with pytest.raises(UsageError, match="raise it to"):
        plant(tmp_path, source, PlantSpec(amplitude_mm=0.1, smoothness_mm=1.0), name="fine")
    with pytest.raises(UsageError, match="above 0 mm"):
        PlantSpec(amplitude_mm=-1.0)


def test_a_head_with_air_around_it_gets_a_mask(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in")
    shutil.rmtree(source / "derivatives")
    path = source / "sub-01/anat/sub-01_T1w.nii.gz"
    image = nib.load(path)
    air = np.random.default_rng(0).integers(1, 20, image.shape)
    nib.Nifti1Image((np.asarray(image.dataobj) + air).astype(np.float32), image.affine).to_filename(path)
    out, planted = plant(tmp_path, source)
    (pair,) = planted_pairs(out)
    assert planted.records["sub-01_T1w"].made_mask
    assert pair.fixed.mask
    assert pair.moving.mask
    signal, _ = head(STRAIGHT)
    overlap = (read_label_map(pair.moving.mask).data > 0) == (signal > 0)
    assert overlap.mean() > 0.98
