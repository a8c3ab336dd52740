"""BIDS datasets that the harness makes, imports or checks: `lumirage-harness dataset phantom|import|check`.

In:     a folder as its makers left it, or the settings of a phantom.
Out:    a BIDS dataset on disk, or findings about one.
Never:  methods, tracks and scores.
Read first: `phantom` (made-up people whose true fields are known), `import_plan`, `dataset_check`.
"""
