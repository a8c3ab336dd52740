"""Says a condition in words: affine_error-rotation_deg10 is "affine off by 10 degrees". Files keep the identifiers."""

import re
from collections.abc import Callable

_DECIMAL = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_NUMBER = re.compile(_DECIMAL)
_ERROR = re.compile(rf"(rotation_deg|translation_mm)({_DECIMAL})")
_UNITS = {"rotation_deg": "degrees", "translation_mm": "mm"}
_AFFINES = {"none": "no initial alignment", "rigid": "rigid initial alignment", "affine": "affine initial alignment"}
_INTENSITIES = {
    "none": "intensities as they are",
    "minmax": "min-max intensities",
    "percentile": "intensities scaled by percentiles",
    "zscore": "z-scored intensities",
    "equalized": "equalized intensities",
}
_CONTRASTS = {"T2starw": "T2*w"}
_NATIVE = "None"

AXES = {
    "orientation": "orientation",
    "oblique_deg": "turn of the grid (degrees)",
    "spacing_mm": "voxel size (mm)",
    "shape": "size of the grid (voxels)",
    "crop_mm": "margin around the head (mm)",
    "divisible_by": "size of the grid divisible by",
    "affine": "initial alignment",
    "affine_error": "error of the affine",
    "skull": "skull",
    "intensity": "intensities",
    "gamma": "gamma",
    "inverted": "inverted contrast",
    "bias_field": "bias field (share)",
    "noise": "noise (share)",
    "jitter": "jitter of the grid",
    "contrast": "contrast",
    "session": "session",
    "several": "several at once",
}
"""Axis of conditions -> its title, with the unit."""


def axis_words(axis: str) -> str:
    """The title of an axis, with its unit."""
    return AXES.get(axis, axis.replace("_", " "))


def condition_words(name: str) -> str:
    """What differs from the reference under a condition, as words that can follow "with"; a name of no known form is kept."""
    parts = [_PART.fullmatch(part) for part in _BETWEEN.split(name)]
    if not all(parts):
        return name
    return ", ".join(_WORDS[part[1]](part[2]) for part in parts if part)


def _error(level: str) -> str:
    found = [f"{float(size):g} {_UNITS[what]}" for what, size in _ERROR.findall(level)]
    return f"affine off by {' and '.join(found)}" if found else "exact affine"


def _size(level: str) -> str:
    sizes = level.split("x")
    return sizes[0] if len(set(sizes)) == 1 else " x ".join(sizes)


def _percent(level: str) -> str:
    return f"{float(level) * 100:g} %" if _NUMBER.fullmatch(level) else level


_WORDS: dict[str, Callable[[str], str]] = {
    "orientation": lambda level: f"{level} orientation",
    "oblique_deg": lambda level: f"grid turned by {level} degrees",
    "spacing_mm": lambda level: "native voxel size" if level == _NATIVE else f"{_size(level)} mm voxels",
    "shape": lambda level: (
        "native grid size" if level == _NATIVE else f"a grid of {' x '.join(level.split('x'))} voxels"
    ),
    "crop_mm": lambda level: (
        "images not cropped" if level == _NATIVE else f"images cropped to {level} mm around the head"
    ),
    "divisible_by": lambda level: f"grid size divisible by {level}",
    "affine": lambda level: _AFFINES.get(level, level),
    "affine_error": _error,
    "skull": lambda level: "skull-stripped images" if level == "stripped" else "images with skull",
    "intensity": lambda level: _INTENSITIES.get(level, level),
    "gamma": lambda level: f"gamma {level}",
    "inverted": lambda level: "inverted contrast" if level == "True" else "contrast as it is",
    "bias_field": lambda level: f"{_percent(level)} bias field",
    "noise": lambda level: f"{_percent(level)} noise",
    "jitter": lambda _: "grid turned and shifted by a little, trace of noise",
    "contrast": lambda level: f"{_CONTRASTS.get(level, level)} images",
    "session": lambda level: f"session {level}",
}
_AXIS = "|".join(sorted(_WORDS, key=len, reverse=True))
_BETWEEN = re.compile(f"_(?=(?:{_AXIS})-)")
_PART = re.compile(f"({_AXIS})-(.*)", re.DOTALL)
