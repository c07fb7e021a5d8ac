"""What the tests of several pages need: counting on the meta device, and comparing two networks."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters_and_macs(build, *, size=224, outputs=1000, channels=3, **arguments):
    """Return the parameters and multiply-accumulates of a network that holds no numbers."""
    with torch.device("meta"):
        network = build(outputs=outputs, channels=channels, size=size, **arguments).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, channels, size, size, device="meta"))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 2


def layer_shapes(network, size, channels=3):
    """Return the layers' names and output shapes, without the batch, in order of call."""
    found = {}

    def note(name):
        return lambda _layer, _inputs, output: found.__setitem__(name, tuple(output.shape[1:]))

    for name, layer in network.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(note(name))
    with torch.no_grad():
        network.eval()(
            torch.zeros(1, channels, size, size, device=next(network.parameters()).device)
        )
    return found


def randomise(network):
    """Give every layer numbers under which a mistake shows: also what is 0 or 1 when fresh."""
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        match layer:
            case nn.Conv2d() | nn.Linear():
                fan_in = layer.weight[0].numel()
                layer.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                if layer.bias is not None:
                    layer.bias.data.normal_(0, 0.1, generator=generator)
            case nn.BatchNorm2d():
                layer.running_mean.normal_(0, 0.1, generator=generator)
                layer.running_var.uniform_(0.8, 1.5, generator=generator)
                layer.weight.data.uniform_(0.7, 1.2, generator=generator)
                layer.bias.data.normal_(0, 0.1, generator=generator)
            case _:
                pass


def assert_same_outputs(ours, theirs, *, size):
    """Copy all tensors in order from `theirs` to `ours`, and compare what pictures give."""
    randomise(theirs)
    state = list(theirs.state_dict().values())
    names = list(ours.state_dict())
    assert len(names) == len(state)
    ours.load_state_dict(dict(zip(names, state, strict=True)))
    generator = torch.Generator().manual_seed(0)
    tints = 2 * torch.randn(2, 3, 1, 1, generator=generator)
    pictures = torch.randn(2, 3, size, size, generator=generator) + tints
    with torch.no_grad():
        expected = theirs.eval()(pictures)
        outputs = ours.eval()(pictures)
    assert (expected[0] - expected[1]).abs().max() > 1e-3, "the pictures make no difference"
    assert (outputs - expected).abs().max() <= 1e-5


@pytest.fixture
def count():
    return count_parameters_and_macs


@pytest.fixture
def shapes():
    return layer_shapes


@pytest.fixture
def same_outputs():
    return assert_same_outputs
