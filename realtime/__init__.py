"""The live loop: a camera in, a swapped face out."""

import os

# OpenBLAS wakes a thread per core for matrices of a few hundred rows and lets them spin: the same wall time for twice the
# processor time (measured on 2 cores: track 10.5 -> 4.9 ms, swap 6.0 -> 3.1 ms).  It reads this when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
