"""Checked before anything is built or started: scans and working grids; what is bad is refused, or left out and counted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.unit.flow.test_cluster_submit import use

from lumirage.core.errors import DataError, UsageError
from lumirage.core.model import Limits
from lumirage.core.track import Conditions, MethodUse, Pairing, Prepare, Track
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.planning.evaluation_plan import Plan, PlanInputs, make_plan
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.output_description import write_output_description

T1W = Track(name="t1w", pairing=Pairing(scheme="chain"))
LEAVE_OUT = T1W.model_copy(update={"on_bad_scan": "leave_out"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    make_phantom(folder, PhantomSpec(subjects=4, spacing_mm=8.0, contrasts=("T1w",), seed=1))
    return folder


@pytest.fixture
def phantom(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Path(shutil.copytree(whole, tmp_path / "phantom"))


def image(phantom: Path, subject: str = "01") -> Path:
    (path,) = (phantom / f"sub-{subject}" / "anat").glob("*_T1w.nii.gz")
    return path


def spoil(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    stored = nibabel.load(path)
    data = change(np.asanyarray(stored.dataobj))
    nibabel.save(nibabel.Nifti1Image(data, stored.affine), path)


def planned(phantom: Path, out: Path, track: Track = T1W, limit: int | None = None, resolve=None) -> Plan:  # type: ignore[no-untyped-def]
    source = MethodSource(use("m").card, None)
    inputs = PlanInputs(bids=phantom, out=out, track=track, methods=(source,), runtime="docker", limit=limit)
    return make_plan(inputs, resolve or (lambda source: use(source.card.name)), read_images=True)


BAD = {
    "all zero": np.zeros_like,
    "constant": lambda data: np.full_like(data, 7),
    "complex": lambda data: data.astype(np.complex64) * (1 + 1j),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_refused_before_a_method_is_even_looked_for(phantom: Path, tmp_path: Path, kind: str) -> None:
    def built(source: MethodSource) -> MethodUse:
        raise AssertionError(f"{source.card.name} was built although the data cannot be used")

    spoil(image(phantom), BAD[kind])
    with pytest.raises(DataError, match=r"sub-01_T1w(.|\n)*on_bad_scan: leave_out") as refused:
        planned(phantom, tmp_path / "out", resolve=built)
    assert refused.value.exit_code == 65


def test_a_bad_scan_is_left_out_with_its_pairs_counted_and_told(phantom: Path, tmp_path: Path) -> None:
    spoil(image(phantom, "02"), BAD["constant"])
    plan = planned(phantom, tmp_path / "out", LEAVE_OUT)
    assert len(plan.pairs) == len(plan.evaluation.pairs) == 1
    assert set(plan.evaluation.left_out) == {"sub01T1w-sub02T1w", "sub02T1w-sub03T1w"}
    assert all("sub-02_T1w" in why for why in plan.evaluation.left_out.values())
    assert [job.pairs for job in plan.jobs] == [("sub03T1w-sub04T1w",)]
    assert "left out: 2 of 3 pairs, for 1 scans that cannot be used" in plan.notes
    write_output_description(plan.layout, plan.evaluation)
    again = planned(phantom, tmp_path / "out", LEAVE_OUT)
    assert again.evaluation.left_out == plan.evaluation.left_out
    assert [pair.id for pair in again.evaluation.pairs] == ["sub03T1w-sub04T1w"]


def test_what_is_found_bad_later_is_left_out_then(phantom: Path, tmp_path: Path) -> None:
    spoil(image(phantom, "04"), BAD["all zero"])
    first = planned(phantom, tmp_path / "out", LEAVE_OUT, limit=1)
    assert first.evaluation.left_out == {}
    write_output_description(first.layout, first.evaluation)
    then = planned(phantom, tmp_path / "out", LEAVE_OUT)
    assert set(then.evaluation.left_out) == {"sub03T1w-sub04T1w"}
    assert len(then.evaluation.pairs) == 2


def test_where_nothing_is_left_it_is_bad_data_all_the_same(phantom: Path, tmp_path: Path) -> None:
    for subject in ("01", "02", "03", "04"):
        spoil(image(phantom, subject), BAD["constant"])
    with pytest.raises(DataError, match="no pair is left: all 3 have a scan that cannot be used"):
        planned(phantom, tmp_path / "out", LEAVE_OUT)


def test_a_landmark_twice_is_told_before_anything_runs(phantom: Path, tmp_path: Path) -> None:
    path = next(phantom.glob("derivatives/*/sub-01/anat/*landmarks.tsv"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    with pytest.raises(DataError, match="landmarks"):
        planned(phantom, tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"prepare": Prepare(spacing_mm=0.01)}, r"reference: .*voxels.*TB, more than limits\.memory_bytes"),
        ({"conditions": Conditions(axes={"spacing_mm": (0.01,)})}, r"spacing_mm-0\.01: .*voxels"),
        ({"prepare": Prepare(shape=(9000, 9000, 9000))}, r"shape .* makes 7\.29e\+11 voxels"),
        ({"limits": Limits(memory_bytes=16)}, r"\(16 bytes\).*limits are in bytes"),
        ({"limits": Limits(output_bytes=8)}, r"the field alone take .*limits\.output_bytes"),
    ],
)
def test_an_absurd_working_grid_is_told_in_voxels_and_bytes(
    phantom: Path, tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        planned(phantom, tmp_path / "out", T1W.model_copy(update=changed))
