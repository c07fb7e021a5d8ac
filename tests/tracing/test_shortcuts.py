"""What is made without torch's rules is what torch would make."""

import pytest
import torch

from hubel.tracing.shortcuts import run

ATEN = torch.ops.aten
NAMES = ("gelu", "hardsigmoid", "hardswish", "hardtanh", "relu", "sigmoid", "silu", "tanh")
TENSORS = {
    "plain": torch.ones(2, 3, 4),
    "half": torch.ones(2, 3, dtype=torch.float16),
    "whole numbers": torch.ones(2, 3, dtype=torch.int64),
    "transposed": torch.ones(2, 3, 4).transpose(0, 2),
    "channels last": torch.ones(1, 3, 2, 2).to(memory_format=torch.channels_last),
    "scalar": torch.tensor(1.0),
}
SECOND = {
    **TENSORS,
    "broadcast": torch.ones(4),
    "double": torch.ones(2, 3, 4).double(),
    "number": 2,
}


def assert_made_alike(func, *args):
    """Compare with what the operation gives on the CPU."""
    try:
        wanted = func(*args)
    except RuntimeError:
        return
    moved = [one.to("meta") if isinstance(one, torch.Tensor) else one for one in args]
    found = run(func, tuple(moved), {})
    for one, other in zip(
        found if isinstance(found, tuple) else (found,),
        wanted if isinstance(wanted, tuple) else (wanted,),
        strict=True,
    ):
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())
        assert one.is_meta


@pytest.mark.parametrize("tensor", TENSORS)
@pytest.mark.parametrize("name", NAMES)
def test_of_one(name, tensor):
    assert_made_alike(getattr(ATEN, name).default, TENSORS[tensor])


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", TENSORS)
@pytest.mark.parametrize("name", ["add", "div", "mul", "sub"])
def test_of_two(name, first, second):
    assert_made_alike(getattr(ATEN, name).Tensor, TENSORS[first], SECOND[second])


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training):
    maps, each = torch.ones(2, 3, 4, 4), torch.ones(3)
    arguments = (maps, each, each, each, each, training, 0.1, 1e-5)
    assert_made_alike(ATEN.native_batch_norm.default, *arguments)


def test_on_the_cpu_numbers_are_computed():
    assert run(ATEN.add.Tensor, (torch.ones(2), 2), {}).tolist() == [3, 3]
