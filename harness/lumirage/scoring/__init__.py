"""Scores answers: the referee's measurements, as array kernels and as the field's published evaluations.

In:     displacement fields, native images, labels and landmarks.
Out:    rows of scores, each with a value or the reason why there is none.
Never:  which method gave the answer, means over pairs, verdicts.
Read first: `pair_scores`, then `presets`.
"""
