"""Computes statistics from scores: effects, intervals, tests, rankings, power. Data frames in and out; no files.

In:     the table of scores.
Out:    tables of comparisons, rankings, condition effects, power, and the sentences that they support (`verdicts`);
        contrasts of families, interactions and verdicts on claims, as records (`claim_verdicts`).
Never:  images, files, pages.
Read first: `score_matrices` (the numbers under a failure policy), then `comparisons`.
"""
