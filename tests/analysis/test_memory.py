"""Estimated memory is what torch's allocator reports."""

import os

import pytest
import torch
from torch import nn

from hubel.analysis.cost_rules import COST_RULES
from hubel.analysis.measuring import measure_memory, measure_speed
from hubel.analysis.memory import inference_peak, storage_bytes, training_peak, weight_bytes
from hubel.analysis.saved import SAVED
from hubel.tracing import trace


def test_inference_by_hand():
    """Input 1, two convolutions: while the second runs, input, its input and its output live."""
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1, bias=False), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1, bias=False)
    )
    pixels = 4 * 8 * 8
    traced = trace(network, (1, 8, 8))
    assert weight_bytes(traced) == 4 * 12
    assert inference_peak(traced) == 48 + (1 + 4 + 2) * pixels
    assert sum(storage_bytes(traced).values()) == (1 + 4 + 2) * pixels


def test_what_a_module_was_given_lives_while_it_runs():
    """Two ReLUs in a row inside a module: its input, the first's output and the second's."""
    inner = nn.Sequential(nn.ReLU(), nn.ReLU())
    traced = trace(nn.Sequential(nn.ReLU(), inner), (100,))
    assert inference_peak(traced) == 4 * 400
    flat = trace(nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU()), (100,))
    assert inference_peak(flat) == 3 * 400


def test_training_by_hand():
    """A linear layer without bias on 1,000 pictures of 8 numbers.

    Weights, two states and gradient: 4 · 8 · 8 numbers; the input is kept; output and its gradient.
    """
    traced = trace(nn.Linear(8, 8, bias=False), (8,), batch=1000)
    assert training_peak(traced) == 4 * (4 * 64 + 8000 + 8000)


class Gated(nn.Module):
    """A block with what keeps tensors in every way: results, inputs, copies, indices."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.act = nn.ReLU6(inplace=True)
        self.gate = nn.Conv2d(16, 16, 1)

    def forward(self, inputs):
        maps = self.act(self.bn(self.conv(inputs)))
        return maps * torch.sigmoid(self.gate(maps)) + inputs


NETWORKS = {
    "plain": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.GELU(), nn.Flatten(), nn.Linear(8192, 5),
    ),
    "gated": lambda: nn.Sequential(nn.Conv2d(3, 16, 1), Gated(), Gated(), nn.AvgPool2d(32)),
    "out of place": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.SiLU(), nn.Conv2d(16, 16, 3), nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(16, 16, 3), nn.Softmax(1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_estimates_are_near_to_what_is_measured(name, training):
    """Convolutions take workspace that depends on the processor: up to copies of what they read."""
    network = NETWORKS[name]()
    traced = trace(network, (3, 32, 32), batch=8)
    measured = measure_memory(network, (3, 32, 32), 8, training=training).peak_bytes
    estimate = (training_peak if training else inference_peak)(traced)
    assert 0.5 < estimate / measured < 1.1


def test_without_workspace_inference_is_as_measured():
    network = nn.Sequential(
        nn.Linear(30, 200), nn.GELU(), nn.ReLU(inplace=True), nn.Linear(200, 500), nn.Hardswish(),
        nn.Linear(500, 100), nn.Softmax(1),
    )  # fmt: skip
    traced = trace(network, (30,), batch=64)
    assert inference_peak(traced) == measure_memory(network, (30,), 64).peak_bytes


def test_measuring_leaves_the_network_and_the_surroundings_alone(monkeypatch):
    monkeypatch.setenv("KINETO_LOG_LEVEL", "3")
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    measured = measure_memory(network, (4,), 3, training=True)
    assert measured.peak_bytes > measured.pass_bytes > 0
    assert all(torch.equal(before[name], one) for name, one in network.state_dict().items())
    assert all(one.grad is None for one in network.parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert not network.training
    assert os.environ["KINETO_LOG_LEVEL"] == "3"


def test_speed_is_flops_divided_by_seconds():
    speed = measure_speed(nn.Linear(100, 50), (100,), 4, times=3)
    assert speed.flops * speed.seconds == pytest.approx(2 * 4 * 100 * 50)
    assert (speed.times, speed.batch, speed.threads) == (3, 4, torch.get_num_threads())


def test_what_is_saved_is_known_for_kinds_that_have_a_cost():
    assert set(SAVED) <= set(COST_RULES)
