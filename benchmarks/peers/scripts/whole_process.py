"""Run this environment's Python with the given arguments, and say how long the process took."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError

from speaking import say, say_versions

for package in ("fastai", "ultralytics", "keras", "jax", "torch"):
    with suppress(PackageNotFoundError):
        say_versions(package)
started = time.perf_counter()
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
say("final", took_s=time.perf_counter() - started)
