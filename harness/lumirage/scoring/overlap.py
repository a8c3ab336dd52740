"""Computes the overlap of label maps from the joint histogram alone."""

import numpy as np
from numpy.typing import NDArray

from lumirage.scoring.label_warp import Overlap


def dice(overlap: Overlap) -> NDArray[np.float64]:
    """2 |F and W| / (|F| + |W|) for each scored label; NaN if the label is absent in the fixed or the moving map.

    A label that both maps have and that vanished in the warp has Dice 0. Source: Dice 1945; absent labels as in
    LUMIR's evaluation.
    """
    labels = overlap.fixed.labels
    both = np.diagonal(overlap.joint)[: labels.other]
    sizes = overlap.fixed.counts + overlap.warped.counts
    values = np.full(labels.other, np.nan)
    present = (overlap.fixed.counts > 0) & (overlap.moving_counts > 0)
    values[present] = (2 * both[present]) / sizes[present]
    return values
