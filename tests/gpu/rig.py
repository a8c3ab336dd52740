"""A machine with GPUs that has none: a driver library made of a text file, for tests of every path that a GPU takes."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("fake_nvml.c")
LIBRARY = "libnvidia-ml.so.1"
GB = 10**9


@dataclass(frozen=True)
class Gpu:
    """A made-up GPU; `flags` are those of fake_nvml.c, such as "lost"."""

    uuid: str
    used_bytes: int = GB
    energy_mj: int = 1000
    reasons: int = 0
    flags: tuple[str, ...] = ()
    mig: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rig:
    """A folder with the library and the file that it reads."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def has(self, gpus: Sequence[Gpu], processes: Sequence[tuple[str, int, int]] = ()) -> None:
        """The machine has these GPUs from now on, and these processes (UUID, pid, bytes) use them."""
        lines = []
        for gpu in gpus:
            words = [gpu.uuid, 80 * GB, gpu.used_bytes, gpu.energy_mj, gpu.reasons, *gpu.flags]
            lines.append(" ".join(map(str, ["gpu", *words, *(["mig"] if gpu.mig else [])])))
            lines += [f"mig {gpu.uuid} {uuid} {10 * GB} {gpu.used_bytes}" for uuid in gpu.mig]
        # a process 0 stands for all that claim FAKE_GPU_BYTES
        lines += [f"process {' '.join(map(str, one))}" for one in processes]
        path = self.folder / "gpus"
        path.with_suffix(".new").write_text("\n".join(lines) + "\n")
        path.with_suffix(".new").replace(path)


def build(folder: Path) -> Rig:
    """The library, compiled. Raises RuntimeError without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the GPU tests need a C compiler")
    folder.mkdir(parents=True, exist_ok=True)
    words = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", folder / LIBRARY, SOURCE]
    subprocess.run(words, check=True)
    libraries = os.pathsep.join(filter(None, (str(folder), os.environ.get("LD_LIBRARY_PATH", ""))))
    rig = Rig(folder, {"LD_LIBRARY_PATH": libraries, "LUMIRAGE_FAKE_NVML": str(folder / "gpus")})
    rig.has([Gpu("GPU-aaaa"), Gpu("GPU-bbbb")])
    return rig
