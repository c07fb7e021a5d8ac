"""One thread a test process: tiny networks gain nothing from more, and two processes run."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is measured of this machine stays out of the user's cache folder.
_CACHE = tempfile.mkdtemp(prefix="hubel-cache-")
os.environ["HUBEL_CACHE"] = _CACHE
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def measurements_are_kept() -> Iterator[None]:
    """Other tests keep the processors busy, and yet the same run shall choose the same again."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("arithmetic", "convolutions"):
            patch.setattr(f"hubel.training.hardware.{module}.BUSY", 2.0)
        yield
