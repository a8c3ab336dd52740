"""What every room shares: records, paths, metrics, images, errors. Imports no room.

In:     files and words.
Out:    records (`model`, `track`), paths of the output tree (`layout`), arrays with a frame (`space`), errors with exit codes.
Never:  what a stage does with them.
Read first: `model`.
"""
