"""Who reads whom among the rows of a network."""

import torch
from torch import nn

from hubel.analysis.edges import INPUT, edges
from hubel.analysis.rows import row_parts
from hubel.tracing import trace


class Functional(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def rows_and_edges(network, shape):
    traced = trace(network, shape)
    return [part.path or part.kind for part in row_parts(traced)], edges(traced)


def test_a_chain_begins_at_the_input():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    assert rows_and_edges(network, (3, 8, 8)) == (["0", "1", "2"], ((INPUT, 0), (0, 1), (1, 2)))


def test_a_residual_block_reads_its_input_twice():
    network = Functional(lambda self, x: self.body(x) + x, body=nn.Conv2d(3, 3, 1))
    names, pairs = rows_and_edges(network, (3, 4, 4))
    assert names == ["body", "add"]
    assert pairs == ((INPUT, 0), (INPUT, 1), (0, 1))


def test_a_concatenation_reads_every_branch():
    network = Functional(
        lambda self, x: torch.cat([self.a(x), self.b(x)], 1),
        a=nn.Conv2d(3, 2, 1), b=nn.Conv2d(3, 5, 1),
    )  # fmt: skip
    names, pairs = rows_and_edges(network, (3, 4, 4))
    assert names == ["a", "b", "cat"]
    assert pairs == ((INPUT, 0), (INPUT, 1), (0, 2), (1, 2))


def test_views_without_a_row_hand_on_what_they_read():
    network = Functional(
        lambda self, x: self.head(self.body(x).flatten(1)),
        body=nn.Conv2d(3, 2, 1), head=nn.Linear(32, 4),
    )  # fmt: skip
    names, pairs = rows_and_edges(network, (3, 4, 4))
    assert names == ["body", "head"]
    assert pairs == ((INPUT, 0), (0, 1))


def test_a_module_called_twice_has_a_row_a_call():
    network = Functional(lambda self, x: self.conv(self.conv(x)), conv=nn.Conv2d(3, 3, 1))
    assert rows_and_edges(network, (3, 4, 4)) == (["conv", "conv"], ((INPUT, 0), (0, 1)))
