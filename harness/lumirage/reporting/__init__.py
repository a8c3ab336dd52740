"""The report: an OUT folder becomes a folder of pages that opens offline; exports; what changed between two evaluations."""
