"""Conditions that exchange scans: the same people by other scans, never other people, never a guess."""

from pathlib import Path

import pytest

from lumirage.core.errors import DataError
from lumirage.core.model import Pair, Scan
from lumirage.core.track import Condition, Prepare, ScanAxis, Select
from lumirage.planning.scan_exchange import exchange, widened


def scan(name: str) -> Scan:
    parts = dict(part.split("-", 1) for part in name.split("_") if "-" in part)
    suffix = name.rsplit("_", 1)[1]
    return Scan(name=name, subject=parts["sub"], session=parts.get("ses"), suffix=suffix, image=Path(name))


def condition(**scans: str) -> Condition:
    axes: dict[ScanAxis, str] = {axis: scans[axis] for axis in ("contrast", "session") if axis in scans}
    return Condition(name="other", prepare=Prepare(), scans=axes)


def test_both_scans_are_exchanged_and_the_pair_keeps_its_id() -> None:
    pair = Pair(fixed=scan("sub-01_T1w"), moving=scan("sub-02_T1w"))
    scans = [scan(f"sub-{s}_{c}") for s in ("01", "02", "03") for c in ("T1w", "T2w")]
    (other,) = exchange([pair], condition(contrast="T2w"), scans)
    assert (other.fixed.name, other.moving.name, other.id) == ("sub-01_T2w", "sub-02_T2w", pair.id)


def test_a_session_is_exchanged_within_the_contrast() -> None:
    pair = Pair(fixed=scan("sub-01_ses-a_T1w"), moving=scan("sub-02_ses-a_T1w"))
    scans = [scan(f"sub-{s}_ses-{v}_{c}") for s in ("01", "02") for v in "ab" for c in ("T1w", "T2w")]
    (other,) = exchange([pair], condition(session="b"), scans)
    assert (other.fixed.name, other.moving.name) == ("sub-01_ses-b_T1w", "sub-02_ses-b_T1w")


def test_of_several_the_one_of_the_same_name_is_taken() -> None:
    pair = Pair(fixed=scan("sub-01_run-2_T1w"), moving=scan("sub-02_acq-fast_T1w"))
    scans = [scan("sub-01_run-1_T2w"), scan("sub-01_run-2_T2w"), scan("sub-02_T2w")]
    (other,) = exchange([pair], condition(contrast="T2w"), scans)
    assert (other.fixed.name, other.moving.name) == ("sub-01_run-2_T2w", "sub-02_T2w")


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ([], "wants a T2w scan of sub-01 in place of sub-01_T1w, and the dataset has none"),
        (["sub-01_run-1_T2w", "sub-01_run-2_T2w"], "has 2 of them: sub-01_run-1_T2w, sub-01_run-2_T2w"),
    ],
)
def test_no_scan_and_several_are_refused(there: list[str], message: str) -> None:
    pair = Pair(fixed=scan("sub-01_T1w"), moving=scan("sub-02_T1w"))
    with pytest.raises(DataError, match=message):
        exchange([pair], condition(contrast="T2w"), [*map(scan, there), scan("sub-02_T2w")])


def test_a_selection_is_widened_by_what_conditions_name_and_stays_open_where_it_was() -> None:
    cells = [condition(contrast="T2w"), condition(session="b")]
    assert widened(Select(suffixes=("T1w",), sessions=("a",)), cells) == Select(
        suffixes=("T1w", "T2w"), sessions=("a", "b")
    )
    assert widened(Select(suffixes=()), cells) == Select(suffixes=())
