"""A study: several tracks, the same methods, claims written down before looking, one page.

Read in this order: `study_request`, `study_declaration`, `study_parts`, `study_run`, `judged_claims`, `computed_results`.
"""
