"""Finds images as SIF files, and reads the record beside each. Needs no engine.

The folder is LUMIRAGE_SIF_DIR, else `lumirage` in APPTAINER_CACHEDIR (or SINGULARITY_CACHEDIR), else `sif` in the cache:

    <image id, 16 hex digits>.sif     the image
    <the same>.json                   its record, written last: if it exists, the image is complete
    <the same>.lock                   locked by the process that makes it
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from lumirage.core.errors import DataError
from lumirage.core.layout import cache_root
from lumirage.core.model import Record
from lumirage.core.records import read_json

ENDING = ".sif"


class SifRecord(Record):
    """What a SIF file was made from."""

    schema_version: Literal[1] = 1
    reference: str = Field(description="name of the image, such as lumirage/greedy:latest")
    digest: str = Field(
        description="identity of the OCI image, as the runtime docker records it: one image, one digest"
    )
    workdir: str = Field(default="/", description="the image's own working directory, which SIF does not keep")
    bytes: int = Field(description="size of the SIF file; another size means another file")
    made: str = Field(description="UTC, ISO 8601")
    made_by: str = Field(description="version of the program that converted it")


def sif_folder() -> Path:
    """Where SIF files are kept; every node of a cluster must see it."""
    own = os.environ.get("LUMIRAGE_SIF_DIR")
    site = os.environ.get("APPTAINER_CACHEDIR") or os.environ.get("SINGULARITY_CACHEDIR")
    return Path(own) if own else Path(site) / "lumirage" if site else cache_root() / "sif"


def full_name(reference: str) -> str:
    """The reference with its tag spelled out."""
    return reference if ":" in reference.rsplit("/", 1)[-1] or "@" in reference else f"{reference}:latest"


def sif_path(folder: Path, image_id: str) -> Path:
    """The file of an image by its id, `sha256:...`."""
    return folder / f"{image_id.partition(':')[2][:16]}{ENDING}"


def record_path(sif: Path) -> Path:
    """The record beside a SIF file."""
    return sif.with_suffix(".json")


def find_sif(reference: str, folder: Path | None = None) -> Path | None:
    """The latest SIF of the image with that name or id; None if there is none. Raises DataError."""
    named = [
        (record.made, path)
        for path, record in all_sifs(folder or sif_folder())
        if reference == record.digest or full_name(reference) == record.reference
    ]
    return max(named)[1] if named else None


def all_sifs(folder: Path) -> list[tuple[Path, SifRecord]]:
    """All complete SIFs of a folder with their records."""
    found = []
    for path in sorted(folder.glob("*.json")):
        sif = path.with_suffix(ENDING)
        if sif.is_file():
            found.append((sif, record_of(sif)))
    return [(sif, record) for sif, record in found if record is not None]


def record_of(sif: Path) -> SifRecord | None:
    """The record beside a SIF; None if the harness did not make it. Raises DataError if they do not belong together."""
    path = record_path(sif)
    if not path.is_file():
        return None
    record = read_json(path, SifRecord)
    if sif.stat().st_size != record.bytes:
        raise DataError(
            f"{sif}: has {sif.stat().st_size} bytes, its record says {record.bytes}; remove both and make it again"
        )
    return record
