"""Jobs are pure and fair; cards are found by name, folder and variant."""

from pathlib import Path

import pytest

from lumirage.core.errors import UsageError
from lumirage.core.model import Limits, Method, Pair, Scan
from lumirage.core.track import Condition, MethodUse, Prepare, Track
from lumirage.planning.jobs import GpuUse, JobSettings, limits_of, make_jobs
from lumirage.planning.method_cards import all_methods, find_method, variants
from lumirage.planning.method_doses import dose_of, track_doses


def use(name: str) -> MethodUse:
    card = Method(name=name, version="1", summary="", kind="iterative")
    return MethodUse(card=card, image=f"image/{name}", digest=f"sha256:{name}")


def pair(i: int) -> Pair:
    scans = [Scan(name=f"sub-{i}{s}_T1w", subject=f"{i}{s}", suffix="T1w", image=Path("/x")) for s in "fm"]
    return Pair(fixed=scans[0], moving=scans[1])


CONDITIONS = [Condition(name=name, prepare=Prepare()) for name in ("reference", "other")]
PAIRS = [pair(i) for i in range(5)]


def test_every_run_is_in_one_job_and_methods_take_turns() -> None:
    settings = JobSettings(Limits(), batch=2, repeats=2)
    jobs = make_jobs([use("a"), use("b")], CONDITIONS, PAIRS, settings, lambda *_: False)
    runs = [(j.method.name, j.condition, j.repeat, p) for j in jobs for p in j.pairs]
    assert len(runs) == len(set(runs)) == 2 * 2 * 2 * 5
    assert [j.method.name for j in jobs[:4]] == ["a", "b", "a", "b"]
    assert max(len(j.pairs) for j in jobs) == 2
    assert len({j.id for j in jobs}) == len(jobs)


def test_what_is_done_is_not_planned_and_the_same_plan_has_the_same_ids() -> None:
    settings = JobSettings(Limits())
    done = {PAIRS[0].id, PAIRS[3].id}
    jobs = make_jobs([use("a")], CONDITIONS[:1], PAIRS, settings, lambda _m, p, _c, _r: p.id in done)
    assert [j.pairs[0] for j in jobs] == [PAIRS[i].id for i in (1, 2, 4)]
    assert jobs == make_jobs([use("a")], CONDITIONS[:1], PAIRS, settings, lambda _m, p, _c, _r: p.id in done)


def test_every_repeat_has_a_seed_of_its_own_whatever_is_done_already() -> None:
    settings = JobSettings(Limits(), repeats=3, seed=40)
    jobs = make_jobs([use("a")], CONDITIONS, PAIRS[:1], settings, lambda _m, _p, _c, repeat: repeat == 1)
    assert [(j.condition, j.repeat, j.seed) for j in jobs] == [
        ("reference", 0, 40), ("reference", 2, 42), ("other", 0, 40), ("other", 2, 42),
    ]  # fmt: skip


def test_twenty_thousand_jobs_are_planned() -> None:
    many = [pair(i) for i in range(10_000)]
    assert len(make_jobs([use("a"), use("b")], CONDITIONS[:1], many, JobSettings(Limits()), lambda *_: False)) == 20_000


def test_shipped_methods_are_found_whatever_the_case() -> None:
    assert find_method("GREEDY").card.name == "greedy"
    assert find_method("Greedy-Fine").card.parameters["iterations"] == "100x100x50"
    with pytest.raises(UsageError, match="did you mean 'greedy'"):
        find_method("gredy")


def test_a_folder_given_first_hides_a_shipped_method(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "greedy"
    folder.mkdir(parents=True)
    (folder / "method.yaml").write_text("name: greedy\nversion: '9'\nsummary: mine\nkind: iterative\n")
    assert find_method("greedy", [tmp_path / "mine"]).card.version == "9"
    assert find_method(str(folder)).folder == folder
    assert all_methods([tmp_path / "mine"])["greedy"].folder == folder


def test_a_local_folder_is_taken_only_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("greedy", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "method.yaml").write_text(f"name: {name}\nversion: '9'\nsummary: mine\nkind: iterative\n")
    monkeypatch.chdir(tmp_path)
    assert find_method("greedy").card.version != "9"
    assert find_method("./greedy").card.version == "9"
    with pytest.raises(UsageError, match=r"write \./mine"):
        find_method("mine")


def test_a_parameter_is_changed_on_the_command_line() -> None:
    found = find_method("Greedy:iterations=50x20")
    assert (found.card.name, found.card.parameters["iterations"]) == ("greedy-iterations50x20", "50x20")
    assert (found.dose_of, found.dose) == ("greedy", {"iterations": "50x20"})
    demons = find_method("sitk-demons:smoothing_voxels=2,iterations=[9, 4]").card
    assert (demons.parameters["smoothing_voxels"], demons.parameters["iterations"]) == (2, [9, 4])
    assert demons.name == "sitk-demons-smoothing_voxels2-iterations9-4"
    variant = find_method("fireants-syn:smooth=2e-4")
    assert (variant.card.parameters["smooth"], variant.card.parameters["kind"]) == (2e-4, "syn")


def test_what_a_card_costs_is_said_of_its_own_parameters_alone() -> None:
    card = find_method("greedy").card.model_copy(update={"typical_cost": {"voxels": 1e6, "cpu_s": 9.0}})
    card = card.model_copy(update={"variants": {"same": {}, "fine": {"iterations": "100x100x50"}}})
    assert {method.name: method.typical_cost for method in variants(card)} == {
        "greedy-same": card.typical_cost,
        "greedy-fine": {},
    }
    assert dose_of(card, {"sigma": 3})[0].typical_cost == {}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("greedy:iteration=5", "no parameter 'iteration'; did you mean 'iterations'"),
        ("sitk-demons:iterations=5", "'iterations' is a list of numbers"),
        ("sitk-demons:smoothing_voxels=much", "'smoothing_voxels' is a number"),
        ("greedy:iterations=5;radius=2", ""),
        ("greedy:iterations=5,radius", "NAME:KEY=VALUE"),
    ],
)
def test_a_parameter_that_cannot_be_is_told(word: str, says: str) -> None:
    if not says:
        assert find_method(word).card.parameters["iterations"] == "5;radius=2"
        return
    with pytest.raises(UsageError, match=says):
        find_method(word)


def test_a_track_asks_for_doses_of_the_methods_that_there_are() -> None:
    cards = [find_method(name).card for name in ("sitk-demons", "greedy")]
    doses = list(track_doses(cards, {"SITK-demons": {"smoothing_voxels": (0.5, 1.5, 3)}, "clapirn": {"reg": (1,)}}))
    assert [(card.name, values) for card, values in doses] == [
        ("sitk-demons", {"smoothing_voxels": 0.5}), ("sitk-demons", {"smoothing_voxels": 3}),
    ], "1.5 is the card's own, which is run anyway"  # fmt: skip


def test_parameters_stand_beside_the_axes_or_among_them() -> None:
    wanted = {"greedy": {"iterations": ["5", "9"]}}
    beside = Track.model_validate({"name": "t", "conditions": {"parameter": wanted}})
    among = Track.model_validate({"name": "t", "conditions": {"axes": {"parameter": wanted, "noise": [0.1]}}})
    assert beside.conditions.parameter == among.conditions.parameter == {"greedy": {"iterations": ("5", "9")}}
    assert [cell.name for cell in among.cells()] == ["reference", "noise-0.1"]


@pytest.mark.parametrize(
    ("device", "gpu_use", "gpus"),
    [
        ("cpu", "able", 0), ("either", "able", 1), ("gpu", "able", 1), ("cpu", "needed", 0), ("either", "needed", 0),
        ("gpu", "needed", 1), ("either", "none", 0), ("gpu", "none", 0),
    ],
)  # fmt: skip
def test_who_gets_a_gpu(device: str, gpu_use: GpuUse, gpus: int) -> None:
    card = use("a").card.model_copy(update={"device": device})
    assert limits_of(card, Limits(), gpu_use).gpus == gpus
    assert limits_of(card, Limits(gpus=2), gpu_use).gpus == (0 if gpu_use == "none" else 2)


def test_a_wrong_card_names_file_and_field(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "method.yaml").write_text("name: m\nversion: '1'\nsummary: s\nkind: magic\n")
    with pytest.raises(UsageError, match=r"method\.yaml: kind"):
        find_method(str(tmp_path / "m"))
    (tmp_path / "m" / "method.yaml").write_text(
        "name: m\nversion: '1'\nsummary: s\nkind: deep\nvariants: {x: {speed: 1}}\n"
    )
    with pytest.raises(UsageError, match=r"variant 'x' sets \['speed'\]"):
        all_methods([tmp_path])
