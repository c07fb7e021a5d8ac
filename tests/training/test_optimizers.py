"""Optimizers: each update against its formula, groups, defaults, refusals."""

import math
import re

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.options.train import OptimizerName
from hubel.training.optimizers import OPTIMIZERS, build_optimizer, parameter_groups

GRADIENTS = (0.5, -0.2, 0.9)
START = 1.5


def run(name, *, lr, momentum=None, weight_decay=0.0):
    """Three updates of one 1x1 weight with given gradients."""
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    module.weight.data.fill_(START)
    optimizer = build_optimizer(name, module, lr=lr, momentum=momentum, weight_decay=weight_decay)
    for gradient in GRADIENTS:
        module.weight.grad = torch.full_like(module.weight, gradient)
        optimizer.step()
    return module.weight.item()


def plain(lr, decay, momentum, *, nesterov=False):
    weight, speed = START, 0.0
    for gradient in GRADIENTS:
        full = gradient + decay * weight
        speed = momentum * speed + full
        weight -= lr * (full + momentum * speed if nesterov else speed)
    return weight


def adaptive(lr, decay, beta, *, decoupled):
    weight, mean, square = START, 0.0, 0.0
    for step, given in enumerate(GRADIENTS, 1):
        gradient = given
        if decoupled:
            weight *= 1 - lr * decay
        else:
            gradient += decay * weight
        mean = beta * mean + (1 - beta) * gradient
        square = 0.999 * square + 0.001 * gradient**2
        root = math.sqrt(square / (1 - 0.999**step))
        weight -= lr * (mean / (1 - beta**step)) / (root + 1e-8)
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_gradient_descent_family(decay):
    for name in ("gd", "sgd"):
        assert run(name, lr=0.1, weight_decay=decay) == pytest.approx(plain(0.1, decay, 0.0))
    assert run("momentum", lr=0.1, momentum=0.8, weight_decay=decay) == pytest.approx(
        plain(0.1, decay, 0.8)
    )
    assert run("nesterov", lr=0.1, momentum=0.8, weight_decay=decay) == pytest.approx(
        plain(0.1, decay, 0.8, nesterov=True)
    )
    assert run("nesterov", lr=0.1, momentum=0.0, weight_decay=decay) == pytest.approx(
        plain(0.1, decay, 0.0)
    )


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_couples_its_decay_and_adamw_does_not(decay):
    assert run("adam", lr=0.1, momentum=0.7, weight_decay=decay) == pytest.approx(
        adaptive(0.1, decay, 0.7, decoupled=False)
    )
    assert run("adamw", lr=0.1, momentum=0.7, weight_decay=decay) == pytest.approx(
        adaptive(0.1, decay, 0.7, decoupled=True)
    )


def test_adagrad():
    weight, total = START, 0.0
    for gradient in GRADIENTS:
        total += gradient**2
        weight -= 0.1 * gradient / (math.sqrt(total) + 1e-10)
    assert run("adagrad", lr=0.1) == pytest.approx(weight)


def test_rmsprop_with_momentum():
    weight, square, speed = START, 0.0, 0.0
    for gradient in GRADIENTS:
        square = 0.99 * square + 0.01 * gradient**2
        speed = 0.6 * speed + gradient / (math.sqrt(square) + 1e-8)
        weight -= 0.01 * speed
    assert run("rmsprop", lr=0.01, momentum=0.6) == pytest.approx(weight)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_damped_rmsprop_has_its_epsilon_inside_the_root(momentum):
    weight, square, speed = START, 1.0, 0.0
    for step, given in enumerate(GRADIENTS):
        gradient = given + 0.1 * weight
        square = 0.9 * square + 0.1 * gradient**2
        speed = momentum * speed + 0.045 / 2**step * gradient / math.sqrt(square + 1.0)
        weight -= speed
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    module.weight.data.fill_(START)
    groups = [{"params": [module.weight], "weight_decay": 0.1}]
    optimizer = OPTIMIZERS["damped-rmsprop"].build(groups, 0.045, momentum)
    for step, gradient in enumerate(GRADIENTS):
        # The rate of a step stands in the velocity of later ones, as TensorFlow has it.
        optimizer.param_groups[0]["lr"] = 0.045 / 2**step
        module.weight.grad = torch.full_like(module.weight, gradient)
        optimizer.step()
    assert module.weight.item() == pytest.approx(weight, abs=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_damped_rmsprop_is_timms(momentum):
    timm = pytest.importorskip("timm.optim")
    torch.manual_seed(0)
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    other.load_state_dict(one.state_dict())
    optimizers = (
        build_optimizer("damped-rmsprop", one, lr=0.1, momentum=momentum),
        timm.RMSpropTF(other.parameters(), lr=0.1, alpha=0.9, eps=1.0, momentum=momentum),
    )
    for _ in range(4):
        inputs = torch.randn(5, 3)
        for module, optimizer in zip((one, other), optimizers, strict=True):
            module.zero_grad()
            module(inputs).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(one.weight, other.weight)
    torch.testing.assert_close(one.bias, other.bias)


def test_damped_rmsprop_asks_a_closure_for_gradients():
    module = nn.Linear(1, 1, bias=False)
    optimizer = OPTIMIZERS["damped-rmsprop"].build([{"params": [module.weight]}], 0.1, 0.0)
    before = module.weight.item()

    def closure():
        loss = module(torch.ones(1, 1)).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(before)
    assert module.weight.item() == pytest.approx(before - 0.1 / math.sqrt(0.9 + 0.1 + 1))
    assert optimizer.step() is None


def test_adadelta():
    weight, square, moved = START, 0.0, 0.0
    for gradient in GRADIENTS:
        square = 0.9 * square + 0.1 * gradient**2
        delta = math.sqrt(moved + 1e-6) / math.sqrt(square + 1e-6) * gradient
        moved = 0.9 * moved + 0.1 * delta**2
        weight -= 0.5 * delta
    assert run("adadelta", lr=0.5) == pytest.approx(weight)


def test_the_table_has_every_name_that_a_user_may_set():
    assert set(OPTIMIZERS) == set(OptimizerName.__args__)
    assert [name for name, kind in OPTIMIZERS.items() if kind.whole_split] == ["gd"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults_come_from_the_table(name):
    kind = OPTIMIZERS[name]
    optimizer = build_optimizer(name, nn.Linear(2, 2))
    decayed, free = optimizer.param_groups
    assert decayed["lr"] == free["lr"] == kind.lr
    assert (decayed["weight_decay"], free["weight_decay"]) == (kind.weight_decay, 0.0)
    if kind.momentum is not None:
        momentum = decayed["betas"][0] if "betas" in decayed else decayed["momentum"]
        assert momentum == kind.momentum


def test_decay_spares_vectors_and_frozen_parameters_stay_out():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    module[3].weight.requires_grad_(False)
    decayed, free = parameter_groups(module, 0.3)
    assert [p.shape for p in decayed["params"]] == [(2, 1, 3, 3)]
    assert [p.shape for p in free["params"]] == [(2,), (2,), (2,), (3,)]
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)


def test_a_frozen_weight_does_not_move():
    module = nn.Linear(2, 2)
    module.weight.requires_grad_(False)
    before = module.weight.clone()
    optimizer = build_optimizer("adamw", module, lr=1.0, weight_decay=0.5)
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert torch.equal(module.weight, before)
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("adamv", {}, "There is no optimizer 'adamv': did you mean adam"),
        ("sgd", {"momentum": 0.9}, "--optimizer sgd has no momentum; leave out --momentum 0.9"),
        ("adam", {"lr": 0.0}, "--lr must be above 0, not 0"),
        ("adam", {"lr": math.nan}, "--lr must be above 0, not nan"),
        ("adam", {"momentum": 1.0}, "--momentum must be from 0 to below 1, not 1"),
        ("adam", {"weight_decay": -1.0}, "--weight-decay must be 0 or more, not -1"),
    ],
)
def test_refusals(name, settings, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        build_optimizer(name, nn.Linear(1, 1), **settings)


def test_nothing_to_train():
    with pytest.raises(UsageError, match="ReLU has no trainable parameters"):
        build_optimizer("sgd", nn.ReLU())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_on_from_its_state_to_the_same_bits(name):
    def steps(module, optimizer, seeds):
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            optimizer.zero_grad()
            module(torch.randn(3, 5, generator=generator)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    whole = nn.Linear(5, 4)
    first = nn.Linear(5, 4)
    first.load_state_dict(whole.state_dict())
    steps(whole, build_optimizer(name, whole), range(6))
    before = build_optimizer(name, first)
    steps(first, before, range(3))
    second = nn.Linear(5, 4)
    second.load_state_dict(first.state_dict())
    after = build_optimizer(name, second)
    after.load_state_dict(before.state_dict())
    steps(second, after, range(3, 6))
    assert torch.equal(whole.weight, second.weight)
    assert torch.equal(whole.bias, second.bias)
