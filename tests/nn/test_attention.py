"""Soft attention against the papers' equations and torchvision's squeeze-and-excitation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import SqueezeExcitation

from hubel.errors import UsageError
from hubel.nn.attention import CBAM, ChannelAttention, SpatialAttention, TemporalAttention


def test_channel_attention_is_torchvisions_squeeze_and_excitation():
    torch.manual_seed(0)
    ours, theirs = ChannelAttention(8, reduction=4), SqueezeExcitation(8, 2)
    state = [
        value.reshape(*value.shape, 1, 1) if value.ndim == 2 else value
        for value in ours.state_dict().values()
    ]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state, strict=True)))
    x = torch.randn(2, 8, 5, 4)
    torch.testing.assert_close(ours(x), theirs(x))


def test_cbam_is_equations_2_and_3():
    torch.manual_seed(0)
    layer = CBAM(4, reduction=2, kernel=3).double()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    channel = layer.channel

    def mlp(z):
        hidden = (z @ channel.reduce.weight.T + channel.reduce.bias).clamp_min(0)
        return hidden @ channel.expand.weight.T + channel.expand.bias

    mean, top = x.mean((2, 3)), x.flatten(2).max(2).values
    weighed = x * torch.sigmoid(mlp(mean) + mlp(top))[:, :, None, None]
    seen = torch.stack([weighed.mean(1), weighed.max(1).values], 1)
    places = torch.sigmoid(F.conv2d(seen, layer.spatial.convolution.weight, padding=1))
    torch.testing.assert_close(layer(x), weighed * places)
    assert layer.spatial.convolution.bias is None


def test_the_default_kernel_is_the_papers_7():
    assert SpatialAttention().convolution.weight.shape == (1, 2, 7, 7)
    assert ChannelAttention(256).reduce.out_features == 16


def test_few_channels_keep_one_value_between():
    assert ChannelAttention(8).reduce.out_features == 1


def test_temporal_attention_is_the_weighted_sum_of_frames():
    torch.manual_seed(0)
    layer = TemporalAttention(3, hidden=5).double()
    x = torch.randn(2, 4, 3, 2, 6, dtype=torch.float64)
    for n in range(2):
        z = [x[n, t].mean((1, 2)) for t in range(4)]
        query = layer.last.weight @ z[3]
        scores = torch.stack(
            [
                layer.score.weight[0]
                @ torch.tanh(layer.each.weight @ one + layer.each.bias + query)
                for one in z
            ]
        )
        weights = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(layer.weights(x)[n], weights)
        expected = sum(weights[t] * x[n, t] for t in range(4))
        torch.testing.assert_close(layer(x)[n], expected)


def test_temporal_attention_of_equal_frames_is_the_frame():
    frame = torch.randn(2, 1, 3)
    layer = TemporalAttention(3)
    torch.testing.assert_close(layer(frame.expand(2, 5, 3)), frame[:, 0])
    torch.testing.assert_close(layer.weights(frame.expand(2, 5, 3)), torch.full((2, 5), 0.2))


@pytest.mark.parametrize(
    "layer", [ChannelAttention(4), SpatialAttention(kernel=3)], ids=["channel", "spatial"]
)
def test_weights_lie_between_0_and_1(layer):
    x = 3 * torch.randn(2, 4, 5, 5)
    weights = layer.weights(x)
    assert ((weights > 0) & (weights < 1)).all()
    shape = (*weights.shape, *[1] * (4 - weights.ndim))
    torch.testing.assert_close(layer(x), x * weights.reshape(shape))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ChannelAttention(4, reduction=0), "reduction must be at least 1, not 0"),
        (lambda: ChannelAttention(4, squeeze="max"), "mean or mean and max, not 'max'"),
        (lambda: SpatialAttention(kernel=4), "odd kernel, not 4"),
        (
            lambda: TemporalAttention(3)(torch.zeros(2, 3)),
            r"\(n, frames, c, \*axes\), not \(2, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_said(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()


def test_attention_is_learned():
    """Which of four maps carries the answer is found by the gradient."""
    torch.manual_seed(0)
    layer = nn.Sequential(ChannelAttention(4, reduction=1), nn.Flatten())
    x = torch.rand(64, 4, 1, 1) + 0.5
    target = torch.cat([x[:, :1], torch.zeros(64, 3, 1, 1)], 1).flatten(1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        F.mse_loss(layer(x), target).backward()
        optimizer.step()
    weights = layer[0].weights(x).mean(0)
    assert weights[0] > 0.9
    assert weights[1:].max() < 0.1
