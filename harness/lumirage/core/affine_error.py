"""The record of a deliberate error of the alignment that methods start from."""

from pydantic import Field

from lumirage.core.model import Record


class AffineError(Record):
    """A deliberate error of the initial alignment, about the centre of the working grid."""

    rotation_deg: float = Field(default=0.0, ge=-180, le=180, description="degrees about the axis (1, 1, 1)")
    translation_mm: float = Field(default=0.0, ge=-1000, le=1000, description="millimetres along (1, 1, 1)")
