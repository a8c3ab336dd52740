"""Which voxels of an image belong to the head."""

from typing import cast

import numpy as np

from lumirage.core.space import Array


def foreground(data: Array) -> Array:
    """Voxels brighter than a tenth of the image's 99th percentile of positive values; all voxels in an empty image."""
    positive = data[data > 0]
    if not positive.size:
        return np.ones(data.shape, bool)
    return cast(Array, data > 0.1 * np.percentile(positive[:: max(1, positive.size // 500_000)], 99))
