"""NiftyReg's free-form deformation (reg_f3d)."""

import subprocess
import tempfile
from pathlib import Path

import niftyreg

import lumirage_kit


def call(program: str, *words: str | Path) -> None:
    """Run one of NiftyReg's programs; its exit code ends this one."""
    subprocess.run([niftyreg.bin_path / program, *map(str, words)], check=True)


job = lumirage_kit.read_job()
for pair in job:
    with tempfile.TemporaryDirectory() as folder:
        lattice, field = Path(folder) / "lattice.nii", Path(folder) / "field.nii"
        images = ("-ref", pair.fixed, "-flo", pair.moving)
        options = [str(word) for word in job.parameters["options"]]
        call(
            "reg_f3d", *images, "-cpp", lattice, "-res", Path(folder) / "moved.nii", "-omp", str(job.threads), *options
        )
        call("reg_transform", "-ref", pair.fixed, "-disp", lattice, field, "-omp", str(job.threads))
        pair.write(lumirage_kit.load_image(field).squeeze())
