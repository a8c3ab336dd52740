"""Imports common layouts of the field as a BIDS dataset (`dataset import`), by links or copies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lumirage.core.errors import DataError, UsageError, nearest
from lumirage.datasets.challenge_layouts import plan_challenge
from lumirage.datasets.import_plan import Incoming, write_incoming
from lumirage.datasets.known_layouts import plan_folder, plan_oasis_neurite, plan_primede, plan_ultracortex
from lumirage.datasets.processed_layouts import plan_freesurfer, plan_hcp, plan_ixi, plan_synthseg

FOLDER = "nifti-folder"
LAYOUTS: dict[str, Callable[[Path], Incoming]] = {
    "lumir": plan_challenge,
    "learn2reg": plan_challenge,
    "oasis-neurite": plan_oasis_neurite,
    "ultracortex": plan_ultracortex,
    "primede": plan_primede,
    "freesurfer": plan_freesurfer,
    "ixi": plan_ixi,
    "hcp": plan_hcp,
}
SYNTHSEG = "synthseg"
KINDS = (*LAYOUTS, SYNTHSEG, FOLDER)


@dataclass(frozen=True)
class ImportOptions:
    """How to import. The patterns and the suffix are for `nifti-folder` only.

    copy: copy the files instead of linking them. pattern: where the images are, such as `{subject}/T1.nii.gz`.
    """

    copy: bool = False
    pattern: str | None = None
    labels: str | None = None
    mask: str | None = None
    suffix: str = "T1w"


def import_dataset(kind: str, source: Path, out: Path, options: ImportOptions = ImportOptions()) -> Incoming:
    """Import `source`, laid out as `kind` says, into the new BIDS dataset `out`; gives what was imported.

    Raises UsageError for an unknown kind, options that do not fit it or an `out` that exists, DataError for a source
    with another layout.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder")
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"{out} is inside {source}; choose a folder outside the imported one")
    incoming = _plan(kind, source, options)
    write_incoming(incoming, out, copy=options.copy)
    return incoming


def _plan(kind: str, source: Path, options: ImportOptions) -> Incoming:
    sides = {"labels": options.labels, "mask": options.mask}
    given = {name: pattern for name, pattern in sides.items() if pattern is not None}
    if kind == FOLDER:
        if options.pattern is None:
            raise UsageError("nifti-folder needs --pattern, such as --pattern '{subject}/T1.nii.gz'")
        return plan_folder(source, options.pattern, given, options.suffix)
    if kind == SYNTHSEG and options.pattern is None and options.mask is None:
        return plan_synthseg(source, Path(options.labels) if options.labels else None)
    if kind not in (*LAYOUTS, SYNTHSEG):
        raise UsageError(f"unknown kind of dataset {kind!r}{nearest(kind, KINDS)}")
    if options.pattern is not None or given:
        raise UsageError(f"patterns are for nifti-folder; the layout of {kind} is known")
    return LAYOUTS[kind](source)
