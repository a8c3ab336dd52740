"""Lists of values as people type them, and words in each other's place."""

from pathlib import Path

import pytest

from lumirage.cli import app
from lumirage.cli.bids_app import words_of_command
from lumirage.cli.swapped_words import check_method, check_request, check_track
from lumirage.cli.typed_words import between_commas, methods_between_commas
from lumirage.core.errors import UsageError
from lumirage.flow.request import EvaluationRequest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset `bids` of 01 and 02, and the output `done` of an evaluation."""
    for subject in ("01", "02"):
        (tmp_path / "bids" / f"sub-{subject}" / "ses-1").mkdir(parents=True)
    (tmp_path / "bids" / "dataset_description.json").write_text("{}")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "evaluation.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--participant-label 01 02 bids out", "--participant-label 01 --participant-label 02 bids out"),
        ("--participant-label sub-01 sub-02 bids", "--participant-label sub-01 --participant-label sub-02 bids"),
        ("--participant_label 01 02 -m x bids", "--participant_label 01 --participant_label 02 -m x bids"),
        ("--participant-label=01 02 bids out", "--participant-label=01 --participant-label 02 bids out"),
        ("--session-label 1 2 -- bids out", "--session-label 1 --session-label 2 -- bids out"),
        ("bids --participant-label 01 out", "bids --participant-label 01 out"),
        ("bids --participant-label 01 02", "bids --participant-label 01 --participant-label 02"),
        ("bids --participant-label 01 07 out", "bids --participant-label 01 --participant-label 07 out"),
        ("bids --session-label 1 out", "bids --session-label 1 out"),
        ("--participant-label 01 bids out", "--participant-label 01 bids out"),
        ("--participant-label 01 02", "--participant-label 01 --participant-label 02"),
        ("-m greedy ants-syn bids out", "-m greedy -m ants-syn bids out"),
        ("-m greedy greedy:sigma=3 bids", "-m greedy -m greedy:sigma=3 bids"),
        ("-m greedy bids greedy", "-m greedy bids greedy"),
        ("-m greedy out", "-m greedy out"),
        ("-mgreedy bids out", "-mgreedy bids out"),
        ("--participant-label 01 nowhere out", "--participant-label 01 nowhere out"),
        ("--labels aseg aparc bids out", "--labels aseg --labels aparc bids out"),
        ("bids --labels aseg aparc out", "bids --labels aseg --labels aparc out"),
        ("--labels aseg nowhere out", "--labels aseg nowhere out"),
        ("--derivatives a=/a b=/b bids out", "--derivatives a=/a --derivatives b=/b bids out"),
        ("--pair 01,02 02,01 bids", "--pair 01,02 --pair 02,01 bids"),
        ("--pair 01,02 bids out", "--pair 01,02 bids out"),
    ],
)
def test_several_values_after_one_option(typed: str, read: str, here: Path) -> None:
    assert words_of_command(["evaluate", *typed.split()], app) == ["evaluate", *read.split()]


def test_presets_after_one_option_end_where_out_stands(here: Path) -> None:
    assert words_of_command(["score", "--preset", "strict", "lumir25", "done"], app) == [
        *("score", "--preset", "strict", "--preset", "lumir25", "done")
    ]


def test_a_folder_with_the_name_of_a_method_is_a_folder(here: Path) -> None:
    (here / "ants-syn").mkdir()
    assert words_of_command(["evaluate", "-m", "greedy", "ants-syn"], app) == ["evaluate", "-m", "greedy", "ants-syn"]


@pytest.mark.parametrize(
    ("typed", "methods"),
    [
        ("greedy,ants-syn", ["greedy", "ants-syn"]),
        ("greedy, ants-syn,", ["greedy", "ants-syn"]),
        ("greedy:sigma=3,radius=4x4x4", ["greedy:sigma=3,radius=4x4x4"]),
        ("clapirn:reg=0.3,greedy:sigma=3,radius=4x4x4,affine", ["clapirn:reg=0.3", "greedy:sigma=3,radius=4x4x4", "affine"]),
        ("x:levels=[4,2,1],y", ["x:levels=[4,2,1]", "y"]),
        ("registry.example.org/greedy:1", ["registry.example.org/greedy:1"]),
    ],
)  # fmt: skip
def test_methods_between_commas(typed: str, methods: list[str]) -> None:
    assert methods_between_commas([typed]) == methods


def test_a_folder_with_a_comma_is_one_method(here: Path) -> None:
    (here / "a,b").mkdir()
    assert methods_between_commas(["a,b", "./a,c"]) == ["a,b", "./a", "c"]
    assert between_commas(["01,02", "03"]) == ["01", "02", "03"]


@pytest.mark.parametrize(
    ("bids", "out", "told"),
    [
        ("done", "bids", "look swapped.*'... bids done'"),
        ("new", "bids", "look swapped"),
        ("done", None, "output folder of an evaluation"),
        ("done", "new", "output folder of an evaluation"),
        ("ants-syn", None, "did you mean '--method ants-syn'"),
        ("t1w", None, "did you mean '--track t1w'"),
    ],
)
def test_places_that_are_swapped(bids: str, out: str | None, told: str, here: Path) -> None:
    with pytest.raises(UsageError, match=told):
        check_request(EvaluationRequest(methods=("greedy",), bids=Path(bids), out=Path(out) if out else None))


def test_places_that_are_right_pass(here: Path) -> None:
    for out in ("done", "new"):
        check_request(EvaluationRequest(methods=("greedy",), bids=Path("bids"), out=Path(out), track="t1w"))
    with pytest.raises(UsageError, match="a method, not a track"):
        check_request(EvaluationRequest(methods=("greedy",), track="ants-syn"))


def test_a_method_for_a_track_and_the_reverse() -> None:
    with pytest.raises(UsageError, match="'greedy' is a method, not a track"):
        check_track("greedy")
    with pytest.raises(UsageError, match="'T1w' is a track, not a method"):
        check_method("T1w")
    check_track("t1w")
    check_method("greedy:sigma=3")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("phantom", "'dataset phantom'"),
        ("list", "'methods list' or 'tracks list'"),
        ("greedy", "'evaluate --method greedy'"),
        ("help", "'-h'"),
    ],
)
def test_a_command_without_its_group(word: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        app([word], standalone_mode=False)


def test_a_dataset_without_a_level(here: Path) -> None:
    with pytest.raises(UsageError, match="which is a folder"):
        app(["bids", "out"], standalone_mode=False)
