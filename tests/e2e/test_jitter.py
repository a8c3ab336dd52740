"""A method that answers from a table keyed by the hash of its input is found by `--jitter`, and named as such."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from tests.crowd import make_method
from tests.e2e.conftest import Command
from tests.remembering_method import make_remembering

from lumirage.core.evaluation_file import read_evaluation
from lumirage.core.layout import Layout
from lumirage.core.screen import Silent
from lumirage.core.track import Track
from lumirage.flow.challenge.desk import open_desk, scores_of
from lumirage.flow.challenge.desk_run import run_desk
from lumirage.flow.challenge.receive import HandedIn, add_submission
from lumirage.flow.request import EvaluationRequest
from lumirage.planning.evaluation_plan import PlanInputs, make_plan
from lumirage.planning.preparation import Preparer
from lumirage.planning.track_files import load_track

TRACK = """name: near
prepare: {affine: none}
presets: [strict]
"""
HONEST = """import numpy as np

import lumirage_kit

def smooth(field, sigma):
    for axis in range(3):
        wave = np.fft.fftfreq(field.shape[axis]).reshape([-1 if k == axis else 1 for k in range(3)])
        field = np.fft.ifft(np.fft.fft(field, axis=axis) * np.exp(-2 * (np.pi * sigma * wave) ** 2), axis=axis).real
    return field

for pair in lumirage_kit.read_job():
    fixed, moving = (smooth(image.astype(float), 0.7) for image in pair.load())
    places, u = np.indices(pair.shape), np.zeros((3, *pair.shape))
    for _ in range(60):
        at = tuple(np.clip(np.rint(places[k] + u[k]), 0, pair.shape[k] - 1).astype(int) for k in range(3))
        moved = smooth(moving[at], 0.5)
        difference, slopes = fixed - moved, np.gradient(moved)
        size = sum(slope**2 for slope in slopes) + difference**2 + 1e-6
        u = np.stack([smooth(u[k] + difference * slopes[k] / size, 1.5) for k in range(3)])
    pair.write((np.moveaxis(u, 0, -1) @ pair.affine[:3, :3].T).astype(np.float32))
"""
"""Demons: registers what it is given, and remembers nothing."""
REMEMBERED = "remembered answers suspected"


def test_evaluate_names_who_remembers(harness: Command, phantom: Path, tmp_path: Path) -> None:
    (tmp_path / "near.yaml").write_text(TRACK)
    track = load_track(str(tmp_path / "near.yaml"))
    remembering = make_remembering(tmp_path / "remembering", known_answers(phantom, track, tmp_path))
    honest = make_method(tmp_path / "honest", "honest", HONEST)
    words = ("-m", honest, "-m", remembering, "-t", tmp_path / "near.yaml", "--runtime", "local", "--memory", "4")
    done = harness("evaluate", *words, "--jitter", "--limit", "1", phantom, tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"remembering: {REMEMBERED}" in " ".join(done.stderr.split())
    assert f"honest: {REMEMBERED}" not in " ".join(done.stderr.split())
    table = pd.read_csv(tmp_path / "out/jitter.tsv", sep="\t")
    dice = table[(table["metric"] == "dice_nearest_fg")].set_index("method")
    assert dice["suspect"].to_dict() == {"honest": False, "remembering": True}
    assert abs(dice.loc["remembering", "kept"]) < 0.05
    assert 0.8 < dice.loc["honest", "kept"] < 1.2

    layout = Layout(tmp_path / "out")
    secret = read_evaluation(layout).track.conditions.axes["jitter"][0]
    named = [path for path in layout.root.rglob("*") if secret in path.name]
    assert named == [], "no name tells the secret"

    desk_on_track_scores_alike(phantom, tmp_path)


def desk_on_track_scores_alike(phantom: Path, folder: Path) -> None:
    """A folder that holds an evaluation's answer gets the evaluation's scores, to the last digit."""
    (folder / "desk").mkdir()
    rules = f"name: near\nconfiguration: ../near.yaml\ndataset: {phantom}\npairs: ['sub-01,sub-02']\n"
    (folder / "desk/challenge.yaml").write_text(rules)
    (stored,) = (folder / "out/remembering").rglob("*desc-reference_xfm.nii")
    handed = folder / "fields/disp_sub01T1w_sub02T1w.nii.gz"
    handed.parent.mkdir()
    nib.load(stored).to_filename(handed)
    desk = open_desk(folder / "desk")
    letter = add_submission(desk, HandedIn("team", str(handed.parent)), Silent())
    assert (letter.submission.verdict, letter.submission.problems) == ("accepted", ())
    flipped = folder / "flipped" / handed.name
    flipped.parent.mkdir()
    image = nib.load(stored)
    lps = np.asarray(image.dataobj) * np.array([-1, -1, 1], np.float32)
    nib.Nifti1Image(lps, image.affine).to_filename(flipped)
    other = add_submission(desk, HandedIn("itk", str(flipped.parent)), Silent())
    assert [p.kind for p in other.submission.problems] == ["convention"]
    assert "read as LPS mm displacement" in other.letter
    assert run_desk(desk, "", EvaluationRequest(methods=()), Silent()).scored == 2
    ours = scores_of(desk, "test")
    theirs = pd.read_parquet(folder / "out/scores.parquet")
    theirs = theirs[theirs["condition"] == "reference"]
    for here, there in (("team", "remembering"), ("identity", "identity"), ("affine", "affine")):
        columns = ["preset", "metric", "source", "label", "value"]
        tables = [of.loc[of["method"] == name, columns] for of, name in ((ours, here), (theirs, there))]
        assert len(tables[0]) > 20
        pd.testing.assert_frame_equal(*(t.reset_index(drop=True) for t in tables), check_exact=True)


def known_answers(phantom: Path, track: Track, folder: Path) -> list[tuple[Path, Path, np.ndarray]]:
    """The images that methods get, and the true field."""
    inputs = PlanInputs(bids=phantom, out=folder / "plan", track=track, methods=(), runtime="")
    preparer = Preparer(Layout(folder / "prepared"))
    found = []
    for pair in make_plan(inputs, lambda _: 1 / 0).pairs:
        made = preparer.prepare(pair, track.prepare)
        assert made.truth is not None
        found.append((made.fixed, made.moving, np.asarray(nib.load(made.truth).dataobj)[..., 0, :]))
    return found
