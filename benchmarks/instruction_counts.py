"""Counts the instructions of the scoring kernels with callgrind: instruction_counts.tsv is what they were.

python benchmarks/instruction_counts.py [--remake]

Times depend on the machine and on what else runs; the number of instructions depends on the code alone. Counted is only what
numba compiled, for a plain x86-64 whatever the processor is: not Python, not NumPy and the C library, which choose other
code on another processor, and not the compiling itself, which is done before. A change of more than 5 percent, in either
direction, fails: mend it, or store the new counts with --remake and say why. Other versions of numba and its compiler may
give other counts. `make test` runs it: without valgrind it says so and passes, with LUMIRAGE_REQUIRE_VALGRIND=1 it fails then.
"""

import argparse
import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_suffix(".tsv")
TOLERANCE = 0.05
PLAIN = {
    "NUMBA_CPU_NAME": "x86-64",
    "NUMBA_CPU_FEATURES": "",
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
SHAPE = (24, 28, 32)

START = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void stop(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
"""
"""Callgrind counts between these two; what Python does before and after runs uncounted and faster."""


def kernels() -> dict[str, Callable[[], object]]:
    """The work that is counted, with its inputs made."""
    from lumirage.scoring.label_maps import LabelSet, relabel
    from lumirage.scoring.native_label_warp import PlacedLabels, WorldMap, warp_world
    from lumirage.scoring.regularity import mask_bits, masked_regularity
    from lumirage.scoring.surface import SurfaceOptions, surface_distances

    at = np.indices(SHAPE)
    volume = np.uint8(1) + (at[0] // 6 + 4 * (at[1] // 7) + 16 * (at[2] // 8)).astype(np.uint8)
    volume[:3], volume[-3:] = 0, 0
    labels = LabelSet.of(range(int(volume.max()) + 1))
    fixed, moving = relabel(volume, labels), relabel(np.roll(volume, 2, axis=2), labels)
    waves = [np.sin(at[(axis + 1) % 3] / 3.0 + axis) for axis in range(3)]
    field = np.ascontiguousarray(np.stack(waves).astype(np.float32))
    world = WorldMap(np.moveaxis(field, 0, -1), np.eye(4), np.eye(4))
    bits = mask_bits([volume], SHAPE)
    placed = PlacedLabels(fixed, np.eye(4)), PlacedLabels(moving, np.eye(4))
    return {
        "relabel": lambda: relabel(volume, labels),
        "warp_world": lambda: warp_world(*placed, world),
        "surface_distances": lambda: surface_distances(fixed, moving, SurfaceOptions()),
        "masked_regularity": lambda: masked_regularity(field, bits),
    }


def count(folder: Path) -> dict[str, int]:
    """Instructions of each kernel; compiled and warmed up before, in a process of its own."""
    environment = os.environ | PLAIN | {"NUMBA_CACHE_DIR": str(folder / "compiled")}  # none of an earlier numba
    source, library = folder / "marks.c", folder / "marks.so"
    source.write_text(START)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    again = [sys.executable, __file__, "--inside", str(library)]
    subprocess.run([*again, "--dry"], check=True, env=environment)
    out = folder / "callgrind.out"
    options = ["--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", "--quiet"]
    options += ["--compress-strings=no", "--compress-pos=no"]
    subprocess.run(["valgrind", *options, *again], check=True, env=environment)
    counts = {}
    for part in sorted(folder.glob("callgrind.out.*")):
        text = part.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (\w+)", text, re.MULTILINE)
        if name:
            counts[name[1]] = compiled_instructions(text)
    return counts


def compiled_instructions(dump: str) -> int:
    """Instructions in code of no file, which is what numba compiled; a line after `calls=` repeats those of the called."""
    total, compiled, repeated = 0, False, False
    for line in dump.splitlines():
        if line.startswith("ob="):
            compiled = line == "ob=???"
        elif line.startswith("calls="):
            repeated = True
        elif line[:1].isdigit():
            total += int(line.split()[1]) if compiled and not repeated else 0
            repeated = False
    return total


def inside(library: str, *, dry: bool) -> None:
    """Run each kernel once to load it, once between the marks."""
    marks = ctypes.CDLL(library)
    for name, kernel in kernels().items():
        kernel()
        if dry:
            continue
        marks.start()
        kernel()
        marks.stop(name.encode())


def main() -> None:
    """Compare with the stored counts, or store them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remake", action="store_true", help="store the counts of now")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--dry", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        inside(given.inside, dry=given.dry)
        return
    lacking = [name for name in ("valgrind", "cc") if shutil.which(name) is None]
    lacking += ["an x86-64 processor"] if platform.machine() != "x86_64" else []
    if lacking:
        told = f"instruction counts are NOT compared: {', '.join(lacking)} is missing"
        if given.remake or os.environ.get("LUMIRAGE_REQUIRE_VALGRIND") == "1":
            sys.exit(told)
        print(told)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = count(Path(folder))
    if given.remake:
        STORED.write_text("kernel\tinstructions\n" + "".join(f"{name}\t{n}\n" for name, n in found.items()))
    stored = {name: int(n) for name, n in (line.split("\t") for line in STORED.read_text().splitlines()[1:])}
    changed = changed_kernels(found, stored)
    for name in stored | found:
        print(f"{name}\t{found.get(name, 0)}\t{stored.get(name, 0)}\t{'CHANGED' if name in changed else ''}")
    if changed:
        sys.exit(f"more than {TOLERANCE:.0%} apart: {', '.join(changed)}; if this is meant, --remake")


def changed_kernels(found: dict[str, int], stored: dict[str, int]) -> list[str]:
    """Kernels that are more than the tolerance apart, or on one side only."""
    both = found.keys() & stored.keys()
    near = {name for name in both if stored[name] > 0 and abs(found[name] - stored[name]) <= TOLERANCE * stored[name]}
    return [name for name in stored | found if name not in near]


if __name__ == "__main__":
    main()
