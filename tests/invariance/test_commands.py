"""The same commands told differently: order, company, place and surroundings change no score.

The method answers with a number that depends on every byte that it is given, so one other bit would change its scores.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tests.e2e.slurm_world import make_method
from tests.invariance import retold
from tests.invariance.retold import Measured, Person, measure, spread

KEYS = ["method", "condition", "repeat", "pair", "preset", "metric", "source", "label", "name"]
TRACK = """name: told
pairing: {scheme: chain}
limits: {pair_timeout_s: 60, memory_bytes: 1073741824}
on_failure: identity
"""
CARD = "name: {name}\nversion: '1'\nsummary: for tests\nkind: reference\nparameters: {{mode: {mode}, seconds: 0}}\n"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods and a track."""
    folder = tmp_path_factory.mktemp("given")
    for name, mode in (("print", "fingerprint"), ("zero", "ok")):
        make_method(folder / name, CARD.format(name=name, mode=mode))
    (folder / "told.yaml").write_text(TRACK)
    return folder


def scored(
    given: Path, bids: Path, out: Path, *words: str, methods: str = "print zero", **surroundings: str
) -> pd.Series:
    """The values of `run` and `score`, as a new process gives them."""
    names = [word for name in methods.split() for word in ("-m", str(given / name))]
    order = ["run", *names, "-t", str(given / "told.yaml"), "--runtime", "local", *words, str(bids), str(out)]
    for argv in (order, ["score", str(out)]):
        _harness(argv, surroundings)
    table = pd.read_parquet(out / "scores.parquet")
    return table.set_index(KEYS)["value"].sort_index()


def _harness(argv: list[str], surroundings: Mapping[str, str]) -> None:
    mask = surroundings.get("UMASK", "022")
    variables = {**os.environ, **surroundings}
    words = ["sh", "-c", f'umask {mask}; exec "$@"', "sh", sys.executable, "-m", "lumirage.cli", *argv]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr


def same(one: pd.Series, other: pd.Series) -> None:
    assert len(one) == len(other) > 100
    pd.testing.assert_series_equal(one, other, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def plain(given: Path, phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.Series:
    return scored(given, phantom, tmp_path_factory.mktemp("plain") / "out")


def test_the_answers_differ_from_doing_nothing(plain: pd.Series) -> None:
    dice = plain.xs("dice_nearest_fg", level="metric").groupby("method").mean()
    assert dice["print"] != dice["zero"], "else the suite would see no change of what methods are given"


def test_the_order_of_methods_and_how_many_run_at_a_time(given: Path, phantom: Path, plain: pd.Series, tmp_path: Path):
    same(plain, scored(given, phantom, tmp_path / "out", "-j", "2", "--batch", "2", methods="zero print"))


def test_another_place_umask_locale_and_time_zone(given: Path, phantom: Path, plain: pd.Series, tmp_path: Path):
    bids = tmp_path / "an other place" / "data's"
    shutil.copytree(phantom, bids)
    around = {"UMASK": "077", "LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7"}
    same(plain, scored(given, bids, tmp_path / "o u't", **around))


def test_whole_numbers_with_a_slope_are_the_numbers_they_stand_for(phantom: Path, tmp_path: Path) -> None:
    slope, inter = 0.0625, -3.0

    def whole(image: retold.Image) -> np.ndarray:
        data = np.asanyarray(image.dataobj, dtype=np.float64)
        return np.round((data - data.min()) * 1000 / np.ptp(data)).astype(np.int16)

    def is_mask(image: retold.Image) -> bool:
        return len(np.unique(np.asanyarray(image.dataobj))) <= 2

    def with_slope(image: retold.Image) -> retold.Image:
        if is_mask(image):
            return image
        found = nib.Nifti1Image(whole(image), image.affine)
        found.header.set_slope_inter(slope, inter)  # written as it is, beside the whole numbers
        return found

    def plainly(image: retold.Image) -> retold.Image:
        return image if is_mask(image) else nib.Nifti1Image(whole(image) * slope + inter, image.affine)

    found: list[Measured] = []
    for name, change in (("int16", with_slope), ("float64", plainly)):
        folder = tmp_path / name
        people = [Person.of_phantom(phantom, f"0{k}").told(folder / str(k), change, labels=lambda i: i) for k in (1, 2)]
        stored = nib.load(people[0].image)
        assert stored.header.get_data_dtype() == name
        assert stored.get_fdata().max() == 1000 * slope + inter
        found.append(measure(folder / "out", *people))
    assert found[0].given == found[1].given
    assert spread([one.scores for one in found]) <= 1e-9
