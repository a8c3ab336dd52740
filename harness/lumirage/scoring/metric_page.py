"""Writes specs/metrics.md from the registry of metrics and the presets, so that it always agrees with them."""

from lumirage.core.metrics import METRICS, Metric
from lumirage.scoring.presets import PRESETS, SCORER_VERSION, Preset

_HEAD = """# Metrics

Made from `lumirage.core.metrics` and `lumirage.scoring.presets` (scorer {version}); a test compares them. To make
it again: `python -m lumirage.scoring.metric_page > specs/metrics.md`.

## Rows
A row of scores has a value or, in `undefined`, the reason why there is none; never both, never NaN, never an
epsilon. Rows with a `label` are for one label or landmark; the row without one is their mean, with `n`, the number of
values in it, and a `note` on omitted values and penalties. `preset`, `settings` (a hash of the preset, of
the definitions below and of the scorer's version) and `scorer` are in every row. A run without a valid answer has a
row for each metric, null, with its outcome as the reason.

## Frames of measurement
- **strict** compares labels on the native grid of the fixed label map (or, if the track says so, on the working grid):
  every voxel is taken through x -> A (x + u(x)) to the native moving labels, u linear on the working grid with
  its edge value outside, and the nearest label is read, once; label 0 outside. Half-way between two voxels (to 1e-6 voxel)
  the one further right, anterior or superior is read, so the storage order of neither image matters.
- **The mask** is the fixed scan's, else the native fixed image above 0: never a prepared image, so that
  it is the same under every condition.
- **True errors and similarity** are measured at the native fixed voxels of the mask, by the complete map x -> A (x + u(x)):
  errors in millimetres of the native moving world against the dataset's own true field, similarity of the native images,
  with linear interpolation of the moving one. They do not depend on how a condition crops, scales, inverts or corrupts the
  inputs of the methods, nor on the track's score grid.
- **Regularity and inverse consistency** are measured on the answer's own grid, the working grid; regularity is that of
  x -> x + u(x) without the prepared affine. Their mask is the native one resampled to it, nearest neighbour; a crop can
  therefore cut it. A voxel at the border of the grid has no determinant and belongs to no mask.
- **lumir24, lumir25, learn2reg, lumirage** compare labels on the working grid, in voxels, as the challenges do. Labels
  on other grids are resampled to it first, nearest neighbour, which challenge data never need. Their masks come from the
  prepared images.
- The sentinel `identity` is u = 0 without the affine, `affine` is u = 0 with it.
"""

_MEANS = {
    "penalty": (
        "A label that the warp lost enters the mean of a distance as the diagonal of the box around the fixed labels."
    ),
    "infinite": "A label that the warp lost makes the mean of a distance infinite, so null.",
}


def metrics_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD.format(version=SCORER_VERSION), "## Presets\n", *map(_preset, PRESETS.values()), "## Definitions\n"]
    return "\n".join([*parts, *map(_metric, METRICS.values())])


def _preset(preset: Preset) -> str:
    metrics = ", ".join(f"`{name}`" for name in preset.metrics)
    background = "with label 0" if preset.background else "without label 0"
    return (
        f"### {preset.name}\n{preset.summary} Labels {background}. {_MEANS[preset.vanished]}\n\nMetrics: {metrics}.\n"
    )


def _metric(metric: Metric) -> str:
    lines = [
        f"### {metric.name}",
        metric.definition,
        f"- unit: {metric.unit}; of: {metric.of}; judges: {metric.judges}; better: {metric.better}",
        f"- undefined: {metric.undefined}",
        f"- source: {metric.source or 'this harness'}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(metrics_page())
