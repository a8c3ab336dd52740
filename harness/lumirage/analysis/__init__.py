"""From scores to claims: effects, intervals, tests, rankings, power. Data frames in, data frames out; no files."""
