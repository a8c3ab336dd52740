"""Tables and images of an output tree -> pages that open offline, figures, exports.

In:     scores, comparisons, run records, native images and fields.
Out:    the folder `report/`, tables as CSV, Parquet and LaTeX.
Never:  new statistics: what a page says, `analysis` has computed.
Read first: `report_folder`, then `report_inputs` and `overview`.
"""
