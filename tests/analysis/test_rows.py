"""The table of layers adds up to its totals."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hubel.analysis.costs import operation_costs
from hubel.analysis.rows import layer_rows, parts, total
from hubel.results import Field
from hubel.tracing import trace


class Block(nn.Module):
    """A residual block whose ReLU is used twice."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs):
        outputs = self.conv2(self.relu(self.conv1(inputs)))
        outputs += inputs
        return self.relu(outputs)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.block = Block()
        self.drop = nn.Dropout()
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(7, 7)
        self.stem.requires_grad_(False)

    def forward(self, inputs):
        maps = self.block(self.block(self.bn(self.stem(inputs))))
        pooled = torch.cat([maps, maps], 1)[:, :4].mean((2, 3))
        return self.head(self.drop(pooled).view(pooled.shape))


def analysed(network, shape, **options):
    traced = trace(network, shape, **options)
    costs = operation_costs(traced)
    rows = layer_rows(traced, costs)
    return traced, rows, total(traced, costs, rows)


def test_rows_are_leaf_calls_and_groups_of_bare_operations():
    _, rows, _ = analysed(Net(), (3, 8, 8))
    assert [(row.path, row.call, row.kind, row.depth) for row in rows] == [
        ("stem", 0, "Conv2d", 1),
        ("bn", 0, "BatchNorm2d", 1),
        ("block.conv1", 0, "Conv2d", 2),
        ("block.relu", 0, "ReLU", 2),
        ("block.conv2", 0, "Conv2d", 2),
        ("block", 0, "add", 2),
        ("block.relu", 1, "ReLU", 2),
        ("block.conv1", 1, "Conv2d", 2),
        ("block.relu", 2, "ReLU", 2),
        ("block.conv2", 1, "Conv2d", 2),
        ("block", 1, "add", 2),
        ("block.relu", 3, "ReLU", 2),
        ("", 0, "cat, slice, mean", 1),
        ("drop", 0, "Dropout", 1),
        ("head", 0, "Linear", 1),
    ]


def test_numbers_of_rows():
    _, rows, _ = analysed(Net(), (3, 8, 8), batch=2)
    found = {(row.path, row.call): row for row in rows}
    stem, conv2, add, relu = (
        found[key] for key in (("stem", 0), ("block.conv2", 0), ("block", 0), ("block.relu", 0))
    )
    assert (stem.input_shape, stem.output_shape) == ((2, 3, 8, 8), (2, 4, 6, 6))
    assert (stem.params, stem.trainable_params, stem.weight_bytes) == (112, 0, 448)
    assert stem.macs == 2 * 36 * 4 * 27
    assert stem.neurons == 2 * 4 * 36
    assert stem.connections == 2 * 36 * 4 * 28
    assert stem.activation_bytes == 4 * stem.neurons
    assert (conv2.params, found["block.conv2", 1].params) == (144, 0)
    assert add.flops == 2 * 4 * 36
    assert add.activation_bytes == relu.activation_bytes == 0
    bare = found["", 0]
    assert bare.output_shape == (2, 4)
    assert bare.activation_bytes == 2 * 4 * 4
    assert found["bn", 0].weight_bytes == 4 * 16 + 8


def test_totals_are_the_sums_of_rows():
    network = Net()
    traced, rows, sums = analysed(network, (3, 8, 8), batch=2)
    assert sums.macs == sum(row.macs for row in rows)
    assert sums.flops == sum(row.flops for row in rows)
    assert sums.connections == sum(row.connections for row in rows)
    assert sums.activation_bytes == sum(row.activation_bytes for row in rows)
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sums.params == sum(one.numel() for one in network.parameters())
    assert sums.params == sum(row.params for row in rows) + 56
    assert sums.frozen_params == 112
    assert sums.trainable_params == sums.params - 112
    assert sums.buffers == 9
    assert sums.weight_bytes == 4 * (sums.params + 8) + 8
    assert sums.neurons == 2 * (5 * 4 * 36 + 2)
    assert sum(len(part.operations) for part in parts(traced)) == len(traced.operations)


def test_shared_weights_count_once():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    _, rows, sums = analysed(network, (4,))
    assert [row.params for row in rows] == [20, 4]
    assert (sums.params, sums.shared_params) == (24, 16)


def test_a_leaf_module_owns_what_it_holds_inside():
    network = nn.Sequential(nn.MultiheadAttention(8, 2, batch_first=True))
    network.forward = lambda inputs: network[0](inputs, inputs, inputs)[0]
    _, rows, sums = analysed(network, (5, 8))
    (row,) = rows
    assert (row.kind, row.params) == ("MultiheadAttention", sums.params)
    assert row.macs == sums.macs > 0


def test_parametrised_layers_are_leaves():
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)))
    _, rows, sums = analysed(network, (3, 8, 8))
    assert [(row.path, row.params) for row in rows] == [("0", sums.params)]


def test_a_functional_network_has_a_row_for_each_product():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Parameter(torch.ones(4, 3, 3, 3))
            self.second = nn.Parameter(torch.ones(2, 4, 1, 1))

        def forward(self, inputs):
            return F.conv2d(F.relu(F.conv2d(inputs, self.first)), self.second).tanh()

    _, rows, _ = analysed(Functional(), (3, 8, 8))
    assert [(row.kind, row.params) for row in rows] == [
        ("convolution, relu", 108),
        ("convolution, tanh", 8),
    ]


def test_a_single_layer_is_a_row():
    _, rows, _ = analysed(nn.Conv2d(3, 4, 3), (3, 8, 8))
    assert [(row.path, row.kind) for row in rows] == [("", "Conv2d")]


def test_views_that_share_memory_count_once():
    class Chunks(nn.Module):
        def forward(self, inputs):
            left, right = (inputs * 2).chunk(2, 1)
            return left, right, right.view(-1)

    _, rows, sums = analysed(nn.Sequential(Chunks()), (4,))
    (row,) = rows
    assert row.activation_bytes == sums.activation_bytes == 16


def test_receptive_fields_are_those_of_the_outputs():
    traced = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 8, 8))
    field = Field(size=(3, 3), stride=(1, 1), start=(0, 0), whole=(False, False))
    fields = {traced.operations[0].outputs[0]: field}
    rows = layer_rows(traced, operation_costs(traced), fields)
    assert [row.receptive_field for row in rows] == [field, None]
