"""Voxels of gzip files: all that nibabel reads, and what is damaged is told."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lumirage.core.errors import DataError
from lumirage.core.gzip_voxels import PIECE
from lumirage.core.space import read_stored

FIELD = np.random.default_rng(0).normal(size=(7, 6, 5, 3)).astype(np.float32)


def packed(folder: Path, data: np.ndarray = FIELD) -> tuple[Path, bytes]:
    path = folder / "field.nii.gz"
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)
    return path, gzip.decompress(path.read_bytes())


def test_scaled_and_swapped_voxels_are_those_that_were_stored(tmp_path: Path) -> None:
    path = tmp_path / "scaled.nii.gz"
    image = nib.Nifti1Image(np.arange(60, dtype=">i2").reshape(3, 4, 5), np.eye(4))
    image.header.set_slope_inter(2, 1)
    image.to_filename(path)
    expected = np.asanyarray(nib.load(path).dataobj)
    assert np.array_equal(read_stored(path), expected)
    assert read_stored(path).dtype == expected.dtype


def test_several_members_and_more_than_the_header_tells_are_read(tmp_path: Path) -> None:
    path, raw = packed(tmp_path)
    path.write_bytes(gzip.compress(raw[:900]) + gzip.compress(raw[900:]))
    assert np.array_equal(read_stored(path), FIELD)
    path.write_bytes(gzip.compress(raw + bytes(1000)))
    assert np.array_equal(read_stored(path), FIELD)


def test_a_file_of_many_members_larger_than_a_piece_is_read_and_its_end_is_compared(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(size=(40, 30, 20, 3)).astype(np.float32)
    path, raw = packed(tmp_path, noise)
    members = [gzip.compress(raw[at : at + 1000]) for at in range(0, len(raw), 1000)]
    path.write_bytes(b"".join(members))
    assert path.stat().st_size > 2 * PIECE
    assert np.array_equal(read_stored(path), noise)
    path.write_bytes(b"".join(members)[:-1])
    with pytest.raises(DataError, match="damaged or cut off"):
        read_stored(path)


@pytest.mark.parametrize("damage", ["cut", "no end", "changed", "one member", "checksum"])
def test_a_damaged_file_is_told(tmp_path: Path, damage: str) -> None:
    path, raw = packed(tmp_path)
    whole = gzip.compress(raw)
    changed = bytearray(whole)
    changed[-6 if damage == "checksum" else 1400] ^= 255
    path.write_bytes(
        {"cut": whole[:-600], "no end": whole[:-8], "one member": gzip.compress(raw[:900])}.get(damage, bytes(changed))
    )
    with pytest.raises(DataError, match="damaged or cut off"):
        read_stored(path)
