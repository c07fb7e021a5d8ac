"""What holds for every network of the table, whoever wrote its page.

Parameters, operations, output shapes and refusals are checked for every name, on the meta device:
nothing is computed there, so the largest networks cost no memory. Arithmetic (a training step,
copies, saved weights, batches of several sizes, weights from the seed, torch.export) is done with
the smallest network of each builder, at the least size and for 3 outputs: its relatives are made
of the same layers. `python -m benchmarks networks` exports and trains all the names.
"""

import copy
import re

import pytest
import safetensors.torch
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hubel.architectures import ARCHITECTURES, load
from hubel.architectures.sliding import fully_convolutional
from hubel.errors import UsageError
from hubel.nn.auxiliary import WithAuxiliary

BUILDERS = {entry.builder for entry in ARCHITECTURES.values()}
SMALLEST = sorted(
    min(
        (entry for entry in ARCHITECTURES.values() if entry.builder is builder),
        key=lambda entry: entry.params,
    ).name
    for builder in BUILDERS
)
COMPUTED = [name for name in SMALLEST if name != "inception_resnet_v2"]
"""For arithmetic; v2 is another table of the very assembly that makes inception_resnet_v1."""
EXPORTED = [name for name in COMPUTED if name not in {"inception_v3", "inception_v4"}]
"""For export, the slowest; these two are chains of the modules that bn_inception is made of."""


def on_meta(entry, **settings):
    with torch.device("meta"):
        return entry.build(**settings)


def build(name):
    torch.manual_seed(0)
    entry = ARCHITECTURES[name]
    return entry.build(outputs=3, channels=3, size=entry.least_size)


def pictures(name, number):
    size = ARCHITECTURES[name].least_size
    generator = torch.Generator().manual_seed(number)
    return torch.randn(number, 3, size, size, generator=generator)


@pytest.fixture(scope="module", params=COMPUTED)
def seasoned(request):
    """Name and network, whose normalisations have seen pictures, in evaluation: leave it so.

    pytest runs all tests with one of them before it makes the next.
    """
    net = build(request.param).train()
    with torch.no_grad():
        for number in (4, 5):
            net(pictures(request.param, number))
    return request.param, net.eval()


def logits(output):
    return output.logits if isinstance(output, WithAuxiliary) else output


def loss_of(output):
    """The loss that training has: auxiliary heads with their weight."""
    answers = torch.arange(len(logits(output))) % 3
    loss = F.cross_entropy(logits(output), answers)
    if isinstance(output, WithAuxiliary):
        loss = loss + output.weight * sum(F.cross_entropy(a, answers) for a in output.auxiliary)
    return loss


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_and_macs_of_the_table(name):
    entry = ARCHITECTURES[name]
    size, channels = entry.design_size, entry.design_channels
    net = on_meta(entry, outputs=entry.design_outputs, channels=channels, size=size).eval()
    assert all(tensor.is_meta for tensor in net.state_dict().values())
    assert sum(parameter.numel() for parameter in net.parameters()) == entry.params
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = net(torch.zeros(1, channels, size, size, device="meta"))
    assert output.shape == (1, entry.design_outputs)
    assert counter.get_total_flops() == 2 * entry.macs


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_at_the_least_size(name):
    entry = ARCHITECTURES[name]
    size = entry.least_size
    net = on_meta(entry, outputs=3, channels=1, size=size).eval()
    with torch.no_grad():
        assert net(torch.zeros(7, 1, size, size, device="meta")).shape == (7, 3)


@pytest.mark.parametrize("name", SMALLEST)
def test_a_size_between_the_least_and_the_design(name):
    entry = ARCHITECTURES[name]
    size = (entry.least_size + entry.design_size) // 2
    net = on_meta(entry, outputs=5, channels=4, size=size).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 4, size, size, device="meta")).shape == (1, 5)


@pytest.mark.parametrize("name", [n for n, entry in ARCHITECTURES.items() if not entry.fixed_size])
def test_below_the_least_size_a_layer_runs_out_of_pixels(name):
    """The least size is the least: one pixel fewer, and there is a layer to name."""
    least = ARCHITECTURES[name].least_size
    words = (
        rf"^{re.escape(name)} needs pictures of at least {least} pixels a side, not {least - 1}, "
        rf"at which its layer \S+ \(\w+\) runs out of pixels; set --size {least} or more\.$"
    )
    with pytest.raises(UsageError, match=words):
        load(name, outputs=3, channels=3, size=least - 1)


def test_weights_come_from_the_global_generator_alone_and_a_step_changes_them(seasoned):
    name, fresh_once = seasoned
    net = build(name).train()
    before = dict(fresh_once.named_parameters())
    for path, value in net.named_parameters():
        assert torch.equal(value, before[path]), path
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    loss = loss_of(net(pictures(name, 2)))
    assert loss.isfinite()
    loss.backward()
    for path, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, path
            assert parameter.grad.isfinite().all(), path
    optimizer.step()
    assert any(not torch.equal(before[path], p) for path, p in net.named_parameters())


def test_pictures_of_a_batch_do_not_touch_each_other(seasoned):
    name, net = seasoned
    many = pictures(name, 7)
    with torch.no_grad():
        together = net(many)
        assert together.shape == (7, 3)
        apart = torch.cat([net(part) for part in many.split(2)])  # 2, 2, 2 and 1
        torch.testing.assert_close(apart, together, rtol=1e-3, atol=1e-4)


def test_copies_and_saved_weights_give_the_same_outputs(seasoned):
    name, net = seasoned
    some, other = pictures(name, 2), copy.deepcopy(net)
    with torch.no_grad():
        expected = net(some)
        assert torch.equal(other(some), expected)
        for tensor in other.state_dict().values():
            tensor.zero_()
        assert not torch.equal(other(some), expected)
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(net.state_dict())))
        assert torch.equal(other(some), expected)


def test_it_becomes_fully_convolutional(seasoned):
    name, net = seasoned
    size = ARCHITECTURES[name].least_size
    some, larger = pictures(name, 2), torch.randn(1, 3, size + 32, size + 64)
    sliding = fully_convolutional(net, size=size, copy=False)
    with torch.no_grad():
        torch.testing.assert_close(sliding(some)[:, :, 0, 0], net(some), rtol=1e-4, atol=1e-5)
        high, wide = sliding(larger).shape[2:]
    assert 1 < high < wide


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seasoned", EXPORTED, indirect=True)
def test_export(seasoned):
    name, net = seasoned
    some = pictures(name, 2)
    program = torch.export.export(net, (some,), strict=False)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(some), net(some), rtol=1e-5, atol=1e-6)
