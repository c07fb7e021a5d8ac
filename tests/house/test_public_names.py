"""The public names stand still: a change here is a change for every user."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import hubel

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_pinned():
    assert hubel.__all__ == [
        "HubelError",
        "Run",
        "__version__",
        "check",
        "diagnose",
        "evaluate",
        "inspect",
        "models",
        "predict",
        "trace",
        "train",
        "watch",
        "write_report",
    ]


@pytest.mark.parametrize("name", hubel.__all__)
def test_every_public_name_is_found_and_documented(name):
    public = getattr(hubel, name)
    assert name in dir(hubel)
    if not isinstance(public, str):
        assert public.__doc__
        assert not public.__doc__.startswith(f"{name}(")  # What dataclass writes by itself.


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'hubel' has no attribute 'trian'"):
        hubel.trian  # noqa: B018


def test_version_is_the_same_everywhere():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert hubel.__version__ == version("hubel") == declared


def test_changelog_knows_the_version_or_a_fragment_announces_it():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    fragments = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]
    released = re.findall(r"^## (?:hubel )?(\d+\.\d+\.\d+)", changelog, flags=re.MULTILINE)
    assert hubel.__version__ in released or fragments
