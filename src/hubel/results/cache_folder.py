"""Where hubel keeps what can be made again: measurements of the machine, compiled functions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

FOLDER_VARIABLE: Final = "HUBEL_CACHE"
"""Environment variable that names another folder."""


def cache_folder() -> Path:
    """Return the folder: HUBEL_CACHE, else the platform's for hubel."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("hubel")
