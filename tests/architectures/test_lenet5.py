"""LeNet-5: the numbers of its paper, counted again from the shapes that flow through it."""

import numpy as np
import pytest
import torch
from torch import nn

from hubel.architectures import lenet5
from hubel.errors import UsageError

PAPER = {  # section II.B: trainable parameters, connections
    "c1": (156, 122_304),
    "s2": (12, 5_880),
    "c3": (1_516, 151_600),
    "s4": (32, 2_000),
    "c5": (48_120, 48_120),
    "f6": (10_164, 10_164),
    "output": (0, 840),
}


def network(**changes):
    torch.manual_seed(0)
    return lenet5.build(**{"outputs": 10, "channels": 1, "size": 32} | changes).eval()


def shapes(net):
    """Output shape of every layer, without the batch."""
    found = {}
    handles = [
        layer.register_forward_hook(
            lambda _m, _i, out, name=name: found.__setitem__(name, tuple(out.shape[1:]))
        )
        for name, layer in net.named_children()
    ]
    net(torch.zeros(1, 1, 32, 32))
    for handle in handles:
        handle.remove()
    return found


def test_parameters_are_the_papers():
    net = network()
    for name, (parameters, _) in PAPER.items():
        assert sum(p.numel() for p in getattr(net, name).parameters()) == parameters, name
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == 60_000


def test_connections_are_the_papers():
    """A connection is one input of one unit, the bias included: fields of the table by shapes."""
    units = {name: np.prod(shape) for name, shape in shapes(network()).items()}
    crosses = [sum(row.split()[c] == "X" for row in lenet5.TABLE_1) for c in range(16)]
    connections = {
        "c1": units["c1"] * (5 * 5 + 1),
        "s2": units["s2"] * (4 + 1),
        "c3": sum(units["c3"] / 16 * (25 * maps + 1) for maps in crosses),
        "s4": units["s4"] * (4 + 1),
        "c5": units["c5"] * (16 * 25 + 1),
        "f6": units["f6"] * (120 + 1),
        "output": units["output"] * 84,
    }
    assert connections == {name: count for name, (_, count) in PAPER.items()}
    assert sum(connections.values()) == 340_908


def test_connections_are_where_the_gradient_flows():
    """Inputs that move a unit, counted by gradient: the connection table is really wired so."""
    net = network()
    maps = torch.randn(1, 6, 14, 14, requires_grad=True)
    out = net.c3(maps)
    for number, row in enumerate(zip(*(line.split() for line in lenet5.TABLE_1), strict=True)):
        (gradient,) = torch.autograd.grad(out[0, number, 4, 7], maps, retain_graph=True)
        fields = [(gradient[0, m] != 0).sum().item() for m in range(6)]
        assert fields == [25 if mark == "X" else 0 for mark in row]
        assert all((gradient[0, m, 4:9, 7:12] != 0).all() for m in range(6) if row[m] == "X")


def test_table_1_is_the_papers():
    reads = [{m for m in range(6) if lenet5.TABLE_1[m].split()[c] == "X"} for c in range(16)]
    assert reads[:6] == [{c % 6, (c + 1) % 6, (c + 2) % 6} for c in range(6)]
    assert reads[6:12] == [{(c + k) % 6 for k in range(4)} for c in range(6)]
    assert reads[12:] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, set(range(6))]


def test_subsampling_is_the_sum_of_four():
    layer = lenet5.Subsampling(2)
    layer.weight.data, layer.bias.data = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.0])
    maps = torch.arange(2 * 4 * 4.0).reshape(1, 2, 4, 4)
    blocks = maps.numpy().reshape(2, 2, 2, 2, 2).sum((2, 4))
    expected = blocks * np.array([2.0, -1.0])[:, None, None] + np.array([0.5, 0])[:, None, None]
    np.testing.assert_allclose(layer(maps)[0].detach(), expected)


def test_squashing_passes_through_one():
    squash = lenet5.ScaledTanh()
    assert squash(torch.tensor([1.0, -1.0, 0.0])).tolist() == pytest.approx([1, -1, 0], abs=1e-4)
    assert squash(torch.tensor(1e3)).item() == pytest.approx(1.7159)


def test_output_is_minus_a_tenth_of_the_squared_distance_to_each_code():
    net = network()
    features = torch.randn(3, 84)
    codes = lenet5.digit_codes().numpy()
    expected = [[-((x - code) ** 2).sum() / 10 for code in codes] for x in features.numpy()]
    np.testing.assert_allclose(net.output(features), expected, rtol=1e-5)
    assert net.output(torch.tensor(codes)).argmax(1).tolist() == list(range(10))


def test_codes_are_signs_apart_from_each_other_and_never_trained():
    for classes in (2, 10, 11, 300):
        codes = lenet5.distributed_codes(classes)
        assert codes.shape == (classes, 84)
        assert set(codes.unique().tolist()) == {-1.0, 1.0}
        assert len(codes.unique(dim=0)) == classes
        assert torch.equal(codes, lenet5.distributed_codes(classes))
    net = network()
    assert [name for name, _ in net.named_buffers()] == ["c3.places", "output.codes"]
    assert "output.codes" in net.state_dict()
    assert "c3.places" not in net.state_dict()


def test_codes_read_as_their_digits():
    zero, one = lenet5.digit_codes()[:2].view(2, 12, 7)
    assert torch.equal(zero[1:], zero[1:].flip(0))
    assert torch.equal(zero, zero.flip(1))
    assert (one[1:, 3] == 1).all()
    assert (lenet5.digit_codes().view(10, 12, 7)[:, 0] == -1).all()


def test_initial_weights_fill_their_interval():
    net = network()
    for layer, fan_in in ((net.c1, 25), (net.s2, 4), (net.c5, 400), (net.f6, 120)):
        largest = layer.weight.abs().max().item()
        assert largest <= 2.4 / fan_in
        if layer.weight.numel() > 100:
            assert largest > 0.9 * 2.4 / fan_in
    first = 0
    for number, maps in enumerate([3] * 6 + [4] * 9 + [6]):
        bound = 2.4 / (25 * maps)
        largest = net.c3.weight[first : first + maps].abs().max().item()
        assert 0.9 * bound < largest <= bound
        assert abs(net.c3.bias[number].item()) <= bound
        first += maps


def test_the_whole_network_by_hand():
    """Forward in float64 against loops over the paper's layers."""
    net = network().double()
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    picture = np.random.default_rng(0).normal(size=(1, 32, 32))

    def squash(a):
        return 1.7159 * np.tanh(2 / 3 * a)

    def convolve(maps, kernels, bias, reads):
        side = maps.shape[1] - 4
        out = np.zeros((len(bias), side, side))
        for o, inputs in enumerate(reads):
            for kernel, i in zip(kernels[o], inputs, strict=True):
                for y in range(side):
                    for x in range(side):
                        out[o, y, x] += (maps[i, y : y + 5, x : x + 5] * kernel).sum()
            out[o] += bias[o]
        return out

    def subsample(maps, weight, bias):
        sums = maps[:, ::2, ::2] + maps[:, 1::2, ::2] + maps[:, ::2, 1::2] + maps[:, 1::2, 1::2]
        return sums * weight[:, None, None] + bias[:, None, None]

    reads = [[m for m in range(6) if lenet5.TABLE_1[m].split()[c] == "X"] for c in range(16)]
    kernels, first = [], 0
    for inputs in reads:
        kernels.append(state["c3.weight"][first : first + len(inputs)])
        first += len(inputs)
    maps = squash(convolve(picture, state["c1.weight"], state["c1.bias"], [[0]] * 6))
    maps = squash(subsample(maps, state["s2.weight"], state["s2.bias"]))
    maps = squash(convolve(maps, kernels, state["c3.bias"], reads))
    maps = squash(subsample(maps, state["s4.weight"], state["s4.bias"]))
    c5 = squash(np.tensordot(state["c5.weight"], maps, 3) + state["c5.bias"])
    f6 = squash(state["f6.weight"] @ c5 + state["f6.bias"])
    logits = -((f6 - state["output.codes"]) ** 2).sum(1) / 10
    with torch.no_grad():
        ours = net(torch.tensor(picture[None]))[0]
    np.testing.assert_allclose(ours, logits, rtol=1e-10)


def test_other_outputs_and_channels():
    assert isinstance(network(outputs=3).output, nn.Linear)
    assert isinstance(network(output="linear").output, nn.Linear)
    assert isinstance(network(outputs=3, output="rbf").output, lenet5.RadialBasis)
    net = network(outputs=3, channels=4)
    assert net(torch.zeros(2, 4, 32, 32)).shape == (2, 3)
    assert net.c1.weight.shape == (6, 4, 5, 5)


def test_refusals():
    with pytest.raises(UsageError, match="lenet5 takes pictures of 32x32 only, not 28x28"):
        network(size=28)
    with pytest.raises(UsageError, match="lenet5's output is rbf or linear, not 'softmax'"):
        network(output="softmax")
