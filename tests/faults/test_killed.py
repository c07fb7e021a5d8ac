"""SIGKILL before any write: --resume goes on to the same bits, wherever it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_at_each_write.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_before_a_rename_goes_on_to_the_same_bits() -> None:
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "5"], capture_output=True, text=True, check=False, timeout=230
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert len(found["kills"]) >= 4
    assert all(differing == [] for _, differing in found["kills"]), ended.stdout + ended.stderr
