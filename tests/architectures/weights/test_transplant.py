"""Tensor after tensor in order; only the last layer and the first convolution may differ."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hubel.architectures.weights.transplant import transplant
from hubel.errors import WeightsError


def network(channels: int = 3, outputs: int = 5, width: int = 4, *, norm: bool = True) -> nn.Module:
    middle = nn.BatchNorm2d(width) if norm else nn.Identity()
    return nn.Sequential(
        nn.Conv2d(channels, width, 3), middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, outputs),
    )  # fmt: skip


def renamed(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors under other names, in order."""
    return {f"a{n}.{k.split('.')[1]}": t for n, (k, t) in enumerate(module.state_dict().items())}


def test_names_may_differ_and_order_decides() -> None:
    theirs, ours = network(), network()
    done = transplant(renamed(theirs), ours, "x")
    assert (done.taken, done.fresh, done.remarks) == (8, (), ())
    pictures = torch.randn(2, 3, 8, 8)
    assert torch.equal(theirs.eval()(pictures), ours.eval()(pictures))


def test_counters_may_be_missing_on_either_side() -> None:
    state = {k: t for k, t in network().state_dict().items() if "num_batches" not in k}
    assert transplant(state, network(), "x").taken == 8
    assert transplant(network().state_dict(), network(), "x").taken == 8


def test_a_last_layer_with_other_outputs_stays_fresh() -> None:
    theirs, ours = network(), network(outputs=7)
    before = copy.deepcopy(ours[4].state_dict())
    done = transplant(theirs.state_dict(), ours, "x")
    assert done.fresh == ("4.weight", "4.bias")
    assert done.remarks == ("the last layer (4) is new, with 7 outputs in place of 5",)
    assert torch.equal(ours[4].weight, before["weight"])
    assert torch.equal(ours[4].bias, before["bias"])
    assert torch.equal(ours[0].weight, theirs[0].weight)


def test_grey_pictures_give_what_their_colours_gave() -> None:
    theirs, ours = network(), network(channels=1)
    done = transplant(theirs.state_dict(), ours, "x")
    assert done.fresh == ()
    assert done.remarks == ("the first convolution (0) sums its kernels over RGB",)
    grey = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(ours.eval()(grey), theirs.eval()(grey.expand(-1, 3, -1, -1)))


def test_a_first_convolution_over_other_channels_stays_fresh() -> None:
    ours = network(channels=5)
    before = ours[0].weight.detach().clone()
    done = transplant(network().state_dict(), ours, "x")
    assert done.fresh == ("0.weight",)
    assert done.remarks == ("the first convolution (0) is new, with 5 channels in place of 3",)
    assert torch.equal(ours[0].weight, before)


def test_auxiliary_heads() -> None:
    def with_head(outputs: int) -> nn.Module:
        heads = {
            "aux1": nn.Linear(4, outputs),
            "body": nn.Linear(4, 4),
            "fc": nn.Linear(4, outputs),
        }
        return nn.ModuleDict(heads)

    theirs, ours = with_head(5), with_head(7)
    done = transplant(theirs.state_dict(), ours, "x")
    assert done.fresh == ("aux1.weight", "aux1.bias", "fc.weight", "fc.bias")
    assert done.remarks[0] == (
        "the auxiliary last layer (aux1) is new, with 7 outputs in place of 5"
    )
    plain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 5))
    assert transplant(theirs.state_dict(), plain, "x").taken == 4
    assert torch.equal(plain[1].weight, theirs["fc"].weight)


def test_any_other_shape_is_refused_and_nothing_is_changed() -> None:
    theirs, ours = network(), network(width=6)
    before = copy.deepcopy(ours.state_dict())
    with pytest.raises(WeightsError, match=r"weights x do not fit .* 0\.weight .*\(4, 3, 3, 3\)"):
        transplant(theirs.state_dict(), ours, "x")
    deep = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    other = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 6), nn.Linear(6, 2))
    with pytest.raises(WeightsError, match=r"1\.weight has the shape \(4, 4\), but 1\.weight in"):
        transplant(deep.state_dict(), other, "x")
    assert all(torch.equal(before[k], t) for k, t in ours.state_dict().items())


def test_another_number_of_tensors_is_refused() -> None:
    match = (
        r"have 8 tensors and the network 4; they part at tensor 3: a2\.weight \(4,\) in the file"
    )
    with pytest.raises(WeightsError, match=match):
        transplant(renamed(network()), network(norm=False), "x")
    short = dict(list(network().state_dict().items())[:3])
    match = r"they part at tensor 4: nothing in the file, 1\.bias \(4,\) in the network"
    with pytest.raises(WeightsError, match=match):
        transplant(short, network(), "x")
