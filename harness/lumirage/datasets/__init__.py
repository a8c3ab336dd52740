"""Makes, plants, imports and checks BIDS datasets: `lumirage-harness dataset phantom|plant|import|check`.

In:     a folder in its makers' own layout, scans to be planted, or the settings of a phantom.
Out:    a BIDS dataset on disk, or findings about one.
Never:  methods, tracks and scores.
Read first: `phantom` (made-up people whose true fields are known), `planting`, `import_plan`, `dataset_check`.
"""
