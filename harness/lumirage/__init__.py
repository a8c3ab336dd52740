"""LUMIRAGE harness: the independent referee of deformable image registration.

Glossary. One word, one meaning, in the code as in the documentation:

dataset     a BIDS dataset with images, and derivatives that hold the referee's labels and landmarks
scan        one image with the referee's side files (labels, mask, landmarks), any of which may be missing
pair        an ordered (fixed, moving) couple of scans; the moving image is resampled onto the fixed grid
method      one registration algorithm: an OCI image and its card, ``method.yaml``
track       one experiment, a YAML file: which scans, how they are paired and prepared, conditions, labels,
            metrics, limits, failure policy
condition   one cell of a track's grid of preparations; most tracks have one, ``reference``
job         one container start: a method, a track, a condition and a list of pairs (one or more)
run         one execution of one pair: outcome, times, memory, warnings; a noun. The verb is "execute"
answer      what the method wrote for a pair
score       one value of one metric for one pair (and label), or the reason why there is none

Units: seconds (``_s``), bytes (``_bytes``), millimetres (``_mm``). World coordinates are RAS+.
A displacement is u(x) in millimetres on the working grid of the fixed image, pull: x_moving = x_fixed + u(x_fixed).
"""

__version__ = "0.1.0"
