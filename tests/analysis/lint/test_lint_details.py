"""What the rules lean on, by another way; and their milder cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from hubel.analysis.costs import operation_costs
from hubel.analysis.lint import Subject, lint
from hubel.analysis.lint.graph import Graph
from hubel.analysis.lint.signal import signals
from hubel.tracing import trace


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = (nn.Conv2d(64, 64, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x):
        return x + self.two(torch.relu(self.one(x)))


NETWORKS = {
    "relu": lambda: nn.Sequential(
        nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(64, 96, 1, bias=False)
    ),
    "tanh": lambda: nn.Sequential(
        nn.Conv2d(64, 64, 1, bias=False), nn.Tanh(), nn.Conv2d(64, 64, 1, bias=False), nn.SiLU()
    ),
    "residual": Residual,
    "grouped": lambda: nn.Sequential(
        nn.Conv2d(64, 128, 3, padding=1, groups=8, bias=False), nn.LeakyReLU(0.2)
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_followed_signal_is_what_a_forward_pass_shows(name):
    torch.manual_seed(0)
    module = NETWORKS[name]()
    for weight in module.parameters():
        nn.init.normal_(weight, std=math.sqrt(2 / weight[0].numel()))
    graph = Graph(trace(module, (64, 32, 32)))
    known = signals(graph, dict(module.named_parameters()))[graph.trace.outputs[0]]
    with torch.no_grad():
        seen = module(torch.randn(2, 64, 32, 32))
    assert known.second == pytest.approx(seen.square().mean().item(), rel=0.15)
    assert known.mean == pytest.approx(seen.mean().item(), abs=0.1 * seen.std().item())


def test_layers_cost_what_the_table_of_costs_says():
    module = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 1), nn.ConvTranspose2d(8, 12, 3, 2, 1, groups=4),
        nn.Conv2d(12, 12, 3, dilation=2, groups=12), nn.Flatten(), nn.Linear(12 * 15 * 15, 7),
    )  # fmt: skip
    traced = trace(module, (3, 22, 22))
    costs = operation_costs(traced).operations
    layers = Graph(traced).layers
    assert len(layers) == 4
    for layer in layers:
        assert layer.macs == costs[layer.operation.id].macs


def test_cuts_are_the_values_that_everything_passes_through():
    graph = Graph(trace(nn.Sequential(nn.Conv2d(64, 64, 1), Residual(), nn.ReLU()), (64, 4, 4)))
    makers = [graph.trace.operations[o] for o in range(len(graph.trace.operations))]
    kinds = [operation.kind for operation in makers]
    cut = [graph.trace.values[value].operation for value in graph.cuts()]
    assert [kinds[place] for place in cut if place is not None] == ["convolution", "add", "relu"]


def found(module, shape, **known):
    traced = trace(module, shape)
    return {
        finding.id: finding.severity
        for finding in lint(Subject(trace=traced, module=module, **known))
    }


def ending(*after, outputs=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(12, outputs), *after)


def test_log_softmax_before_the_loss_is_harmless():
    assert found(ending(nn.LogSoftmax(1)), (3, 2, 2))["check/softmax-before-loss"] == "note"


def test_a_sigmoid_on_one_output_may_be_meant():
    single = found(ending(nn.Sigmoid(), outputs=1), (3, 2, 2))
    assert single["check/activation-before-loss"] == "warning"
    several = found(ending(nn.Sigmoid()), (3, 2, 2))
    assert several["check/activation-before-loss"] == "error"


def test_losses_of_numbers_take_what_any_activation_gives():
    assert "check/activation-before-loss" not in found(ending(nn.Tanh()), (3, 2, 2), loss="mse")


def test_a_border_of_less_than_two_per_cent_is_a_note():
    def network():
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU())

    assert found(network(), (3, 100, 100))["check/border-lost"] == "note"  # 1 of 100
    assert found(network(), (3, 30, 30))["check/border-lost"] == "warning"  # 1 of 30
    assert "check/border-lost" not in found(network(), (3, 99, 99))


def test_without_numbers_the_initial_weights_are_not_judged():
    with torch.device("meta"):
        module = nn.Sequential(*(nn.Linear(9, 9) for _ in range(20)))
    for weight in module.parameters():
        assert weight.is_meta
    assert "check/initialisation" not in found(module, (9,))


def test_functional_code_is_judged_as_modules_are():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 4, padding=1)

        def forward(self, x):
            return torch.softmax(torch.relu(self.conv(x)).mean((2, 3)), 1)

    severities = found(Functional(), (3, 16, 16))
    assert severities["check/even-kernel"] == "warning"
    assert severities["check/softmax-before-loss"] == "error"
