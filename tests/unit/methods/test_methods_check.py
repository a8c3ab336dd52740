"""The doctor against made-up methods whose faults are known."""

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lumirage.core.model import Convention, GridNeeds, Method
from lumirage.core.space import axis_codes, make_grid, read_displacement, read_grid, same_grid, spacing_of
from lumirage.methods import conformance as check
from lumirage.methods.conformance import Attempt, ConformanceReport, Finding, Protection, check_method
from lumirage.methods.conformance_page import as_page, as_text
from lumirage.methods.known_warps import CheckPair, known_pairs
from lumirage.running.training_frame import frame_grid

CARD = Method(name="fake", version="1", summary="A fake.", kind="iterative")


class Fake:
    """Writes the truth, spoiled by `spoil(field, how many pairs came before, how many starts came before)`."""

    def __init__(self, folder: Path, spoil: Callable[..., np.ndarray] = lambda u, _pair, _start: u, needs: str = ""):
        self.folder, self.spoil, self.needs, self.starts = folder, spoil, needs, 0

    def __call__(self, pairs: Sequence[CheckPair], lifted: Protection | None) -> Attempt:
        self.starts += 1
        out = self.folder / str(self.starts)
        if self.needs and (lifted not in {self.needs, "all"} or self.needs == "a miracle"):
            return Attempt({}, False, "ended with exit code 1", log="Traceback\ncannot resolve host")
        answers, events = {}, []
        for number, pair in enumerate(pairs):
            u = read_displacement(pair.field, Convention(), make_grid(pair.truth.shape, pair.truth.affine)).u
            spoiled = self.spoil(u, number, self.starts).astype(np.float32)
            answers[pair.view] = out / f"{pair.view}.nii"
            out.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(spoiled, pair.truth.affine), answers[pair.view])
            events += [("begin", pair.view), ("end", pair.view)]
        return Attempt(answers, True, "ended with exit code 0", events)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, pairs: tuple[CheckPair, ...]) -> None:
    monkeypatch.setattr(check, "known_pairs", lambda *_: pairs)


def found(checkup: ConformanceReport, name: str) -> Finding:
    return next(finding for finding in checkup.findings if finding.name == name)


def test_a_sound_method_passes(tmp_path: Path) -> None:
    checkup = check_method(CARD, Fake(tmp_path), tmp_path)
    assert checkup.passed
    assert [finding.passed for finding in checkup.findings] == [True] * 5


def test_a_network_is_checked_in_its_training_frame(tmp_path: Path) -> None:
    needs = GridNeeds(orientation="LIA", shape=(28, 36, 30), spacing_mm=1.5)
    for pair in known_pairs(tmp_path, needs):
        grid = read_grid(pair.fixed)
        assert same_grid(grid, make_grid(pair.truth.shape, pair.truth.affine))
        assert axis_codes(np.array(grid.affine)) == "LIA"
        assert np.allclose(spacing_of(np.array(grid.affine)), 1.5)
        assert frame_grid(needs, grid, np.ones(grid.shape, bool)) == grid, "so it is given as it is"


def test_a_wrong_card_is_told_what_to_write(tmp_path: Path) -> None:
    checkup = check_method(CARD.model_copy(update={"output": Convention(unit="voxel")}), Fake(tmp_path), tmp_path)
    message = found(checkup, "convention").message
    assert not checkup.passed
    assert "your field is RAS mm displacement, declared voxel (i, j, k) displacement" in message
    assert 'output: {kind: displacement, unit: mm, order: xyz, signs: "+++", channels: last}' in message


def test_a_planted_state_leak_is_found(tmp_path: Path) -> None:
    checkup = check_method(CARD, Fake(tmp_path, lambda u, pair, _: u + 1e-3 * pair), tmp_path)
    assert found(checkup, "repeat").passed is True
    assert found(checkup, "order").passed is False
    assert "leaks" in found(checkup, "order").message


def test_planted_chance_is_found(tmp_path: Path) -> None:
    fake = Fake(tmp_path, lambda u, _, start: u + 1e-3 * np.random.default_rng(start).normal(size=u.shape))
    checkup = check_method(CARD, fake, tmp_path)
    assert found(checkup, "repeat").passed is False
    assert found(checkup, "order").passed is None
    honest = check_method(CARD.model_copy(update={"deterministic": False}), Fake(tmp_path / "2", fake.spoil), tmp_path)
    assert found(honest, "repeat").passed is True


@pytest.mark.parametrize("needs", ["no network", "read-only root", "no home", "user that is not root", "all"])
def test_a_planted_need_is_named(tmp_path: Path, needs: Protection) -> None:
    checkup = check_method(CARD, Fake(tmp_path, needs=needs), tmp_path)
    assert found(checkup, "isolation").passed is False
    assert check.NEEDS[needs] in found(checkup, "isolation").message
    assert found(checkup, "convention").passed is True


def test_a_method_that_fails_everywhere_shows_its_log(tmp_path: Path) -> None:
    checkup = check_method(CARD, Fake(tmp_path, needs="a miracle"), tmp_path)
    assert found(checkup, "contract").passed is False
    assert "cannot resolve host" in as_text(checkup)


def test_a_zero_field_is_no_fault_of_a_reference(tmp_path: Path) -> None:
    zero = Fake(tmp_path, lambda u, *_: 0 * u)
    assert check_method(CARD.model_copy(update={"kind": "reference"}), zero, tmp_path).passed
    assert found(check_method(CARD, zero, tmp_path), "convention").passed is None


def test_a_field_of_another_layout_is_told_what_to_declare(tmp_path: Path) -> None:
    card = CARD.model_copy(update={"output": Convention(channels="first")})
    message = found(check_method(card, Fake(tmp_path), tmp_path), "file").message
    assert "shape" in message


def test_the_page_holds_every_finding_and_no_foreign_markup(tmp_path: Path) -> None:
    checkup = ConformanceReport(CARD, (Finding("contract", False, "<script>"),), log="<b>")
    page = as_page(checkup)
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "does not keep" in page
