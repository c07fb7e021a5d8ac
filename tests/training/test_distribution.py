"""Two processes, started by torch's launcher as a user does, give what one gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from in_two_processes import VARIANTS, score, train

from hubel.training.checkpoint import load_newest
from hubel.training.distribution import ALONE
from hubel.training.launched import Launched
from stripes import PICTURES

SCRIPT = Path(__file__).with_name("in_two_processes.py")


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        [sys.executable, *torchrun, SCRIPT, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def facts(launched: Path) -> list[dict[str, Any]]:
    return [json.loads((launched / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_is_that_of_one_process(variant: str, launched: Path, tmp_path: Path) -> None:
    train(variant, tmp_path, ALONE)
    one, _ = load_newest(tmp_path / "checkpoint")
    two, _ = load_newest(launched / str(list(VARIANTS).index(variant)) / "of-0" / "checkpoint")
    assert one.tensors.keys() == two.tensors.keys()
    for name in one.tensors.keys() - {"rng.torch"}:
        torch.testing.assert_close(two.tensors[name], one.tensors[name], atol=2e-5, rtol=1e-4)
    rows = [values["rows"] for values in (one.values, two.values)]
    for mine, theirs in zip(*rows, strict=True):
        np.testing.assert_allclose(theirs[:5], mine[:5], rtol=1e-5)
        assert theirs[4] == mine[4]


def test_only_the_first_process_writes(launched: Path) -> None:
    for number in range(len(VARIANTS)):
        assert (launched / str(number) / "of-0" / "checkpoint" / "best.safetensors").is_file()
        assert not (launched / str(number) / "of-1").exists()


def test_each_picture_is_evaluated_once_and_in_order(facts: list[dict[str, Any]]) -> None:
    alone = score(ALONE)
    assert facts[0]["positions"] == list(range(PICTURES))
    assert facts[1]["positions"] == []
    np.testing.assert_allclose(facts[0]["logits"], alone["logits"], rtol=1e-5)
    for process in facts:
        np.testing.assert_allclose(process["score"], alone["score"], rtol=1e-6)


def test_gradients_are_added_up(facts: list[dict[str, Any]]) -> None:
    for process in facts:
        assert process["gradients"] == [[[3.0] * 3] * 2, [[1.0] * 3] * 2, None]


def test_the_first_process_decides(facts: list[dict[str, Any]]) -> None:
    for rank, process in enumerate(facts):
        assert (process["rank"], process["size"]) == (rank, 2)
        assert process["shared"] == "from 0"
        assert process["decided"] == 10.0
        assert process["any"] == [True, False]
    assert facts[0]["gathered"] == [0, 1]
    assert facts[1]["gathered"] == []
    assert facts[0]["errors"] == ["UsageError: the sentence (2)"]
    assert facts[1]["errors"] == ["ElsewhereError: the sentence (2)"]


def test_a_process_alone() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    ALONE.sum_gradients([weight])
    assert weight.grad is None
    assert ALONE.first(lambda: 3) == ALONE.share(3) == 3
    assert ALONE.gather(3) == [3]
    assert ALONE.sums(1.0, 2.0) == (1.0, 2.0)
    assert ALONE.any(here=True)
    assert not ALONE.orphaned
    assert ALONE.noted_run() is None
    state = torch.get_rng_state()
    ALONE.seed_draws(0, 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_environment_of_a_launch() -> None:
    assert Launched.read({"RANK": "1", "WORLD_SIZE": "2"}) == Launched()
    read = Launched.read(
        {
            "TORCHELASTIC_RUN_ID": "a", "TORCHELASTIC_RESTART_COUNT": "1",
            "TORCHELASTIC_MAX_RESTARTS": "3", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1",
            "LOCAL_WORLD_SIZE": "4", "HUBEL_LAUNCH_FOLDER": "/there",
        }
    )  # fmt: skip
    assert read == Launched(
        rank=5, size=8, local_rank=1, local_size=4, restarts=1, most_restarts=3, by_torch=True,
        folder=Path("/there"),
    )  # fmt: skip
