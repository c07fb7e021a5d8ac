"""The region of a unit is the bounding box of its gradient, whatever the network."""

import itertools
import sys
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings

from hubel.analysis import receptive_fields
from hubel.tracing import trace

sys.path.insert(0, str(Path(__file__).parent))
from random_networks import networks, positive

SUPPORT = 1e-9


def bounding_box(gradient):
    """The first and the end of what is not zero along each axis of (1, channels, axes…)."""
    seen = gradient[0].sum(0)
    seen = seen > SUPPORT * max(float(seen.max()), 1e-300)
    if not seen.any():
        return None
    places = seen.nonzero()
    return tuple(places.amin(0).tolist()), tuple((places.amax(0) + 1).tolist())


def some_units(shape):
    """Corners and middle along each axis, the first and the last channel."""
    picks = [sorted({0, length // 2, length - 1}) for length in shape]
    picks[0] = sorted({0, shape[0] - 1})
    units = list(itertools.product(*picks))
    return units[:: max(1, len(units) // 18)]


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(networks())
def test_the_region_of_a_unit_is_the_bounding_box_of_its_gradient(drawn):
    network, shape = drawn
    fields = receptive_fields(trace(network, shape))
    assert fields.not_analysed == ()
    made = positive(network)
    picture = torch.ones((1, *shape), dtype=torch.float64, requires_grad=True)
    output = made(picture)[0]
    if not len(made):
        return
    for unit in some_units(output.shape):
        gradient = torch.autograd.grad(
            output[unit], picture, retain_graph=True, allow_unused=True, materialize_grads=True
        )[0]
        region = fields.region("", unit)
        box = bounding_box(gradient)
        found = None if 0 in region.size else (region.start, region.stop)
        assert found == box, (unit, made)
