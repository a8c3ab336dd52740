"""Do nothing: a field of zeros. Measures what the harness itself costs."""

import numpy as np

import lumirage_kit

for pair in lumirage_kit.read_job():
    pair.write(np.zeros((*pair.shape, 3), dtype=np.float32))
