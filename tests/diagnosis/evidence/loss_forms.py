"""Losses as people write them, each with what is to be read from it."""

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

N, C = 6, 5
X = torch.randn(N, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % C
HOT = F.one_hot(Y, C).float()
SOFT = torch.full((N, C), 1 / C)


def network(*after: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, C), *after)


def mixed(o):
    return 0.3 * F.cross_entropy(o, Y) + (1 - 0.3) * F.cross_entropy(o, Y.flip(0))


def by_hand_bce(o):
    p = torch.sigmoid(o)
    return -(HOT * torch.log(p + 1e-8) + (1 - HOT) * torch.log(1 - p + 1e-8)).mean()


def penalised(o):
    return F.cross_entropy(o, Y) + 1e-3 * sum(p.pow(2).sum() for p in NET.parameters())


def squared(difference):
    return difference * difference


NET = network()

# name: (loss of the outputs, kind, reduction, negated, scale)
FORMS = {
    "ce": (lambda o: F.cross_entropy(o, Y), "cross-entropy", "mean", False, 1),
    "ce sum": (lambda o: F.cross_entropy(o, Y, reduction="sum"), "cross-entropy", "sum", False, 1),
    "ce none": (
        lambda o: F.cross_entropy(o, Y, reduction="none").mean(),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "ce none sum": (
        lambda o: F.cross_entropy(o, Y, reduction="none").sum(),
        "cross-entropy",
        "sum",
        False,
        1,
    ),
    "sum / n": (
        lambda o: F.cross_entropy(o, Y, reduction="sum") / N,
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "smoothed": (
        lambda o: F.cross_entropy(o, Y, label_smoothing=0.1),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "smoothed sum": (
        lambda o: F.cross_entropy(o, Y, label_smoothing=0.1, reduction="sum"),
        "cross-entropy",
        "sum",
        False,
        1,
    ),
    "soft": (lambda o: F.cross_entropy(o, SOFT), "cross-entropy", "mean", False, 1),
    "soft sum": (
        lambda o: F.cross_entropy(o, SOFT, reduction="sum"),
        "cross-entropy",
        "sum",
        False,
        1,
    ),
    "weighted": (
        lambda o: F.cross_entropy(o, Y, weight=torch.arange(1.0, C + 1)),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "double": (lambda o: F.cross_entropy(o.double(), Y), "cross-entropy", "mean", False, 1),
    "log_softmax, nll": (
        lambda o: F.nll_loss(F.log_softmax(o, 1), Y),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "log of softmax, nll": (
        lambda o: F.nll_loss(torch.log(o.softmax(1) + 1e-9), Y),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "minus logsumexp, nll": (
        lambda o: F.nll_loss(o - o.logsumexp(1, keepdim=True), Y),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "gathered": (
        lambda o: -o.log_softmax(1).gather(1, Y[:, None]).mean(),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "indexed": (
        lambda o: -o.log_softmax(-1)[torch.arange(N), Y].sum(),
        "cross-entropy",
        "sum",
        False,
        1,
    ),
    "one-hot": (
        lambda o: (-HOT * o.log_softmax(1)).sum(1).mean(),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "one-hot, mean of all": (
        lambda o: -(HOT * o.log_softmax(1)).mean(),
        "cross-entropy",
        "mean",
        False,
        1 / C,
    ),
    "log of softmax": (
        lambda o: -(o.softmax(1).clamp(1e-7).log() * HOT).sum(1).mean(),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "logsumexp": (
        lambda o: (o.logsumexp(1) - o.gather(1, Y[:, None])[:, 0]).mean(),
        "cross-entropy",
        "mean",
        False,
        None,
    ),
    "mixup": (mixed, "cross-entropy", "mean", False, 1),
    "accumulated": (lambda o: F.cross_entropy(o, Y) / 4, "cross-entropy", "mean", False, 0.25),
    "scaled": (lambda o: F.cross_entropy(o, Y) * 1024, "cross-entropy", "mean", False, 1024),
    "penalised": (penalised, "cross-entropy", "mean", False, 1),
    "minus": (lambda o: -F.cross_entropy(o, Y), "cross-entropy", "mean", True, 1),
    "times minus one": (lambda o: -1.0 * F.cross_entropy(o, Y), "cross-entropy", "mean", True, 1),
    "one minus": (lambda o: 1 - F.cross_entropy(o, Y), "cross-entropy", "mean", True, 1),
    "subtracted": (
        lambda o: torch.zeros(()) - F.cross_entropy(o, Y),
        "cross-entropy",
        "mean",
        True,
        1,
    ),
    "minus smoothed": (
        lambda o: -F.cross_entropy(o, Y, label_smoothing=0.1),
        "cross-entropy",
        "mean",
        True,
        1,
    ),
    "plus log-probability": (
        lambda o: o.log_softmax(1).gather(1, Y[:, None]).mean(),
        "cross-entropy",
        "mean",
        True,
        1,
    ),
    "minus logsumexp form": (
        lambda o: (o.gather(1, Y[:, None])[:, 0] - o.logsumexp(1)).mean(),
        "cross-entropy",
        "mean",
        True,
        None,
    ),
    "stacked": (
        lambda o: torch.stack([F.cross_entropy(o, Y), F.cross_entropy(o, Y)]).mean(),
        "cross-entropy",
        "mean",
        False,
        1,
    ),
    "nll of logits": (lambda o: F.nll_loss(o, Y), "nll", "mean", False, 1),
    "bce": (lambda o: F.binary_cross_entropy(o.sigmoid(), HOT), "bce", "mean", False, 1),
    "bce by hand": (by_hand_bce, "bce", "mean", False, 1),
    "bce logits": (
        lambda o: F.binary_cross_entropy_with_logits(o, HOT),
        "bce-logits",
        "mean",
        False,
        1,
    ),
    "bce logits sum": (
        lambda o: F.binary_cross_entropy_with_logits(o, HOT, reduction="sum"),
        "bce-logits",
        "sum",
        False,
        1,
    ),
    "bce, sum of labels": (
        lambda o: F.binary_cross_entropy_with_logits(o, HOT, reduction="none").sum(1).mean(),
        "bce-logits",
        "mean",
        False,
        C,
    ),
    "soft margin": (
        lambda o: F.multilabel_soft_margin_loss(o, HOT),
        "bce-logits",
        "mean",
        False,
        None,
    ),
    "mse": (lambda o: F.mse_loss(o, HOT), "mse", "mean", False, 1),
    "mse sum": (lambda o: F.mse_loss(o, HOT, reduction="sum"), "mse", "sum", False, 1),
    "mse by hand": (lambda o: ((o - HOT) ** 2).mean(), "mse", "mean", False, 1),
    "mse by product": (lambda o: ((o - HOT) * (o - HOT)).mean(), "unknown", None, False, 1),
    "mse of one difference": (lambda o: squared(o - HOT).mean(), "mse", "mean", False, 1),
    "minus mse": (lambda o: -F.mse_loss(o, HOT), "mse", "mean", True, 1),
    "l1": (lambda o: F.l1_loss(o, HOT), "l1", "mean", False, 1),
    "l1 sum": (lambda o: F.l1_loss(o, HOT, reduction="sum"), "l1", "sum", False, None),
    "smooth l1": (lambda o: F.smooth_l1_loss(o, HOT), "smooth-l1", "mean", False, 1),
    "huber": (lambda o: F.huber_loss(o, HOT), "smooth-l1", "mean", False, 1),
    "margin": (lambda o: F.multi_margin_loss(o, Y), "margin", "mean", False, 1),
    # What is none of these stays unknown.
    "kl": (
        lambda o: F.kl_div(o.log_softmax(1), SOFT, reduction="batchmean"),
        "unknown",
        None,
        False,
        1,
    ),
    "focal": (
        lambda o: torchvision.ops.sigmoid_focal_loss(o, HOT, reduction="mean"),
        "unknown",
        None,
        False,
        1,
    ),
    "two kinds": (lambda o: F.cross_entropy(o, Y) + F.mse_loss(o, HOT), "unknown", None, False, 1),
    "flooded": (lambda o: (F.cross_entropy(o, Y) - 0.1).abs() + 0.1, "unknown", None, False, 1),
    "reinforce": (
        lambda o: (
            -(o.log_softmax(1).gather(1, Y[:, None]) * torch.linspace(-1, 1, N)[:, None]).mean()
        ),
        "cross-entropy",
        "mean",
        False,
        None,
    ),
    "mean of logits": (lambda o: o.mean(), "unknown", None, False, 1),
}
