"""NIfTI-1 with the standard library alone."""

import gzip
import struct
from array import array


def read(path):
    """Shape, sform (3 rows of 4) and the voxels as floats, the first axis fastest."""
    with gzip.open(path, "rb") as file:
        raw = file.read()
    shape = struct.unpack_from("<8h", raw, 40)[1:4]
    (datatype,) = struct.unpack_from("<h", raw, 70)
    assert datatype == 16, "float32 is wanted"
    rows = [struct.unpack_from("<4f", raw, 280 + 16 * i) for i in range(3)]
    values = array("f", raw[int(struct.unpack_from("<f", raw, 108)[0]) :])
    return shape, rows, values


def write(path, dims, rows, values, intent=0):
    """A float32 image of any number of dimensions, its voxels with the first axis fastest."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(dims), *dims, *[1] * (7 - len(dims)))
    struct.pack_into("<h", head, 68, intent)
    struct.pack_into("<2h", head, 70, 16, 32)
    spacing = [sum(row[axis] ** 2 for row in rows) ** 0.5 for axis in range(3)]
    struct.pack_into("<8f", head, 76, 1.0, *spacing, *[1.0] * 4)
    struct.pack_into("<3f", head, 108, 352.0, 1.0, 0.0)
    struct.pack_into("<2h", head, 252, 0, 1)
    for i, row in enumerate(rows):
        struct.pack_into("<4f", head, 280 + 16 * i, *row)
    head[344:348] = b"n+1\0"
    with gzip.open(path, "wb", 1) as file:
        file.write(bytes(head) + array("f", values).tobytes())
