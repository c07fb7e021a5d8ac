"""The public names of `hubel.data`, and that importing it is light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hubel.data


def test_every_name_is_there() -> None:
    for name in hubel.data.__all__:
        assert getattr(hubel.data, name).__module__.startswith(("hubel.data", "types", "typing"))


def test_other_names_are_not() -> None:
    with pytest.raises(
        AttributeError, match=r"module 'hubel\.data' has no attribute 'Preprocesing'"
    ):
        hubel.data.Preprocesing  # noqa: B018


def test_importing_does_not_import_torch() -> None:
    code = "import sys, hubel.data; assert not {'torch', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
