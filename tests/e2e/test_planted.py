"""From real scans to true error with two commands; what planted pairs cannot say stands beside every number."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.e2e.conftest import HARNESS
from tests.json_schemas import answer_of

from lumirage.core.native_images import read_label_map, read_true_displacement
from lumirage.core.planted_words import CAUTION

WORDS = (
    "evaluate",
    "--track",
    "planted",
    "-m",
    "oracle",
    "-m",
    "zero-displacement",
    "--runtime",
    "local",
    "--limit",
    "1",
)


@pytest.fixture(scope="module")
def done(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    folder = tmp_path_factory.mktemp("planted")
    planted, out = folder / "planted", folder / "out"
    words = ["dataset", "plant", "--json", str(phantom), str(planted)]
    made = subprocess.run([*HARNESS, *words], capture_output=True, text=True, timeout=600, check=True)
    answer = answer_of(made.stdout, "dataset-plant")
    assert len(answer["pairs"]) == 3
    assert answer["caution"] == CAUTION
    ended = subprocess.run(
        [*HARNESS, *WORDS, str(planted), str(out)], capture_output=True, text=True, timeout=600, check=True
    )
    return planted, out, ended.stdout


def test_the_oracle_has_no_error_and_nothing_done_has_the_planted_displacement(done: tuple[Path, Path, str]) -> None:
    planted, out, _ = done
    table = pd.read_parquet(out / "scores.parquet")
    rows = table[(table["metric"] == "displacement_error_mm") & table["label"].isna()].set_index("method")["value"]
    image = planted / "sub-01/anat/sub-01_acq-planted_T1w.nii.gz"
    truth = read_true_displacement(next((planted / "derivatives/truth/sub-01").rglob("*.nii")), image)
    mask = read_label_map(next((planted / "derivatives/planted/sub-01").rglob("*acq-planted*_mask.nii.gz"))).data > 0
    assert rows["identity"] == pytest.approx(np.linalg.norm(truth.u[mask].astype(float), axis=1).mean(), rel=1e-4)
    assert rows["identity"] > 2
    assert rows["oracle"] < 1e-3
    dice = table[(table["metric"] == "dice_nearest_fg") & table["label"].isna()].set_index("method")["value"]
    assert dice["oracle"] > 0.999 > dice["identity"]


def test_report_pair_pages_and_summary_say_what_this_cannot_say(done: tuple[Path, Path, str]) -> None:
    _, out, printed = done
    pages = [out / "report/index.html", *sorted((out / "report").glob("pairs/*.html"))]
    assert len(pages) > 1
    assert [page.name for page in pages if CAUTION not in page.read_text()] == []
    assert CAUTION[:40] in " ".join(printed.split())
