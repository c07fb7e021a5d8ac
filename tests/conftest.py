"""One thread a test process: tiny networks gain nothing from more, and two processes run."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
