"""Track x methods x pairs -> jobs: what will be done, before anything is.

In:     a track, cards of methods, a BIDS dataset.
Out:    a `Plan`: pairs, conditions, jobs that are still to do; and the prepared images of a pair (`preparation`).
Never:  engines, scores.
Read first: `evaluation_plan`.
"""
