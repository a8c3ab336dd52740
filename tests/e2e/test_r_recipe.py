"""The R recipe of docs/results.md, run as it stands: the same numbers as scores.tsv and as comparisons.tsv.

Needs R (Debian's r-base-core). Without it the test is skipped, and fails where LUMIRAGE_REQUIRE_R=1.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lumirage.core.screen import Silent
from lumirage.flow.compare import compare

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "reporting"))
from synthetic_out import Recipe, make_out

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
DICE, STRUCTURE = "dice_nearest_fg", "thalamus"
PRINTS = r"options(digits = 12, width = 500); pdf(NULL)"


@pytest.fixture(scope="module")
def engine_of_r() -> str:
    found = shutil.which("Rscript")
    if not found:
        (pytest.fail if os.environ.get("LUMIRAGE_REQUIRE_R") == "1" else pytest.skip)("R is not installed")
    return str(found)


def test_the_recipe_gives_the_numbers_of_the_files(engine_of_r: str, tmp_path: Path) -> None:
    layout = make_out(tmp_path, Recipe(subjects=4, images=False, conditions=False))
    table = pd.read_parquet(layout.score_table)
    table.astype({"label": "Int64"}).to_csv(layout.score_tsv, sep="\t", index=False, na_rep="n/a")
    compare(layout, Silent())
    (tmp_path / "OUT").symlink_to(layout.root)
    (recipe,) = re.findall(r"^```r\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    script = tmp_path / "recipe.R"
    script.write_text(f"{PRINTS}\n{recipe.replace('hippocampus', STRUCTURE)}")
    said = subprocess.run([engine_of_r, "--vanilla", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    numbers = {tuple(words): values for words, values in map(_row, said.stdout.splitlines())}

    ours = table[(table["metric"] == DICE) & (table["condition"] == "reference")]
    ours = ours[ours["name"].fillna("").str.contains(STRUCTURE, case=False)].dropna(subset="value")
    for method, values in ours.groupby("method")["value"]:
        assert numbers[(str(method),)] == pytest.approx([len(values), values.mean(), values.std()], rel=1e-9), method
    effects = pd.read_csv(layout.table("comparisons"), sep="\t", na_values="n/a", keep_default_na=False)
    effects = effects[(effects["metric"] == DICE) & (effects["policy"] == "identity") & ~effects["literature"]]
    assert len(effects) >= 3
    for row in effects.to_dict("records"):
        expected = [row[column] for column in ("n_pairs", "difference", "ci_low", "ci_high")]
        assert numbers[str(row["method"]), str(row["reference"])][:4] == pytest.approx(expected, rel=1e-9), row


def _row(line: str) -> tuple[list[str], list[float]]:
    """Names and numbers of a printed row, without the number of the row."""
    words = line.split()[1:]
    numbers = [word for word in words if re.fullmatch(r"-?[0-9.]+(e[-+]?[0-9]+)?", word)]
    return [word for word in words if word not in (*numbers, "NA")], [float(word) for word in numbers]
