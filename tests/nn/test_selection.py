"""Selective kernels against the paper; the straight-through estimator against its definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.nn.selection import HardAttention, SelectiveKernel, straight_through_selection

quick = settings(max_examples=30, deadline=None)


def test_selective_kernel_is_split_fuse_select():
    torch.manual_seed(0)
    layer = SelectiveKernel(4, 6, branches=2, groups=2).double().eval()
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    branches = []
    for reach, (conv, bn, _) in enumerate(layer.branches, start=1):
        maps = F.conv2d(x, conv.weight, padding=reach, dilation=reach, groups=2)
        branches.append((bn(maps)).clamp_min(0))
    linear, bn, _ = layer.fuse
    z = bn((branches[0] + branches[1]).mean((2, 3)) @ linear.weight.T).clamp_min(0)
    a, b = (z @ layer.select.weight[:6].T).exp(), (z @ layer.select.weight[6:].T).exp()
    share = (a / (a + b))[:, :, None, None]
    torch.testing.assert_close(layer(x), share * branches[0] + (1 - share) * branches[1])


def test_selective_kernel_has_the_papers_width_between():
    assert SelectiveKernel(64, 1024, groups=1).fuse[0].out_features == 64
    assert SelectiveKernel(64, 128, groups=1).fuse[0].out_features == 32


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**20), st.booleans())
@quick
def test_mask_is_hard(places, keep, seed, sample):
    torch.manual_seed(seed)
    keep = min(keep, places)
    mask = straight_through_selection(torch.randn(3, places), keep, sample=sample)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert mask.sum(1).tolist() == [keep] * 3


def test_the_largest_scores_are_kept():
    scores = torch.tensor([[0.1, 3.0, -1.0, 2.0]])
    assert straight_through_selection(scores, 2).tolist() == [[0.0, 1.0, 0.0, 1.0]]


@given(st.integers(2, 6), st.floats(0.2, 3), st.integers(0, 2**20))
@quick
def test_gradient_is_that_of_the_softmax(places, temperature, seed):
    """d mask / d scores = (diag(p) - p p^T) / temperature, where p is the softmax."""
    torch.manual_seed(seed)
    scores = torch.randn(places, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(places, dtype=torch.float64)
    mask = straight_through_selection(scores, 1, temperature=temperature)
    (gradient,) = torch.autograd.grad(mask, scores, upstream)
    p = (scores.detach() / temperature).exp()
    p = p / p.sum()
    jacobian = (torch.diag(p) - torch.outer(p, p)) / temperature
    torch.testing.assert_close(gradient, jacobian @ upstream)


def test_samples_come_with_their_softmax_probability():
    torch.manual_seed(0)
    scores = torch.tensor([0.0, 1.0, 2.0])
    drawn = straight_through_selection(scores.expand(20_000, 3), 1, temperature=0.5, sample=True)
    expected = scores.softmax(0)
    error = (expected * (1 - expected) / 20_000).sqrt()
    assert ((drawn.mean(0) - expected).abs() < 4 * error).all()


def test_hard_attention_keeps_the_places_of_the_largest_scores():
    torch.manual_seed(0)
    layer = HardAttention(3, keep=2).eval()
    x = torch.randn(2, 3, 4, 5)
    scores = torch.einsum("c,nchw->nhw", layer.score.weight[0], x)
    for n in range(2):
        threshold = scores[n].flatten().sort().values[-2]
        assert torch.equal(layer(x)[n], x[n] * (scores[n] >= threshold))


def test_hard_attention_samples_only_in_training():
    torch.manual_seed(0)
    layer = HardAttention(3)
    x = torch.randn(2, 3, 4, 5)
    drawn = {tuple(layer.mask(x).flatten().nonzero().flatten().tolist()) for _ in range(20)}
    assert len(drawn) > 1
    layer.eval()
    assert torch.equal(layer.mask(x), layer.mask(x))


def test_sampling_is_a_function_of_the_seed():
    layer = HardAttention(3)
    x = torch.randn(2, 3, 4, 5)
    torch.manual_seed(7)
    first = layer(x)
    torch.manual_seed(7)
    assert torch.equal(first, layer(x))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: straight_through_selection(torch.zeros(2, 3), 4), "Of 3 places .* not 4"),
        (lambda: straight_through_selection(torch.zeros(2, 3), 0), "at least 1 .* not 0"),
        (lambda: straight_through_selection(torch.zeros(3), temperature=0), "positive, not 0"),
        (lambda: SelectiveKernel(4, 4, branches=1, groups=1), "two branches, not 1"),
        (lambda: SelectiveKernel(4, 6, groups=4), "4 groups must divide the 4 input and the 6"),
    ],
)
def test_what_does_not_fit_is_said(call, sentence):
    with pytest.raises(UsageError, match=sentence):
        call()
