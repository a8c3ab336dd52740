"""A challenge's desk: submissions in, validated at once, archived by hash, scored, ranked and published.

Read first: `desk`, then `receive`, `score_submissions`.
"""
