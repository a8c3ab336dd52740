"""The three contracts: the inputs of a container, its command line, and the paths of its answers.

`lumirage` is ours; `command` runs one pair by a template; `lumir` is the challenge's of 2024 and 2025.
Methods see anonymous ids, which are drawn anew for each container and known only to the harness.
"""

import json
import os
import secrets
import shlex
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from lumirage.core.errors import UsageError
from lumirage.core.model import CONTRACT_VERSION, Job, Pair, ParameterValue, Prepared, Record
from lumirage.core.space import read_volume, write_volume
from lumirage.running.runtimes.runtime_interface import Mount
from lumirage.running.training_frame import as_seen, framed

LUMIR_MAXIMUM = 255.0
"""Intensities of the challenge's images run from 0 to this; its methods divide by it."""


class PairFile(Record):
    """One pair of job.json. Paths are as the method sees them."""

    id: str = Field(description="anonymous, another one in each container")
    fixed: str = Field(description="3-D float32 NIfTI on the working grid")
    moving: str = Field(description="3-D float32 NIfTI on the same grid, affinely aligned")
    truth: str | None = Field(default=None, description="true displacement; reference methods only")


class JobFile(Record):
    """job.json, what a method of contract version 1 reads."""

    contract: int = CONTRACT_VERSION
    pairs: tuple[PairFile, ...]
    threads: int
    seed: int
    device: Literal["cpu", "gpu"]
    parameters: dict[str, ParameterValue] = {}


@dataclass(frozen=True)
class PairInput:
    """What the harness prepared for one pair. `truth`: true displacement on the same grid, for reference methods;
    `note`: what the record says of it."""

    pair: Pair
    prepared: Prepared
    truth: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class JobFolders:
    """The folders of one container: `inside` is read-only, `out` is written by the method. `sees` maps a mount to
    the path under which the method sees it; `private` says that the method cannot write to what it is given."""

    inside: Path
    out: Path
    sees: Callable[[Mount], str]
    private: bool


@dataclass(frozen=True)
class ExpectedAnswer:
    """Where one pair's answer is looked for; None where the contract knows no such file."""

    folder: Path
    fields: tuple[str, ...]
    moved: tuple[str, ...] = ()
    info: str | None = None


@dataclass(frozen=True)
class WrittenInputs:
    """A container's inputs, laid out. `ids` maps pair to anonymous identity, `expected` likewise to the answer, `given`
    to what it is an answer to: the prepared pair, or that in the network's training frame."""

    arguments: tuple[str, ...]
    entrypoint: tuple[str, ...] | None
    mounts: tuple[Mount, ...]
    ids: Mapping[str, str]
    expected: Mapping[str, ExpectedAnswer]
    given: Mapping[str, PairInput] = field(default_factory=dict)


def write_inputs(job: Job, inputs: Mapping[str, PairInput], folders: JobFolders) -> WrittenInputs:
    """Lay out what the method is given for all `inputs`, in their order. Raises UsageError, DataError, OSError."""
    folders.inside.mkdir(parents=True)
    folders.out.mkdir(parents=True)
    frames = folders.inside.with_name("frame")
    given = {pair: _in_frame(job, one, frames / str(i)) for i, (pair, one) in enumerate(inputs.items())}
    written = replace(CONTRACTS[job.method.contract](job, given, folders), given=given)
    for path in (folders.inside, *folders.inside.rglob("*")):
        mode = path.stat().st_mode
        if readable := (0o555 if path.is_dir() else 0o444) & ~mode:
            path.chmod(stat.S_IMODE(mode) | readable)  # the method is another user, and our umask may be 077
    return written


def _in_frame(job: Job, given: PairInput, folder: Path) -> PairInput:
    there = framed(as_seen(given.prepared), given.truth, job.method.needs, folder)
    return replace(given, prepared=there.prepared, truth=there.truth, note=there.note)


def pairs_per_container(job: Job) -> int | None:
    """How many pairs one container takes; None: any number."""
    return 1 if job.method.contract == "command" else None


def _identities(pairs: Iterable[str]) -> dict[str, str]:
    """Pair -> what it is called in this container: drawn by chance, and no two alike."""
    names = list(pairs)
    numbers = secrets.SystemRandom().sample(range(2**32), len(names))
    return {pair: f"{number:08x}" for pair, number in zip(names, numbers, strict=True)}


def _device(job: Job) -> Literal["cpu", "gpu"]:
    return "gpu" if job.limits.gpus else "cpu"


def _lumirage(job: Job, inputs: Mapping[str, PairInput], folders: JobFolders) -> WrittenInputs:
    mounts = (Mount(folders.inside, "/in"), Mount(folders.out, "/out", readonly=False))
    seen = folders.sees(mounts[0])
    ids = _identities(inputs)
    listed = []
    for pair, given in inputs.items():
        folder = folders.inside / ids[pair]
        folder.mkdir()
        _link_or_copy(given.prepared.fixed, folder / "fixed.nii", folders)
        _link_or_copy(given.prepared.moving, folder / "moving.nii", folders)
        place = f"{seen}/{ids[pair]}"
        truth = given.truth if "truth" in job.method.grants else None
        if truth:
            _link_or_copy(truth, folder / "truth.nii", folders)
        listed.append(
            PairFile(
                id=ids[pair],
                fixed=f"{place}/fixed.nii",
                moving=f"{place}/moving.nii",
                truth=f"{place}/truth.nii" if truth else None,
            )
        )
        (folders.out / ids[pair]).mkdir()
    spec = JobFile(
        pairs=tuple(listed),
        threads=job.limits.cpus,
        seed=job.seed,
        device=_device(job),
        parameters=job.method.parameters,
    )
    (folders.inside / "job.json").write_text(spec.model_dump_json(indent=1, exclude_none=True))
    names = ("displacement.nii", "displacement.nii.gz")
    expected = {
        pair: ExpectedAnswer(folders.out / name, names, ("moved.nii", "moved.nii.gz"), "info.json")
        for pair, name in ids.items()
    }
    return WrittenInputs(("register", f"{seen}/job.json", folders.sees(mounts[1])), None, mounts, ids, expected)


def _command(job: Job, inputs: Mapping[str, PairInput], folders: JobFolders) -> WrittenInputs:
    if job.method.command is None:
        raise UsageError(f"the card of {job.method.name} has contract 'command' and no command")
    command = job.method.command
    ((pair, given),) = inputs.items()
    mounts = (Mount(folders.inside, "/in"), Mount(folders.out, "/out", readonly=False))
    fixed, moving = folders.inside / "fixed.nii.gz", folders.inside / "moving.nii.gz"
    for source, target in ((given.prepared.fixed, fixed), (given.prepared.moving, moving)):
        volume = read_volume(source)
        write_volume(target, volume.data, volume.affine)
    words = {
        **{name: str(value) for name, value in job.method.parameters.items()},
        "fixed": f"{folders.sees(mounts[0])}/{fixed.name}",
        "moving": f"{folders.sees(mounts[0])}/{moving.name}",
        "out": folders.sees(mounts[1]),
        "threads": str(job.limits.cpus),
        "seed": str(job.seed),
        "device": _device(job),
    }
    try:
        arguments = tuple(word.format_map(words) for word in shlex.split(command.template))
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(f"command of {job.method.name}: {error} is unknown; there are {sorted(words)}") from error
    expected = ExpectedAnswer(folders.out, (command.answer,), (command.moved,) if command.moved else ())
    return WrittenInputs(arguments, None, mounts, _identities(inputs), {pair: expected})


def _lumir(job: Job, inputs: Mapping[str, PairInput], folders: JobFolders) -> WrittenInputs:
    """The challenge's images take no arguments; they read the list `validation` and write disp_FIX_MOV.nii.gz.

    https://github.com/JHU-MedImage-Reg/LUMIR_L2R, Test_phase_submission: the id is the text between the last two
    underscores, and paths are appended to the input folder as strings.
    """
    year, root = job.method.lumir_year, "/app" if job.method.lumir_year == 2025 else ""
    listing = folders.inside / "dataset.json"
    images = folders.inside / "input" / "imagesVal"
    images.mkdir(parents=True)
    ids, listed, expected = {}, [], {}
    numbers = secrets.SystemRandom().sample(range(100_000, 1_000_000), 2 * len(inputs))
    for i, (pair, given) in enumerate(inputs.items()):
        fixed, moving = numbers[2 * i], numbers[2 * i + 1]
        for source, number in ((given.prepared.fixed, fixed), (given.prepared.moving, moving)):
            _write_lumir(source, images / f"LUMIRMRI_{number}_0000.nii.gz")
        listed.append({"fixed": _lumir_path(fixed), "moving": _lumir_path(moving)})
        ids[pair] = f"{fixed}_{moving}"
        expected[pair] = ExpectedAnswer(folders.out, (f"disp_{fixed}_{moving}.nii.gz",))
    spec = {"name": f"LUMIR{year}", "validation": listed, "test": listed, "numValidation": len(listed)}
    listing.write_text(json.dumps(spec, indent=1))
    mounts = (
        Mount(listing, f"{root}/LUMIR{'25' if year == 2025 else ''}_dataset.json"),
        Mount(folders.inside / "input", f"{root}/input"),
        Mount(folders.out, f"{root}/output", readonly=False),
    )
    return WrittenInputs((), None, mounts, ids, expected)


def _lumir_path(number: int) -> str:
    return f"./imagesVal/LUMIRMRI_{number}_0000.nii.gz"


def _write_lumir(source: Path, target: Path) -> None:
    volume = read_volume(source)
    low, high = float(volume.data.min()), float(volume.data.max())
    scale = LUMIR_MAXIMUM / (high - low) if high > low else 0.0
    write_volume(target, ((volume.data - low) * scale).astype(np.float32), volume.affine)


def _link_or_copy(source: Path, target: Path, folders: JobFolders) -> None:
    """Give a prepared file to the method: a hard link if the mount is read-only, else a copy."""
    if folders.private and source.stat().st_mode & 0o444 == 0o444:
        try:
            os.link(source, target)
        except OSError:  # another file system
            pass
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(0o644)


CONTRACTS: dict[str, Callable[[Job, Mapping[str, PairInput], JobFolders], WrittenInputs]] = {
    "lumirage": _lumirage,
    "command": _command,
    "lumir": _lumir,
}
