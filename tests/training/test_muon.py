"""Muon: against the formula in float64, singular values by SVD, torch's own where they overlap."""

import math

import pytest
import torch
from torch import nn

from hubel.training.muon import Muon, is_kernel, orthogonalised
from hubel.training.optimizers import build_optimizer

GRADIENTS = torch.randn(3, 6, 4, 3, 3, generator=torch.Generator().manual_seed(1)).double()


def by_iteration(matrix):
    """The quintic on the singular values themselves."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / matrix.square().sum().sqrt()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ torch.diag(s) @ v


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8), (1, 5), (5, 1)])
def test_singular_values_come_near_one_and_the_directions_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonalised(matrix) @ v.T
    values = inner.diagonal()
    assert ((values > 0.6) & (values < 1.3)).all()
    torch.testing.assert_close(inner, torch.diag(values), rtol=0, atol=1e-9)


def test_float32_is_enough_for_singular_values_over_eight_orders():
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(
        torch.randn(32, 90, generator=generator, dtype=torch.float64), full_matrices=False
    )
    matrix = u @ torch.diag(torch.logspace(0, -8, 32, dtype=torch.float64)) @ v
    torch.testing.assert_close(
        orthogonalised(matrix.float()).double(), by_iteration(matrix), rtol=0, atol=5e-3
    )


def test_the_size_of_the_gradient_does_not_matter():
    matrix = torch.randn(4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(orthogonalised(matrix * 1e-4), orthogonalised(matrix))
    assert torch.equal(orthogonalised(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_kernels_follow_the_formula():
    conv = nn.Conv2d(4, 6, 3, bias=False, dtype=torch.float64)
    weight, mean = conv.weight.detach().clone(), torch.zeros(6, 36, dtype=torch.float64)
    optimizer = build_optimizer("muon", conv, lr=0.1, momentum=0.7, weight_decay=0.3)
    for gradient in GRADIENTS:
        conv.weight.grad = gradient.clone()
        optimizer.step()
        flat = gradient.reshape(6, 36)
        mean = 0.7 * mean + 0.3 * flat
        change = by_iteration(0.3 * flat + 0.7 * mean).reshape(6, 4, 3, 3)
        weight = weight * (1 - 0.1 * 0.3) - 0.1 * 0.2 * math.sqrt(36) * change
    torch.testing.assert_close(conv.weight.detach(), weight)


def test_kernels_are_torchs_own_but_for_its_bfloat16():
    first = torch.randn(6, 36, generator=torch.Generator().manual_seed(2))
    ours = nn.Conv2d(4, 6, 3, bias=False)
    ours.weight.data = first.view(6, 4, 3, 3).clone()
    theirs = nn.Parameter(first.clone())
    optimizer = Muon(ours.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    other = torch.optim.Muon(
        [theirs], lr=0.1, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    for gradient in GRADIENTS.float():
        ours.weight.grad = gradient.clone()
        theirs.grad = gradient.reshape(6, 36).clone()
        optimizer.step()
        other.step()
    torch.testing.assert_close(
        ours.weight.detach().flatten(1), theirs.detach(), rtol=0.05, atol=0.01
    )


def test_all_else_is_adamw():
    torch.manual_seed(0)
    one, other = (
        nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3)
        )
        for _ in range(2)
    )
    other.load_state_dict(one.state_dict())
    optimizers = [
        build_optimizer(name, module, lr=0.01, momentum=0.8, weight_decay=0.1)
        for name, module in (("muon", one), ("adamw", other))
    ]
    for step in range(4):
        inputs = torch.randn(5, 1, 3, 3, generator=torch.Generator().manual_seed(step))
        for module, optimizer in zip((one, other), optimizers, strict=True):
            optimizer.zero_grad()
            module(inputs).square().sum().backward()
            optimizer.step()
    for mine, adams in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, adams)


def test_which_weights_are_kernels_over_several_maps():
    assert is_kernel(nn.Conv2d(3, 8, 3).weight)
    assert not is_kernel(nn.Conv2d(8, 8, 3, groups=8).weight)
    assert not is_kernel(nn.Conv2d(1, 8, 3).weight)
    assert not is_kernel(nn.Linear(8, 8).weight)


def test_an_update_of_a_kernel_is_as_large_as_adams():
    conv = nn.Conv2d(16, 32, 3, bias=False)
    before = conv.weight.detach().clone()
    optimizer = Muon(conv.parameters(), lr=0.01)
    conv.weight.grad = torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    change = (conv.weight.detach() - before).square().mean().sqrt().item()
    assert change == pytest.approx(0.2 * 0.01, rel=0.3)


def test_a_closure_gives_the_gradients_and_unused_weights_stay():
    conv, unused = nn.Conv2d(2, 2, 1, bias=False), nn.Parameter(torch.ones(2))
    optimizer = Muon([conv.weight, unused], lr=0.1)
    before = conv.weight.detach().clone()

    def closure():
        loss = conv(torch.ones(1, 2, 1, 1)).square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() >= 0
    assert not torch.equal(conv.weight.detach(), before)
    assert torch.equal(unused.detach(), torch.ones(2))
    conv.weight.grad = None
    assert optimizer.step() is None
