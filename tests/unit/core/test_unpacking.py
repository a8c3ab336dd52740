"""Images in .gz files, unpacked in large pieces: the numbers that nibabel reads through gzip, and the same refusals."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from lumirage.core.errors import DataError
from lumirage.core.space import read_stored
from lumirage.core.unpacking import PIECE_BYTES, Unpacked

FIELD = np.random.default_rng(4).normal(size=(40, 30, 20, 3)).astype(np.float32)


def stored(path: Path) -> Path:
    nib.Nifti1Image(FIELD, np.diag([2.0, 2, 2, 1])).to_filename(path)
    assert path.stat().st_size > PIECE_BYTES / 4
    return path


def test_the_numbers_are_those_of_nibabel_also_scaled_and_can_be_written_to(tmp_path: Path) -> None:
    scaled = nib.Nifti1Image(FIELD, np.eye(4))
    scaled.set_data_dtype(np.int16)
    scaled.to_filename(tmp_path / "scaled.nii.gz")
    for path in (stored(tmp_path / "plain.nii.gz"), tmp_path / "scaled.nii.gz"):
        ours, theirs = read_stored(path), np.asanyarray(nib.load(path).dataobj)
        assert ours.dtype == theirs.dtype
        assert ours.flags.f_contiguous
        assert ours.flags.writeable
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("cut", [100, 40_000, 70_000])
def test_several_members_and_zeros_at_the_end_are_one_image(tmp_path: Path, cut: int) -> None:
    path = stored(tmp_path / "field.nii.gz")
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:cut]) + gzip.compress(content[cut:]) + b"\0" * 700)
    np.testing.assert_array_equal(read_stored(path), FIELD)


def test_what_is_cut_off_or_damaged_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path / "field.nii.gz")
    whole = path.read_bytes()
    content = gzip.decompress(whole)
    for wrong in (
        whole[:-60_000],
        whole[:-3],
        whole[:50_000] + b"\xff" * 500 + whole[50_500:],
        gzip.compress(content[:-8]),
        whole[:-8] + b"\1\2\3\4" + whole[-4:],  # the checksum of the content
    ):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match="damaged or cut off"):
            read_stored(path)


def test_no_more_is_unpacked_than_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "large.gz"
    path.write_bytes(gzip.compress(bytes(10**7)))
    with path.open("rb") as file:
        unpacked = Unpacked(file)
        assert unpacked.seek(5_000_000) == unpacked.tell() == 5_000_000
        assert unpacked.read(10) == bytes(10)
        with pytest.raises(OSError, match="was passed"):
            unpacked.seek(3)
        assert unpacked.seek(2 * 10**7) == 10**7
        assert unpacked.read(10) == b""
