"""A limit on memory that the system sets: the training goes on in halves, to the same bits."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from hubel.data.decoding import decode
from hubel.errors import RunError, memory_ran_out

main = importlib.import_module("hubel.cli.main")
SCRIPT = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from torch import nn
torch.set_num_threads(1)
from hubel.training.events import Observer
from hubel.training.halving import Halvings
from stripes import assert_same, make_trainer

def build(folder, halvings):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Upsample(scale_factor=96), nn.Dropout(0.1), nn.Tanh(), nn.AvgPool2d(96),
        nn.Flatten(), nn.Linear(64, 3),
    )
    settings = dict(batch=30, accumulate=1, steps=2, steps_per_pass=1, halvings=halvings)
    return make_trainer(Path(sys.argv[2]) / folder, module=module, **settings)

class Keep(Observer):
    entries = ()
    def halved(self, halvings, validation):
        self.entries = halvings.entries

keep = Keep()
first = build("first", ())
first.observers = [keep]
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20, resource.RLIM_INFINITY))
first.train()
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
build("other", keep.entries).train()
assert_same(Path(sys.argv[2]) / "first", Path(sys.argv[2]) / "other")
print(json.dumps(keep.entries))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system's limit on address space")
def test_a_limit_of_the_system_halves_the_pictures(tmp_path: Path) -> None:
    # One arena: each thread's own would reserve address space that nothing uses.
    environment = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1]), str(tmp_path)],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    entries = json.loads(done.stdout)
    assert entries, "64 MB held a batch of 30 pictures; the test is too easy"
    assert all(1 <= at_once <= 15 for _, at_once in entries)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (Exception("OpenCV(5) (-4:Insufficient memory) Failed to allocate 7 bytes"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RunError("There was not enough memory."), False),
        (ValueError("shapes do not fit"), False),
    ],
)
def test_errors_of_memory_are_told_from_others(error: Exception, *, memory: bool) -> None:
    assert memory_ran_out(error) is memory


def test_memory_that_runs_out_anywhere_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def scarce(_tokens: list[str]) -> int:
        raise MemoryError("Unable to allocate 7 GiB")

    monkeypatch.setattr(main, "_call", scarce)
    assert main.run(["train"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("hubel: Memory ran out (Unable to allocate 7 GiB); what was saved is")


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_tokens: list[str]) -> int:
        raise ValueError("a mistake of hubel's own")

    monkeypatch.setattr(main, "_call", wrong)
    with pytest.raises(ValueError, match="mistake"):
        main.run(["train"])


def test_a_picture_is_not_damaged_because_memory_ran_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scarce(*_: Any) -> None:
        raise MemoryError

    file = tmp_path / "a.png"
    file.write_bytes(b"x")
    monkeypatch.setattr("hubel.data.decoding._header", scarce)
    with pytest.raises(MemoryError):
        decode(file)
