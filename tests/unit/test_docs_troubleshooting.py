"""Every message of docs/troubleshooting.md is provoked as a user would, with the exit code under which it stands."""

import errno
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.unit.flow.test_cluster_submit import use
from tests.unit.planning.test_scan_examination import planned, spoil

import lumirage.cli as command_line
from lumirage.core.layout import Layout
from lumirage.datasets.phantom import PhantomSpec, make_phantom
from lumirage.flow.method_setup.install import MissingPart
from lumirage.planning.output_description import write_output_description
from lumirage.running.executors.resource_slots import Resources
from lumirage.running.tree_lock import lock_tree

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
SECTIONS = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:4]
LAST = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[4]
INSTALLER = "lumirage.flow.method_setup.install.MethodInstaller"
EVALUATE = "evaluate -m zero-displacement --runtime local"


@dataclass
class Trap:
    """What a provocation may change until its test ends."""

    patch: pytest.MonkeyPatch
    until_the_end: ExitStack


Provoke = str | Callable[[Trap], str]
"""The words of a command; or what makes a trap in the folder with `bids` and gives the words."""


def messages() -> dict[str, int]:
    """The first cell of each row -> the exit code that heads its section, or stands in its row."""
    found = {}
    for section in SECTIONS:
        code = re.match(r"Exit code (\d+)", section)
        assert code
        found |= {cell: int(code[1]) for cell in _cells(section)}
    for row in LAST.splitlines():
        if row.startswith("| `"):
            number = re.search(r"; (\d+) \|", row)
            assert number
            found[_cells(row)[0]] = int(number[1])
    return found


def _cells(text: str) -> list[str]:
    return [row.split(" | ")[0].removeprefix("| ") for row in text.splitlines() if row.startswith("| `")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "bids"
    make_phantom(folder, PhantomSpec(subjects=3, spacing_mm=8.0, contrasts=("T1w",), seed=1))
    return folder


@pytest.fixture
def here(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the dataset `bids`, and the evaluation `done` of it, in which nothing has run yet."""
    shutil.copytree(whole, tmp_path / "bids")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def image(subject: str = "01") -> Path:
    return Path(f"bids/sub-{subject}/anat/sub-{subject}_T1w.nii.gz")


def spoiled(change: Callable[[np.ndarray], np.ndarray]) -> Provoke:
    def provoke(_: Trap) -> str:
        spoil(image(), change)
        return f"{EVALUATE} bids out"

    return provoke


def file_of(name: str, text: str, words: str) -> Provoke:
    def provoke(_: Trap) -> str:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
        return words

    return provoke


def evaluation() -> Layout:
    plan = planned(Path("bids"), Path("done"))
    write_output_description(plan.layout, plan.evaluation)
    return plan.layout


def other_evaluation(trap: Trap) -> str:
    evaluation()
    trap.patch.setattr(f"{INSTALLER}.install", lambda _, sources: {s.card.name: use(s.card.name) for s in sources})
    return f"{EVALUATE} -t phantom bids done"


def after_evaluation(words: str) -> Provoke:
    def provoke(_: Trap) -> str:
        evaluation()
        return words

    return provoke


def cut_off(_: Trap) -> str:
    image().write_bytes(image().read_bytes()[:200])
    return f"{EVALUATE} bids out"


def no_image(_: Trap) -> str:
    image().write_bytes(b"what a server says instead of a file")
    return f"{EVALUATE} bids out"


def annexed(_: Trap) -> str:
    image().unlink()
    image().symlink_to("../../.git/annex/objects/xx/yy/MD5E-s1--0.nii.gz/MD5E-s1--0.nii.gz")
    return f"{EVALUATE} bids out"


def four_d(_: Trap) -> str:
    stored = nibabel.load(image())
    nibabel.save(nibabel.Nifti1Image(np.stack([np.asanyarray(stored.dataobj)] * 2, -1), stored.affine), image())
    return f"{EVALUATE} bids out"


def blurred_labels(_: Trap) -> str:
    (path,) = Path("bids/derivatives/phantom/sub-01").rglob("*_dseg.nii.gz")
    spoil(path, lambda data: data.astype(np.float32) + np.float32(0.4) * (data > 0))
    return f"{EVALUATE} bids out"


def landmark_twice(_: Trap) -> str:
    (path,) = Path("bids/derivatives/phantom/sub-01").rglob("*_landmarks.tsv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    return f"{EVALUATE} bids out"


def odd_name(_: Trap) -> str:
    Path("bids/sub-01/anat/odd name.nii.gz").write_text("")
    return "bids out participant -m zero-displacement --runtime local"


def damaged(_: Trap) -> str:
    layout = evaluation()
    layout.evaluation.write_text(layout.evaluation.read_text().replace("chain", "all", 1))
    return "compare done"


def offline(trap: Trap) -> str:
    missing = [MissingPart("zero-displacement", "a virtual environment")]
    trap.patch.setattr(f"{INSTALLER}.missing", lambda *_: missing)
    return f"{EVALUATE} --offline bids out"


def no_apptainer(trap: Trap) -> str:
    trap.patch.setenv("PATH", "")
    return "evaluate -m greedy --runtime apptainer bids out"


def no_gpu(trap: Trap) -> str:
    trap.patch.setattr("lumirage.flow.plan.resources_here", lambda _: Resources((0,), 10**9))
    return "evaluate -m voxelmorph --runtime local --device gpu bids out"


def raised(error: BaseException) -> Provoke:
    def provoke(trap: Trap) -> str:
        def fail(*_: object, **__: object) -> None:
            raise error

        trap.patch.setattr("lumirage.planning.track_files.load_track", fail)
        return "tracks validate t1w"

    return provoke


def in_use(trap: Trap) -> str:
    trap.until_the_end.enter_context(lock_tree(evaluation()))
    return "compare done"


def one_scan_a_person(_: Trap) -> str:
    Path("within.yaml").write_text("name: within\npairing: {subjects: within}\n")
    return f"{EVALUATE} -t within.yaml bids out"


PROVOKED: dict[str, Provoke] = {
    "`no command '…'; did you mean '…'?`": "phantom",
    "`unknown method '…'; did you mean '…'`": "methods show greddy",
    "`'…' is a track, not a method`": "evaluate -m t1w bids out",
    "`'…' is a method, not a track`": "evaluate -m greedy -t ants-syn bids out",
    "`unknown track '…'`": f"{EVALUATE} -t t2w1 bids out",
    "`BIDS_DIR … and OUT … look swapped`": f"{EVALUATE} out bids",
    "`'…' is where BIDS_DIR is expected`": "evaluate ants-syn -m greedy",
    "`OUT … is inside BIDS_DIR`": f"{EVALUATE} bids bids/out",
    "`OUT … is not empty and has no evaluation in it`": file_of("out/x.txt", "x", f"{EVALUATE} bids out"),
    "`… has another evaluation in it`": other_evaluation,
    "`no scan '…'`": f"{EVALUATE} --pair sub-01,sub-09 bids out",
    "`--pair …: the track does not pair these`": f"{EVALUATE} -t phantom --pair sub-03,sub-01 bids out",
    "`no participant […]`": f"{EVALUATE} --participant-label 07 -- bids out",
    "`--derivatives …: expected NAME=PATH`": f"{EVALUATE} --derivatives aseg bids out",
    "`unknown runtime '…'`": "evaluate -m greedy --runtime dokcer bids out",
    "`--device gpu: none of these methods can use a GPU`": f"{EVALUATE} --device gpu bids out",
    "`…: no such field`": file_of("t.yaml", "name: t\nprepare: {spacing: 1}\n", "tracks validate t.yaml"),
    "`…: not YAML`": file_of("t.yaml", "name: t\nsummary: a: b\n", "tracks validate t.yaml"),
    "`… has no parameter '…'`": "evaluate -m greedy:sgma=3 --runtime local bids out",
    "`no preset '…'`": after_evaluation("score done --preset strct"),
    "`score: OUT is missing`": "score",
    "`unknown kind of export '…'`": after_evaluation("export done cvs tables"),
    "`unknown kind of dataset '…'`": "dataset import freesurfr bids new",
    "`KIND and SOURCE look swapped`": "dataset import bids freesurfer new",
    "`nifti-folder needs --pattern`": "dataset import nifti-folder bids new",
    "`…: no such folder`": f"{EVALUATE} nowhere out",
    "`…: not a BIDS dataset`": file_of("empty/x.txt", "x", f"{EVALUATE} empty out"),
    "`…: no evaluation there`": "report nowhere",
    "`…: no run is complete yet`": after_evaluation("score done"),
    "`…: a BIDS dataset, not the output of an evaluation`": "report bids",
    "`no pair: … scans`": one_scan_a_person,
    "`…: not a readable NIfTI image`": no_image,
    "`…: the image data are damaged or cut off`": cut_off,
    "`…: content not here (git-annex, DataLad)`": annexed,
    "`…: every voxel is …: there is nothing to register`": spoiled(np.zeros_like),
    "`…: complex numbers`": spoiled(lambda data: data.astype(np.complex64) * (1 + 1j)),
    "`…: … voxels are infinite`": spoiled(lambda data: np.where(data == data.max(), np.inf, data).astype(np.float32)),
    "`…: 4-D image of shape …`": four_d,
    "`…: a label map must have whole numbers`": blurred_labels,
    "`…: landmark '…' occurs twice`": landmark_twice,
    "`…: not valid BIDS names`": odd_name,
    "`labels.sources: no scan has labels '…'`": f"{EVALUATE} --labels aseg bids out",
    "`…: damaged`": damaged,
    "`the network is not to be used`": offline,
    "`neither apptainer nor singularity is on the PATH`": no_apptainer,
    "`--device gpu: this machine has no GPU`": no_gpu,
    "`internal error`": raised(KeyError("x")),
    "`… is in use by …`": in_use,
    "`No space left on device`": raised(OSError(errno.ENOSPC, "No space left on device", "/out/x")),
    "`interrupted; type the same command to go on`": raised(KeyboardInterrupt()),
}
"""Each message of the page -> what provokes it."""


def test_the_page_and_this_test_have_the_same_messages() -> None:
    assert list(PROVOKED) == list(messages())


@pytest.mark.parametrize("message", PROVOKED)
def test_the_message_is_said(
    message: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provoke = PROVOKED[message]
    with ExitStack() as until_the_end:
        words = provoke if isinstance(provoke, str) else provoke(Trap(monkeypatch, until_the_end))
        code = ended_by(words, monkeypatch)
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(as_pattern(message), said), said[-600:]
    assert code == messages()[message]


def as_pattern(message: str) -> str:
    parts = [re.escape(part) for part in message.replace("`", "").split("…")]
    return ".+".join(parts)


def ended_by(words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the whole command, which says what it has to say on stderr."""
    ends: list[int] = []

    def leave(code: int) -> None:
        ends.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(command_line, "_leave", leave)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["lumirage-harness", *words.split()])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ends[-1] if ends else int(str(ended.value.code))
