"""Hand back the true field: the upper end of every scale. Only reference methods are granted the truth."""

import sys

import lumirage_kit

for pair in lumirage_kit.read_job():
    if pair.truth is None:
        sys.exit(f"{pair.id}: no true field is known for this pair; oracle works on phantom datasets only")
    pair.write(lumirage_kit.load_image(pair.truth).squeeze())
