"""What each contract lays before a method, and where it looks for the answer."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from running_world import World

from lumirage.core.errors import UsageError
from lumirage.core.model import Command, Job, Method
from lumirage.core.space import read_volume
from lumirage.running.method_contract import JobFile, JobFolders, write_inputs

ROOT = {"/in", "/out", "/input", "/output", "/app"}


def with_method(job: Job, **changes: object) -> Job:
    return job.model_copy(update={"method": Method.model_validate(job.method.model_dump() | changes)})


def folders(world: World, *, private: bool = True) -> JobFolders:
    return JobFolders(world.root / "d" / "in", world.root / "d" / "out", lambda mount: mount.target, private)


def test_lumirage(world: World):
    world.add_pairs(2)
    place = folders(world)
    written = write_inputs(world.job("x", iterations=[1, 2]), world.inputs, place)
    assert written.arguments == ("register", "/in/job.json", "/out")
    spec = JobFile.model_validate_json((place.inside / "job.json").read_bytes())
    assert spec.parameters == {"iterations": [1, 2]}
    assert [pair.id for pair in spec.pairs] == list(written.ids.values())
    for pair in spec.pairs:
        assert pair.fixed == f"/in/{pair.id}/fixed.nii"
        assert (place.inside / pair.id / "moving.nii").is_file()
        assert (place.out / pair.id).is_dir()
    text = "".join(str(path) for path in place.inside.rglob("*")) + (place.inside / "job.json").read_text()
    assert not any(word in text for word in ("sub", "T1w", "T2w", *world.inputs))


@pytest.mark.parametrize("contract", ["lumirage", "command", "lumir"])
def test_whoever_runs_the_method_can_read_what_it_is_given(world: World, contract: str):
    """The container's user is another one, and the harness may have been started with a umask of 077."""
    world.add_pairs(1)
    job = with_method(world.job("x"), contract=contract, command=COMMAND.model_dump() | {"template": "{fixed}"})
    place, before = folders(world), os.umask(0o077)
    try:
        write_inputs(job, world.inputs, place)
    finally:
        os.umask(before)
    found = [place.inside, *place.inside.rglob("*")]
    assert len(found) > 2
    for path in found:
        needed = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & needed == needed, path


def test_no_two_pairs_get_the_same_identity(world: World, monkeypatch: pytest.MonkeyPatch):
    world.add_pairs(1)
    given = next(iter(world.inputs.values()))
    monkeypatch.setattr("secrets.token_hex", lambda _: "00000000")
    written = write_inputs(world.job("x"), {str(i): given for i in range(20)}, folders(world))
    assert len(set(written.ids.values())) == 20


def test_identities_differ_from_container_to_container(world: World):
    world.add_pairs(3)
    seen = set()
    for i in range(5):
        place = JobFolders(world.root / f"{i}" / "in", world.root / f"{i}" / "out", lambda mount: mount.target, True)
        seen |= set(write_inputs(world.job("x"), world.inputs, place).ids.values())
    assert len(seen) == 15


def test_what_the_method_could_write_to_is_a_copy(world: World):
    world.add_pairs(1)
    source = next(iter(world.inputs.values())).prepared.fixed
    for private in (True, False):
        place = JobFolders(world.root / f"{private}" / "in", world.root / f"{private}" / "out", str, private)
        written = write_inputs(world.job("x"), world.inputs, place)
        given = place.inside / next(iter(written.ids.values())) / "fixed.nii"
        assert given.samefile(source) == private
        assert given.read_bytes() == source.read_bytes()


def test_the_names_in_the_headers_are_gone(world: World):
    world.add_pairs(1)
    place = folders(world)
    write_inputs(world.job("x"), world.inputs, place)
    for image in place.inside.rglob("*.nii"):
        head = image.read_bytes()[:352]
        assert head[4:39].strip(b"\0r") == b""  # data_type and db_name
        assert head[148:252].strip(b"\0") == b""  # descrip and aux_file
        assert head[348:352] == b"\0\0\0\0"  # no extensions


COMMAND = Command(
    template="--fix {fixed} '--mov={moving}' -o {out}/warp.nii -t {threads} -w {weight}", answer="warp.nii"
)


def test_command(world: World):
    world.add_pairs(1)
    place = folders(world)
    job = with_method(world.job("x", weight=0.5), contract="command", command=COMMAND.model_dump())
    written = write_inputs(job, world.inputs, place)
    expected = ("--fix", "/in/fixed.nii.gz", "--mov=/in/moving.nii.gz", "-o", "/out/warp.nii", "-t", "1", "-w", "0.5")
    assert written.arguments == expected
    (answer,) = written.expected.values()
    assert (answer.folder, answer.fields) == (place.out, ("warp.nii",))
    prepared = next(iter(world.inputs.values())).prepared.fixed
    assert np.array_equal(read_volume(place.inside / "fixed.nii.gz").data, read_volume(prepared).data)


def test_a_command_with_an_unknown_word(world: World):
    world.add_pairs(1)
    wrong = {"template": "{fixd}", "answer": "x"}
    with pytest.raises(UsageError, match="fixd"):
        write_inputs(with_method(world.job("x"), contract="command", command=wrong), world.inputs, folders(world))


@pytest.mark.parametrize(
    ("year", "root", "listing"), [(2024, "", "LUMIR_dataset.json"), (2025, "/app", "LUMIR25_dataset.json")]
)
def test_lumir(world: World, year: int, root: str, listing: str):
    world.add_pairs(2)
    place = folders(world)
    written = write_inputs(with_method(world.job("x"), contract="lumir", lumir_year=year), world.inputs, place)
    assert written.arguments == ()
    targets = {mount.target: mount for mount in written.mounts}
    assert set(targets) == {f"{root}/{listing}", f"{root}/input", f"{root}/output"}
    spec = json.loads(targets[f"{root}/{listing}"].source.read_text())
    for pair, answer in zip(spec["validation"], written.expected.values(), strict=True):
        # as the challenge's own scripts read it
        image = Path(str(targets[f"{root}/input"].source) + "/" + pair["fixed"])
        fixed, moving = (pair[side].split("_")[-2] for side in ("fixed", "moving"))
        assert answer.fields == (f"disp_{fixed}_{moving}.nii.gz",)
        data = read_volume(image).data
        assert (data.min(), data.max()) == (0.0, pytest.approx(255.0))
