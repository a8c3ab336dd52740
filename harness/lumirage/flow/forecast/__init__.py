"""What a user sees before the first run: numbers of pairs and labels, grids, expected time and memory, and warnings.

Read first: `plan_overview`, which collects it; `plan_words` makes five lines of it.
"""
