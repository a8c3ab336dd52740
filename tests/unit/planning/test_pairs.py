"""Pairs are what the track says, whatever the order of the scans."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumirage.core.errors import DataError, UsageError
from lumirage.core.model import Scan
from lumirage.core.track import Pairing
from lumirage.planning.pairing import choose, located, make_pairs, pairs_tsv
from lumirage.planning.session_order import session_order


def scan(subject: str, suffix: str = "T1w", session: str | None = None) -> Scan:
    name = f"sub-{subject}" + (f"_ses-{session}" if session else "") + f"_{suffix}"
    return Scan(name=name, subject=subject, session=session, suffix=suffix, image=Path(f"/{name}.nii.gz"))


FOUR = [scan(s) for s in "abcd"]
TWO_CONTRASTS = [scan(s, c) for s in "abc" for c in ("T1w", "T2w")]


def names(scans: list[Scan], **pairing: object) -> list[str]:
    return [f"{p.fixed.name}<{p.moving.name}" for p in make_pairs(scans, Pairing.model_validate(pairing))]


def test_all_is_every_ordered_pair_of_two_people() -> None:
    assert len(names(FOUR, scheme="all")) == 12


def test_chain_takes_each_scan_with_the_next() -> None:
    assert names(FOUR, scheme="chain") == ["sub-a_T1w<sub-b_T1w", "sub-b_T1w<sub-c_T1w", "sub-c_T1w<sub-d_T1w"]


def test_contrasts_are_not_mixed_unless_asked() -> None:
    assert all(n.count("T1w") in (0, 2) for n in names(TWO_CONTRASTS, scheme="all"))
    cross = names(TWO_CONTRASTS, scheme="all", fixed="T1w", moving="T2w")
    assert len(cross) == 6
    assert all("_T1w<" in n and n.endswith("_T2w") for n in cross)


def test_within_one_person_from_t1w_to_t2w() -> None:
    pairs = names(TWO_CONTRASTS, scheme="chain", subjects="within", fixed="T2w", moving="T1w")
    assert pairs == [f"sub-{s}_T2w<sub-{s}_T1w" for s in "abc"]


def test_sessions_of_one_person_are_different_scans() -> None:
    two = [scan("a", session="1"), scan("a", session="2")]
    assert names(two, scheme="all", subjects="within") == [
        "sub-a_ses-1_T1w<sub-a_ses-2_T1w",
        "sub-a_ses-2_T1w<sub-a_ses-1_T1w",
    ]


def visits(subject: str, *sessions: str, how: str = "", suffix: str = "T1w") -> list[Scan]:
    names = [f"sub-{subject}_ses-{session}{how}_{suffix}" for session in sessions]
    return [
        Scan(name=name, subject=subject, session=session, suffix=suffix, image=Path(f"/{name}.nii.gz"))
        for name, session in zip(names, sessions, strict=True)
    ]


LONGITUDINAL = {"subjects": "within", "sessions": "between"}


def test_two_sessions_of_one_person_are_paired_earlier_to_later() -> None:
    scans = [*visits("a", "1", "2", "10"), *visits("b", "1", "2"), *visits("c", "1")]
    assert names(scans, scheme="all", **LONGITUDINAL) == [
        "sub-a_ses-1_T1w<sub-a_ses-2_T1w",
        "sub-a_ses-1_T1w<sub-a_ses-10_T1w",
        "sub-a_ses-2_T1w<sub-a_ses-10_T1w",
        "sub-b_ses-1_T1w<sub-b_ses-2_T1w",
    ]
    assert names(scans, scheme="chain", **LONGITUDINAL) == [
        "sub-a_ses-1_T1w<sub-a_ses-2_T1w",
        "sub-a_ses-2_T1w<sub-a_ses-10_T1w",
        "sub-b_ses-1_T1w<sub-b_ses-2_T1w",
    ]


def test_sessions_pair_what_was_taken_alike() -> None:
    scans = [
        *visits("a", "1", "2"),
        *visits("a", "1", "2", how="_ce-gad"),
        *visits("a", "1", how="_acq-mprage"),
        *visits("a", "2", how="_acq-spgr"),
        *visits("a", "1", "2", suffix="T2w"),
    ]
    assert sorted(names(scans, scheme="all", **LONGITUDINAL)) == [
        "sub-a_ses-1_T1w<sub-a_ses-2_T1w",
        "sub-a_ses-1_T2w<sub-a_ses-2_T2w",
        "sub-a_ses-1_ce-gad_T1w<sub-a_ses-2_ce-gad_T1w",
    ]


def test_the_same_run_of_the_next_session_is_taken_where_there_is_one() -> None:
    scans = [
        *visits("a", "1", "2", how="_run-1"),
        *visits("a", "1", "2", how="_run-2"),
        *visits("a", "1", how="_run-3"),
    ]
    assert names(scans, scheme="chain", **LONGITUDINAL) == [
        "sub-a_ses-1_run-1_T1w<sub-a_ses-2_run-1_T1w",
        "sub-a_ses-1_run-2_T1w<sub-a_ses-2_run-2_T1w",
        "sub-a_ses-1_run-3_T1w<sub-a_ses-2_run-1_T1w",
    ]


def test_within_sessions_and_within_people() -> None:
    scans = [*visits("a", "1", "2"), *visits("a", "1", "2", suffix="T2w")]
    within = {"subjects": "within", "sessions": "within", "fixed": "T1w", "moving": "T2w"}
    assert names(scans, scheme="all", **within) == [
        "sub-a_ses-1_T1w<sub-a_ses-1_T2w",
        "sub-a_ses-2_T1w<sub-a_ses-2_T2w",
    ]
    plain_and_enhanced = [*visits("a", "1"), *visits("a", "1", how="_ce-gad")]
    with pytest.raises(DataError, match="within sessions"):
        names(plain_and_enhanced, scheme="all", subjects="within", sessions="within")


def test_times_of_sessions_tsv_say_what_is_earlier(tmp_path: Path) -> None:
    scans = [*visits("a", "post", "pre"), *visits("b", "1", "2"), *visits("c", "1", "2")]
    tables = {
        "a": "session_id\tacq_time\nses-pre\t2020-01-31T10:00:00\nses-post\t2020-02-01T09:00:00\n",
        "b": "session_id\tacq_time\nses-1\t2020-03-01\nses-2\t2019-03-01\n",
        "c": "session_id\tacq_time\nses-1\tn/a\nses-2\t2019-03-01\n",
    }
    for subject, text in tables.items():
        (tmp_path / f"sub-{subject}").mkdir()
        (tmp_path / f"sub-{subject}" / f"sub-{subject}_sessions.tsv").write_text(text)
    order, notes = session_order(scans, tmp_path)
    pairs = make_pairs(scans, Pairing(scheme="all", subjects="within", sessions="between"), order)
    assert [(p.fixed.session, p.moving.session) for p in pairs] == [("pre", "post"), ("2", "1"), ("1", "2")]
    assert len(notes) == 1
    assert "1 person is ordered by their labels (sub-c: 1, 2)" in notes[0]


def test_sessions_stand_in_the_pair_list_and_in_the_ids() -> None:
    (pair,) = make_pairs(visits("a", "1", "2"), Pairing(scheme="all", subjects="within", sessions="between"))
    assert pair.id == "subases1T1w-subases2T1w"
    assert pairs_tsv([pair]).splitlines()[1].endswith("\ta\ta\t1\t2")


def test_to_has_the_target_fixed_and_star_has_it_moving() -> None:
    assert names(FOUR, scheme="to", target="b") == [f"sub-b_T1w<sub-{s}_T1w" for s in "acd"]
    assert names(FOUR, scheme="star", target="sub-b") == [f"sub-{s}_T1w<sub-b_T1w" for s in "acd"]


@given(st.integers(0, 10_000), st.sampled_from(["all", "chain", "random"]))
def test_the_order_on_disk_plays_no_part(seed: int, scheme: str) -> None:
    shuffled = list(TWO_CONTRASTS)
    random.Random(seed).shuffle(shuffled)
    assert names(shuffled, scheme=scheme, count=4) == names(TWO_CONTRASTS, scheme=scheme, count=4)


def test_random_draws_count_different_pairs_and_another_seed_draws_others() -> None:
    first = names(FOUR, scheme="random", count=6, seed=1)
    assert len(set(first)) == 6
    assert first != names(FOUR, scheme="random", count=6, seed=2)


def test_list_reads_a_table(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("fixed\tmoving\nsub-c_T1w\tsub-a\n")
    assert names(FOUR, scheme="list", file=tmp_path / "p.tsv") == ["sub-c_T1w<sub-a_T1w"]
    (tmp_path / "q.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(UsageError, match="columns 'fixed' and 'moving'"):
        names(FOUR, scheme="list", file=tmp_path / "q.tsv")


def test_a_list_may_lie_within_the_dataset(tmp_path: Path) -> None:
    (tmp_path / "sourcedata").mkdir()
    (tmp_path / "sourcedata" / "pairs-x.tsv").write_text("fixed\tmoving\nsub-c_T1w\tsub-a\n")
    inside = Pairing.model_validate({"scheme": "list", "file": "bids::sourcedata/pairs-x.tsv"})
    assert [p.id for p in make_pairs(FOUR, located(inside, tmp_path))] == ["subcT1w-subaT1w"]
    with pytest.raises(UsageError, match=r"no such file; 'lumirage-harness dataset import' writes"):
        make_pairs(FOUR, located(inside, tmp_path / "elsewhere"))
    beside = inside.model_copy(update={"file": tmp_path / "mine.tsv"})
    assert located(beside, tmp_path) == beside


def test_no_pair_is_an_error_that_says_why() -> None:
    with pytest.raises(DataError, match=r"no pair: 1 scans .*check the track's select and pairing"):
        names(FOUR[:1], scheme="all")


def test_ids_that_differ_only_in_punctuation_are_refused() -> None:
    twins = [scan("a"), Scan(name="suba_T1w", subject="x", suffix="T1w", image=Path("/x")), scan("b")]
    with pytest.raises(DataError, match="two pairs would have the id"):
        names(twins, scheme="to", target="sub-b_T1w")


def test_choose_by_pair_participant_and_limit() -> None:
    pairs = make_pairs(FOUR, Pairing(scheme="all"))
    assert [p.id for p in choose(pairs, ["a,c"], [], None)] == ["subaT1w-subcT1w"]
    assert {p.fixed.subject for p in choose(pairs, [], ["sub-b"], None)} == {"b"}
    assert choose(pairs, [], [], 2) == pairs[:2]
    with pytest.raises(UsageError, match="did you mean 'sub-a_T1w'"):
        choose(pairs, ["sub-a_T1x,b"], [], None)
    with pytest.raises(UsageError, match="no participant"):
        choose(pairs, [], ["zz"], None)
    with pytest.raises(UsageError, match="FIX,MOV"):
        choose(pairs, ["a"], [], None)
