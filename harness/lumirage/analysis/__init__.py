"""Computes statistics from scores: effects, intervals, tests, rankings, power. Data frames in and out; no files.

In:     the table of scores.
Out:    tables of comparisons, rankings, condition effects, power, and the sentences that they support (`verdicts`).
Never:  images, files, pages.
Read first: `score_matrices` (the numbers under a failure policy), then `comparisons`.
"""
