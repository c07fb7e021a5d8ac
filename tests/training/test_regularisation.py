"""Dropout before the last linear layer of any network, and the L1 norm."""

import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.training.regularisation import add_dropout


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 400), nn.ReLU(), nn.Linear(400, 400, bias=False))


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    plain = network()
    dropped = copy.deepcopy(plain)
    dropped[2].weight.data = plain[2].weight.data = torch.eye(400)
    add_dropout(dropped, 0.3)
    assert list(dropped.state_dict()) == list(plain.state_dict())
    inputs = torch.randn(50, 3)
    whole, part = plain(inputs), dropped(inputs)
    alive = whole > 0
    kept = part[alive] != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_allclose(
        part[alive][kept].detach(), (whole[alive][kept] / 0.7).detach(), rtol=1e-5
    )
    assert torch.equal(dropped.eval()(inputs), whole)


def test_no_dropout_changes_nothing():
    module = network()
    add_dropout(module, 0.0)
    inputs = torch.randn(5, 3)
    assert torch.equal(module(inputs), module(inputs))


def test_dropout_refusals():
    with pytest.raises(UsageError, match="--dropout must be from 0 to below 1, not 1"):
        add_dropout(network(), 1.0)
    with pytest.raises(
        UsageError, match=re.escape("--dropout 0.5 does not fit ReLU: it has no linear layer.")
    ):
        add_dropout(nn.ReLU(), 0.5)
