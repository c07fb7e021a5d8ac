"""Multiply-accumulates and parameters of torchvision's networks are the published ones."""

import warnings

import pytest
import torch
import torchvision
from torchvision.models import get_model_weights, list_models

from hubel.analysis.costs import operation_costs
from hubel.analysis.rows import layer_rows, total
from hubel.tracing import Weightless, trace

TRANSFORMERS = ("vit", "swin", "maxvit")
NAMES = [
    name for name in list_models(module=torchvision.models) if not name.startswith(TRANSFORMERS)
]
HEADS = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"init_weights": False},
}
"""torchvision counts GoogLeNet without its auxiliary heads, Inception v3 with them."""


def test_there_are_networks():
    assert len(NAMES) > 60


@pytest.mark.parametrize("name", NAMES)
def test_macs_and_params_are_the_published_ones(name):
    weights = next(iter(get_model_weights(name)))
    needs_numbers = name.startswith("regnet")  # Its builder computes widths with tensors.
    with Weightless() if needs_numbers else torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torchvision.models.get_model(name, **HEADS.get(name, {}))
    size = weights.transforms().crop_size[0]
    traced = trace(network, (3, size, size))
    costs = operation_costs(traced)
    sums = total(traced, costs, layer_rows(traced, costs))
    assert sums.params == weights.meta["num_params"]
    assert sums.macs / 1e9 == pytest.approx(weights.meta["_ops"], abs=0.000501)
    assert costs.not_analysed == ()
    assert traced.notes == ()
