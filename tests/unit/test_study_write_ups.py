"""Every number in a study's write-up is that of the tables beside it."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import study_write_up  # noqa: E402 -- scripts are no package

PAGES = sorted((ROOT / "docs" / "studies").glob("*.md"))


def test_there_are_write_ups() -> None:
    assert [page.stem for page in PAGES] == ["lumirage-small"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_numbers_are_those_of_the_tables(page: Path) -> None:
    text = page.read_text()
    assert study_write_up.with_results(text, page.with_suffix("")) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_study_report_gives_the_tables_again_from_what_is_kept(page: Path, tmp_path: Path) -> None:
    """From the scores and run records of every measured track; to the ninth digit, for other processors."""
    kept = page.with_suffix("")
    assert list(kept.glob(f"*{study_write_up.ARCHIVE}")), "at least one track is measured"
    again = study_write_up.report_of_kept(kept, tmp_path / "again")
    for name in study_write_up.TABLES:
        made, there = (pd.read_csv(table, sep="\t") for table in (again.table(name), kept / f"{name}.tsv"))
        pd.testing.assert_frame_equal(made, there, check_exact=False, rtol=1e-9)


def test_numbers_failures_and_gaps_are_written_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "claims.tsv").write_text(
        "sentence\tdecision\ttrack\tcondition\tdifference\tci_low\tci_high\tover_methods\tover_methods_low\t"
        "over_methods_high\tpeople\tpairs\tmethods\n"
        "A is better.\tundecided\tnear\tnoise-0.1\t0.01234\t-0.2\t0.3\t0.01234\t-0.5\t0.6\t4\t3\t13\n"
        "A runs.\tnot measured\tfar\treference\t\t\t\t\t\t\t\t\t\n"
    )
    (tmp_path / "matrix.tsv").write_text(
        "track\tcondition\tmethod\tmetric\tunit\tmean\tfolds_percent\truns\tfailed\n"
        "near\treference\tgreedy\tdisplacement_error_mm\tmm\t1.23456\t0.0123\t3\t0\n"
        "near\tnoise-0.1\tgreedy\tdisplacement_error_mm\tmm\t2.5\t9\t3\t1\n"
        "near\treference\tsymnet\tdisplacement_error_mm\tmm\t3.5\tn/a\t3\t0\n"
    )
    (tmp_path / "costs.tsv").write_text(
        "track\tmethod\truns\twall_s\tcpu_s\tpeak_memory_bytes\tdevice\n"
        "near\tgreedy\t3\t9\t12.4\t1340000000\tcpu\n"
        "far\tgreedy\t3\t9\tn/a\tn/a\tcpu\n"
        "near\tsymnet\t3\t9\t56.6\t2200000000\tcpu\n"
    )
    lines = "".join(study_write_up.results(tmp_path)).splitlines()
    assert (
        "| A is better. | undecided | near, noise-0.1 | 0.012 [-0.200, 0.300] | 0.012 [-0.500, 0.600] | 4, 3, 13 |"
        in lines
    )
    assert "| A runs. | not measured | far | - | - | -, -, - |" in lines
    assert "| method | reference | noise-0.1 | voxels with det <= 0, % | runs, failed |" in lines
    assert "| greedy | 1.235 | 2.500 | 0.012 | 6, 1 |" in lines
    assert "| symnet | 3.500 | - | - | 3, 0 |" in lines
    assert "| greedy | 12, 1.3 | -, - |" in lines
    assert "| symnet | 57, 2.2 | -, - |" in lines


def test_without_tables_there_is_no_result(tmp_path: Path) -> None:
    assert list(study_write_up.results(tmp_path)) == [study_write_up.NOTHING]
