"""What must be quick must not load what is slow: torch stays out until it is needed."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "sklearn", "cv2", "matplotlib", "tensorboard", "pyarrow")

_SCRIPT = """
import sys
{statement}
loaded = [name for name in {heavy!r} if name in sys.modules]
sys.exit(f"loaded: {{', '.join(loaded)}}" if loaded else 0)
"""


def heavy_modules_after(statement: str) -> str:
    """Return what a fresh interpreter complains about after `statement`; empty where nothing."""
    script = _SCRIPT.format(statement=statement, heavy=HEAVY)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    return ended.stderr.strip()


@pytest.mark.parametrize("name", ["hubel", "hubel.errors", "hubel.options", "hubel.results"])
def test_importing_a_light_module_loads_nothing_heavy(name):
    assert heavy_modules_after(f"import {name}") == ""


@pytest.mark.parametrize("verb", ["", "data", "train", "evaluate", "predict", "report"])
def test_help_loads_nothing_heavy(verb):
    tokens = [verb, "--help"] if verb else ["--help"]
    call = f"from hubel.cli.main import run; assert run({tokens!r}) == 0"
    assert heavy_modules_after(call) == ""


def test_the_probe_sees_a_heavy_module():
    assert heavy_modules_after("import cv2") == "loaded: cv2"
