"""Track x methods x pairs -> jobs: plans an evaluation before anything is executed.

In:     a track, cards of methods, a BIDS dataset.
Out:    a `Plan`: pairs, conditions, remaining jobs; and the prepared images of a pair (`preparation`).
Never:  engines, scores.
Read first: `evaluation_plan`.
"""
