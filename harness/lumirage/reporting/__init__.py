"""Makes pages that open offline, figures and exports from the tables and images of an output tree.

In:     scores, comparisons, run records, native images and fields.
Out:    the folder `report/`, tables as CSV, Parquet and LaTeX.
Never:  new statistics: pages only show what `analysis` has computed.
Read first: `report_folder`, then `report_inputs` and `overview`.
"""
