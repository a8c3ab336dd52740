"""ANTs' own program moves labels by exported files to where our own map does. A manual run, as antspyx brings its own numpy.

    python -m benchmarks.transforms_ants make FOLDER        in the project's environment
    python benchmarks/transforms_ants.py apply FOLDER       in an environment of its own, with antspyx

Prints, for each orientation of the fixed and the moving image, the share of voxels with the same label: composed, apart.
"""

import sys
from pathlib import Path


def make(folder: Path) -> None:
    """The maps of tests/unit/reporting/test_transform_files.py, written for ANTs with what they have to give."""
    import nibabel as nib
    import numpy as np
    from tests.unit.reporting.test_transform_files import CASES, found_map, labels, ours

    from lumirage.reporting.transform_files import FORMATS

    for fixed, moving in CASES:
        found, case = found_map(fixed, moving), folder / f"{fixed}-{moving}"
        case.mkdir(parents=True)
        nib.Nifti1Image(labels(found), np.array(found.moving.affine)).to_filename(case / "moving.nii.gz")
        blank = np.zeros(found.fixed.shape, np.int16)
        nib.Nifti1Image(blank, np.array(found.fixed.affine)).to_filename(case / "fixed.nii.gz")
        np.save(case / "expected.npy", ours(found).reshape(found.fixed.shape))
        for apart in (False, True):
            FORMATS["ants"](found, case / "x", apart)


def apply(folder: Path) -> None:
    """By ants.apply_transforms, nearest neighbour."""
    import ants
    import numpy as np

    for case in sorted(folder.iterdir()):
        fixed, moving = (ants.image_read(str(case / f"{name}.nii.gz")) for name in ("fixed", "moving"))
        expected, shares = np.load(case / "expected.npy"), []
        for files in (["x_Warp.nii.gz"], ["x_1Warp.nii.gz", "x_0GenericAffine.mat"]):
            paths = [str(case / file) for file in files]
            keep = [False] * len(paths)
            moved = ants.apply_transforms(
                fixed, moving, paths, interpolator="nearestNeighbor", whichtoinvert=keep
            ).numpy()
            shares.append(float((moved == expected).mean()))
        print(case.name, *(f"{share:.5f}" for share in shares))


if __name__ == "__main__":
    {"make": make, "apply": apply}[sys.argv[1]](Path(sys.argv[2]))
