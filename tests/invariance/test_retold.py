"""The same pair of people, told differently, has the same scores: to 1e-9, and methods are given the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from tests.invariance import retold
from tests.invariance.retold import WAYS, Measured, Person, measure, spread

from lumirage.core.native_images import read_image, read_lattice
from lumirage.core.space import same_grid

LARGEST = 1e-9

People = tuple[Person, Person]


@pytest.fixture(scope="module")
def people(phantom: Path) -> People:
    return Person.of_phantom(phantom, "01"), Person.of_phantom(phantom, "02")


@pytest.fixture(scope="module")
def plain(people: People, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """As the phantom stores it."""
    return measure(tmp_path_factory.mktemp("plain"), *people)


def test_all_48_ways_to_store_a_volume_are_read_as_one_array(people: People, tmp_path: Path) -> None:
    first = read_image(people[0].image)
    for k, way in enumerate(WAYS):
        path = tmp_path / f"{k}.nii"
        nib.save(nib.load(people[0].image).as_reoriented(way), path)
        again = read_image(path)
        np.testing.assert_array_equal(again.data, first.data)
        np.testing.assert_allclose(again.affine, first.affine, atol=1e-9)
        assert again.data.flags.f_contiguous, "sums go through memory in its order"
        assert same_grid(read_lattice(path), first.grid)


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.long)])
def test_48_storage_orders_of_fixed_and_moving(
    people: People, plain: Measured, tmp_path: Path, record_property: Callable[[str, object], None], part: int
) -> None:
    """In two parts, for two processes."""
    fixed, moving = people
    told = [plain.scores]
    for k, way in list(enumerate(WAYS))[part::2]:
        one = fixed.told(tmp_path / f"f{k}", retold.reoriented(way))
        two = moving.told(tmp_path / f"m{k}", retold.reoriented(WAYS[-1 - k]))
        found = measure(tmp_path / f"out{k}", one, two)
        assert found.given == plain.given, f"way {k}: methods are given other bytes"
        told.append(found.scores)
    apart = spread(told)
    record_property(
        "spread",
        f"spread over {len(told) - 1} of {len(WAYS)} storage orders and directions, {len(plain.scores)} values: {apart:.3g}",
    )
    assert apart <= LARGEST


def told_again(people: People, folder: Path, change: retold.Retell, **how: Any) -> Measured:
    fixed, moving = (person.told(folder / str(k), change, **how) for k, person in enumerate(people))
    return measure(folder / "out", fixed, moving)


@pytest.mark.parametrize("change", [retold.as_float64, retold.as_nifti2, retold.big_endian])
def test_the_format_of_a_file_plays_no_part(
    people: People, plain: Measured, tmp_path: Path, change: retold.Retell
) -> None:
    ending = ".nii" if change is retold.as_nifti2 else ".nii.gz"
    found = told_again(people, tmp_path, change, ending=ending)
    assert found.given == plain.given
    assert spread([plain.scores, found.scores]) <= LARGEST


@pytest.mark.parametrize("moved", [(250.0, -400.0, 133.5), (-317.3, 812.7, 50.1)])
def test_the_place_of_the_world_plays_no_part(
    people: People, plain: Measured, tmp_path: Path, moved: retold.Point
) -> None:
    """317.3 mm is no number of float32: the header rounds it, and with it only where landmarks lie, by 3e-5 mm."""
    found = told_again(people, tmp_path, retold.shifted(moved), moved=moved)
    assert found.given == plain.given
    exact = all(float(np.float32(mm)) == mm for mm in moved)
    kept = [{k: v for k, v in s.items() if exact or k[2] != "tre_mm_linear"} for s in (plain.scores, found.scores)]
    assert spread(kept) <= LARGEST
    assert spread([plain.scores, found.scores]) <= 1e-4


def test_numbers_of_labels_are_names(people: People, plain: Measured, tmp_path: Path) -> None:
    found = told_again(people, tmp_path, lambda image: image, labels=retold.renumbered)
    renamed = {
        (*key[:3], str(5000 - 7 * int(key[3])) if key[3].isdecimal() else key[3]): value
        for key, value in plain.scores.items()
    }
    assert spread([renamed, found.scores]) <= LARGEST


def test_neither_names_nor_threads_nor_the_folder_matter(people: People, plain: Measured, tmp_path: Path) -> None:
    found = measure(tmp_path / "another place, with blanks", *people, names=("zz", "aa"), threads=2)
    assert found.given == plain.given
    assert found.scores == plain.scores
