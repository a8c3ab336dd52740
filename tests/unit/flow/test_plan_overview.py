"""A plan in numbers: what it counts is what the files and the track say, and it agrees with `dataset check`."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.flow.test_cluster_submit import use

from lumirage.cli.plan_text import COLUMNS, plan_text
from lumirage.core.errors import DataError
from lumirage.core.label_words import Labels
from lumirage.core.model import GridNeeds, Method, Outcome, Run, Usage
from lumirage.core.space import read_labels, read_volume, write_volume
from lumirage.core.track import Pairing, Prepare, Track
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.flow.demo_dataset import CONTRASTS, SUBJECTS, demo_pairs
from lumirage.flow.forecast import scan_findings
from lumirage.flow.forecast.cost_forecast import expected_costs
from lumirage.flow.forecast.cost_history import CostsSeen
from lumirage.flow.forecast.grid_plan import GridSizes
from lumirage.flow.forecast.plan_overview import PlanOverview, overview
from lumirage.flow.forecast.plan_words import five_lines
from lumirage.flow.look_over import look_over
from lumirage.flow.method_setup.at_hand import AtHand
from lumirage.planning.evaluation_plan import Plan, PlanInputs, make_plan
from lumirage.planning.method_cards import MethodSource
from lumirage.planning.working_grid import working_grid

HERE = {"m": AtHand("image/m", "here", ())}
T1W = Track(name="t1w", pairing=Pairing(scheme="chain"))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    make_phantom(folder, PhantomSpec(subjects=3, spacing_mm=8.0, contrasts=("T1w",), seed=1))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def planned(bids: Path, out: Path, track: Track = T1W) -> Plan:
    card = use("m").card
    inputs = PlanInputs(bids=bids, out=out, track=track, methods=(MethodSource(card, None),), runtime="docker")
    return make_plan(inputs, lambda source: use(source.card.name))


def looked(bids: Path, out: Path, track: Track = T1W) -> PlanOverview:
    return overview(planned(bids, out, track), HERE)


def test_it_counts_what_there_is(phantom: Path, tmp_path: Path) -> None:
    plan = looked(phantom, tmp_path / "out")
    assert (plan.scans, plan.subjects, plan.contrasts, len(plan.pairs)) == (3, 3, {"T1w": 3}, 2)
    assert (plan.runs_to_do, plan.runs_complete, len(plan.jobs)) == (2, 0, 2)
    assert (plan.scans_with_landmarks, plan.pairs_with_masks, plan.pairs_with_true_field) == (3, 2, 2)
    (source,) = plan.label_sources
    maps = [read_labels(path).data for path in phantom.glob("derivatives/phantom/sub-*/anat/*_dseg.nii.gz")]
    assert [label.label for label in source.labels] == sorted({int(v) for m in maps for v in np.unique(m)} - {0})
    assert all(label.name for label in source.labels), "by the names of dseg.tsv"
    assert (source.scans, source.pairs, source.maps_looked_at) == (3, 2, 3)


def test_the_labels_are_those_that_the_track_chooses(phantom: Path, tmp_path: Path) -> None:
    several = [label.label for label in looked(phantom, tmp_path / "a").label_sources[0].labels][:3]
    some = T1W.model_copy(update={"labels": Labels(include=tuple(several), exclude=(several[0],))})
    assert [label.label for label in looked(phantom, tmp_path / "b", some).label_sources[0].labels] == several[1:]


@pytest.mark.parametrize(
    "prepare",
    [Prepare(), Prepare(spacing_mm=(4, 4, 4)), Prepare(shape=(40, 48, 32)), Prepare(crop_mm=5, divisible_by=4)],
)
def test_the_working_grid_is_the_one_that_will_be_made(phantom: Path, tmp_path: Path, prepare: Prepare) -> None:
    plan = planned(phantom, tmp_path / "out", T1W.model_copy(update={"prepare": prepare}))
    real = [working_grid(read_volume(pair.fixed.image), prepare) for pair in plan.pairs]
    voxels = [int(np.prod(grid.shape)) for grid in real]
    found = overview(plan, HERE)
    (grid,) = found.grids
    assert grid.mean_voxels == round(np.mean(voxels))
    assert grid.smallest_shape == real[int(np.argmin(voxels))].shape
    assert found.disk.answers_bytes == 12 * sum(voxels)
    assert found.disk.prepared_bytes == 8 * sum(voxels)


def test_every_warning_of_the_check_is_there(phantom: Path, tmp_path: Path) -> None:
    bids = Path(shutil.copytree(phantom, tmp_path / "bids"))
    image = bids / "sub-02/anat/sub-02_T1w.nii.gz"
    write_volume(image, read_volume(image).data, np.eye(4))
    shutil.rmtree(bids / "derivatives/phantom/sub-02")
    check = look_over(bids)
    plan = looked(bids, tmp_path / "out")
    assert set(plan.findings) == {finding for finding in check.findings if finding.severity != "note"}
    assert {finding.kind for finding in plan.findings} >= {"identity affine", "missing file"}


def test_of_many_images_the_headers_are_looked_at(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bids = Path(shutil.copytree(phantom, tmp_path / "bids"))
    image = bids / "sub-03/anat/sub-03_T1w.nii.gz"
    write_volume(image, read_volume(image).data, np.eye(4))
    shutil.rmtree(bids / "derivatives")
    monkeypatch.setattr(scan_findings, "VOXELS_READ", 1.0)
    plan = looked(bids, tmp_path / "out")
    assert plan.scans_read == 1
    assert [(f.kind, f.path) for f in plan.findings] == [("identity affine", "sub-03/anat/sub-03_T1w.nii.gz")]
    assert "voxels of 1 of 3 scans were read" in five_lines(plan)[-1]


def run_of(card: Method, voxels: int, cpu_s: float, memory: int, outcome: Outcome = Outcome.OK) -> Run:
    usage = Usage(wall_s=9, cpu_s=cpu_s, peak_memory_bytes=memory)
    of = {"harness": "1", "image": "", "runtime": "docker", "isolated": True, "track": "t", "condition": "reference"}
    return Run.model_validate(
        of
        | {"method": card.name, "pair": "p", "job": "j", "prepared": "k", "voxels": voxels, "outcome": outcome}
        | {"started": "2026-01-01", "cold": True, "wall_s": cpu_s / 2, "usage": usage}
    )


def test_costs_are_those_of_earlier_runs_scaled_by_voxels(phantom: Path, tmp_path: Path) -> None:
    plan = planned(phantom, tmp_path / "out")
    before = overview(plan, HERE)
    assert (before.cpu_s, before.peak_memory_bytes, before.methods[0].expected.known_from) == (None, None, "not known")
    voxels = before.grids[0].mean_voxels or 0
    seen = CostsSeen()
    seen.add(run_of(plan.jobs[0].method, voxels // 2, 10.0, 2_000_000))
    seen.add(run_of(plan.jobs[0].method, voxels, 999.0, 10**12, Outcome.CRASHED))
    seen.keep(plan.jobs)
    after = overview(plan, HERE)
    assert after.cpu_s == pytest.approx(2 * 2 * 10.0, rel=0.01), "two runs of twice the voxels"
    assert after.wall_s == pytest.approx(20.0, rel=0.01)
    assert after.peak_memory_bytes == pytest.approx(4_000_000, rel=0.01)
    other = replace(
        plan, jobs=tuple(j.model_copy(update={"limits": j.limits.model_copy(update={"cpus": 7})}) for j in plan.jobs)
    )
    assert overview(other, HERE).cpu_s is None, "on other CPUs it costs something else"


def test_runs_on_small_grids_do_not_count_where_there_are_some_on_such_grids(phantom: Path, tmp_path: Path) -> None:
    """Seen: a network with 4 GB at every size, expected to need 36, as it had registered 2 mm before."""
    plan = planned(phantom, tmp_path / "out")
    voxels = overview(plan, HERE).grids[0].mean_voxels or 0
    seen = CostsSeen()
    for of, cpu_s in ((voxels // 8, 10.0), (voxels, 12.0)):
        seen.add(run_of(plan.jobs[0].method, of, cpu_s, 4_000_000))
    seen.keep(plan.jobs)
    after = overview(plan, HERE)
    assert after.cpu_s == pytest.approx(2 * 12.0, rel=0.01)
    assert after.peak_memory_bytes == pytest.approx(4_000_000, rel=0.01)


def test_what_registers_on_the_grid_of_its_training_costs_the_same_on_every_grid(phantom: Path, tmp_path: Path) -> None:
    plan = planned(phantom, tmp_path / "out")
    own = use("m").model_copy(
        update={"card": use("m").card.model_copy(update={"needs": GridNeeds(shape=(64, 64, 64))})}
    )
    seen = CostsSeen()
    seen.add(run_of(own.card, 10, 7.0, 3_000_000))
    seen.keep(plan.jobs)
    after = expected_costs(own, plan.jobs, GridSizes(plan))
    assert (after.cpu_s, after.peak_memory_bytes) == (pytest.approx(2 * 7.0), 3_000_000)
    assert after.known_from == "1 earlier run here"


def test_a_clone_of_datalad_says_what_to_get_and_runs_on_what_is_there(phantom: Path, tmp_path: Path) -> None:
    bids = Path(shutil.copytree(phantom, tmp_path / "bids"))
    gone = bids / "sub-03/anat/sub-03_T1w.nii.gz"
    gone.unlink()
    gone.symlink_to("../../.git/annex/objects/xx/yy/MD5E-s1--0.nii.gz/MD5E-s1--0.nii.gz")
    with pytest.raises(DataError, match=f"datalad get {gone}"):
        planned(bids, tmp_path / "out")
    card = use("m").card
    inputs = PlanInputs(
        bids=bids, out=tmp_path / "out", track=T1W, methods=(MethodSource(card, None),), runtime="docker"
    )
    some = make_plan(replace(inputs, pairs=("sub-01,sub-02",)), lambda source: use(source.card.name))
    assert [pair.id for pair in some.pairs] == ["sub01T1w-sub02T1w"]
    assert "sub-03_T1w image" not in some.evaluation.contents


def test_without_earlier_runs_the_card_is_asked(phantom: Path, tmp_path: Path) -> None:
    plan = planned(phantom, tmp_path / "out")
    voxels = overview(plan, HERE).grids[0].mean_voxels or 0
    told = {"voxels": voxels * 2.0, "cpu_s": 10.0, "peak_memory_bytes": 6e6}
    card = plan.jobs[0].method.model_copy(update={"typical_cost": told})
    one = plan.evaluation.methods["m"].model_copy(update={"card": card})
    with_card = replace(plan, evaluation=plan.evaluation.model_copy(update={"methods": {"m": one}}))
    found = overview(with_card, HERE)
    assert found.cpu_s == pytest.approx(2 * 5.0, rel=0.01)
    assert found.peak_memory_bytes == pytest.approx(3e6, rel=0.01)
    assert found.wall_s is None
    assert "its card" in found.methods[0].expected.known_from


@pytest.mark.parametrize(("cpu_s", "said"), [(3700.0, True), (3500.0, False)])
def test_a_method_that_will_not_end_in_time_is_told_before(
    phantom: Path, tmp_path: Path, cpu_s: float, said: bool
) -> None:
    plan = planned(phantom, tmp_path / "out")
    assert {job.limits.pair_timeout_s * job.limits.cpus for job in plan.jobs} == {3600.0}
    voxels = overview(plan, HERE).grids[0].mean_voxels or 0
    told = plan.jobs[0].method.model_copy(update={"typical_cost": {"voxels": voxels, "cpu_s": cpu_s}})
    one = plan.evaluation.methods["m"].model_copy(update={"card": told})
    found = overview(replace(plan, evaluation=plan.evaluation.model_copy(update={"methods": {"m": one}})), HERE)
    words = (
        "may not end in time: a pair takes about 61.7 min of CPU time, and 60.0 min are allowed; --timeout allows more"
    )
    assert (f"m {words}" in five_lines(found)[4]) is said
    assert (words in " ".join(plan_text(found).split())) is said


def test_words_fit_and_five_lines_are_five(phantom: Path, tmp_path: Path) -> None:
    plan = looked(phantom, tmp_path / ("a-long-name-" * 12))
    lines = plan_text(plan).splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert "landmarks   3 of 3 scans, 2 pairs" in lines
    five = five_lines(plan)
    assert len(five) == 5
    assert "2 pairs of 3 scans, 2 runs to do, 0 complete" in five[0]
    assert "labels phantom (2 of 2 pairs" in five[1]


def test_the_phantom_that_is_not_made_yet_is_the_one_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "lumirage" / "phantom-4x2mm-seed0"
    expected = demo_pairs(T1W)
    make_phantom(folder, PhantomSpec(subjects=len(SUBJECTS), spacing_mm=8.0, contrasts=CONTRASTS, seed=0))
    assert planned(folder, tmp_path / "out").evaluation.pairs == expected
