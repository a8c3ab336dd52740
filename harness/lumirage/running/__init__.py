"""Jobs -> runs: starts methods that are not trusted, measures them fairly, loses nothing.

In:     a `Job` and the prepared images of its pairs.
Out:    a run record for each pair, and the displacement field where the answer was valid.
Never:  labels, landmarks, scores; the runtimes know nothing of imaging.
Read first: `job_execution`, then `runtimes.runtime_interface` (the seam) and `run_records`.
"""
