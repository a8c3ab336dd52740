"""A made-up method that holds a table of answers and knows a pair by the hash of its images: what `--jitter` is for."""

from pathlib import Path

import nibabel as nib
import numpy as np
from tests.crowd import make_method

PROGRAM = """import hashlib
from pathlib import Path

import numpy as np

import lumirage_kit

table = np.load(Path(__file__).with_name("table.npz"))
for pair in lumirage_kit.read_job():
    sha = hashlib.sha256()
    for image in pair.load():
        sha.update(np.ascontiguousarray(image).tobytes())
    known = sha.hexdigest() in table
    pair.write(table[sha.hexdigest()] if known else np.zeros((*pair.shape, 3), np.float32))
"""


def make_remembering(folder: Path, prepared: list[tuple[Path, Path, np.ndarray]]) -> Path:
    """A method that answers known pairs: files of the fixed and the moving image, and the field in mm."""
    import hashlib

    make_method(folder, "remembering", PROGRAM)
    table = {}
    for fixed, moving, field in prepared:
        images = [
            np.ascontiguousarray(np.asarray(nib.load(path).dataobj, dtype=np.float32)) for path in (fixed, moving)
        ]
        sha = hashlib.sha256()
        for image in images:
            sha.update(image.tobytes())
        table[sha.hexdigest()] = field.astype(np.float32)
    np.savez_compressed(folder / "table.npz", **table)
    return folder
