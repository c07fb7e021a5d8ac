"""Receptive fields of layers that write units to places which the data choose."""

import pytest
import torch
from torch import nn

from hubel.analysis import receptive_fields
from hubel.nn.pooling import MaxPoolingWithPlaces, MaxUnpooling
from hubel.nn.selection import HardAttention
from hubel.tracing import trace


class Sorted(nn.Module):
    """Write each row back in another order."""

    def forward(self, x):
        return torch.zeros_like(x).scatter(3, x.argsort(3), x)


class Added(nn.Module):
    """Add some columns of a map to the columns that an index from outside names."""

    def forward(self, x):
        places = torch.tensor([1, 3], device=x.device).expand(*x.shape[:3], 2)
        return x.scatter_add(3, places, x[..., :2])


def fields_of(layer):
    network = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), layer)
    analysed = receptive_fields(trace(network, (2, 10, 12)))
    assert analysed.not_analysed == ()
    assert any("writes units by an index" in note for note in analysed.notes)
    return analysed


@pytest.mark.parametrize(
    "layer", [nn.Sequential(MaxPoolingWithPlaces(2), MaxUnpooling()), HardAttention(3, keep=2)]
)
def test_what_any_place_may_be_written_to_sees_the_picture(layer):
    field = next(one.receptive_field for one in fields_of(layer) if one.path == "1")
    assert (field.size, field.whole) == ((10, 12), (True, True))


@pytest.mark.parametrize("layer", [Sorted(), Added()])
def test_the_other_axis_is_as_before(layer):
    region = fields_of(layer).region("1", (0, 4, 3))
    assert (region.start, region.size) == ((4, 0), (3, 12 if isinstance(layer, Sorted) else 6))
