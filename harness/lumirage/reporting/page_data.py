"""Makes the compact data for the page's script: arrays, by the index of method, pair and measure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lumirage.reporting.headline_figure import effect_rows
from lumirage.reporting.method_looks import OUTLINES
from lumirage.reporting.mosaic import FOLDER, INDEX, Tile
from lumirage.reporting.report_inputs import Inputs
from lumirage.reporting.structure_means import structures_of


def page_data(inputs: Inputs, pages: Mapping[str, str], mosaic: Sequence[Tile] = ()) -> dict[str, Any]:
    """Values (methods x pairs) and effects of each measure, with four and five digits; `pages` gives pairs their addresses."""
    condition = inputs.conditions[0]
    return {
        "pairs": [
            [id_, p.fixed.name, p.moving.name, p.fixed.subject, p.moving.subject] for id_, p in inputs.pairs.items()
        ],
        "pages": dict(pages),
        "methods": inputs.methods,
        "looks": [[inputs.looks[m].color, inputs.looks[m].marker] for m in inputs.methods],
        "outlines": {name: [[round(x, 3), round(y, 3)] for x, y in shape] for name, shape in OUTLINES.items()},
        "references": [m for m in inputs.methods if m in inputs.references],
        "measures": [[m.title, m.unit, int(m.higher_is_better)] for m in inputs.measures],
        "values": {f"{i}/0": _compact(inputs.matrix(m, condition)) for i, m in enumerate(inputs.measures)},
        "effects": [effect_rows(inputs, m) for m in inputs.measures],
        "mosaic": {
            "count": len(mosaic),
            "index": f"{FOLDER}/{INDEX}",
            "folder": FOLDER,
            "methods": sorted({tile.method for tile in mosaic}),
        },
        "structures": structures_of(inputs),
    }


def _compact(values: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{v:.4g}") if np.isfinite(v) else None for v in row] for row in values]
