"""A network is after its trace what it was before, also where the trace fails."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.tracing import trace


class Restless(nn.Module):
    """A network whose forward changes whatever it can."""

    def __init__(self, *, fail=False, numbers=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()
        self.fail, self.numbers = fail, numbers
        self.seen, self.kept = [], {"last": None}
        self.constant = torch.ones(4, 1, 1)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, inputs):
        self.steps += 1
        self.count = random.random() + torch.rand(1).item()
        self.count += np.random.random()  # noqa: NPY002
        outputs = self.drop(self.bn(self.conv(inputs))) * self.constant
        self.last = outputs
        self.seen.append(outputs)
        self.kept["last"] = outputs
        self.conv.weight.data.mul_(2)
        self.constant.add_(1)
        if self.numbers and outputs.sum().item() > 1e30:
            return inputs
        if self.fail:
            raise ValueError("the network's own mistake")
        return outputs


def state(network):
    """Return all that must stay: identities, numbers, modes, attributes, generators."""
    numbers = np.random.get_state()  # noqa: NPY002
    return (
        [
            (name, id(tensor), tensor.detach().clone())
            for name, tensor in (*network.named_parameters(), *network.named_buffers())
        ],
        [module.training for module in network.modules()],
        {key for module in network.modules() for key in vars(module)},
        list(network.seen),
        dict(network.kept),
        network.constant.clone(),
        [len(module._forward_hooks) for module in network.modules()],
        (random.getstate(), numbers[1].tolist(), torch.get_rng_state()),
        nn.Module.__call__,
    )


def assert_same(before, after):
    if isinstance(before, torch.Tensor):
        assert torch.equal(before, after)
    elif isinstance(before, (list, tuple)):
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            assert_same(one, other)
    else:
        assert before == after


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("fail", [False, True])
def test_everything_is_restored(fail, numbers, training):
    network = Restless(fail=fail, numbers=numbers)
    network.bn.eval()
    network.conv.register_forward_hook(lambda module, inputs, outputs: outputs)
    before = state(network)
    if fail:
        with pytest.raises(UsageError, match="ValueError: the network's own mistake"):
            trace(network, (3, 8, 8), training=training)
    else:
        trace(network, (3, 8, 8), training=training)
    assert_same(before, state(network))


def test_gradients_stay():
    network = nn.Linear(2, 2)
    network(torch.ones(1, 2)).sum().backward()
    before = copy.deepcopy(network.weight.grad)
    trace(network, (2,))
    assert torch.equal(network.weight.grad, before)
    assert network.weight.requires_grad


def test_a_trace_within_a_trace_leaves_both_right():
    class Nesting(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, inputs):
            self.inner = len(trace(nn.Sequential(nn.ReLU()), (3,)).operations)
            return self.linear(inputs)

    traced = trace(Nesting(), (2,))
    assert [operation.kind for operation in traced.operations][-1] == "addmm"
