"""Answers to scores: the referee's measures, as array kernels and as the field's published evaluations."""
