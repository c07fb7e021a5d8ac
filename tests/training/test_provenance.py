import hashlib
import platform
import sys

import numpy as np
import pytest
import torch

from hubel.results.files import to_json
from hubel.training.provenance import command, file_digest, processor_name, provenance


def test_provenance_says_what_is_here(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/hubel", "evaluate", "my run"])
    found = provenance(seed=3, data_digest="d", model_digest="m", threads=5)
    assert (found.seed, found.data_digest, found.model_digest, found.threads) == (3, "d", "m", 5)
    assert found.torch == torch.__version__
    assert to_json(found)
    assert found.packages["numpy"] == np.__version__
    assert found.python == platform.python_version()
    assert found.command == "hubel evaluate 'my run'"
    assert found.processor
    assert all(version != "not installed" for version in found.packages.values())


def test_threads_are_those_of_torch_where_not_given():
    assert provenance(seed=0, data_digest="").threads == torch.get_num_threads()


def test_a_package_that_is_missing_is_said(monkeypatch):
    monkeypatch.setattr("hubel.training.provenance.PACKAGES", ("no-such-package-here",))
    found = provenance(seed=0, data_digest="")
    assert found.packages == {"no-such-package-here": "not installed"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/a/b/hubel", "train", "x y"], "hubel train 'x y'"),
        (["/a/hubel/__main__.py", "predict"], "python -m hubel predict"),
        (["/a/study.py"], "study.py"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_command_has_no_folders(arguments, expected):
    assert command(arguments) == expected


def test_processor_is_read_from_linux(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fine Chip 9000: v2\nmodel name\t: Other\n")
    assert processor_name(info) == "Fine Chip 9000: v2"
    assert processor_name(tmp_path / "missing") == platform.processor() or platform.machine()


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"weights")
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"weights").hexdigest()
