"""Float16: the loss is scaled, gradients that overflow undo a step, and a run resumes exactly."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from hubel.training.checkpoint import load_newest
from hubel.training.loop import Interrupted
from hubel.training.outputs import autocast, forward
from hubel.training.updating import Updater
from stripes import SETTINGS, StopAt, assert_same, make_trainer


def updater(precision: str, **changes: object) -> tuple[nn.Module, Updater]:
    from dataclasses import replace

    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    plain = {"optimizer": "sgd", "momentum": None, "weight_decay": 0.0, "l1": 0.0, "clip": None}
    settings = replace(SETTINGS, precision=precision, warmup=0.0, **(plain | changes))
    return module, Updater(settings, module)


@pytest.mark.parametrize("changes", [{}, {"clip": 0.1}, {"l1": 0.01}])
def test_a_scaled_step_is_the_step(changes: dict[str, object]) -> None:
    """Scaling by a power of two and back loses nothing in float32."""
    weights: list[torch.Tensor] = []
    for precision in ("float32", "float16"):
        module, update = updater(precision, **changes)
        loss = module(torch.tensor([[1.0, 2.0, 3.0]])).square().sum()
        scaled = update.scaled(loss)
        assert float((scaled / loss).detach()) == (65536.0 if precision == "float16" else 1.0)
        scaled.backward()
        update.update(0)
        weights.append(module.weight.detach().clone())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-6, atol=0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_an_overflow_leaves_the_weights_and_halves_the_scale(optimizer: str) -> None:
    module, update = updater("float16", optimizer=optimizer, clip=1.0)
    before = module.weight.detach().clone()
    update.scaled(module(torch.ones(1, 3)).sum()).backward()
    module.weight.grad[0, 0] = math.inf
    update.update(0)
    assert torch.equal(module.weight, before)
    assert update.scaler.get_scale() == 32768.0


def test_the_scale_goes_through_a_checkpoint() -> None:
    _, update = updater("float16")
    update.scaler.load_state_dict(
        {**update.scaler.state_dict(), "scale": 8.0, "_growth_tracker": 7}
    )
    tensors, values = update.state()
    _, fresh = updater("float16")
    fresh.restore(tensors, values)
    assert fresh.scaler.get_scale() == 8.0
    assert fresh.scaler.state_dict()["_growth_tracker"] == 7
    # Other precisions have none, and do not ask for one.
    _, plain = updater("float32")
    assert plain.state()[1]["scaler"] == {}
    plain.restore({}, {"numbers": {}, "plateau": None})


@pytest.mark.parametrize("stop", [1, 3, 8])
def test_a_float16_training_resumes_to_the_same_bits(tmp_path: Path, stop: int) -> None:
    changes = {"precision": "float16", "clip": None}
    whole = make_trainer(tmp_path / "whole", **changes)
    whole.train()
    first = make_trainer(tmp_path / "stopped", **changes)
    observer = StopAt(stop)
    observer.trainer = first
    first.observers = [observer]
    with pytest.raises(Interrupted):
        first.train()
    second = make_trainer(tmp_path / "stopped", **changes)
    second.restore(load_newest(tmp_path / "stopped" / "checkpoint")[0])
    second.train()
    assert_same(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)],
)
def test_layers_compute_in_the_precision_and_give_float32(
    precision: str, dtype: torch.dtype
) -> None:
    seen: list[torch.dtype] = []
    module = nn.Linear(3, 2)
    module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    assert forward(module, torch.ones(1, 3), precision).dtype == torch.float32
    with autocast("cpu", precision):
        module(torch.ones(1, 3))
    assert seen == [dtype, dtype]
