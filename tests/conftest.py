"""One thread a test process: tiny networks gain nothing from more, and two processes run."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is measured of this machine stays out of the user's cache folder.
_CACHE = tempfile.mkdtemp(prefix="hubel-cache-")
os.environ["HUBEL_CACHE"] = _CACHE
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
