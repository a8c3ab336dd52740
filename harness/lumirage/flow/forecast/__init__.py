"""What a user is told before the first run: how many pairs and labels, on which grids, how long, how much memory, what is odd.

Read first: `plan_overview`, which gathers it; `plan_words` says it in five lines.
"""
